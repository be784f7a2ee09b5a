"""Converts the weights of timm's `tf_efficientnet_b0`, such as Noisy Student's, to Flax."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jax_dns.discriminative.efficientnet import B0, HEAD_FEATURES, SQUEEZE, STEM_FEATURES
from jax_dns.errors import InputError

NORM = {
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
RGB = 3


def load_timm(path: str | Path, *, in_channels: int) -> dict[str, Any]:
    """Reads a state dict from a file and converts it with `from_timm`.

    Args:
      path: .safetensors (needs safetensors), .npz, or .pth or .pt (needs torch; read as data, so
        that no code in the file runs).
      in_channels: channels of the net's input.

    Returns:
      {"params", "batch_stats"} of `EfficientNetB0`, NumPy arrays of float32.

    Raises:
      InputError: the file can't be read, or not for this net; names the file and the entry.
    """
    try:
        return from_timm(_read(Path(path)), in_channels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error.__cause__


def from_timm(state: Mapping[str, np.ndarray], in_channels: int) -> dict[str, Any]:
    """Renames and transposes a state dict.

    Args:
      state: arrays under timm's names, convolutions [out, in, kh, kw]. The classifier is ignored.
      in_channels: channels of the net's input. For one channel, a stem for three is summed over its
        input channels, which is the same as repeating the channel three times.

    Returns:
      {"params", "batch_stats"} of `EfficientNetB0`, NumPy arrays of float32.

    Raises:
      InputError: an entry is missing, unexpected or of another shape; it is named.
    """
    result: dict[str, Any] = {"params": {}, "batch_stats": {}}
    known = set()
    for key, shape, where in _entries(in_channels):
        known.add(key)
        if key not in state:
            raise InputError(f"no entry {key}; expected one of shape {shape}")
        value = np.asarray(state[key], np.float32)
        if key == "conv_stem.weight" and in_channels == 1 and value.shape[1:2] == (RGB,):
            value = value.sum(1, keepdims=True)
        if value.shape != shape:
            raise InputError(f"{key} has shape {value.shape}; expected {shape}")
        node = result
        for name in where[:-1]:
            node = node.setdefault(name, {})
        node[where[-1]] = _flax_layout(value, where[-1])
    for key in state:
        if key not in known and not _ignored(key):
            raise InputError(f"{key}, of shape {np.shape(state[key])}, isn't in tf_efficientnet_b0")
    return result


def _ignored(key: str) -> bool:
    return key.startswith("classifier.") or key.endswith(".num_batches_tracked")


def _flax_layout(value: np.ndarray, name: str) -> np.ndarray:
    """Transposes [out, in, kh, kw] to [kh, kw, in, out]; drops the axes of size 1."""
    if value.ndim < 4:
        return value
    if name == "depthwise":  # [C, 1, kh, kw]
        return value[:, 0].transpose(1, 2, 0)
    value = value.transpose(2, 3, 1, 0)
    return value[0, 0] if value.shape[:2] == (1, 1) else value


def _entries(in_channels: int) -> Iterator[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Yields timm's name, its shape, and the path in Flax's variables."""

    def norm(key, features, *where):
        for name, (collection, leaf) in NORM.items():
            yield f"{key}.{name}", (features,), (collection, *where, leaf)

    def conv(key, shape, *where):
        yield f"{key}.weight", (*shape, 1, 1), ("params", *where, "kernel")

    def biased(key, shape, *where):
        yield from conv(key, shape, *where)
        yield f"{key}.bias", shape[:1], ("params", *where, "bias")

    stem = (STEM_FEATURES, in_channels, 3, 3)
    yield "conv_stem.weight", stem, ("params", "stem", "kernel")
    yield from norm("bn1", STEM_FEATURES, "stem_norm")
    entering = STEM_FEATURES
    for i, stage in enumerate(B0):
        for j in range(stage.blocks):
            old, new, width = f"blocks.{i}.{j}", f"block_{i}_{j}", entering * stage.expansion
            # timm numbers a block's norms in order, and names the last convolution by the kind.
            first, last = (1, "conv_pw") if stage.expansion == 1 else (2, "conv_pwl")
            if stage.expansion > 1:
                yield from conv(f"{old}.conv_pw", (width, entering), new, "expand")
                yield from norm(f"{old}.bn1", width, new, "expand_norm")
            depthwise = (width, 1, stage.kernel, stage.kernel)
            yield f"{old}.conv_dw.weight", depthwise, ("params", new, "depthwise")
            yield from norm(f"{old}.bn{first}", width, new, "depthwise_norm")
            squeezed = entering // SQUEEZE
            yield from biased(f"{old}.se.conv_reduce", (squeezed, width), new, "squeeze")
            yield from biased(f"{old}.se.conv_expand", (width, squeezed), new, "excite")
            yield from conv(f"{old}.{last}", (stage.features, width), new, "project")
            yield from norm(f"{old}.bn{first + 1}", stage.features, new, "project_norm")
            entering = stage.features
    yield from conv("conv_head", (HEAD_FEATURES, entering), "head")
    yield from norm("bn2", HEAD_FEATURES, "head_norm")


def _read(path: Path) -> Mapping[str, np.ndarray]:
    """Reads the arrays in a file by name."""
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    readers |= dict.fromkeys((".pth", ".pt"), _read_torch)
    if path.suffix not in readers:
        raise InputError(f"expected a file of weights ending in {', '.join(readers)}")
    if not path.is_file():
        raise InputError("no such file")
    try:
        return readers[path.suffix](path)
    except ImportError as error:
        raise InputError(f"reading it needs the package {error.name}") from error
    except Exception as error:  # each reader has its own kinds
        reason = str(error).partition("\n")[0]
        raise InputError(f"can't be read as {path.suffix}: {reason}") from error


def _read_npz(path):
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _read_safetensors(path):
    from safetensors.numpy import load_file

    return load_file(path)


def _read_torch(path):
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("state_dict", state)  # timm's own checkpoints hold more than the weights
    return {key: value.float().numpy() for key, value in state.items()}

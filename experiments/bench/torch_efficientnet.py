"""EfficientNet-B0 in PyTorch, written functionally with the keys of timm's `tf_efficientnet_b0`.

The benchmarks train it, and tests/golden/make_efficientnet.py computes from it the values that our
network is tested against. Seeded weights are drawn by NumPy; torch is imported only to run it.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

EPSILON = 1e-3  # of BatchNorm; TensorFlow's value
MOMENTUM = 0.01  # torch's convention: the weight of the new batch


class Stage(NamedTuple):
    """A row of Table 1 of the EfficientNet paper (Tan and Le, 2019)."""

    expansion: int
    kernel: int
    stride: int
    features: int
    n_blocks: int


STAGES = (
    Stage(1, 3, 1, 16, 1),
    Stage(6, 3, 2, 24, 2),
    Stage(6, 5, 2, 40, 2),
    Stage(6, 3, 2, 80, 3),
    Stage(6, 5, 1, 112, 3),
    Stage(6, 5, 2, 192, 4),
    Stage(6, 3, 1, 320, 1),
)
STEM_FEATURES, HEAD_FEATURES = 32, 1280


class Block(NamedTuple):
    """An inverted-residual block."""

    prefix: str  # of its keys in the state dict
    in_features: int
    width: int  # channels of the depthwise convolution
    kernel: int
    stride: int
    out_features: int


def blocks() -> Iterator[Block]:
    """Yields the blocks in order."""
    in_features = STEM_FEATURES
    for i, stage in enumerate(STAGES):
        for j in range(stage.n_blocks):
            yield Block(
                f"blocks.{i}.{j}",
                in_features,
                in_features * stage.expansion,
                stage.kernel,
                stage.stride if j == 0 else 1,
                stage.features,
            )
            in_features = stage.features


def state_shapes(in_channels: int) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each entry of the state dict, in order, without the classifier."""
    shapes: dict[str, tuple[int, ...]] = {}

    def add_norm(key: str, features: int) -> None:
        for name in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{key}.{name}"] = (features,)
        shapes[f"{key}.num_batches_tracked"] = ()

    def add_conv(key: str, out: int, into: int, kernel: int = 1, bias: bool = False) -> None:
        shapes[f"{key}.weight"] = (out, into, kernel, kernel)
        if bias:
            shapes[f"{key}.bias"] = (out,)

    add_conv("conv_stem", STEM_FEATURES, in_channels, 3)
    add_norm("bn1", STEM_FEATURES)
    for prefix, in_features, width, kernel, _, out_features in blocks():
        norm_numbers = iter("123")
        if width != in_features:
            add_conv(f"{prefix}.conv_pw", width, in_features)
            add_norm(f"{prefix}.bn{next(norm_numbers)}", width)
        add_conv(f"{prefix}.conv_dw", width, 1, kernel)
        add_norm(f"{prefix}.bn{next(norm_numbers)}", width)
        add_conv(f"{prefix}.se.conv_reduce", in_features // 4, width, bias=True)
        add_conv(f"{prefix}.se.conv_expand", width, in_features // 4, bias=True)
        last = "conv_pwl" if width != in_features else "conv_pw"
        add_conv(f"{prefix}.{last}", out_features, width)
        add_norm(f"{prefix}.bn{next(norm_numbers)}", out_features)
    add_conv("conv_head", HEAD_FEATURES, STAGES[-1].features)
    add_norm("bn2", HEAD_FEATURES)
    return shapes


def seeded_state(seed: int, in_channels: int) -> dict[str, np.ndarray]:
    """Draws a state dict under which the last feature map neither dies nor explodes.

    Kernels are normal with variance 1.8 over the fan-in: at 2 the map's values reach 800, at 1.6
    they depend on the biases more than on the input. Gamma and the running variance are within
    [0.5, 1.5]; everything else has standard deviation 0.1.
    """
    rng = np.random.default_rng(seed)

    def draw(key: str, shape: tuple[int, ...]) -> np.ndarray:
        if key.endswith("num_batches_tracked"):
            return np.array(7)
        if len(shape) == 4:
            values = rng.normal(size=shape) * np.sqrt(1.8 / np.prod(shape[1:]))
        elif key.endswith(("running_var", "weight")):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * rng.normal(size=shape)
        return values.astype(np.float32)

    return {key: draw(key, shape) for key, shape in state_shapes(in_channels).items()}


def efficientnet_b0(state, images, train: bool = False):
    """Computes the last feature map [b, 1280, h, w] of images [b, c, h, w].

    Args:
      state: the state dict, of torch tensors; `train` updates its running statistics in place.
      images: a torch tensor.
      train: whether BatchNorm uses the batch's statistics.
    """
    import torch.nn.functional as F

    def conv(x, key: str, stride: int = 1, groups: int = 1):
        weight = state[f"{key}.weight"]
        kernel = weight.shape[-1]
        # TensorFlow's SAME padding: the odd row or column goes to the end.
        totals = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[:1:-1]
        ]
        padding = tuple(part for total in totals for part in (total // 2, total - total // 2))
        if len(set(padding)) > 1:
            x, padding = F.pad(x, padding), (0,)
        return F.conv2d(x, weight, state.get(f"{key}.bias"), stride, padding[0], groups=groups)

    def norm(x, key: str):
        names = ("running_mean", "running_var", "weight", "bias")
        entries = (state[f"{key}.{name}"] for name in names)
        return F.batch_norm(x, *entries, training=train, momentum=MOMENTUM, eps=EPSILON)

    x = F.silu(norm(conv(images, "conv_stem", 2), "bn1"))
    for prefix, in_features, width, _, stride, out_features in blocks():
        shortcut, norm_numbers, last = x, iter("123"), "conv_pw"
        if width != in_features:
            x = F.silu(norm(conv(x, f"{prefix}.conv_pw"), f"{prefix}.bn{next(norm_numbers)}"))
            last = "conv_pwl"
        x = conv(x, f"{prefix}.conv_dw", stride, groups=width)
        x = F.silu(norm(x, f"{prefix}.bn{next(norm_numbers)}"))
        gate = F.silu(conv(x.mean((2, 3), keepdim=True), f"{prefix}.se.conv_reduce"))
        x = x * conv(gate, f"{prefix}.se.conv_expand").sigmoid()
        x = norm(conv(x, f"{prefix}.{last}"), f"{prefix}.bn{next(norm_numbers)}")
        x = x + shortcut if stride == 1 and out_features == in_features else x
    return F.silu(norm(conv(x, "conv_head"), "bn2"))

"""Makes efficientnet_b0.npz: what PyTorch computes from seeded weights. Needs torch.

    python tests/golden/make_efficientnet.py

The net is written down here once more, functionally, with the key names of timm's
`tf_efficientnet_b0`. Weights and inputs are drawn by NumPy from a seed, so that the tests draw the
same ones and the file holds outputs only.
"""

from pathlib import Path

import numpy as np

# Name: input shape and the shape of the map.
EVALUATED = {
    "spectrogram": ((1, 224, 251, 1), (1, 7, 8, 1280)),
    "odd": ((2, 65, 93, 1), (2, 3, 3, 1280)),
    "rgb": ((2, 65, 93, 3), (2, 3, 3, 1280)),
}
TRAINED = (4, 65, 93, 1)
GRADIENTS = (
    "conv_stem.weight",
    "bn1.weight",
    "blocks.0.0.conv_pw.weight",
    "blocks.1.0.conv_dw.weight",
    "blocks.2.0.conv_dw.weight",
    "blocks.2.1.bn2.bias",
    "blocks.3.1.se.conv_reduce.weight",
    "blocks.5.2.bn1.weight",
)
MEANS = ("bn1.running_mean", "blocks.4.0.bn3.running_mean")
GOLDEN = Path(__file__).with_name("efficientnet_b0.npz")
# expansion, kernel, stride, features, blocks
STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


def blocks():
    """Yields (key prefix, channels in, width, kernel, stride, features) of each block."""
    entering = 32
    for i, (expansion, kernel, stride, features, count) in enumerate(STAGES):
        for j in range(count):
            prefix = f"blocks.{i}.{j}"
            yield prefix, entering, entering * expansion, kernel, stride if j == 0 else 1, features
            entering = features


def shapes(in_channels: int) -> dict[str, tuple[int, ...]]:
    """The shape of each entry of the state dict, in order, without the classifier."""
    result: dict[str, tuple[int, ...]] = {}

    def norm(key, features):
        for name in ("weight", "bias", "running_mean", "running_var"):
            result[f"{key}.{name}"] = (features,)
        result[f"{key}.num_batches_tracked"] = ()

    def conv(key, out, into, kernel=1, bias=False):
        result[f"{key}.weight"] = (out, into, kernel, kernel)
        if bias:
            result[f"{key}.bias"] = (out,)

    conv("conv_stem", 32, in_channels, 3)
    norm("bn1", 32)
    for prefix, entering, width, kernel, _, features in blocks():
        numbers = iter("123")
        if width != entering:
            conv(f"{prefix}.conv_pw", width, entering)
            norm(f"{prefix}.bn{next(numbers)}", width)
        conv(f"{prefix}.conv_dw", width, 1, kernel)
        norm(f"{prefix}.bn{next(numbers)}", width)
        conv(f"{prefix}.se.conv_reduce", entering // 4, width, bias=True)
        conv(f"{prefix}.se.conv_expand", width, entering // 4, bias=True)
        conv(f"{prefix}.conv_pwl" if width != entering else f"{prefix}.conv_pw", features, width)
        norm(f"{prefix}.bn{next(numbers)}", features)
    conv("conv_head", 1280, 320)
    norm("bn2", 1280)
    return result


def seeded_state(seed: int, in_channels: int) -> dict[str, np.ndarray]:
    """Draws a state dict under which the last map neither dies nor explodes.

    Kernels are normal with variance 1.8 over the fan-in: at 2 the map's values reach 800, at 1.6
    they depend on the biases more than on the input. Gamma and the running variance are within
    [0.5, 1.5], all else has standard deviation 0.1.
    """
    rng = np.random.default_rng(seed)

    def draw(key, shape):
        if key.endswith("num_batches_tracked"):
            return np.array(7)
        if len(shape) == 4:
            values = rng.normal(size=shape) * np.sqrt(1.8 / np.prod(shape[1:]))
        elif key.endswith("running_var") or key.endswith("weight"):
            values = rng.uniform(0.5, 1.5, shape)
        else:
            values = 0.1 * rng.normal(size=shape)
        return values.astype(np.float32)

    return {key: draw(key, shape) for key, shape in shapes(in_channels).items()}


def seeded_input(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draws images [B, H, W, C] from a normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def torch_b0(state, x, train: bool = False):
    """The last feature map [B, 1280, h, w] of images [B, C, H, W]; `state` holds torch tensors."""
    import torch.nn.functional as F

    def conv(x, key, stride=1, groups=1):
        weight = state[f"{key}.weight"]
        kernel = weight.shape[-1]
        over = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0) for size in x.shape[:1:-1]
        ]
        padding = tuple(p for total in over for p in (total // 2, total - total // 2))
        if len(set(padding)) > 1:
            x, padding = F.pad(x, padding), (0,)
        bias = state.get(f"{key}.bias")
        return F.conv2d(x, weight, bias, stride, padding[0], groups=groups)

    def norm(x, key):
        entries = (state[f"{key}.{n}"] for n in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *entries, training=train, momentum=0.01, eps=1e-3)

    x = F.silu(norm(conv(x, "conv_stem", 2), "bn1"))
    for prefix, entering, width, _, stride, features in blocks():
        start, numbers, last = x, iter("123"), "conv_pw"
        if width != entering:
            x = F.silu(norm(conv(x, f"{prefix}.conv_pw"), f"{prefix}.bn{next(numbers)}"))
            last = "conv_pwl"
        x = conv(x, f"{prefix}.conv_dw", stride, groups=width)
        x = F.silu(norm(x, f"{prefix}.bn{next(numbers)}"))
        gate = F.silu(conv(x.mean((2, 3), keepdim=True), f"{prefix}.se.conv_reduce"))
        x = x * conv(gate, f"{prefix}.se.conv_expand").sigmoid()
        x = norm(conv(x, f"{prefix}.{last}"), f"{prefix}.bn{next(numbers)}")
        x = x + start if stride == 1 and features == entering else x
    return F.silu(norm(conv(x, "conv_head"), "bn2"))


def folded(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state dict for one channel: what three equal channels would give."""
    return state | {"conv_stem.weight": state["conv_stem.weight"].sum(1, keepdims=True)}


def main():
    """Computes in float64 and writes float32; of a map's channels every sixteenth."""
    import torch

    def tensors(arrays):
        return {key: torch.from_numpy(value).to(torch.float64) for key, value in arrays.items()}

    def images(shape):
        return torch.from_numpy(seeded_input(1, shape)).to(torch.float64).permute(0, 3, 1, 2)

    golden = {}
    state = seeded_state(0, 3)
    for name, (shape, _) in EVALUATED.items():
        weights = tensors(state if shape[-1] == 3 else folded(state))
        with torch.no_grad():
            maps = torch_b0(weights, images(shape))
        print(f"{name}: standard deviation {maps.std():.3f}, largest {maps.abs().max():.3f}")
        golden[f"{name}/pooled"] = maps.mean((2, 3))
        golden[f"{name}/map"] = maps[:, ::16].permute(0, 2, 3, 1)

    weights = tensors(folded(state))
    for key in GRADIENTS:
        weights[key].requires_grad_()
    pooled = torch_b0(weights, images(TRAINED), train=True).mean((2, 3))
    target = torch.from_numpy(seeded_input(2, tuple(pooled.shape)))
    loss = (pooled * target).mean()
    loss.backward()
    golden["loss"] = loss.detach()
    for key in GRADIENTS:
        golden[f"gradient/{key}"] = weights[key].grad
    for key in MEANS:
        golden[f"mean/{key}"] = weights[key]
    np.savez_compressed(GOLDEN, **{k: v.numpy().astype(np.float32) for k, v in golden.items()})
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()

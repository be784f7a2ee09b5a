"""Makes efficientnet_b0.npz: what PyTorch computes from seeded weights.

    python tests/golden/make_efficientnet.py        # needs torch; seconds on a CPU

The network is experiments/bench/torch_efficientnet.py. Weights and inputs are drawn by NumPy from a
seed, so that the tests draw the same ones and the file holds outputs only.
"""

import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[2] / "experiments" / "bench"))

from torch_efficientnet import efficientnet_b0, seeded_state

# Name: shape of the input and of the feature map.
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


def seeded_input(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draws images [b, h, w, c] from a normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def folded(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns the state dict for one channel, equivalent to three equal channels."""
    return state | {"conv_stem.weight": state["conv_stem.weight"].sum(1, keepdims=True)}


def main() -> None:
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
            maps = efficientnet_b0(weights, images(shape))
        print(f"{name}: standard deviation {maps.std():.3f}, largest {maps.abs().max():.3f}")
        golden[f"{name}/pooled"] = maps.mean((2, 3))
        golden[f"{name}/map"] = maps[:, ::16].permute(0, 2, 3, 1)

    weights = tensors(folded(state))
    for key in GRADIENTS:
        weights[key].requires_grad_()
    pooled = efficientnet_b0(weights, images(TRAINED), train=True).mean((2, 3))
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

"""The small two-branch network of Wilkinghoff 2021 and 2023 (ref. [12]), with sub-cluster AdaCos.

One branch sees the magnitudes of the whole segment's spectrum, the other those of a spectrogram
without its mean over time. No layer has a bias. Classes are machine type x section; the original's
are finer by attribute and domain, and it sums the scores of five such networks.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jax_dns.discriminative.angular_losses import (
    AngularOutput,
    adacos_loss,
    compare_to_centers,
    next_scale,
    unit_length,
)
from jax_dns.features import stft_power
from jax_dns.training.mixup import mixup
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables

N_FFT, HOP = 1024, 512  # samples, of the spectrogram
SPECTRUM_CONVS = ((256, 64), (64, 32), (16, 4))  # kernel and stride, 128 channels each
STAGES = (16, 32, 64, 128)  # channels of the residual stages, two blocks each
WIDTH = 128  # of a branch's feature
L2 = 1e-5  # weight of the kernels' sum of squares


class SpectrumBranch(nn.Module):
    """Three 1-D convolutions and five dense layers on a spectrum [b, bins]."""

    bn_momentum: float

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b k"], *, train: bool) -> Float[ArrayLike, "b d"]:
        """Returns [b, WIDTH]."""
        x = x[..., None]
        for kernel, stride in SPECTRUM_CONVS:
            x = nn.relu(nn.Conv(WIDTH, (kernel,), (stride,), use_bias=False)(x))
        x = x.reshape(len(x), -1)
        for _ in range(4):
            x = nn.Dense(WIDTH, use_bias=False)(x)
            x = nn.relu(nn.BatchNorm(not train, momentum=self.bn_momentum, use_bias=False)(x))
        return nn.Dense(WIDTH, use_bias=False)(x)


class SpectrogramBranch(nn.Module):
    """A convolution, four residual stages, the maximum over time and a dense layer."""

    bn_momentum: float

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "b f k"], *, train: bool) -> Float[ArrayLike, "b d"]:
        """Maps [b, frames, bins] to [b, WIDTH]."""

        def norm(x: Array) -> Array:
            return nn.BatchNorm(not train, momentum=self.bn_momentum, use_bias=False)(x)

        x = norm(x[..., None])
        x = nn.relu(norm(nn.Conv(STAGES[0], (7, 7), (2, 2), use_bias=False)(x)))
        x = nn.max_pool(x, (3, 3), (2, 2), "SAME")
        for channels in STAGES:
            for block in range(2):
                stride = (2, 2) if block == 0 and channels > STAGES[0] else (1, 1)
                y = nn.relu(norm(nn.Conv(channels, (3, 3), stride, use_bias=False)(x)))
                y = norm(nn.Conv(channels, (3, 3), use_bias=False)(y))
                if x.shape != y.shape:
                    x = nn.Conv(channels, (1, 1), stride, use_bias=False)(x)
                x = nn.relu(x + y)
        x = x.max(1)
        return nn.Dense(WIDTH, use_bias=False)(x.reshape(len(x), -1))


class SpectraNet(nn.Module):
    """Both branches, concatenated and scaled to unit length; cosines to the centres.

    Attributes:
      n_classes: C, pairs of machine type and section.
      n_centers: S, fixed random centres of a class.
      bn_momentum: of all BatchNorm layers.
    """

    n_classes: int
    n_centers: int
    bn_momentum: float

    @nn.compact
    def __call__(self, audio: Float[ArrayLike, "b t"], *, train: bool) -> AngularOutput:
        """Maps segments [b, t] to features [b, 2 WIDTH] and cosines."""
        whole = SpectrumBranch(self.bn_momentum)(spectrum(audio), train=train)
        parts = SpectrogramBranch(self.bn_momentum)(moving_spectrogram(audio), train=train)
        feature = unit_length(jnp.concatenate([whole, parts], axis=-1))
        return compare_to_centers(self, feature, self.n_classes, self.n_centers)


def spectrum(audio: Float[ArrayLike, "b t"]) -> Float[Array, "b k"]:
    """Computes the magnitudes of a segment's spectrum, without the last bin: [b, t // 2]."""
    return jnp.abs(jnp.fft.rfft(audio))[:, : audio.shape[-1] // 2]


def moving_spectrogram(audio: Float[ArrayLike, "b t"]) -> Float[Array, "b f k"]:
    """Computes a magnitude spectrogram [b, frames, bins] less its mean over time."""
    magnitudes = jnp.sqrt(stft_power(audio, n_fft=N_FFT, hop=HOP))
    return magnitudes - magnitudes.mean(1, keepdims=True)


def spectra_net(
    facts: Facts,
    *,
    n_centers: int = 16,
    learning_rate: float = 1e-3,
    mixup_alpha: float = 0.2,
    bn_momentum: float = 0.99,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      n_centers: fixed random centres a class.
      learning_rate: Adam's, fixed.
      mixup_alpha: parameter of mixup's Beta distribution; 0 for no mixup.
      bn_momentum: of all BatchNorm layers.

    Returns:
      A gradient model trained on all machine types at once. Its features have unit length. The
      original trains it for 10 epochs of batches of 64.
    """
    model = SpectraNet(facts.n_sections, n_centers, bn_momentum)

    def init(key: Key[Array, ""]) -> Variables:
        return model.init(key, jnp.zeros((1, facts.segment_samples)), train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        audio, target = mixup(key, batch.audio, batch.section, alpha=mixup_alpha)
        output, updated = model.apply(variables, audio, train=True, mutable=["batch_stats"])
        scale = next_scale(output.scale, output.cosine, target)
        value = adacos_loss(output.cosine, target, scale) + weight_penalty(variables["params"])
        return value, {**updated["batch_stats"], "scale": scale}

    def features(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, "b d"]:
        return model.apply(variables, audio, train=False).feature

    return GradientModel(
        name="Spectra AdaCos",
        scope="all",
        init=init,
        loss=loss,
        apply=features,
        optimizer=optax.adam(learning_rate),
    )


def weight_penalty(params: Variables) -> Float[Array, ""]:
    """Computes L2 times the sum of squares of all kernels; BatchNorm's scales are left out."""
    kernels = [
        leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if path[-1].key == "kernel"
    ]
    return L2 * sum(jnp.sum(kernel**2) for kernel in kernels)

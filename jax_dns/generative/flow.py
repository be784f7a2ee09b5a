"""A normalising flow on stacked log-mel frames, in the manner of Dohi et al. 2021 (ref. [5]).

The original also lowers the likelihood of other product IDs; its loss and sizes could not be read.
This is plain maximum likelihood, with affine coupling layers (Dinh et al. 2017).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from jax_dns.features import stack_frames
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables

VARIANCE_FLOOR = 1e-3  # added to the inputs' variances, dB^2
LARGEST_LOG_SCALE = 2.0  # bound of a coupling's log-scale, for stability


class Standardise(nn.Module):
    """x -> (x - mean) / deviation, with the batch's statistics in training, else their average."""

    momentum: float = 0.99

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n d"], *, train: bool
    ) -> tuple[Float[ArrayLike, "n d"], Float[ArrayLike, ""]]:
        """Returns the standardised rows and the log-determinant, one for all rows."""
        d = x.shape[-1]
        mean = self.variable("batch_stats", "mean", jnp.zeros, d)
        variance = self.variable("batch_stats", "variance", jnp.ones, d)
        count = self.variable("batch_stats", "count", jnp.zeros, ())
        m, v = mean.value, variance.value
        if train:
            m, v = x.mean(0), x.var(0)
            # The first batches are averaged evenly, so that a short training has its statistics.
            kept = jnp.minimum(self.momentum, count.value / (count.value + 1))
            mean.value = kept * mean.value + (1 - kept) * m
            variance.value = kept * variance.value + (1 - kept) * v
            count.value += 1
        v = v + VARIANCE_FLOOR
        return (x - m[None]) / jnp.sqrt(v)[None], -0.5 * jnp.sum(jnp.log(v))


class Coupling(nn.Module):
    """Scales and shifts half of the inputs by functions of the other half.

    Attributes:
      parity: 0 keeps the inputs with even numbers, 1 those with odd numbers.
      hidden: size of the two hidden layers.
    """

    parity: int
    hidden: int

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n d"], *, inverse: bool = False
    ) -> tuple[Float[ArrayLike, "n d"], Float[ArrayLike, " n"]]:
        """Returns the outputs, or the inputs of outputs, and the log-determinant of the outputs."""
        moved = (np.arange(x.shape[-1]) % 2 != self.parity).astype(np.float32)[None]
        h = nn.relu(nn.Dense(self.hidden)(x * (1 - moved)))
        h = nn.relu(nn.Dense(self.hidden)(h))
        # Zeros: the flow starts as the identity.
        h = nn.Dense(2 * x.shape[-1], kernel_init=nn.initializers.zeros)(h)
        scale, shift = jnp.split(h, 2, axis=-1)
        scale, shift = moved * LARGEST_LOG_SCALE * jnp.tanh(scale), moved * shift
        y = (x - shift) * jnp.exp(-scale) if inverse else x * jnp.exp(scale) + shift
        return y, scale.sum(-1)


class Flow(nn.Module):
    """Couplings in turn, each moving the half of the inputs that the last one kept.

    Attributes:
      n_layers: couplings.
      hidden: see `Coupling`.
    """

    n_layers: int
    hidden: int

    def setup(self):
        """Makes the layers."""
        self.layers = [Coupling(i % 2, self.hidden) for i in range(self.n_layers)]

    def __call__(
        self, x: Float[ArrayLike, "n d"]
    ) -> tuple[Float[ArrayLike, "n d"], Float[ArrayLike, " n"]]:
        """Returns z, and log |det dz/dx| of each row."""
        total = jnp.zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total += log_det
        return x, total

    def inverse(self, z: Float[ArrayLike, "n d"]) -> Float[ArrayLike, "n d"]:
        """Returns x."""
        for layer in reversed(self.layers):
            z, _ = layer(z, inverse=True)
        return z


class StandardisedFlow(nn.Module):
    """The density of windows in dB: `Standardise`, then `Flow`, then a standard normal."""

    n_layers: int
    hidden: int
    momentum: float = 0.99

    @nn.compact
    def __call__(self, x: Float[ArrayLike, "n d"], *, train: bool) -> Float[ArrayLike, " n"]:
        """Returns -log p(x) of each row, nats."""
        x, constant = Standardise(self.momentum)(x, train=train)
        z, log_det = Flow(self.n_layers, self.hidden)(x)
        log_normal = jax.scipy.stats.norm.logpdf(z).sum(-1)
        return -(log_normal + log_det + constant)


def flow(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    frames: int = 5,
    n_layers: int = 6,
    hidden: int = 256,
    learning_rate: float = 1e-4,
    bn_momentum: float = 0.99,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      frames: adjacent frames in a window; D = frames * n_mels.
      n_layers: affine couplings.
      hidden: size of a coupling's two hidden layers.
      learning_rate: Adam's, fixed.
      bn_momentum: share of the inputs' running mean and variance kept at each step.

    Returns:
      A gradient model trained on the target machine's normal clips. Its score is the negative
      log-likelihood of a window over D, averaged over the windows of a segment.
    """
    model = StandardisedFlow(n_layers, hidden, bn_momentum)
    log_mel = log_mel_transform(facts, mel)

    def windows(audio: Float[ArrayLike, "b t"]) -> Float[Array, "n d"]:
        stacked = stack_frames(log_mel(audio), frames)
        return stacked.reshape(-1, stacked.shape[-1])

    def init(key: Key[Array, ""]) -> Variables:
        return model.init(key, windows(jnp.zeros((1, facts.segment_samples))), train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        x = windows(batch.audio)
        nll, updated = model.apply(variables, x, train=True, mutable=["batch_stats"])
        return nll.mean() / x.shape[-1], updated["batch_stats"]

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, " b"]:
        x = windows(audio)
        nll = model.apply(variables, x, train=False) / x.shape[-1]
        return nll.reshape(len(audio), -1).mean(-1)

    return GradientModel(
        name="Flow",
        scope="target",
        init=init,
        loss=loss,
        apply=score,
        optimizer=optax.adam(learning_rate),
    )

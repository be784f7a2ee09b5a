"""A normalising flow on stacked log-mel frames, in the manner of Dohi et al. 2021 (ref. [5]).

The couplings are affine (Dinh et al. 2017), trained by plain maximum likelihood. The original also
lowers the likelihood of other product IDs; its loss and sizes could not be read, so that the option
`contrast` is ours: a flow conditional on the section, which has to tell the sections apart too.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from jax_dns.errors import InputError
from jax_dns.features import stack_frames
from jax_dns.generative.log_mel import PAPERS_LOG_MEL, LogMel, log_mel_transform
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables

VARIANCE_FLOOR = 1e-3  # added to the inputs' variances, dB^2
Condition = Float[ArrayLike, "n c"] | None  # one-hot sections
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
        self, x: Float[ArrayLike, "n d"], condition: Condition = None, *, inverse: bool = False
    ) -> tuple[Float[ArrayLike, "n d"], Float[ArrayLike, " n"]]:
        """Returns the outputs, or the inputs of outputs, and the log-determinant of the outputs."""
        moved = (np.arange(x.shape[-1]) % 2 != self.parity).astype(np.float32)[None]
        h = x * (1 - moved)
        if condition is not None:
            h = jnp.concatenate([h, condition], axis=-1)
        h = nn.relu(nn.Dense(self.hidden)(h))
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
        self, x: Float[ArrayLike, "n d"], condition: Condition = None
    ) -> tuple[Float[ArrayLike, "n d"], Float[ArrayLike, " n"]]:
        """Returns z, and log |det dz/dx| of each row."""
        total = jnp.zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x, condition)
            total += log_det
        return x, total

    def inverse(
        self, z: Float[ArrayLike, "n d"], condition: Condition = None
    ) -> Float[ArrayLike, "n d"]:
        """Returns x."""
        for layer in reversed(self.layers):
            z, _ = layer(z, condition, inverse=True)
        return z


class StandardisedFlow(nn.Module):
    """The density of windows in dB: `Standardise`, then `Flow`, then a standard normal."""

    n_layers: int
    hidden: int
    momentum: float = 0.99

    @nn.compact
    def __call__(
        self, x: Float[ArrayLike, "n d"], condition: Condition = None, *, train: bool
    ) -> Float[ArrayLike, " n"]:
        """Returns -log p(x) of each row, nats."""
        x, constant = Standardise(self.momentum)(x, train=train)
        z, log_det = Flow(self.n_layers, self.hidden)(x, condition)
        log_normal = jax.scipy.stats.norm.logpdf(z).sum(-1)
        return -(log_normal + log_det + constant)


def flow(
    facts: Facts,
    *,
    mel: LogMel = PAPERS_LOG_MEL,
    frames: int = 5,
    n_layers: int = 6,
    hidden: int = 256,
    contrast: float = 0.0,
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
      contrast: weight of the cross-entropy that tells a window's section from the machine type's
        others by their likelihoods; 0 for one density of all sections.
      learning_rate: Adam's, fixed.
      bn_momentum: share of the inputs' running mean and variance kept at each step.

    Returns:
      A gradient model trained on the target machine's normal clips. Its score is the negative
      log-likelihood of a window over D, averaged over the windows of a segment; with `contrast`
      that of the likeliest section.

    Raises:
      InputError: a negative contrast.
    """
    if contrast < 0:
        raise InputError(f"contrast: {contrast!r}, expected 0 or more")
    model = StandardisedFlow(n_layers, hidden, bn_momentum)
    log_mel = log_mel_transform(facts, mel)

    def windows(audio: Float[ArrayLike, "b t"]) -> Float[Array, "n d"]:
        stacked = stack_frames(log_mel(audio), frames)
        return stacked.reshape(-1, stacked.shape[-1])

    def conditions(n: int) -> tuple[int, Condition]:
        """Returns how often to repeat n windows, and each copy's section."""
        if not contrast:
            return 1, None
        return facts.n_sections, jnp.repeat(jnp.eye(facts.n_sections), n, axis=0)

    def nll(variables: Variables, x: Float[ArrayLike, "n d"], **options: Any) -> Any:
        """Returns the negative log-likelihoods [copies, n], and updates if any."""
        copies, condition = conditions(len(x))
        value = model.apply(variables, jnp.tile(x, (copies, 1)), condition, **options)
        value, *updated = value if isinstance(value, tuple) else (value,)
        return value.reshape(copies, len(x)), *updated

    def init(key: Key[Array, ""]) -> Variables:
        x = windows(jnp.zeros((1, facts.segment_samples)))
        _, condition = conditions(1)
        return model.init(key, x[:1], None if condition is None else condition[:1], train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        x = windows(batch.audio)
        values, updated = nll(variables, x, train=True, mutable=["batch_stats"])
        if not contrast:
            return values.mean() / x.shape[-1], updated["batch_stats"]
        section = jnp.repeat(batch.section, len(x) // len(batch.audio), axis=0)
        return contrastive_loss(values.T / x.shape[-1], section, contrast), updated["batch_stats"]

    def score(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, " b"]:
        x = windows(audio)
        (values,) = nll(variables, x, train=False)
        return (values.min(0) / x.shape[-1]).reshape(len(audio), -1).mean(-1)

    return GradientModel(
        name="Flow",
        scope="target",
        init=init,
        loss=loss,
        apply=score,
        optimizer=optax.adam(learning_rate),
    )


def contrastive_loss(
    nll: Float[ArrayLike, "n c"], section: Float[ArrayLike, "n c"], weight: float
) -> Float[Array, ""]:
    """Computes the loss of a flow that is conditional on the section.

    Args:
      nll: [n, C] negative log-likelihoods over D of each window under each section.
      section: [n, C] one-hot.
      weight: of the cross-entropy of the softmax of -nll, nats.

    Returns:
      The mean over windows.
    """
    of_section = jnp.sum(nll * section, axis=-1)
    return jnp.mean(of_section + weight * optax.softmax_cross_entropy(-nll, section))

"""Identification of augmentations, in the manner of Inoue et al. 2020 (ref. [8]).

One network learns to tell which machine type and section a sound is of, and which change of pitch
or tempo was made to it: a feature that knows the machine's pitch and tempo. The original's networks
and amounts could not be read; the trunk is SerialOE's, and the amounts are ours.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from jax_dns.discriminative.efficientnet import EfficientNetB0
from jax_dns.discriminative.mel_input import PAPERS_MEL, MelInput, mel_transform
from jax_dns.discriminative.recipe import PAPERS_RECIPE, Recipe, optimization
from jax_dns.discriminative.stretch import band_positions, shift_pitch, stretch_time
from jax_dns.errors import InputError
from jax_dns.training.mixup import mixup
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables


class AugmentationOutput(NamedTuple):
    """Features and logits of a batch."""

    feature: Float[ArrayLike, "b d"]
    section_logit: Float[ArrayLike, "b c"]  # of machine type and section
    change_logit: Float[ArrayLike, "b k"]  # of the augmentation


class AugmentationNet(nn.Module):
    """EfficientNet-B0 -> pool -> dropout -> Dense -> two linear heads.

    Attributes:
      n_classes: pairs of machine type and section.
      n_changes: augmentations, none among them.
      feature_dim: size of the feature.
      dropout: rate after pooling.
      bn_momentum: of all BatchNorm layers.
    """

    n_classes: int
    n_changes: int
    feature_dim: int = 128
    dropout: float = 0.3
    bn_momentum: float = 0.99

    @nn.compact
    def __call__(
        self, spectrogram: Float[ArrayLike, "b m f"], *, train: bool
    ) -> AugmentationOutput:
        """Maps spectrograms [b, n_mels, frames] to features and logits."""
        x = EfficientNetB0(bn_momentum=self.bn_momentum, name="trunk")(
            spectrogram[..., None], train=train
        )
        x = nn.Dropout(self.dropout, deterministic=not train)(x.mean((1, 2)))
        feature = nn.Dense(self.feature_dim, name="feature")(x)
        sections = nn.Dense(self.n_classes, name="section_head")(feature)
        return AugmentationOutput(
            feature, sections, nn.Dense(self.n_changes, name="change_head")(feature)
        )


def augmentation_id(
    facts: Facts,
    *,
    mel: MelInput = PAPERS_MEL,
    recipe: Recipe = PAPERS_RECIPE,
    feature_dim: int = 128,
    dropout: float = 0.3,
    bn_momentum: float = 0.99,
    semitones: tuple[float, ...] = (-4.0, -2.0, 2.0, 4.0),
    rates: tuple[float, ...] = (0.8, 0.9, 1.1, 1.25),
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram, of magnitudes.
      recipe: settings of the training.
      feature_dim: d.
      dropout: rate after pooling.
      bn_momentum: of all BatchNorm layers.
      semitones: shifts of pitch to tell from each other and from none.
      rates: tempos, likewise; 1.1 is a tenth faster.

    Returns:
      A gradient model trained on all machine types at once; an item is changed in one way or not at
      all, each as often.

    Raises:
      InputError: no change, one that changes nothing, or a spectrogram in decibels.
    """
    if not semitones + rates or 0 in semitones or 1 in rates or min(rates, default=1) <= 0:
        raise InputError(
            f"semitones: {semitones!r} and rates: {rates!r}, expected some, semitones other than 0 "
            "and rates above 0 other than 1"
        )
    if mel.log:
        raise InputError("log: True, expected False: changes are made to magnitudes")
    spectrogram = mel_transform(facts, mel)
    n_changes = 1 + len(semitones) + len(rates)
    tempo = np.concatenate([np.ones(1 + len(semitones)), rates]).astype(np.float32)
    shifts = (0.0, *semitones, *(0.0 for _ in rates))
    bands = band_positions(shifts, mel.n_mels, mel.fmin, mel.fmax, mel.mel_scale == "htk")
    n_frames = int((1 + facts.segment_samples // mel.hop_length - 1) / tempo.max()) + 1
    model = AugmentationNet(facts.n_sections, n_changes, feature_dim, dropout, bn_momentum)

    def init(key: Key[Array, ""]) -> Variables:
        return model.init(key, spectrogram(jnp.zeros((1, facts.segment_samples))), train=False)

    def change(
        x: Float[ArrayLike, "b m f"], kind: Int[ArrayLike, " b"]
    ) -> Float[ArrayLike, "b m n"]:
        """Makes each item's change; all items are cut to the length of the fastest."""
        shifted = shift_pitch(x, jnp.asarray(bands)[kind])
        return stretch_time(shifted, jnp.asarray(tempo)[kind], n_frames)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        key_mixup, key_change, key_dropout = jax.random.split(key, 3)
        audio, _, section = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=recipe.mixup_alpha
        )
        kind = jax.random.randint(key_change, (len(batch.audio),), 0, n_changes)
        output, updated = model.apply(
            variables,
            change(spectrogram(audio), kind),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key_dropout},
        )
        value = augmentation_loss(output, section, kind)
        return value, updated["batch_stats"]

    def features(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, "b d"]:
        return model.apply(variables, spectrogram(audio), train=False).feature

    return GradientModel(
        name="Augmentation ID",
        scope="all",
        init=init,
        loss=loss,
        apply=features,
        **optimization(recipe),
    )


def augmentation_loss(
    output: AugmentationOutput, section: Float[ArrayLike, "b c"], kind: Int[ArrayLike, " b"]
) -> Float[Array, ""]:
    """Computes the sum of two cross-entropies, of the section and of the augmentation, nats.

    Args:
      output: of the network.
      section: [b, C] one-hot labels, or mixtures of two.
      kind: [b] the number of each item's augmentation.
    """
    sections = optax.softmax_cross_entropy(output.section_logit, section)
    changes = optax.softmax_cross_entropy_with_integer_labels(output.change_logit, kind)
    return jnp.mean(sections) + jnp.mean(changes)

"""Classification of machine types and sections with an angular loss, on SerialOE's trunk.

ArcFace (Deng et al. 2019) adds a margin to the angle of the true class. Sub-cluster AdaCos
(Wilkinghoff 2021, ref. [12]) has fixed random centres, several a class, and adapts its scale.
With statistics exchange, pseudo-anomalous sounds are further classes (see `statex`).
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from jax_dns.discriminative.angular_losses import (
    AngularOutput,
    adacos_loss,
    arcface_loss,
    compare_to_centers,
    next_scale,
    unit_length,
)
from jax_dns.discriminative.efficientnet import EfficientNetB0
from jax_dns.discriminative.mel_input import PAPERS_MEL, MelInput, mel_transform
from jax_dns.discriminative.recipe import PAPERS_RECIPE, Recipe, optimization
from jax_dns.discriminative.statex import AXES, exchange_statistics
from jax_dns.errors import InputError
from jax_dns.training.mixup import mixup
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables


class AngularNet(nn.Module):
    """EfficientNet-B0 -> pool -> dropout -> Dense -> unit length; cosines to the centres.

    Attributes:
      n_classes: C, pairs of machine type and section.
      n_centers: S, centres of a class.
      trained_centers: train the centres; otherwise they stay as they are drawn.
      feature_dim: size of the feature.
      dropout: rate after pooling.
      bn_momentum: of all BatchNorm layers.
    """

    n_classes: int
    n_centers: int
    trained_centers: bool
    feature_dim: int = 128
    dropout: float = 0.3
    bn_momentum: float = 0.99

    @nn.compact
    def __call__(self, spectrogram: Float[ArrayLike, "b m f"], *, train: bool) -> AngularOutput:
        """Maps spectrograms [b, n_mels, frames] to features and cosines."""
        x = EfficientNetB0(bn_momentum=self.bn_momentum, name="trunk")(
            spectrogram[..., None], train=train
        )
        x = nn.Dropout(self.dropout, deterministic=not train)(x.mean((1, 2)))
        feature = unit_length(nn.Dense(self.feature_dim, name="feature")(x))
        return compare_to_centers(
            self, feature, self.n_classes, self.n_centers, trained=self.trained_centers
        )


def angular(
    facts: Facts,
    *,
    mel: MelInput = PAPERS_MEL,
    recipe: Recipe = PAPERS_RECIPE,
    feature_dim: int = 128,
    dropout: float = 0.3,
    objective: str = "adacos",
    n_centers: int = 16,
    margin: float = 0.5,
    scale: float = 30.0,
    statex: str = "",
    bn_momentum: float = 0.99,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      recipe: settings of the training.
      feature_dim: d.
      dropout: rate after pooling.
      objective: "adacos", sub-cluster AdaCos, or "arcface".
      n_centers: fixed random centres a class of "adacos"; "arcface" trains one.
      margin: of "arcface", radians.
      scale: of "arcface"; that of "adacos" adapts.
      statex: exchange statistics along "time" or "frequency" in half of the items; "": in none.
      bn_momentum: of all BatchNorm layers.

    Returns:
      A gradient model trained on all machine types at once. Its features have unit length.

    Raises:
      InputError: a field outside of its choices.
    """
    if objective not in ("adacos", "arcface"):
        raise InputError(f"objective: {objective!r}, expected adacos or arcface")
    if statex and statex not in AXES:
        raise InputError(f"statex: {statex!r}, expected {' or '.join(AXES)}, or empty")
    adaptive, spectrogram = objective == "adacos", mel_transform(facts, mel)
    model = AngularNet(
        n_classes=3 * facts.n_sections if statex else facts.n_sections,
        n_centers=n_centers if adaptive else 1,
        trained_centers=not adaptive,
        feature_dim=feature_dim,
        dropout=dropout,
        bn_momentum=bn_momentum,
    )

    def init(key: Key[Array, ""]) -> Variables:
        return model.init(key, spectrogram(jnp.zeros((1, facts.segment_samples))), train=False)

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        key_mixup, key_dropout, key_statex = jax.random.split(key, 3)
        audio, _, target = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=recipe.mixup_alpha
        )
        x = spectrogram(audio)
        if statex:
            x, target = exchange_statistics(key_statex, x, target, axis=statex)
        output, updated = model.apply(
            variables,
            x,
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key_dropout},
        )
        stats = updated["batch_stats"]
        if adaptive:
            s = next_scale(output.scale, output.cosine, target)
            return adacos_loss(output.cosine, target, s), {**stats, "scale": s}
        return arcface_loss(output.cosine[..., 0], target, scale=scale, margin=margin), stats

    def features(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, "b d"]:
        return model.apply(variables, spectrogram(audio), train=False).feature

    return GradientModel(
        name=("AdaCos" if adaptive else "ArcFace") + (" StatEx" if statex else ""),
        scope="all",
        init=init,
        loss=loss,
        apply=features,
        **optimization(recipe),
    )

"""The paper's f_D: SerialOE's discriminative feature extractor (Sec. II.B, Eqs. 3 to 6).

EfficientNet-B0, global average pooling and two nonlinear transformations give the feature; the
heads g_mac and g_id are linear.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from jax_dns.discriminative.efficientnet import EfficientNetB0
from jax_dns.discriminative.mel_input import PAPERS_MEL, MelInput, mel_transform
from jax_dns.discriminative.recipe import PAPERS_RECIPE, Recipe, optimization
from jax_dns.errors import InputError
from jax_dns.training.mixup import mixup
from jax_dns.types import ArrayLike, Batch, Facts, GradientModel, Variables


class ExtractorOutput(NamedTuple):
    """Features and logits of a batch."""

    feature: Float[ArrayLike, "b d"]  # f_D
    machine_logit: Float[ArrayLike, " b"]  # g_mac(f_D), before the sigmoid
    section_logit: Float[ArrayLike, "b c"]  # g_id(f_D), before the sigmoid


class Extractor(nn.Module):
    """EfficientNet-B0 -> pool -> dropout -> Dense -> BatchNorm -> PReLU -> Dense = f_D -> heads.

    Attributes:
      n_sections: C, the target machine's product IDs.
      feature_dim: size of f_D.
      dropout: rate after pooling.
      head: "linear", as in the paper; "norm": g_mac is linear in ||f_D||^2 / d, as in the authors'
        code.
      in_channels: input channels; the one spectrogram is repeated.
      bn_momentum: of all BatchNorm layers.
      dtype: of the computation; parameters and statistics stay float32.
    """

    n_sections: int
    feature_dim: int = 128
    dropout: float = 0.3
    head: str = "linear"
    in_channels: int = 1
    bn_momentum: float = 0.99
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, spectrogram: Float[ArrayLike, "b m f"], *, train: bool) -> ExtractorOutput:
        """Maps spectrograms to features and logits.

        Args:
          spectrogram: [b, n_mels, frames].
          train: use batch statistics and dropout (rng "dropout").

        Returns:
          Feature [b, feature_dim], machine logit [b], section logits [b, n_sections]; float32.
        """
        x = jnp.repeat(spectrogram[..., None], self.in_channels, axis=-1)
        trunk = EfficientNetB0(bn_momentum=self.bn_momentum, dtype=self.dtype, name="trunk")
        x = trunk(x, train=train)
        x = x.astype(jnp.float32).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.Dense(self.feature_dim)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=self.bn_momentum)(x)
        x = nn.PReLU(negative_slope_init=0.25)(x)
        feature = nn.Dense(self.feature_dim, name="feature")(x)
        machine_input = feature
        if self.head == "norm":
            machine_input = jnp.sum(feature**2, -1, keepdims=True) / self.feature_dim
        machine = nn.Dense(1, name="machine_head")(machine_input)
        section = nn.Dense(self.n_sections, name="section_head")(feature)
        return ExtractorOutput(feature, machine[:, 0], section)


class ExtractorSettings(NamedTuple):
    """Settings of the network."""

    feature_dim: int = 128  # d
    dropout: float = 0.3  # rate after pooling
    head: str = "linear"  # see `Extractor`
    in_channels: int = 1  # 3 repeats the spectrogram, as the authors' code does
    bn_momentum: float = 0.99  # of all BatchNorm layers
    dtype: str = "float32"  # of the computation; with "bfloat16" parameters stay float32
    initial_weights: str = ""  # file with a timm state dict of tf_efficientnet_b0; "": random


PAPERS_EXTRACTOR = ExtractorSettings()


def serial_oe(
    facts: Facts,
    *,
    mel: MelInput = PAPERS_MEL,
    net: ExtractorSettings = PAPERS_EXTRACTOR,
    recipe: Recipe = PAPERS_RECIPE,
    lambda_id: float = 5.0,
    mask_outliers: bool = False,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      mel: settings of the spectrogram.
      net: settings of the network.
      recipe: settings of the training.
      lambda_id: weight of L_id in Eq. 3.
      mask_outliers: leave outliers out of Eq. 6.

    Returns:
      A gradient model trained on the target machine's clips against other machines' clips.

    Raises:
      InputError: a field outside of its choices, or a file of weights that can't be used.
    """
    for field, value, choices in (
        ("head", net.head, ("linear", "norm")),
        ("dtype", net.dtype, ("float32", "bfloat16")),
    ):
        if value not in choices:
            raise InputError(f"{field}: {value!r}, expected {' or '.join(choices)}")
    spectrogram = mel_transform(facts, mel)
    model = Extractor(
        n_sections=facts.n_sections,
        feature_dim=net.feature_dim,
        dropout=net.dropout,
        head=net.head,
        in_channels=net.in_channels,
        bn_momentum=net.bn_momentum,
        dtype=jnp.dtype(net.dtype),
    )

    def init(key: Key[Array, ""]) -> Variables:
        variables = model.init(key, spectrogram(jnp.zeros((1, facts.segment_samples))), train=False)
        if not net.initial_weights:
            return variables
        from jax_dns.discriminative.timm_weights import load_timm

        trunk = load_timm(net.initial_weights, in_channels=net.in_channels)
        return {kind: {**variables[kind], "trunk": trunk[kind]} for kind in variables}

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        key_mixup, key_dropout = jax.random.split(key)
        audio, is_target, section = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=recipe.mixup_alpha
        )
        output, updated = model.apply(
            variables,
            spectrogram(audio),
            train=True,
            mutable=["batch_stats"],
            rngs={"dropout": key_dropout},
        )
        value = serial_oe_loss(
            output, is_target, section, lambda_id=lambda_id, mask_outliers=mask_outliers
        )
        return value, updated["batch_stats"]

    def validation_loss(variables: Variables, batch: Batch) -> Float[Array, " b"]:
        output = model.apply(variables, spectrogram(batch.audio), train=False)
        machine, section = item_losses(output, batch.is_target, batch.section)
        # Half of the validation clips are outliers.
        weight = 2 * batch.is_target if mask_outliers else 1
        return machine + lambda_id * weight * section

    def features(variables: Variables, audio: Float[ArrayLike, "b t"]) -> Float[Array, "b d"]:
        return model.apply(variables, spectrogram(audio), train=False).feature

    return GradientModel(
        name="SerialOE",
        scope="target+outliers",
        init=init,
        loss=loss,
        apply=features,
        validation_loss=validation_loss,
        **optimization(recipe),
    )


def item_losses(
    output: ExtractorOutput, is_target: Float[ArrayLike, " b"], section: Float[ArrayLike, "b c"]
) -> tuple[Float[Array, " b"], Float[Array, " b"]]:
    """Computes each item's term of Eq. 4 and of Eq. 6.

    Eq. 5 lacks its minus sign in print; these are the usual, positive cross-entropies.

    Args:
      output: of the extractor.
      is_target: [b] t^mac; between 0 and 1 after mixup.
      section: [b, C] t^id, all zero for outliers.

    Returns:
      L_machine [b] and L_id [b], the latter averaged over the C sections.
    """
    machine = optax.sigmoid_binary_cross_entropy(output.machine_logit, is_target)
    per_section = optax.sigmoid_binary_cross_entropy(output.section_logit, section)
    return machine, jnp.mean(per_section, axis=-1)


def serial_oe_loss(
    output: ExtractorOutput,
    is_target: Float[ArrayLike, " b"],
    section: Float[ArrayLike, "b c"],
    *,
    lambda_id: float = 5.0,
    mask_outliers: bool = False,
) -> Float[Array, ""]:
    """Computes Eq. 3: L_machine + lambda_id L_id.

    Args:
      output: of the extractor.
      is_target: [b] t^mac.
      section: [b, C] t^id.
      lambda_id: weight of L_id.
      mask_outliers: weight each item of Eq. 6 by t^mac, rather than count the all-zero rows of
        outliers among the M.

    Returns:
      The loss.
    """
    machine, identity = item_losses(output, is_target, section)
    if mask_outliers:
        loss_id = jnp.sum(identity * is_target) / jnp.maximum(jnp.sum(is_target), 1e-6)
    else:
        loss_id = jnp.mean(identity)
    return jnp.mean(machine) + lambda_id * loss_id

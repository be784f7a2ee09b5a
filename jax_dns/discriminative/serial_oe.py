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
from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.training.mixup import mixup
from jax_dns.training.optimizers import adamw, one_cycle
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
      drop_path: stochastic depth's final rate.
      dtype: of the computation; parameters and statistics stay float32.
    """

    n_sections: int
    feature_dim: int = 128
    dropout: float = 0.3
    head: str = "linear"
    in_channels: int = 1
    bn_momentum: float = 0.99
    drop_path: float = 0.0
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
        x = EfficientNetB0(
            bn_momentum=self.bn_momentum, drop_path=self.drop_path, dtype=self.dtype, name="trunk"
        )(x, train=train)
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


def serial_oe(
    facts: Facts,
    *,
    n_fft: int = 2048,
    hop_length: int = 256,
    n_mels: int = 224,
    fmin: float = 50.0,
    fmax: float = 7800.0,
    power: float = 1.0,
    log: bool = False,
    mel_scale: str = "htk",
    normalize_stft: bool = True,
    dtype: str = "float32",
    in_channels: int = 1,
    feature_dim: int = 128,
    dropout: float = 0.3,
    drop_path: float = 0.0,
    head: str = "linear",
    initial_weights: str = "",
    learning_rate: float = 1e-3,
    weight_decay: float = 0.0,
    lambda_id: float = 5.0,
    mask_outliers: bool = False,
    mixup_alpha: float = 0.2,
    bn_momentum: float = 0.99,
) -> GradientModel:
    """Builds the component.

    Args:
      facts: of the data.
      n_fft: window of the STFT, samples.
      hop_length: distance between frames, samples.
      n_mels: mel bands.
      fmin: lower edge of the lowest band, Hz.
      fmax: upper edge of the highest band, Hz.
      power: 1 for magnitudes, 2 for power.
      log: take dB of the spectrogram.
      mel_scale: "htk", bands of equal height; "slaney", bands of equal area.
      normalize_stft: divide the STFT by the window's root energy.
      dtype: of the computation; with "bfloat16" parameters and statistics stay float32.
      in_channels: 3 repeats the spectrogram, as the authors' code does.
      feature_dim: d.
      dropout: rate after pooling.
      drop_path: stochastic depth's final rate.
      head: see `Extractor`.
      initial_weights: file with a timm state dict of tf_efficientnet_b0; "" for random weights.
      learning_rate: OneCycle's peak.
      weight_decay: AdamW's.
      lambda_id: weight of L_id in Eq. 3.
      mask_outliers: leave outliers out of Eq. 6.
      mixup_alpha: parameter of mixup's Beta distribution; 0 for no mixup.
      bn_momentum: of all BatchNorm layers.

    Returns:
      A gradient model trained on the target machine's clips against other machines' clips.

    Raises:
      InputError: a field outside of its choices, or a file of weights that can't be used.
    """
    for field, value, choices in (
        ("mel_scale", mel_scale, ("htk", "slaney")),
        ("head", head, ("linear", "norm")),
        ("dtype", dtype, ("float32", "bfloat16")),
    ):
        if value not in choices:
            raise InputError(f"{field}: {value!r}, expected {' or '.join(choices)}")
    model = Extractor(
        n_sections=facts.n_sections,
        feature_dim=feature_dim,
        dropout=dropout,
        head=head,
        in_channels=in_channels,
        bn_momentum=bn_momentum,
        drop_path=drop_path,
        dtype=jnp.dtype(dtype),
    )

    def spectrogram(audio: Float[ArrayLike, "b t"]) -> Float[Array, "b m f"]:
        mel = mel_spectrogram(
            audio,
            sample_rate=facts.sample_rate,
            n_fft=n_fft,
            hop=hop_length,
            n_mels=n_mels,
            fmin=fmin,
            fmax=fmax,
            power=power,
            scale=mel_scale,
            norm="slaney" if mel_scale == "slaney" else "none",
            divide_by_window=normalize_stft,
        )
        return decibel(mel) if log else mel

    def init(key: Key[Array, ""]) -> Variables:
        variables = model.init(key, spectrogram(jnp.zeros((1, facts.segment_samples))), train=False)
        if not initial_weights:
            return variables
        from jax_dns.discriminative.timm_weights import load_timm

        trunk = load_timm(initial_weights, in_channels=in_channels)
        return {kind: {**variables[kind], "trunk": trunk[kind]} for kind in variables}

    def loss(variables: Variables, batch: Batch, key: Key[Array, ""]) -> tuple[Array, Variables]:
        key_mixup, key_dropout = jax.random.split(key)
        audio, is_target, section = mixup(
            key_mixup, batch.audio, batch.is_target, batch.section, alpha=mixup_alpha
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
        optimizer=adamw(weight_decay=weight_decay),
        schedule=lambda step, n_steps: one_cycle(step, n_steps, max_lr=learning_rate)._asdict(),
        validation_loss=validation_loss,
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

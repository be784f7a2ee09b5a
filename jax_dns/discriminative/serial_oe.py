"""f_D and the heads g_mac and g_id: SerialOE's discriminative feature extractor (Sec. IV.A).

EfficientNet-B0, global average pooling and two nonlinear transformations give the feature; both
heads are linear on it.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float

from jax_dns.discriminative.efficientnet import EfficientNetB0
from jax_dns.types import ArrayLike


class ExtractorOutput(NamedTuple):
    """What the extractor says of a batch."""

    feature: Float[ArrayLike, "b d"]  # f_D
    machine_logit: Float[ArrayLike, " b"]  # g_mac(f_D), before the sigmoid
    section_logit: Float[ArrayLike, "b c"]  # g_id(f_D), before the sigmoid


class Extractor(nn.Module):
    """EfficientNet-B0 -> pool -> dropout -> Dense -> BatchNorm -> PReLU -> Dense = f_D -> heads.

    Attributes:
      n_sections: C, the target machine's product IDs.
      feature_dim: size of f_D.
      dropout: rate after pooling.
      head: "linear", the paper's; "norm": g_mac is linear in ||f_D||^2 / d, as the authors' code.
      n_channels: input channels; the one spectrogram is repeated.
      bn_momentum: of all BatchNorm layers.
      drop_path: stochastic depth's final rate.
      dtype: of the computation; parameters and statistics stay float32.
    """

    n_sections: int
    feature_dim: int = 128
    dropout: float = 0.3
    head: str = "linear"
    n_channels: int = 1
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
        x = jnp.repeat(spectrogram[..., None], self.n_channels, axis=-1)
        x = EfficientNetB0(
            bn_momentum=self.bn_momentum, drop_path=self.drop_path, dtype=self.dtype, name="trunk"
        )(x, train=train)
        x = x.astype(jnp.float32).mean((1, 2))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        x = nn.Dense(self.feature_dim)(x)
        x = nn.BatchNorm(use_running_average=not train, momentum=self.bn_momentum)(x)
        x = nn.PReLU(negative_slope_init=0.25)(x)
        feature = nn.Dense(self.feature_dim, name="feature")(x)
        seen = feature
        if self.head == "norm":
            seen = jnp.sum(feature**2, -1, keepdims=True) / self.feature_dim
        machine = nn.Dense(1, name="machine_head")(seen)
        section = nn.Dense(self.n_sections, name="section_head")(feature)
        return ExtractorOutput(feature, machine[:, 0], section)

"""f_G: the ten-layer dense autoencoder of the DCASE baseline (Koizumi et al. 2020, ref. [1])."""

import flax.linen as nn
from jaxtyping import Float

from jax_dns.types import ArrayLike

HIDDEN = (128, 128, 128, 128, 8, 128, 128, 128, 128)  # nine hidden layers; the tenth reconstructs


class Autoencoder(nn.Module):
    """D - 128x4 - 8 - 128x4 - D; BatchNorm and ReLU after every layer but the last.

    BatchNorm's epsilon is Keras's, as in the baseline.
    """

    bn_momentum: float = 0.99

    @nn.compact
    def __call__(self, windows: Float[ArrayLike, "n d"], *, train: bool) -> Float[ArrayLike, "n d"]:
        """Reconstructs windows.

        Args:
          windows: [n, D] stacked log-mel frames, dB.
          train: normalise with the batch's statistics rather than the running ones.

        Returns:
          [n, D] in dB.
        """
        x = windows
        for features in HIDDEN:
            x = nn.Dense(features)(x)
            x = nn.BatchNorm(
                use_running_average=not train, momentum=self.bn_momentum, epsilon=1e-3
            )(x)
            x = nn.relu(x)
        return nn.Dense(windows.shape[-1])(x)

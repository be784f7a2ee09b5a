"""Eqs. 1 and 3-6: what training minimises."""

import jax.numpy as jnp
import optax
from jaxtyping import Float

from jax_dns.types import ArrayLike


def reconstruction_error(
    windows: Float[ArrayLike, "... d"], reconstructed: Float[ArrayLike, "... d"]
) -> Float[ArrayLike, "..."]:
    """(1/D) ||psi - f_G(psi)||^2 of each window: Eq. 2, and Eq. 1 before its mean over m."""
    return jnp.mean((windows - reconstructed) ** 2, axis=-1)


def serial_oe_loss(
    machine_logit: Float[ArrayLike, " b"],
    section_logit: Float[ArrayLike, "b c"],
    machine: Float[ArrayLike, " b"],
    section: Float[ArrayLike, "b c"],
    *,
    lambda_id: float = 5.0,
    mask_outliers: bool = False,
) -> tuple[Float[ArrayLike, ""], Float[ArrayLike, ""], Float[ArrayLike, ""]]:
    """Eq. 3: L_machine + lambda_id L_id, both binary cross-entropies.

    Eq. 5 lacks its minus sign in print; this is the usual, positive cross-entropy.

    Args:
      machine_logit: [b] g_mac(f_D).
      section_logit: [b, C] g_id(f_D).
      machine: [b] t^mac, 1 for the target machine, 0 for outliers; between them after mixup.
      section: [b, C] t^id, all zero for outliers.
      lambda_id: weight of L_id.
      mask_outliers: leave outliers out of Eq. 6 (each item weighs t^mac) rather than count their
        all-zero rows among the M.

    Returns:
      The loss, L_machine (Eq. 4) and L_id (Eq. 6).
    """
    loss_machine = jnp.mean(optax.sigmoid_binary_cross_entropy(machine_logit, machine))
    per_item = jnp.mean(optax.sigmoid_binary_cross_entropy(section_logit, section), axis=-1)
    if mask_outliers:
        loss_id = jnp.sum(per_item * machine) / jnp.maximum(jnp.sum(machine), 1e-6)
    else:
        loss_id = jnp.mean(per_item)
    return loss_machine + lambda_id * loss_id, loss_machine, loss_id

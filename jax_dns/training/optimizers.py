"""AdamW under torch's OneCycleLR."""

import math
from typing import NamedTuple

import optax


class OneCycle(NamedTuple):
    """Hyperparameters of one step."""

    learning_rate: float
    b1: float


def one_cycle(
    step: int,
    n_steps: int,
    *,
    max_lr: float,
    max_b1: float = 0.95,
    base_b1: float = 0.85,
    rise: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> OneCycle:
    """Computes torch's OneCycleLR with its defaults (Smith and Topin 2019, ref. [19]).

    The learning rate follows a cosine from max_lr / 25 at step 0 to max_lr at step
    0.3 n_steps - 1 (between two steps where that is not whole), then another to
    max_lr / 25 / 1e4 at the last step. Adam's beta_1 moves the other way, .95 to .85 to .95.
    `optax.cosine_onecycle_schedule(n_steps - 1)` gives the same rates only where 0.3 n_steps is
    whole, and it leaves beta_1 alone.

    Args:
      step: from 0 to n_steps - 1.
      n_steps: steps of the whole training.
      max_lr: peak learning rate.
      max_b1: beta_1 at both ends.
      base_b1: beta_1 at the peak.
      rise: share of the steps before the peak.
      div_factor: max_lr over the first rate.
      final_div_factor: the first rate over the last.

    Returns:
      Learning rate and beta_1 of this step.
    """
    first = max_lr / div_factor
    peak, end = rise * n_steps - 1, n_steps - 1
    if step <= peak:
        done, lr, b1 = (step / peak if peak else 0.0), (first, max_lr), (max_b1, base_b1)
    else:
        done = (step - peak) / (end - peak)
        lr, b1 = (max_lr, first / final_div_factor), (base_b1, max_b1)
    falling = (1 + math.cos(math.pi * done)) / 2
    return OneCycle(lr[1] + (lr[0] - lr[1]) * falling, b1[1] + (b1[0] - b1[1]) * falling)


def adamw(*, weight_decay: float = 0.0) -> optax.GradientTransformation:
    """Returns AdamW whose learning rate and beta_1 are set at each step.

    They are arguments of the compiled step rather than constants in it, so that one compilation
    serves machine types with different numbers of steps.
    """
    return optax.inject_hyperparams(optax.adamw, static_args=("weight_decay",))(
        learning_rate=0.0, b1=0.9, weight_decay=weight_decay
    )

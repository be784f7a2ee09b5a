"""torch's OneCycleLR, step by step; AdamW under it."""

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jax_dns.training.optimizers import OneCycle, adamw, one_cycle


def with_hyperparameters(state, values):
    return state._replace(hyperparams=state.hyperparams | values._asdict())


GOLDEN = json.loads((Path(__file__).parents[1] / "golden/onecycle.json").read_text())


@pytest.mark.parametrize("n_steps", sorted(map(int, GOLDEN)))
def test_equals_torch_step_by_step(n_steps):
    got = [one_cycle(step, n_steps, max_lr=1e-3) for step in range(n_steps)]
    np.testing.assert_allclose(got, GOLDEN[str(n_steps)], rtol=1e-12)


def test_equals_optaxs_schedule_where_the_peak_is_a_step():
    schedule = optax.cosine_onecycle_schedule(99, 1e-3, 29 / 99)
    got = [one_cycle(step, 100, max_lr=1e-3).learning_rate for step in range(100)]
    np.testing.assert_allclose(got, [float(schedule(s)) for s in range(100)], rtol=1e-4, atol=1e-9)


def test_rate_and_beta_1_reach_the_update(rng):
    """Three steps against AdamW written out, beta_1 changing as torch lets it."""
    optimiser = adamw(weight_decay=0.1)
    weight = jnp.asarray(rng.normal(size=3), jnp.float32)
    state = optimiser.init(weight)
    w, m, v = np.asarray(weight, np.float64), np.zeros(3), np.zeros(3)
    for step in range(3):
        now = one_cycle(step, 10, max_lr=1e-2)
        gradient = rng.normal(size=3)
        updates, state = optimiser.update(
            jnp.asarray(gradient, jnp.float32), with_hyperparameters(state, now), weight
        )
        weight = optax.apply_updates(weight, updates)
        m = now.b1 * m + (1 - now.b1) * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - now.b1 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        w = w - now.learning_rate * (m_hat / (np.sqrt(v_hat) + 1e-8) + 0.1 * w)
    np.testing.assert_allclose(weight, w, rtol=1e-5)


def test_state_is_only_changed_in_rate_and_beta_1():
    state = adamw().init(jnp.zeros(2))
    changed = with_hyperparameters(state, OneCycle(0.5, 0.9))
    assert changed.hyperparams["learning_rate"] == 0.5 and changed.hyperparams["b1"] == 0.9
    assert changed.inner_state is state.inner_state

"""An extractor's optimiser takes the recipe's values."""

import jax.numpy as jnp
import numpy as np
import optax

from jax_dns.discriminative.recipe import Recipe, optimization


def test_peak_rate_and_decay_are_the_recipes():
    fields = optimization(Recipe(learning_rate=0.2, weight_decay=0.1))
    rates = [fields["schedule"](step, 101)["learning_rate"] for step in range(101)]
    np.testing.assert_allclose([rates[0], max(rates)], [0.2 / 25, 0.2], rtol=1e-2)
    params, optimizer = {"w": jnp.ones(1)}, fields["optimizer"]
    state = optimizer.init(params)
    state = state._replace(hyperparams={**state.hyperparams, "learning_rate": jnp.float32(0.2)})
    updates, _ = optimizer.update({"w": jnp.zeros(1)}, state, params)
    # Without a gradient AdamW's step is the decay alone: 1 - 0.2 * 0.1.
    np.testing.assert_allclose(optax.apply_updates(params, updates)["w"], [0.98], rtol=1e-6)

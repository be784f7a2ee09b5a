"""The angular losses on EfficientNet-B0."""

import jax
import jax.numpy as jnp
import pytest

from jax_dns.discriminative.angular import angular
from jax_dns.discriminative.mel_input import MelInput
from jax_dns.errors import InputError
from jax_dns.training.steps import create_state
from jax_dns.types import Batch, Facts


@pytest.mark.parametrize(
    ("objective", "n", "statex", "classes"),
    [("adacos", 16, "", 5), ("arcface", 1, "", 5), ("adacos", 16, "time", 15)],
)
def test_shapes_and_the_centres(objective, n, statex, classes):
    """Traced, not run. AdaCos' centres aren't parameters, so that nothing trains them."""
    model = angular(
        Facts(16_000, 16_000, n_sections=5),
        mel=MelInput(n_mels=32),
        objective=objective,
        statex=statex,
    )
    assert model.scope == "all"
    state = jax.eval_shape(lambda key: create_state(model, key), jax.random.key(0))
    kind = state.batch_stats if objective == "adacos" else state.params
    assert kind["centers"].shape == (classes, n, 128)
    f32 = jnp.float32
    audio = jax.ShapeDtypeStruct((2, 16_000), f32)
    batch = Batch(audio, jax.ShapeDtypeStruct((2,), f32), jax.ShapeDtypeStruct((2, 5), f32), {})
    loss, stats = jax.eval_shape(model.loss, state.variables, batch, jax.random.key(0))
    assert loss.shape == () and jax.tree.structure(stats) == jax.tree.structure(state.batch_stats)
    assert jax.eval_shape(model.apply, state.variables, audio).shape == (2, 128)


def test_an_unknown_loss():
    with pytest.raises(InputError, match="objective: 'norm', expected adacos or arcface"):
        angular(Facts(16_000, 16_000, n_sections=5), objective="norm")
    with pytest.raises(InputError, match="statex: 'both', expected time or frequency"):
        angular(Facts(16_000, 16_000, n_sections=5), statex="both")

"""The extractor's fast path trains as the plain one does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fast_and_plain import losses, plain_path
from sizes import noise

from jax_dns.discriminative.efficientnet import EfficientNetB0


def test_the_plain_path_has_nothing_of_the_fast_one():
    def program():
        def net(x):
            variables = EfficientNetB0().init(jax.random.key(0), x, train=False)
            return EfficientNetB0().apply(variables, x, train=True, mutable=["batch_stats"])[0]

        return str(jax.make_jaxpr(net)(jnp.zeros((2, 32, 32, 1))))

    with plain_path():
        plain = program()
    assert "custom_vjp" in program() and "custom_vjp" not in plain
    assert "feature_group_count=32" in plain


@pytest.mark.slow
def test_twenty_losses_agree():
    """1.4e-5 at most was seen, 1e-6 as a rule; an input nudged by one ulp ends 4e-4 off."""
    spectrograms = noise(8, 32, 63)
    fast, plain = (losses(spectrograms, steps=20, plain=plain) for plain in (False, True))
    assert np.ptp(fast) > 0.5
    np.testing.assert_allclose(fast, plain, rtol=1e-4)

"""Which route through Eq. 7 is taken."""

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.smoothing import routes
from jax_dns.smoothing.validation import validate_inputs


def inputs(rng, n, k, *, convert=np.asarray):
    scores = rng.normal(size=n).astype(np.float32)
    features = rng.normal(size=(n, 4)).astype(np.float32)
    return validate_inputs(
        convert(scores), convert(features), (k,), groups=None, pool=None, metric="euclidean"
    )


def test_on_a_cpu_numpy_takes_all_that_is_not_traced(rng):
    for convert in (np.asarray, jnp.asarray):
        assert routes.is_for_host(inputs(rng, 100, 60, convert=convert))

    def traced(features):
        x = inputs(rng, 100, 60)
        assert not routes.is_for_host(x._replace(features=features))
        return features

    jax.make_jaxpr(traced)(np.zeros((100, 4), np.float32))


def test_elsewhere_numpy_takes_small_problems_of_host_arrays_alone(rng, monkeypatch):
    x = inputs(rng, 100, 3)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert routes.is_for_host(x)
    monkeypatch.setattr(routes, "ACCELERATOR_PAIRS", 100**2 - 1)
    assert not routes.is_for_host(x)


def test_each_route_is_reached_and_all_agree(rng, monkeypatch):
    x, results, taken = inputs(rng, 60, 5), {}, []
    for name in ("smooth_on_host", "smooth_readably", "smooth_by_selection"):
        real = getattr(routes, name)
        monkeypatch.setattr(
            routes, name, lambda i, real=real, name=name: (taken.append(name), real(i))[1]
        )
    results["host"] = routes.smooth_by_route(x)
    monkeypatch.setattr(routes, "is_for_host", lambda _: False)
    results["readable"] = routes.smooth_by_route(x)
    monkeypatch.setattr(routes, "MAX_SORTED", 0)
    results["selection"] = routes.smooth_by_route(x)
    assert taken == ["smooth_on_host", "smooth_readably", "smooth_by_selection"]
    for name in ("readable", "selection"):
        np.testing.assert_allclose(results[name], results["host"], rtol=1e-5, atol=1e-6)

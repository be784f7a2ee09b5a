"""The options that GPU programs are compiled with."""

import jax
import jax.numpy as jnp
import pytest

from jax_dns.training import compiler_options as module


@pytest.fixture
def on_gpu(monkeypatch):
    """The backend counts as a GPU's; XLA:CPU knows the names of its options."""
    module.compiler_options.cache_clear()
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    yield
    module.compiler_options.cache_clear()


def test_none_without_gpu():
    module.compiler_options.cache_clear()
    assert module.compiler_options() is None


def test_all_are_known(on_gpu):
    assert module.compiler_options() == module.QUICK


def test_unknown_option_is_left_out(on_gpu, monkeypatch):
    monkeypatch.setitem(module.QUICK, "xla_gpu_no_such_option", False)
    options = module.compiler_options()
    assert options and "xla_gpu_no_such_option" not in options
    assert float(jax.jit(jnp.sin, compiler_options=options)(0.0)) == 0

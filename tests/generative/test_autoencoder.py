"""The ten-layer autoencoder."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.generative.autoencoder import Autoencoder


def test_ten_layers_of_the_baselines_sizes(rng):
    model = Autoencoder()
    variables = model.init(jax.random.key(0), jnp.zeros((2, 640)), train=False)
    kernels = [variables["params"][f"Dense_{i}"]["kernel"].shape for i in range(10)]
    sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert kernels == list(itertools.pairwise(sizes))
    # Weights and biases, and scale and shift of nine BatchNorms.
    expected = sum(a * b + b for a, b in kernels) + 2 * sum(sizes[1:-1])
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == expected == 267_928


def test_equals_its_layers_in_numpy(rng):
    model = Autoencoder()
    windows = rng.normal(size=(4, 20)).astype(np.float32)
    variables = model.init(jax.random.key(0), windows, train=False)
    x = windows.astype(np.float64)
    for i in range(10):
        layer = variables["params"][f"Dense_{i}"]
        x = x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"])
        if i < 9:  # at first BatchNorm's mean is 0, its variance 1
            x = np.maximum(x / np.sqrt(1 + 1e-3), 0)
    np.testing.assert_allclose(model.apply(variables, windows, train=False), x, atol=1e-5)


def test_training_uses_and_updates_the_batchs_statistics(rng):
    model = Autoencoder(bn_momentum=0.9)
    windows = 5 + rng.normal(size=(64, 20)).astype(np.float32)
    variables = model.init(jax.random.key(0), windows, train=False)
    out, updated = model.apply(variables, windows, train=True, mutable=["batch_stats"])
    first = windows @ variables["params"]["Dense_0"]["kernel"]
    expected = 0.1 * np.asarray(first).mean(0)
    got = updated["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(out, model.apply(variables, windows, train=False))

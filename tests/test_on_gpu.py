"""What needs a GPU: `make test-gpu`. It uses nothing of conftest.py: `--noconftest` works, too."""

import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from exactness import count_inexact_rows

from jax_dns import smooth, smooth_grid, smooth_queries

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="JAX finds no GPU"),
]
N, D = 9_000, 32
ROWS = range(0, 1_000, 50)

TWICE = """
import hashlib, sys
import jax, numpy as np
from jax_dns import smooth, smooth_grid
from test_on_gpu import problem, two_losses
scores, features = problem()
digest = hashlib.sha256()
groups = np.arange(len(scores)) % 2
digest.update(smooth_grid(scores, features, (16, 256)).tobytes())
digest.update(smooth(scores, features, 256, groups=groups).tobytes())
digest.update(np.asarray(two_losses()).tobytes())
print(jax.default_backend(), digest.hexdigest())
"""


def problem(n=N, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(20, D))[rng.integers(0, 20, n)] + 0.7 * rng.normal(size=(n, D))
    return rng.normal(size=n).astype(np.float32), features.astype(np.float32)


def two_losses(device=None):
    """Losses of two training steps of a small extractor, from the same weights, in float32."""
    from toy_models import toy_extractor

    from jax_dns.training.steps import initial_state, train_step

    model = toy_extractor(40)
    rng = np.random.default_rng(0)
    audio = rng.normal(size=(32, 40)).astype(np.float32)
    is_target = np.repeat(np.float32([1, 0]), 16)
    section = np.eye(3, dtype=np.float32)[np.arange(32) % 3] * is_target[:, None]
    rates = {"learning_rate": np.float32(1e-2), "b1": np.float32(0.9)}
    state, losses = jax.tree.map(np.asarray, initial_state(model, 0)), []
    with jax.default_device(device), jax.default_matmul_precision("float32"):
        for _ in range(2):
            state, loss = train_step(model)(
                state, audio, np.uint32(0), is_target, section, {}, rates
            )
            assert device is None or loss.devices() == {device}
            losses.append(float(loss))
    return losses


@pytest.mark.parametrize("n", [3_000, N])
def test_grids_are_exact(n):
    scores, features = problem(n)
    ks = (1, 2, 16, 256, 1_024)
    grid = smooth_grid(scores, features, ks)
    for k, row in zip(ks, grid):
        assert count_inexact_rows(ROWS, row, scores, features, k) == 0
        np.testing.assert_allclose(smooth(scores, features, k), row, atol=1e-5)


def test_groups_and_pools_are_exact():
    scores, features = problem()
    groups, pool = np.arange(N) % 3, np.arange(N) % 5 > 0
    got = smooth(scores, features, 128, groups=groups, pool=pool)
    for group in range(3):
        items, pool_items = groups == group, pool & (groups == group)
        new = scores[items & ~pool][:20], features[items & ~pool][:20]
        part = got[items & ~pool][:20]
        # Items outside of the pool are queries against it; the mean is then the pool's.
        assert (
            count_inexact_rows(range(20), part, scores[pool_items], features[pool_items], 128, new)
            == 0
        )


def test_queries_against_a_history_are_exact():
    scores, features = problem()
    new = problem(50, seed=1)
    got = smooth_queries(*new, scores, features, 128)
    assert count_inexact_rows(range(50), got, scores, features, 128, new) == 0


def test_equal_items_are_smoothed_without_thresholds():
    scores, _ = problem()
    features = np.repeat(np.eye(4, D, dtype=np.float32), N // 4, axis=0)
    assert (
        count_inexact_rows(range(0, N, 900), smooth(scores, features, 64), scores, features, 64)
        == 0
    )


def test_invalid_values_raise():
    scores, features = problem()
    features[7, 3] = np.nan
    with pytest.raises(ValueError, match="features: row 7 holds nan, expected finite values"):
        smooth(scores, features, 16)


def test_training_gives_the_losses_of_a_cpu():
    cpu = jax.local_devices(backend="cpu")[0]
    np.testing.assert_allclose(two_losses(), two_losses(cpu), rtol=1e-3, atol=1e-3)


def test_the_deterministic_flag_gives_the_same_bits_twice():
    environment = os.environ | {
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") + " --xla_gpu_deterministic_ops=true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", TWICE]
    runs = [
        subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True, timeout=200
        ).stdout.split()
        for _ in range(2)
    ]
    assert runs[0] == runs[1] and runs[0][0] == "gpu"

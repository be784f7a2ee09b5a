"""The second look at candidates that rounding may have put in the wrong order."""

import numpy as np
import pytest

from jax_dns.smoothing.host import recheck as recheck_module
from jax_dns.smoothing.host.recheck import exact_pair_distances, recheck


def looked_up(distances, rounding=0.0):
    """Gives what is wanted of known distances, and nothing else."""

    def exact_distances(column, wanted):
        exact = np.take_along_axis(distances, column, axis=1)
        return np.where(wanted, exact, np.nan), np.full(len(distances), rounding)

    return exact_distances


def test_only_uncertain_candidates_are_looked_at_again():
    """Threshold 3, error 0.3: the candidates between 2.4 and 3.6 change places."""
    computed = np.asarray([[1.0, 2.9, 3.0, 3.4, 9.0]])
    exact = np.asarray([[99.0, 3.3, 3.2, 2.8, 0.0]])
    scores = np.asarray([[1.0, 10.0, 100.0, 1_000.0, 10_000.0]])
    arguments = computed, np.asarray([3.0]), np.asarray([0.3])
    for rank, expected in ((3, 1_101), (2, 1_001)):
        assert recheck(*arguments, rank, scores, looked_up(exact)) == expected
        assert recheck(*arguments, rank, scores[0], looked_up(exact)) == expected


def test_ties_share():
    computed = np.asarray([[1.0, 3.0, 3.0, 3.0]])
    scores = np.asarray([[7.0, 10.0, 20.0, 60.0]])
    arguments = computed, np.asarray([3.0]), np.asarray([1e-6]), 2, scores
    assert recheck(*arguments, looked_up(computed)) == 7 + 30


def test_distances_within_their_rounding_are_ties():
    computed = np.asarray([[1.0, 3.0, 3.0, 3.0]])
    exact = computed + np.asarray([[0, 1e-9, -1e-9, 5e-9]])
    scores = np.asarray([[7.0, 10.0, 20.0, 60.0]])
    arguments = computed, np.asarray([3.0]), np.asarray([1e-6]), 2, scores
    assert recheck(*arguments, looked_up(exact, 1e-12)) == 7 + 20
    assert recheck(*arguments, looked_up(exact, 3e-9)) == 7 + 15


@pytest.mark.parametrize("product", [True, False])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_distances_are_those_of_float64(rng, monkeypatch, product, metric):
    monkeypatch.setattr(recheck_module, "DENSE", 0 if product else 2)
    features, queries = rng.normal(size=(50, 6)) + 100, rng.normal(size=(9, 6)) + 100
    rows = rng.integers(0, 50, (9, 40))
    wanted = rng.random((9, 40)) < 0.2
    x, q = features, queries
    if metric == "cosine":
        x, q = (y / np.linalg.norm(y, axis=1, keepdims=True) for y in (x, q))
    expected = ((q[:, None] - x[rows]) ** 2).sum(2)
    got, rounding = exact_pair_distances(queries, features, rows, wanted, metric)
    error = np.abs(got - expected).max(1, where=wanted, initial=0)
    assert (error <= rounding + 1e-13 * expected.max()).all()
    assert (rounding == 0).all() == (not product)

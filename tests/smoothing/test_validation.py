"""What smoothing refuses: the argument, the value and the limit are named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns import smooth, smooth_grid, smooth_queries
from jax_dns.smoothing.validation import candidate_counts

SCORES = np.arange(6.0)
FEATURES = np.arange(12.0, dtype=np.float32).reshape(6, 2)


def nan_at(array, row):
    array = array.copy()
    array[row] = np.nan
    return array


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(k=0), "k: 0, expected a whole number of at least 1"),
        (dict(k=2.0), "k: 2.0, expected a whole number"),
        (dict(k=True), "k: True, expected a whole number"),
        (dict(k=7), "k: 7, expected at most 6: item 0 has 5 candidates"),
        (dict(scores=SCORES[:5]), r"features: shape \[6, 2\].*expected 5 rows as scores has"),
        (dict(scores=SCORES[:, None]), r"scores: shape \[6, 1\].*expected 1 dimension"),
        (dict(scores=SCORES > 2), "scores: shape .* of bool, expected 1 dimensions, numbers"),
        (dict(scores=list("abcdef")), "scores: shape .* of <U1, expected 1 dimensions, numbers"),
        (dict(scores=[1.0, None, 2, 3, 4, 5]), "scores: row 1 holds nan, expected finite values"),
        (dict(scores=[1.0, {}, 2, 3, 4, 5]), r"scores: float\(\) argument .*, expected numbers"),
        (dict(features=[[1.0], [1, 2]]), "features: .*inhomogeneous.* expected what NumPy can"),
        (dict(features=FEATURES[:, 0]), "features: .* expected 2 dimensions"),
        (dict(features=FEATURES[:, :0]), "features: .* at least one row and one column"),
        (dict(scores=nan_at(SCORES, 4)), "scores: row 4 holds nan"),
        (dict(features=nan_at(FEATURES, 3)), "features: row 3 holds nan"),
        (dict(features=FEATURES.astype(float) * 1e300), "features: row 0 holds inf"),
        (dict(metric="l1"), "metric: 'l1', expected one of euclidean, cosine"),
        (
            dict(features=FEATURES * (np.arange(6) != 2)[:, None], metric="cosine"),
            "features: row 2 is zero",
        ),
        (dict(groups=np.zeros(5, int)), r"groups: shape \[5\].*expected \[6\] integers"),
        (dict(groups=np.zeros(6)), "groups: .* of float64, expected"),
        (dict(groups=np.full(6, 2**40)), "groups: holds values beyond 32 bits"),
        (dict(pool=np.ones(6, int)), r"pool: .* expected \[6\] booleans"),
        (dict(pool=np.arange(6) < 1), "k: 2, expected at most 1: item 0 has 0 candidates"),
    ],
)
def test_bad_arguments(change, message):
    arguments = dict(scores=SCORES, features=FEATURES, k=2) | change
    with pytest.raises(ValueError, match=message) as error:
        smooth(**arguments)
    assert "\n" not in str(error.value)


class Tensor:
    """What other libraries' tensors and columns have in common."""

    def __init__(self, x, error=None):
        self.x, self.error = x, error

    def __array__(self, dtype=None, copy=None):
        if self.error:
            raise self.error
        return np.asarray(self.x, dtype)


def test_what_numpy_converts_is_accepted():
    groups, pool, features = np.arange(6) % 2, np.arange(6) < 5, FEATURES.astype(int)
    arguments = SCORES.astype(int), features, groups, pool
    expected = smooth(SCORES, FEATURES, 2, groups=groups, pool=pool)
    for convert in (np.asarray, Tensor, lambda x: x.tolist()):
        s, f, g, p = map(convert, arguments)
        got = smooth(s, f, 2, groups=g, pool=p)
        assert isinstance(got, np.ndarray) and got.dtype == np.float64
        np.testing.assert_allclose(got, expected, rtol=1e-6)
        got = smooth_queries(s, f, s, f, 2, groups=g, query_groups=g)
        np.testing.assert_array_equal(got, SCORES)  # each row's nearest is the row itself
    nullable = SCORES.astype(int).astype(object), FEATURES.astype(object)
    np.testing.assert_allclose(smooth(*nullable, 2), smooth(SCORES, FEATURES, 2), rtol=1e-6)
    got = smooth(jnp.arange(6), jnp.asarray(features), 2)
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, smooth(SCORES, FEATURES, 2), rtol=1e-6)


def test_what_numpy_cannot_convert_is_named():
    tensor = Tensor(FEATURES, TypeError("can't convert cuda:0\ntry cpu()"))
    with pytest.raises(ValueError, match=r"^features: can't convert cuda:0, expected"):
        smooth(SCORES, tensor, 2)


def test_a_zero_row_is_an_error_under_cosine_only():
    features = FEATURES - FEATURES[2]
    assert np.isfinite(smooth(SCORES, features, 2)).all()


def test_grid_without_ks():
    with pytest.raises(ValueError, match="ks: empty"):
        smooth_grid(SCORES, FEATURES, ())


def test_bad_queries():
    with pytest.raises(ValueError, match=r"query_features: .*expected 2 columns"):
        smooth_queries(SCORES, np.ones((6, 3), np.float32), SCORES, FEATURES, 2)
    with pytest.raises(ValueError, match="query_scores: row 1 holds nan"):
        smooth_queries(nan_at(SCORES, 1), FEATURES, SCORES, FEATURES, 2)
    with pytest.raises(ValueError, match="k: 2, expected at most 1: item 3 has 0 candidates"):
        smooth_queries(
            SCORES,
            FEATURES,
            SCORES,
            FEATURES,
            2,
            query_groups=np.asarray([0, 0, 0, 9, 0, 0]),
            groups=np.zeros(6, int),
        )


def test_groups_of_queries_and_of_the_history_come_together():
    items = SCORES, FEATURES, SCORES, FEATURES, 2
    with pytest.raises(ValueError, match=r"^groups: given without query_groups, expected both"):
        smooth_queries(*items, groups=np.zeros(6, int))
    with pytest.raises(ValueError, match=r"^query_groups: given without groups, expected both"):
        smooth_queries(*items, query_groups=np.zeros(6, int))


def test_under_jit_shapes_are_checked_and_values_are_not():
    jitted = jax.jit(smooth, static_argnums=2)
    with pytest.raises(ValueError, match="expected 5 rows"):
        jitted(jnp.asarray(SCORES[:5]), FEATURES, 2)
    assert np.isnan(jitted(jnp.asarray(nan_at(SCORES, 4)), FEATURES, 6)).all()
    with pytest.raises(ValueError, match="k: 7, expected at most 6"):
        jitted(jnp.asarray(SCORES), FEATURES, 7)


def test_candidates_are_counted():
    groups, pool = np.asarray([0, 0, 5, 5, 5]), np.asarray([True, False, True, True, False])
    assert candidate_counts(groups, pool, groups, pool).tolist() == [0, 1, 1, 1, 2]
    assert candidate_counts(groups, pool, np.asarray([5, 7, 0]), None).tolist() == [2, 0, 1]

"""Features from a file, joined by clip and segment."""

import numpy as np
import pytest

from jax_dns.discriminative.precomputed import find_features, precomputed
from jax_dns.errors import InputError
from jax_dns.types import Facts

FACTS = Facts(16_000, 64_000, n_sections=1)
CLIPS, SEGMENTS = np.asarray(["b", "a", "b"]), np.asarray([1, 0, 0])


def test_rows_are_joined_by_name_and_segment(tmp_path):
    path = tmp_path / "fan.npz"
    names, numbers = np.asarray(["a", "a", "b", "b"]), np.asarray([0, 1, 0, 1])
    features = np.arange(8.0).reshape(4, 2)
    np.savez(path, name=names, segment=numbers, feature=features)
    model = precomputed(FACTS, path=str(tmp_path / "{machine}.npz"), label="BEATs")
    got = model.lookup("fan", CLIPS, SEGMENTS)
    np.testing.assert_array_equal(got, features[[3, 0, 2]])
    assert (model.name, got.dtype) == ("BEATs", np.float32)
    np.savez(path, name=["a", "b"], feature=features[:2])
    np.testing.assert_array_equal(find_features(path, CLIPS, SEGMENTS), features[[1, 0, 1]])


def test_several_spaces_are_scaled_and_concatenated(tmp_path, rng):
    names = np.asarray(["a", "b", "c"])
    spaces = {"x": 1000 * rng.normal(size=(3, 4)), "y": 5 + rng.normal(size=(3, 2))}
    for name, feature in spaces.items():
        np.savez(tmp_path / f"{name}_fan.npz", name=names, feature=feature)
    model = precomputed(FACTS, path=f"{tmp_path}/x_{{machine}}.npz, {tmp_path}/y_{{machine}}.npz")
    got = model.lookup("fan", names, np.zeros(3, int))
    scaled = [x - x.mean(0) for x in spaces.values()]
    expected = np.concatenate([x / np.sqrt(x.var(0).sum()) for x in scaled], axis=1)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    before = model.digest("fan")
    np.savez(tmp_path / "y_fan.npz", name=names, feature=spaces["y"] + 1)
    assert model.digest("fan") != before


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"name": ["a"]}, "lacks feature"),
        ({"name": ["a"], "feature": np.ones((2, 2))}, r"feature has shape \[2, 2\] and name \[1\]"),
        ({"name": ["a"], "feature": [[np.nan]]}, "feature of row 0 isn't finite"),
        ({"name": ["a", "a"], "feature": np.ones((2, 2))}, "a, segment 0, occurs twice"),
        ({"name": ["a"], "feature": np.ones((1, 2))}, "lacks 2 of 3 segments, of b "),
    ],
)
def test_a_file_that_cannot_be_used(tmp_path, arrays, message):
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(InputError, match=message):
        find_features(tmp_path / "f.npz", CLIPS, SEGMENTS)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="path: empty"):
        precomputed(FACTS)
    with pytest.raises(InputError, match=r"fan\.npz: no such file"):
        precomputed(FACTS, path=str(tmp_path / "{machine}.npz")).digest("fan")

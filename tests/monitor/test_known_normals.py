"""Known normals are taken from the right split, section and label."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.monitor.known_normals import known_normals
from jax_dns.segments_file import Segments


@pytest.fixture
def segments():
    split = ["train", "train", "valid", "valid", "valid", "test", "train", "test"]
    section = [0, 0, 0, 0, 0, 0, 1, 1]
    clip = ["a", "b", "c", "c", "d", "e", "f", "g"]
    n = len(clip)
    return Segments(
        np.asarray(clip),
        np.asarray([0, 0, 0, 1, 0, 0, 0, 0], np.int32),
        np.asarray(section, np.int32),
        np.full(n, "source"),
        np.asarray(split),
        np.zeros(n, np.int8),
        np.asarray([9, 9, 1, 3, 5, 9, 9, 9], np.float32),
        np.asarray([[0], [10], [1], [12], [-4], [99], [99], [99]], np.float32),
    )


def test_held_out_clips_are_measured_against_trained_ones(segments):
    known = known_normals(segments, 0, "mean")
    assert known.trained.ravel().tolist() == [0, 10]
    assert known.scores.tolist() == [2, 5] and known.distances.tolist() == [1.5, 4]
    assert known.features.ravel().tolist() == [6.5, -4]
    assert known_normals(segments, 0, "max").scores.tolist() == [3, 5]
    more = known.with_clips(np.asarray([7.0]), np.asarray([8.0]))
    assert more.scores.tolist() == [2, 5, 7] and more.distances.tolist() == [1.5, 4, 8]


def test_sections_without_known_normals_are_named(segments):
    with pytest.raises(InputError, match="section 01: no normal clips of the split valid"):
        known_normals(segments, 1, "mean")
    with pytest.raises(
        InputError, match=r"section 02: .* train, expected one of the sections 00, "
    ):
        known_normals(segments, 2, "mean")

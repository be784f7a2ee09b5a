"""What fit and smooth leave for evaluation."""

import numpy as np
import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc
from jax_dns.evaluation.results import MethodResult
from jax_dns.fingerprints import record
from jax_dns.pipeline import methods
from jax_dns.pipeline import smooth as candidates
from jax_dns.segments_file import Segments, write_segments


def segments(rng):
    n = 40
    return Segments(
        np.asarray([f"{i // 2:03d}.wav" for i in range(n)]),
        np.tile([0, 1], 20).astype(np.int32),
        np.zeros(n, np.int32),
        np.full(n, "source"),
        np.where(np.arange(n) < 30, "test", "train"),
        np.repeat(np.arange(20) % 2, 2).astype(np.int8),
        rng.normal(size=n).astype(np.float32),
        rng.normal(size=(n, 2)).astype(np.float32),
    )


def test_scored_round_trip(tmp_path, rng):
    test = segments(rng)
    found = [
        MethodResult("Proposed", "K", 8, "all", np.arange(20.0), oracle=True),
        MethodResult("AE", "", 0, "", np.ones(20)),
        MethodResult("Adaptive", "alpha", 0.5, "source", np.ones(20)),
    ]
    candidates.write_method_results(tmp_path / "a.npz", found, test)
    again = candidates.read_method_results(tmp_path / "a.npz")
    assert [repr(s[:4] + s[5:]) for s in again] == [repr(s[:4] + s[5:]) for s in found]
    np.testing.assert_array_equal(again[0].scores, found[0].scores)
    candidates.write_method_results(tmp_path / "b.npz", [], test)
    assert candidates.read_method_results(tmp_path / "b.npz") == []
    assert candidates.read_method_results(tmp_path / "c.npz") == []


def test_found_are_the_test_clips_with_every_settings_cells(tmp_path, rng):
    every = segments(rng)
    write_segments(tmp_path / "segments.npz", every)
    test = every.where(every.split == "test")
    scores = rng.normal(size=15)
    for name, method in (("serial_oe", "SerialOE"), ("smoothed", "Proposed")):
        found = [MethodResult(method, "K", 2, "all", scores)]
        candidates.write_method_results(tmp_path / f"{name}.npz", found, test)
        record(tmp_path, name, "k", artefact=candidates.artefact_key(tmp_path))
    found = candidates.find(tmp_path)
    assert len(found.clips.name) == 15
    assert [c.method for c in found.candidates] == ["SerialOE", "Proposed"]
    assert found.candidates[0].metrics[0].auc == auc(np.arange(15) % 2, scores)


def test_results_of_other_segments_do_not_count(tmp_path, rng):
    every = segments(rng)
    write_segments(tmp_path / "segments.npz", every)
    found = [MethodResult("SerialOE", "GMM", 2, "all", rng.normal(size=15))]
    candidates.write_method_results(
        tmp_path / "serial_oe.npz", found, every.where(every.split == "test")
    )
    record(tmp_path, "serial_oe", "k", artefact=candidates.artefact_key(tmp_path))
    assert len(candidates.find(tmp_path).candidates) == 1
    write_segments(tmp_path / "segments.npz", every._replace(score=every.score + 1))
    assert candidates.find(tmp_path).candidates == []
    (tmp_path / "segments.npz").unlink()
    with pytest.raises(InputError, match="no such file"):
        candidates.find(tmp_path)


def test_groups_of_each_reading(rng):
    test = segments(rng)._replace(section=np.arange(40, dtype=np.int32) % 4)
    c = config.get_config()
    c.data.eval_sections = (2, 3)
    np.testing.assert_array_equal(candidates.smoothing_groups(c, test), test.section)
    c.smoothing.groups = "machine"
    np.testing.assert_array_equal(candidates.smoothing_groups(c, test), test.section >= 2)
    c.smoothing.history = "all"
    assert not candidates.smoothing_groups(c, test).any()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ks", (1, 2)),
        ("data", "all"),
        ("unit", "clip"),
        ("outside_pool", "keep"),
        ("metric", "cosine"),
        ("same_clip", False),
    ],
)
def test_every_field_of_smoothing_counts(rng, name, value):
    domain = np.where(np.arange(40) % 8 < 6, "source", "target")
    test = segments(rng)._replace(domain=domain, split=np.full(40, "test"))
    c = config.get_config()
    c.smoothing.ks = (1, 4)
    before = candidates.proposed(c, test)
    c.smoothing[name] = value
    after = candidates.proposed(c, test)
    given = dict(ks=(1, 4), data=("source", "all")) | {name: ["all"] if name == "data" else value}
    expected = methods.proposed(test, **given)
    assert [s[:4] for s in after] == [s[:4] for s in expected]
    for found, wanted in zip(after, expected):
        np.testing.assert_array_equal(found.scores, wanted.scores)
    same = [(s[:4], s.scores.tolist()) for s in before]
    assert same != [(s[:4], s.scores.tolist()) for s in after]

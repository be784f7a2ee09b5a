"""What the stages fit and smooth leave for evaluation."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc
from jax_dns.evaluation.results import MethodResult
from jax_dns.fingerprints import write_stamp
from jax_dns.pipeline.method_results import (
    check_scores,
    load_results,
    read_method_results,
    segments_digest,
    write_method_results,
)
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


def test_results_round_trip(tmp_path, rng):
    test = segments(rng)
    results = [
        MethodResult("Proposed", "K", 8, "all", np.arange(20.0), oracle=True),
        MethodResult("AE", "", 0, "", np.ones(20)),
        MethodResult("Adaptive", "alpha", 0.5, "source", np.ones(20)),
    ]
    write_method_results(tmp_path / "a.npz", results, test)
    again = read_method_results(tmp_path / "a.npz")
    assert [repr(s[:4] + s[5:]) for s in again] == [repr(s[:4] + s[5:]) for s in results]
    np.testing.assert_array_equal(again[0].scores, results[0].scores)
    write_method_results(tmp_path / "b.npz", [], test)
    assert read_method_results(tmp_path / "b.npz") == []
    assert read_method_results(tmp_path / "c.npz") == []


def test_results_are_of_the_test_clips_with_every_settings_metrics(tmp_path, rng):
    every = segments(rng)
    write_segments(tmp_path / "segments.npz", every)
    test = every.where(every.split == "test")
    scores = rng.normal(size=15)
    for name, method in (("inlier", "SerialOE"), ("smoothed", "Proposed")):
        results = [MethodResult(method, "K", 2, "all", scores)]
        write_method_results(tmp_path / f"{name}.npz", results, test)
        write_stamp(tmp_path, name, "k", segments=segments_digest(tmp_path))
    results = load_results(tmp_path)
    assert len(results.clips.name) == 15
    assert [c.method for c in results.results] == ["SerialOE", "Proposed"]
    assert results.results[0].metrics[0].auc == auc(np.arange(15) % 2, scores)


def test_results_of_other_segments_do_not_count(tmp_path, rng):
    every = segments(rng)
    write_segments(tmp_path / "segments.npz", every)
    results = [MethodResult("SerialOE", "GMM", 2, "all", rng.normal(size=15))]
    write_method_results(tmp_path / "inlier.npz", results, every.where(every.split == "test"))
    write_stamp(tmp_path, "inlier", "k", segments=segments_digest(tmp_path))
    assert len(load_results(tmp_path).results) == 1
    write_segments(tmp_path / "segments.npz", every._replace(score=every.score + 1))
    assert load_results(tmp_path).results == []
    (tmp_path / "segments.npz").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_results(tmp_path)


def test_scores_that_a_component_may_not_return():
    np.testing.assert_array_equal(check_scores("C", [1.0, 2.0], 2), [1, 2])
    with pytest.raises(
        InputError, match=r"component C: returned shape \[3\], expected \[2\] scores"
    ):
        check_scores("C", np.zeros(3), 2)
    with pytest.raises(InputError, match="component C: score 1 is nan, expected finite"):
        check_scores("C", np.asarray([0, np.nan]), 2)

"""p-values of streams: the fast ones are the monitor's, smoothing is a loop's, a rule joins in."""

import numpy as np
from paper import delay_evidence
from paper.delay_evidence import join_by_rule, look_back_rows, p_values, ranks_p, smooth_stream
from paper.delay_streams import Known, Stream

from jax_dns.monitor.decisions import combined_p, conformal_p


def test_p_values_are_the_monitors(rng):
    normals = rng.integers(0, 9, size=(40, 3)).astype(np.float64)  # ties
    values = rng.integers(-1, 12, size=(60, 3)).astype(np.float64)
    by_one = [combined_p(value, normals) for value in values]
    np.testing.assert_array_equal(ranks_p(values, normals), by_one)
    by_one = [conformal_p(float(value), normals[:, 0]) for value in values[:, 0]]
    np.testing.assert_array_equal(ranks_p(values[:, :1], normals[:, :1]), by_one)


def test_smoothing_takes_the_past_and_no_copies(rng, monkeypatch):
    monkeypatch.setattr(delay_evidence, "HISTORY", 12)
    monkeypatch.setattr(delay_evidence, "REFRESH", 5)
    monkeypatch.setattr(delay_evidence, "K", 4)
    t = 40
    origin = rng.integers(0, 15, t)
    feature, score = rng.normal(size=(15, 3))[origin], rng.normal(size=15)[origin]
    stream = Stream(score, score, feature, origin, np.zeros(t, bool))
    known = Known(rng.normal(size=6), np.zeros(6), rng.normal(size=(6, 3)))
    smoothed, of_known = smooth_stream(stream, known)
    for i in range(t):
        past = [j for j in range(max(0, i - 12), i) if origin[j] != origin[i]]
        past.sort(key=lambda j: ((feature[i] - feature[j]) ** 2).sum())
        distances = [((feature[i] - feature[j]) ** 2).sum() for j in past]
        if len(past) > 3 and np.isclose(distances[2], distances[3]):
            continue  # copies of one clip: any of them
        np.testing.assert_allclose(smoothed[i], np.mean([score[i], *score[past[:3]]]))
    assert of_known.shape == (8, 6)
    np.testing.assert_array_equal(of_known[0], known.score)


def series(rng, faults, t=600):
    """A stream of independent clips, the second half with faults near each other."""
    fault = (np.arange(t) >= t // 2) & (rng.random(t) < faults)
    feature = 0.5 * rng.normal(size=(t, 3)) + 1.5 * fault[:, None]
    score = rng.normal(size=t) + 0.8 * fault
    stream = Stream(score, np.abs(feature[:, 0]), feature, np.arange(t), fault)
    known_feature = 0.5 * rng.normal(size=(80, 3))
    return stream, Known(rng.normal(size=80), np.abs(known_feature[:, 0]), known_feature)


def test_smoothing_joins_after_a_look_back_that_finds_faults(rng, monkeypatch):
    monkeypatch.setattr(delay_evidence, "LOOK", 150)
    monkeypatch.setattr(delay_evidence, "LOOK_CLIPS", 128)
    stream, known = series(rng, 0.5)
    both = rng.random(600)
    p = join_by_rule(stream, known, both, 38, 0)
    joined = (p != both).reshape(4, 150).mean(1)
    assert joined[:3].max() == 0 and joined[3] > 0.9
    faulty, normal = (p[450:][stream.fault[450:] == flag] for flag in (True, False))
    assert np.median(faulty) < 0.05 < 0.4 < np.median(normal)
    np.testing.assert_array_equal(join_by_rule(stream, known, both[450:], 38, 450), p[450:])
    np.testing.assert_array_equal(join_by_rule(stream, known, both, 75, 0), both)


def test_a_look_back_has_each_recording_once_and_the_streams_share_of_faults(rng):
    origin = np.where(
        rng.random(2000) < 0.1, 100 + rng.integers(0, 400, 2000), np.arange(2000) % 100
    )
    stream = Stream(*[np.zeros(2000)] * 2, np.zeros((2000, 1)), origin, origin >= 100)
    rows = look_back_rows(stream, 1000)
    assert len(set(origin[rows])) == len(rows) == 64 and rows.max() < 1000 and rows.min() >= 488
    assert (np.diff(rows) > 0).all()
    shares = [stream.fault[look_back_rows(stream, first)].mean() for first in range(600, 2000, 50)]
    assert 0.05 < np.mean(shares) < 0.15


def test_the_normal_weeks_are_taken_from_a_stream_that_shares_them(rng, monkeypatch):
    monkeypatch.setattr(delay_evidence, "LOOK", 150)
    monkeypatch.setattr(delay_evidence, "LOOK_CLIPS", 128)
    stream, known = series(rng, 0.5)
    whole = p_values(stream, known, 144.0)
    before = {way: np.where(np.arange(600) < 300, p, 9) for way, p in whole.items()}
    again = p_values(stream, known, 144.0, before)
    assert sorted(again) == sorted(whole)
    for way, p in again.items():
        np.testing.assert_array_equal(p, whole[way])

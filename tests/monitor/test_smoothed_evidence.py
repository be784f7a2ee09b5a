"""The smoothed score as evidence: Eq. 7 by a loop, valid p-values, on and off as stored."""

import numpy as np
import pytest

from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.known_normals import KnownNormals
from jax_dns.monitor.smoothed_evidence import (
    SmoothedEvidence,
    choosing_normals,
    forget_choice,
    load_evidence,
    part_normals,
    smooth_over,
    store_choice,
)


@pytest.mark.parametrize("k", [1, 4, 30])
def test_smoothing_is_eq_7_over_the_pool(rng, k):
    scores, features = rng.normal(size=5), rng.normal(size=(5, 3))
    pool_scores, pool_features = rng.normal(size=12), rng.normal(size=(12, 3))
    by_hand = []
    for score, feature in zip(scores, features):
        near = np.argsort(((pool_features - feature) ** 2).sum(1))[: k - 1]
        by_hand.append(np.mean([score, *pool_scores[near]]))
    smoothed = smooth_over(scores, features, pool_scores, pool_features, k)
    np.testing.assert_allclose(smoothed, by_hand)


def test_p_values_are_valid_over_any_pool(rng):
    """Each of r + 1 exchangeable clips in turn as the new one: exactly P(p <= j/(r+1)) <= that."""
    r = 19
    counts = np.zeros((2, r + 2))
    for _ in range(40):
        fault = rng.random(50) < 0.3
        pool = rng.normal(size=50) + fault, rng.normal(size=(50, 2)) + fault[:, None]
        features = rng.normal(size=(r + 1, 2))
        scores, distances = rng.normal(size=r + 1) + features[:, 0], np.abs(features[:, 1])
        smoothed = smooth_over(scores, features, *pool, 8)
        clips = np.stack([scores, distances, smoothed], axis=1)
        for i in range(r + 1):
            evidence = SmoothedEvidence(8, *pool, np.delete(clips, i, 0))
            p = evidence.p_values(scores[i], distances[i], features[i])
            counts[[0, 1], [round(value * (r + 1)) for value in p]] += 1
    share = np.cumsum(counts, axis=1) / counts[0].sum()
    assert (share[:, 1:] <= np.arange(1, r + 2) / (r + 1) + 1e-12).all()
    assert (share[:, r // 2] > 0.3).all()  # and they aren't empty caution


def test_normals_are_parted_in_halves_as_far_as_an_alarm_allows():
    choosing, calibrating = part_normals(41, 10)
    assert len(choosing) == 20 and len(calibrating) == 21
    assert sorted([*choosing, *calibrating]) == [*range(41)]
    assert len(part_normals(60, 45)[1]) == 45
    assert part_normals(48, 38) is not None and part_normals(47, 38) is None


def test_the_choice_is_stored_and_built_again(tmp_path, rng):
    history = History.open(tmp_path, k=2)
    features, scores = rng.normal(size=(30, 2, 3)).astype(np.float32), rng.normal(size=30)
    for i in range(30):
        record = ClipRecord(str(i), str(i), float(i), score=scores[i], distance=2.0 * i)
        history.append("fan", 0, record, rng.normal(size=2), features[i], keep_items=20)
    known = KnownNormals(
        np.zeros((1, 3)), rng.normal(size=40), rng.random(40), rng.normal(size=(40, 3))
    )
    clips = np.arange(5, 25)  # some of them have expired
    assert load_evidence(history, "fan", 0, known, 10) is None
    assert store_choice(history, "fan", 0, 4, clips, 10)
    assert not store_choice(history, "fan", 0, 4, clips, 10)
    evidence = load_evidence(history, "fan", 0, known, 10)
    np.testing.assert_array_equal(evidence.scores, scores[4:24])
    np.testing.assert_allclose(evidence.features, features[4:24].mean(1), rtol=1e-6)
    rows = part_normals(40, 10)[1]
    np.testing.assert_array_equal(evidence.normals[:, 1], known.distances[rows])
    pool = evidence.scores, evidence.features, 4
    smoothed = smooth_over(known.scores[rows], known.features[rows], *pool)
    np.testing.assert_array_equal(evidence.normals[:, 2], smoothed)
    chosen = choosing_normals(known, 10)
    assert not set(chosen.scores) & set(evidence.normals[:, 0])
    assert load_evidence(history, "fan", 0, known, 12) is None  # parted otherwise by then
    history.connection.execute("UPDATE clip SET acknowledged = 'normal' WHERE id = 7")
    assert load_evidence(history, "fan", 0, known, 10).normals[-1, :2].tolist() == [scores[6], 12]
    assert store_choice(history, "fan", 0, 1, clips, 10)
    assert load_evidence(history, "fan", 0, known, 10) is None
    store_choice(history, "fan", 0, 4, clips, 10)
    forget_choice(history, "fan", 0)
    assert load_evidence(history, "fan", 0, known, 10) is None
    history.close()

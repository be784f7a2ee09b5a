"""Resamples by counts, against scikit-learn on resamples written out."""

import time

import numpy as np
import pytest

from jax_dns.evaluation.bootstrap import (
    draw_counts,
    harmonic_means,
    interval,
    resampled_summary,
)
from jax_dns.evaluation.metrics import harmonic_mean, section_metrics, summary
from jax_dns.segments_file import Clips


def clips(per=(30, 20), sections=(3, 4), unlabelled=2):
    """`per` normal and anomalous clips in each section and domain."""
    parts = [
        (section, domain, label)
        for section in sections
        for domain in ("source", "target")
        for label, n in ((0, per[0]), (1, per[1]), (-1, unlabelled))
        for _ in range(n)
    ]
    section, domain, label = map(np.asarray, zip(*parts))
    n = len(parts)
    return Clips(np.arange(n).astype(str), section, domain, label.astype(np.int8), np.arange(n))


def test_clips_are_drawn_within_section_domain_and_label():
    given_clips = clips()
    counts = draw_counts(given_clips, n_resamples=50, seed=1)
    assert counts.shape == (50, len(given_clips.name)) and counts.max() > 1
    for section in (3, 4):
        for domain in ("source", "target"):
            for label, n in ((0, 30), (1, 20), (-1, 0)):
                rows = (given_clips.section == section) & (given_clips.domain == domain)
                np.testing.assert_array_equal(
                    counts[:, rows & (given_clips.label == label)].sum(1), n
                )
    np.testing.assert_array_equal(counts, draw_counts(given_clips, n_resamples=50, seed=1))
    assert (counts != draw_counts(given_clips, n_resamples=50, seed=2)).any()


def test_each_clip_is_drawn_as_often_as_in_a_bootstrap():
    counts = draw_counts(clips(unlabelled=0), n_resamples=4000, seed=0)
    n = np.asarray([30] * 30 + [20] * 20)
    np.testing.assert_allclose(counts.mean(0)[:50], 1, atol=0.08)
    np.testing.assert_allclose(counts.var(0)[:50], 1 - 1 / n, atol=0.12)


def test_a_recording_brings_all_its_clips():
    given_clips = clips(per=(6, 4), unlabelled=0)
    recording = np.asarray([f"{i // 2}" for i in range(len(given_clips.name))])
    counts = draw_counts(given_clips, n_resamples=200, seed=0, recording=recording)
    pairs = counts.reshape(200, -1, 2)
    np.testing.assert_array_equal(pairs[..., 0], pairs[..., 1])
    np.testing.assert_array_equal(pairs[:, :3, 0].sum(1), 3)  # section 3, source, normal
    assert pairs[:, :3, 0].max() == 3


@pytest.mark.parametrize("pooled", [True, False])
def test_the_summary_is_that_of_the_resampled_clips(rng, pooled):
    given_clips = clips(sections=(3, 4, 5))
    scores = rng.normal(size=len(given_clips.name)) + given_clips.label
    counts = draw_counts(given_clips, n_resamples=20, seed=0)
    found = resampled_summary(given_clips, scores, counts, sections=(3, 5), pooled=pooled)
    alone = resampled_summary(
        given_clips, scores, counts, sections=(5,), pooled=pooled, partial=False
    )
    for number, c in enumerate(counts):
        rows = np.repeat(np.arange(len(scores)), c)
        drawn = section_metrics(Clips(*(column[rows] for column in given_clips)), scores[rows])
        assert found[number] == pytest.approx(summary(drawn, sections=(3, 5), pooled=pooled))
        here = [x.auc for x in drawn if x.section == 5 and (x.domain == "all") == pooled]
        assert alone[number] == pytest.approx(harmonic_mean(here))


def test_every_clip_once_is_the_metric_itself(rng):
    given_clips = clips()
    scores = rng.normal(size=len(given_clips.name))
    once = np.ones((1, len(scores)), int)
    found = resampled_summary(given_clips, scores, once, sections=(3, 4), pooled=True)
    assert found[0] == pytest.approx(
        summary(section_metrics(given_clips, scores), sections=(3, 4), pooled=True), abs=1e-12
    )
    assert np.isnan(resampled_summary(given_clips, scores, once, sections=(9,), pooled=True)[0])


def test_harmonic_means_and_intervals():
    values = np.asarray([[0.5, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(harmonic_means(values), [harmonic_mean([0.5, 1.0]), 0])
    assert interval(np.arange(1001.0)) == pytest.approx((25, 975))
    assert interval(np.arange(1001.0), level=0.9) == pytest.approx((50, 950))


def test_the_interval_covers_the_truth(rng):
    """95 % intervals of an AUC of 0.76 hold it in 95 % of data sets, give or take."""
    given_clips, hits = clips(per=(60, 60), sections=(3,), unlabelled=0), 0
    for trial in range(200):
        scores = rng.normal(size=len(given_clips.name)) + given_clips.label
        counts = draw_counts(given_clips, n_resamples=400, seed=trial)
        draws = resampled_summary(
            given_clips, scores, counts, sections=(3,), pooled=True, partial=False
        )
        low, high = interval(draws)
        hits += low < 0.7602 < high
    assert 0.90 < hits / 200 < 0.99


def test_a_thousand_resamples_of_a_machine_take_a_moment(rng):
    given_clips = clips(per=(100, 100), sections=(3, 4, 5), unlabelled=0)
    scores = rng.normal(size=len(given_clips.name))
    start = time.perf_counter()
    counts = draw_counts(given_clips, n_resamples=1000, seed=0)
    resampled_summary(given_clips, scores, counts, sections=(3, 4, 5), pooled=False)
    assert time.perf_counter() - start < 3  # 0.1 s on two idle cores

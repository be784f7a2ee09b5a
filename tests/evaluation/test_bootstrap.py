"""Resamples by counts, against scikit-learn on resamples written out."""

import time

import numpy as np
import pytest

from jax_dns.evaluation.bootstrap import (
    ScorePair,
    draw_counts,
    harmonic_means,
    interval,
    paired_difference,
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


def shuffled(pair, rng):
    order = rng.permutation(len(pair.first))
    columns = [column[order] for column in pair.clips[:4]]
    return ScorePair(Clips(*columns, np.arange(len(order))), pair.first[order], pair.second[order])


@pytest.mark.parametrize("pooled", [True, False])
def test_a_paired_difference_of_two_seeds_and_machine_types(rng, pooled):
    given_clips = clips(unlabelled=1)
    n = len(given_clips.name)
    runs = [
        {
            machine: ScorePair(given_clips, rng.normal(size=n), rng.normal(size=n) + shift)
            for machine, shift in (("fan", given_clips.label), ("pump", 0.3 * given_clips.label))
        }
        for _ in range(2)
    ]
    options = dict(sections=(3, 4), pooled=pooled, n_resamples=50)
    found = paired_difference(runs, **options, seed=1)
    expected = np.zeros((2, 50))
    points = np.zeros(2)
    for run in runs:
        draws, point = [], []
        for number, pair in enumerate(run.values()):
            order = np.argsort(given_clips.name)
            sorted_clips = Clips(*(c[order] for c in given_clips[:4]), np.arange(n))
            counts = draw_counts(sorted_clips, n_resamples=50, seed=[1, number])
            draws.append(
                [
                    resampled_summary(
                        sorted_clips, s[order], counts, sections=(3, 4), pooled=pooled
                    )
                    for s in pair[1:]
                ]
            )
            point.append(
                [
                    summary(section_metrics(given_clips, s), sections=(3, 4), pooled=pooled)
                    for s in pair[1:]
                ]
            )
        expected += [[harmonic_mean(x) for x in zip(*m)] for m in zip(*draws)]
        points += [harmonic_mean(m) for m in zip(*point)]
    assert found[:2] == pytest.approx(points / 2)
    assert found[2:] == pytest.approx(interval((expected[1] - expected[0]) / 2))
    again = [{m: shuffled(pair, rng) for m, pair in run.items()} for run in runs]
    assert paired_difference(again, **options, seed=1) == pytest.approx(found)


def test_no_difference_without_labels(rng):
    given_clips = clips(per=(3, 3), unlabelled=0)
    pair = ScorePair(given_clips, rng.normal(size=24), rng.normal(size=24))
    none = pair._replace(clips=given_clips._replace(label=np.full(24, -1, np.int8)))
    options = dict(sections=(3,), pooled=True, n_resamples=5)
    assert paired_difference([{"fan": pair}], **options) is not None
    assert paired_difference([{"fan": pair, "pump": none}], **options) is None
    same = pair._replace(second=pair.first)
    assert paired_difference([{"fan": same}], **options)[2:] == (0, 0)

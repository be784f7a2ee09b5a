"""Metrics against definitions, the real score file and the paper's own table."""

import csv

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import roc_auc_score

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc, bulk_auc, harmonic_mean, pauc, section_metrics, summary
from jax_dns.segments_file import Clips


def test_real_scores_give_the_official_figures(shared):
    folder = shared / "metrics/mimii_due_ae_scores"
    with (folder / "anomaly_score_fan_section_00_source_test.csv").open() as file:
        rows = list(csv.reader(file))
    label = np.asarray(["anomaly" in name for name, _ in rows], int)
    score = np.asarray([float(value) for _, value in rows])
    assert abs(auc(label, score) - 0.6675) < 1e-12
    assert abs(pauc(label, score) - 0.5694736842105264) < 1e-12


def test_real_results_give_the_official_harmonic_means(shared):
    with (shared / "metrics/mimii_due_ae_scores/result.csv").open() as file:
        rows = [row for row in csv.reader(file) if row and row[0].isdigit()]
    assert len(rows) == 30
    assert abs(harmonic_mean(float(r[2]) for r in rows) - 0.618819883024955) < 1e-12
    assert abs(harmonic_mean(float(r[3]) for r in rows) - 0.533860809237466) < 1e-12


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ((80.78, 60.77, 76.86, 81.49, 49.37, 55.06, 64.02), 64.72),
        ((57.11, 59.50, 54.70, 55.63, 58.61, 58.74, 51.27), 56.38),
        ((73.22, 64.42, 71.84, 69.13, 58.18, 55.91, 56.95), 63.52),
        ((74.56, 64.64, 74.76, 70.63, 63.09, 70.19, 73.28), 69.89),
    ],
)
def test_all_hmean_of_table_ii_from_its_own_rows(row, expected):
    assert round(harmonic_mean(row), 2) == expected


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 5)), min_size=2, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(items):
    label, score = map(np.asarray, zip(*items))
    if len(set(label.tolist())) < 2:
        return
    pairs = [(a > n) + 0.5 * (a == n) for a in score[label == 1] for n in score[label == 0]]
    assert auc(label, score.astype(float)) == pytest.approx(np.mean(pairs))


@pytest.mark.parametrize("n", [2, 9, 60, 400])
def test_bit_for_bit_those_of_sklearn(rng, n):
    for digits in (0, 1, 9):
        label = rng.permutation(np.arange(n) % 2)
        score = np.round(rng.normal(size=n) + label, digits)
        expected = roc_auc_score(label, score), roc_auc_score(label, score, max_fpr=0.1)
        assert (auc(label, score), pauc(label, score)) == expected


def clips():
    section = np.repeat([0, 1, 2], 8)
    domain = np.tile(np.repeat(["source", "target"], 4), 3)
    label = np.tile([0, 1], 12).astype(np.int8)
    label[16:20] = -1  # section 2, source: unknown
    return Clips(np.arange(24).astype(str), section, domain, label, np.arange(24))


def test_cells_by_section_and_domain(rng):
    given_clips, scores = clips(), rng.normal(size=24)
    found = {(c.section, c.domain): c for c in section_metrics(given_clips, scores)}
    assert set(found) == {(s, d) for s in (0, 1) for d in ("source", "target", "all")} | {
        (2, "target"),
        (2, "all"),
    }
    rows = np.arange(8, 12)
    assert found[1, "source"].auc == auc(given_clips.label[rows], scores[rows])
    rows = np.arange(8, 16)
    assert found[1, "all"].pauc == pauc(given_clips.label[rows], scores[rows])
    assert found[2, "all"][2:] == found[2, "target"][2:]  # the unknown ones don't count


def test_summary_under_both_readings(rng):
    found = section_metrics(clips(), rng.normal(size=24))
    pooled = [v for c in found if c.domain == "all" and c.section < 2 for v in (c.auc, c.pauc)]
    apart = [v for c in found if c.domain != "all" and c.section < 2 for v in (c.auc, c.pauc)]
    assert summary(found, sections=(0, 1), pooled=True) == pytest.approx(harmonic_mean(pooled))
    assert summary(found, sections=(0, 1), pooled=False) == pytest.approx(harmonic_mean(apart))
    assert len(pooled) == 4 and len(apart) == 8
    assert np.isnan(summary(found, sections=(9,), pooled=True))


def test_harmonic_mean_of_nothing_and_of_zero():
    assert np.isnan(harmonic_mean([])) and harmonic_mean([0.0, 1.0]) == 0.0


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 80), st.integers(1, 40))
def test_many_sets_at_once_equal_sklearn(seed, n, levels):
    """With ties, and with any shares of the classes."""
    rng = np.random.default_rng(seed)
    label = (rng.random(n) < rng.random()).astype(np.int8)
    label[rng.choice(n, 2, replace=False)] = 0, 1
    scores = np.stack(
        [
            rng.integers(0, levels, n) / 7,
            rng.normal(size=n) + label,
            label - 0.5,
            np.zeros(n),
            0.5 - label,
        ]
    )
    whole, part = bulk_auc(label, scores)
    np.testing.assert_allclose(whole, [roc_auc_score(label, s) for s in scores], atol=1e-12)
    wanted = [roc_auc_score(label, s, max_fpr=0.1) for s in scores]
    np.testing.assert_allclose(part, wanted, atol=1e-12)


def written_out(label, score, counts, **options):
    """The oracle: each clip as often as it counts."""
    return [roc_auc_score(np.repeat(label, c), np.repeat(score, c), **options) for c in counts]


@pytest.mark.parametrize("values", [None, 40, 5, 1])  # None: no ties; 1: nothing but ties
@pytest.mark.parametrize("n", [400, 45])
def test_auc_and_pauc_are_sklearns_on_written_out_resamples(rng, values, n):
    label = rng.permutation(np.arange(n) % 2)
    score = rng.normal(size=n) + label
    if values:
        score = np.digitize(score, np.linspace(-2, 3, values)).astype(float)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=200)
    auc, pauc = bulk_auc(label, score[None], counts)
    np.testing.assert_allclose(auc, written_out(label, score, counts), rtol=0, atol=1e-12)
    expected = written_out(label, score, counts, max_fpr=0.1)
    np.testing.assert_allclose(pauc, expected, rtol=0, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(int, 25, elements=st.integers(0, 1)),
    arrays.arrays(float, 25, elements=st.sampled_from([-1.0, 0.0, 0.1, 0.25, 1e9])),
    arrays.arrays(int, (3, 25), elements=st.integers(0, 4)),
)
def test_any_labels_scores_and_counts(label, score, counts):
    assume(all((c * label).sum() and (c * (1 - label)).sum() for c in counts))
    auc, pauc = bulk_auc(label, score[None], counts)
    np.testing.assert_allclose(auc, written_out(label, score, counts), rtol=0, atol=1e-12)
    expected = written_out(label, score, counts, max_fpr=0.1)
    np.testing.assert_allclose(pauc, expected, rtol=0, atol=1e-12)


def test_many_sets_need_both_classes():
    with pytest.raises(InputError, match="label"):
        bulk_auc(np.zeros(3, np.int8), np.zeros((1, 3)))

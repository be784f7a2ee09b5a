"""Draws of clips against the slow way: the pipeline on the subset alone."""

import jax
import numpy as np
import pytest
from paper.clip_draws import draw_clips, evaluate_draws

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import harmonic_mean, section_metrics, summary
from jax_dns.pipeline.smooth import smoothing_results
from jax_dns.segments_file import Segments, clip_mean, clips_of

KS = (1, 2, 4, 8, 16, 32, 64)


def fabricated(rng, *, per_kind=6, segments=3, sections=(3, 4), shuffled=True) -> Segments:
    """Test segments of labelled clips, a few of each section, domain and label."""
    kinds = [
        (section, domain, label, number)
        for section in sections
        for domain in ("source", "target")
        for label in (0, 1)
        for number in range(per_kind + 2 * (section == 3))
    ]
    section, domain, label, _ = (np.repeat(column, segments) for column in zip(*kinds))
    n = len(section)
    label = label.astype(np.int8)
    feature = rng.normal(size=(n, 5)) + 1.5 * label[:, None] * (np.arange(5) == 0)
    made = Segments(
        np.repeat([f"clip_{i:03d}" for i in range(len(kinds))], segments),
        np.tile(np.arange(segments, dtype=np.int32), len(kinds)),
        section.astype(np.int32),
        domain,
        np.full(n, "test"),
        label,
        (rng.normal(size=n) + 0.4 * label).astype(np.float32),
        feature.astype(np.float32),
    )
    return made.where(rng.permutation(n)) if shuffled else made


def evaluate_settings(test, pooled, **smoothing):
    """The run's own results: (value of the AE, of the best setting, all settings that reach it)."""
    c = config.get_config()
    c.smoothing.ks = KS
    c.smoothing.update(smoothing)
    # Clips with the same neighbourhood are tied but for rounding; so float64, then nine decimals.
    with jax.enable_x64(True):
        ae, *others = smoothing_results(c, test)
    clips = clips_of(test)
    values = [
        summary(section_metrics(clips, r.scores.round(9)), sections=(3, 4), pooled=pooled)
        for r in (ae, *others)
    ]
    best = max(values[1:])
    settings = {(r.value, r.data) for r, v in zip(others, values[1:]) if v > best - 1e-9}
    return values[0], best, settings


@pytest.mark.parametrize(
    "options",
    [{}, {"unit": "clip"}, {"outside_pool": "keep"}, {"metric": "cosine"}, {"groups": "machine"}],
    ids=str,
)
def test_results_equal_a_run_on_the_drawn_clips_alone(rng, options):
    test = fabricated(rng)
    draw_options = dict(options)
    if "groups" in options:
        options = options | {"history": "all"}
        draw_options["groups"] = np.zeros(len(test.clip), np.int32)
    n_compared = 0
    for results in evaluate_draws(test, ks=KS, fractions=(0.4, 1.0), draws=1, **draw_options):
        clips = clips_of(test)
        drawn = draw_clips(clips, results[0].fraction, seed=results[0].draw)
        subset = test.where(drawn[clips.row])
        for reading in ("pooled", "by_domain"):
            ae, best = (r for r in results if r.reading == reading)
            assert (ae.method, best.method) == ("AE", "Proposed (Oracle)")
            of_ae, of_best, settings = evaluate_settings(subset, reading == "pooled", **options)
            assert ae.value == pytest.approx(of_ae, abs=1e-12)
            assert best.value == pytest.approx(of_best, abs=1e-12)
            assert (best.k, best.data) in settings
            assert ae.clips == best.clips == drawn.sum()
            n_compared += 1
    assert n_compared == 2 * 2


def test_every_clip_scored_over_the_drawn(rng):
    """score="all", against a loop over items in float64."""
    test = fabricated(rng, sections=(3,))
    clips = clips_of(test)
    results = next(
        iter(
            evaluate_draws(test, ks=(3,), data=("source",), fractions=(0.5,), draws=1, score="all")
        )
    )
    drawn = draw_clips(clips, 0.5, seed=0)
    pool = drawn[clips.row] & (test.domain == "source")
    feature = test.feature.astype(np.float64)
    smoothed = np.empty(len(test.clip))
    for i in range(len(test.clip)):
        far = ((feature - feature[i]) ** 2).sum(1)
        far[~pool] = far[i] = np.inf
        smoothed[i] = (test.score[i] + test.score[np.argsort(far)[:2]].sum(dtype=float)) / 3
    mean = np.array([smoothed[clips.row == c].mean() for c in range(len(clips.name))])
    for pooled, reading in ((True, "pooled"), (False, "by_domain")):
        best = next(r for r in results if r.reading == reading and r.k)
        expected = summary(section_metrics(clips, mean), sections=(3,), pooled=pooled)
        assert (best.k, best.data) == (3, "source")
        assert best.value == pytest.approx(expected, abs=1e-12)
    ae = [r.value for r in results if r.method == "AE" and r.reading == "pooled"]
    whole = section_metrics(clips, clip_mean(clips_of(test), test.score))
    assert ae == [pytest.approx(summary(whole, sections=(3,), pooled=True), abs=1e-12)]


def test_unlabelled_clips_are_neither_drawn_nor_rated(rng):
    test = fabricated(rng)
    without = test.where(test.clip != "clip_001")
    label = np.where(test.clip == "clip_001", -1, test.label).astype(np.int8)
    options = dict(ks=KS, fractions=(1.0,), draws=1)
    for score in ("drawn", "all"):
        results = list(evaluate_draws(test._replace(label=label), score=score, **options))
        assert results == list(evaluate_draws(without, score=score, **options))


def test_draws_keep_ratios_and_grow(rng):
    clips = clips_of(fabricated(rng, per_kind=9))
    before = np.zeros(len(clips.name), bool)
    for fraction in (0.03, 0.05, 0.25, 0.5, 0.95, 1.0):
        drawn = draw_clips(clips, fraction, seed=3)
        assert (drawn | before == drawn).all()
        before = drawn
        for section, domain, label in set(zip(clips.section, clips.domain, clips.label)):
            kind = (clips.section == section) & (clips.domain == domain) & (clips.label == label)
            expected = max(1, int(fraction * kind.sum() + 0.5))
            assert drawn[kind].sum() == expected
    assert drawn.all()
    one, two = (draw_clips(clips, 0.5, seed=seed) for seed in (0, 1))
    assert (one != two).any()
    np.testing.assert_array_equal(one, draw_clips(clips, 0.5, seed=0))


def test_draws_reach_all_clips_alike(rng):
    clips = clips_of(fabricated(rng, per_kind=10))
    often = np.mean([draw_clips(clips, 0.5, seed=seed) for seed in range(400)], axis=0)
    assert np.abs(often - 0.5).max() < 0.12  # 4.8 deviations of a binomial share


def test_ties_go_to_the_smaller_k_and_source(rng):
    """Two clusters far apart: every K within a cluster separates the labels."""
    test = fabricated(rng, sections=(3,), per_kind=8)
    test = test._replace(
        feature=(1e3 * test.label[:, None] + rng.normal(size=(len(test.clip), 2))).astype("f"),
        score=(test.label + 1e-3 * rng.normal(size=len(test.clip))).astype("f"),
    )
    for results in evaluate_draws(
        test, ks=(4, 2), data=("all", "source"), fractions=(1.0,), draws=1
    ):
        for best in (r for r in results if r.k):
            assert (best.k, best.data, best.value) == (2, "source", pytest.approx(1))


def test_one_score_for_all_is_chance(rng):
    """K = all clips: every clip has the same neighbourhood, and the sums' order ranks none."""
    test = fabricated(rng, sections=(3,))
    n = len(clips_of(test).name)
    options = dict(ks=(n,), data=("all",), fractions=(1.0,), draws=1, unit="clip")
    for results in evaluate_draws(test, **options):
        assert [r.value for r in results if r.k == n] == [pytest.approx(0.5, abs=1e-12)] * 2


def test_section_without_the_pools_domain(rng):
    """No neighbours at all leave K = 1, which is the AE."""
    test = fabricated(rng)
    test = test._replace(domain=np.full(len(test.clip), "target"))
    for results in evaluate_draws(test, ks=(1, 2), data=("source",), fractions=(0.5, 1.0), draws=1):
        ae, best, *_ = results
        assert best[4:] == ("Proposed (Oracle)", 1, "source", pytest.approx(ae.value, abs=1e-12))


def test_section_without_both_classes_counts_in_no_mean(rng):
    test = fabricated(rng)
    label = np.where(test.section == 4, 0, test.label).astype(np.int8)
    results = next(
        iter(evaluate_draws(test._replace(label=label), ks=(1,), fractions=(1.0,), draws=1))
    )
    alone = section_metrics(clips_of(test), clip_mean(clips_of(test), test.score))
    expected = harmonic_mean(v for c in alone if c[:2] == (3, "all") for v in (c.auc, c.pauc))
    assert results[0].value == pytest.approx(expected, abs=1e-12)


def test_what_it_refuses(rng):
    test = fabricated(rng)
    for fraction in (0.0, -1.0, 1.01):
        with pytest.raises(InputError, match="fraction"):
            draw_clips(clips_of(test), fraction, seed=0)
    options = dict(ks=(1,), fractions=(1.0,), draws=1)
    for wrong in ({"score": "some"}, {"unit": "x"}, {"outside_pool": "x"}, {"data": ("target",)}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            next(evaluate_draws(test, **options | wrong))
    unlabelled = test._replace(label=np.full(len(test.clip), -1, np.int8))
    with pytest.raises(InputError, match="label"):
        next(evaluate_draws(unlabelled, **options))

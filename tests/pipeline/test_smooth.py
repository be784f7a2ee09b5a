"""The smooth stage: Eq. 7 over segments, averaged by clip, in every reading of the paper."""

import numpy as np
import pytest
from scipy.stats import rankdata

from jax_dns import config
from jax_dns import smooth as smooth_scores
from jax_dns.errors import InputError
from jax_dns.pipeline.smooth import (
    adaptive_results,
    largest_setting,
    smoothed_segments,
    smoothing_groups,
    smoothing_results,
)
from jax_dns.segments_file import Segments
from jax_dns.smoothing.adaptive import METHOD, smooth_adaptively
from jax_dns.smoothing.cross_clip import largest_k, smooth_other_clips
from jax_dns.smoothing.transforms import transform_scores


def segments(rng, clips=12, per_clip=3, d=4):
    n = clips * per_clip
    clip = np.repeat([f"{i:02d}.wav" for i in range(clips)], per_clip)
    section = np.repeat(np.arange(clips) % 2, per_clip).astype(np.int32)
    domain = np.repeat(np.where(np.arange(clips) % 3 == 2, "target", "source"), per_clip)
    return Segments(
        clip,
        np.tile(np.arange(per_clip), clips).astype(np.int32),
        section,
        domain,
        np.full(n, "test"),
        np.zeros(n, np.int8),
        rng.normal(size=n).astype(np.float32),
        rng.normal(size=(n, d)).astype(np.float32),
    )


def by_clip(values):
    return values.reshape(-1, 3).mean(1)


def settings(**fields):
    c = config.get_config()
    c.smoothing.update(fields)
    return c


def proposed(test, **fields):
    """Proposed's results alone."""
    return [r for r in smoothing_results(settings(**fields), test) if r.method == "Proposed"]


def test_the_first_result_is_the_generative_score(rng):
    test = segments(rng)
    first = smoothing_results(settings(ks=(2,)), test)[0]
    assert (first.method, first.parameter) == ("AE", "")
    np.testing.assert_allclose(first.scores, by_clip(test.score), rtol=1e-6)


@pytest.mark.parametrize("data", ["source", "all"])
def test_segments_are_smoothed_within_a_section(rng, data):
    test = segments(rng)
    results = proposed(test, ks=(1, 3, 500), data=data)
    assert [r.value for r in results] == [1, 3] and all(r.data == data for r in results)
    pool = (test.domain == "source") | (data == "all")
    expected = smooth_scores(test.score, test.feature, 3, groups=test.section, pool=pool)
    np.testing.assert_allclose(results[1].scores, by_clip(expected), rtol=1e-6)
    np.testing.assert_allclose(results[0].scores, by_clip(test.score), rtol=1e-6)
    c = settings(ks=(1, 3, 500))
    np.testing.assert_array_equal(smoothed_segments(c, test, 3, data), expected)
    assert largest_setting(c, test, data) == 3
    with pytest.raises(InputError, match="K: 500, expected a value that fits every"):
        smoothed_segments(c, test, 500, data)


def test_items_outside_the_pool_may_keep_their_scores(rng):
    test = segments(rng)
    kept = proposed(test, ks=(3,), data="source", outside_pool="keep")[0].scores
    target = test.domain[::3] == "target"
    np.testing.assert_allclose(kept[target], by_clip(test.score)[target], rtol=1e-6)
    smoothed = proposed(test, ks=(3,), data="source")[0].scores
    np.testing.assert_allclose(kept[~target], smoothed[~target], rtol=1e-6)


def test_clips_may_be_the_unit(rng):
    test = segments(rng)
    scores = proposed(test, ks=(2,), data="all", unit="clip")[0].scores
    features = test.feature.reshape(12, 3, 4).mean(1)
    expected = smooth_scores(by_clip(test.score), features, 2, groups=test.section[::3])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_the_highest_segment_may_be_the_clips_score(rng):
    test = segments(rng)
    pool = test.domain == "source"
    smoothed = smooth_scores(test.score, test.feature, 3, groups=test.section, pool=pool)
    c = settings(ks=(3,), data="source", aggregate="max")
    generative, proposed = smoothing_results(c, test)
    np.testing.assert_array_equal(generative.scores, test.score.reshape(-1, 3).max(1))
    np.testing.assert_array_equal(proposed.scores, smoothed.reshape(-1, 3).max(1))
    c.smoothing.unit = "clip"
    scores, features = test.score.reshape(-1, 3).max(1), test.feature.reshape(-1, 3, 4).mean(1)
    expected = smooth_scores(
        scores, features.astype(np.float32), 3, groups=test.section[::3], pool=pool[::3]
    )
    np.testing.assert_allclose(smoothing_results(c, test)[1].scores, expected, rtol=1e-6)


def test_neighbours_may_come_from_all_sections(rng):
    test = segments(rng)
    scores = proposed(test, ks=(20,), data="all", groups="machine", history="all")[0].scores
    expected = smooth_scores(test.score, test.feature, 20)
    np.testing.assert_allclose(scores, by_clip(expected), rtol=1e-6)


def test_neighbours_may_be_of_other_clips_alone(rng):
    test = segments(rng)
    clip, pool = np.repeat(np.arange(12), 3), test.domain == "source"
    results = proposed(test, ks=(1, 4, 10, 11), data="source", same_clip=False)
    assert [r.value for r in results] == [1, 4, 10]  # three source clips beside its own
    expected = smooth_other_clips(
        test.score, test.feature, (4,), clip=clip, groups=test.section, pool=pool
    )
    np.testing.assert_allclose(results[1].scores, by_clip(expected[0]), rtol=1e-6)
    # A clip is one item where clips are smoothed.
    both = [
        proposed(test, ks=(2,), data="all", unit="clip", same_clip=same)[0].scores
        for same in (True, False)
    ]
    np.testing.assert_allclose(*both, rtol=5e-6)  # the two sum in another order


def test_the_metric_counts(rng):
    test = segments(rng)
    one, other = (proposed(test, ks=(4,), metric=m)[0].scores for m in ("euclidean", "cosine"))
    assert not np.allclose(one, other)


def test_groups_of_each_reading(rng):
    test = segments(rng)._replace(section=np.arange(36, dtype=np.int32) % 4)
    c = config.get_config()
    c.data.eval_sections = (2, 3)
    np.testing.assert_array_equal(smoothing_groups(c, test), test.section)
    c.smoothing.groups = "machine"
    np.testing.assert_array_equal(smoothing_groups(c, test), test.section >= 2)
    c.smoothing.history = "all"
    assert not smoothing_groups(c, test).any()


def test_largest_k():
    groups = np.asarray([0, 0, 0, 1, 1])
    assert largest_k(groups, np.ones(5, bool)) == 2
    assert largest_k(groups, np.asarray([True, True, True, True, False])) == 1


def held_out_segments(rng, clips=200, per_clip=2):
    """Two sections; a fifth of the clips trained on, a fifth held out, anomalies in a cluster."""
    n = clips * per_clip
    number = np.arange(clips)
    split = np.where(number % 5 == 0, "train", np.where(number % 5 == 1, "valid", "test"))
    anomaly = (split == "test") & (rng.random(clips) < 0.4)
    return Segments(
        np.repeat([f"{i:03d}.wav" for i in number], per_clip),
        np.tile(np.arange(per_clip), clips).astype(np.int32),
        np.repeat(number // 100, per_clip).astype(np.int32),
        np.full(n, "source"),
        np.repeat(split, per_clip),
        np.repeat(anomaly, per_clip).astype(np.int8),
        (rng.normal(size=n) + np.repeat(anomaly, per_clip)).astype(np.float32),
        (rng.normal(size=(n, 4)) + 6 * np.repeat(anomaly, per_clip)[:, None]).astype(np.float32),
    )


def test_the_held_out_clips_choose_the_amount_of_smoothing(rng, capsys):
    every = held_out_segments(rng)
    result = adaptive_results(settings(), "fan", every)[0]
    printed = capsys.readouterr().out
    assert (result.method, result.parameter, result.data) == (METHOD, "", "")

    def clips_in(part, section):
        rows = (every.split == part) & (every.section == section)
        score, feature = every.score[rows], every.feature[rows]
        return score.reshape(-1, 2).mean(1, dtype=np.float64), feature.reshape(-1, 2, 4).mean(1)

    expected = [smooth_adaptively(*clips_in("test", s), *clips_in("valid", s)) for s in (0, 1)]
    a_g = [clips_in("test", s)[0] for s in (0, 1)]
    for rows, before, choice in zip((slice(0, 60), slice(60, 120)), a_g, expected):
        np.testing.assert_allclose(np.sort(result.scores[rows]), np.sort(before))
        moved = np.abs(rankdata(result.scores[rows]) - rankdata(choice.scores))
        assert moved.max() <= 1  # ties but for rounding
    assert any(choice.k > 1 for choice in expected)
    for section, choice in enumerate(expected):
        assert f"fan, section {section:02d} source, {METHOD}: {choice.description}" in printed
    # The clips that were trained on have no part in it.
    changed = every._replace(score=np.where(every.split == "train", 99, every.score))
    again = adaptive_results(settings(), "fan", changed)[0]
    np.testing.assert_array_equal(again.scores, result.scores)
    strict = adaptive_results(settings(adaptive_gate=1e3), "fan", every)[0].scores
    np.testing.assert_array_equal(strict, np.concatenate(a_g))  # kept


def test_held_out_clips_of_one_domain_do_not_choose_for_the_other(rng, capsys):
    every = held_out_segments(rng)
    target = (every.split == "test") & (every.section == 1)
    every = every._replace(domain=np.where(target, "target", every.domain))
    (result,) = adaptive_results(settings(), "fan", every)
    printed = capsys.readouterr().out
    assert f"fan, section 01 target, {METHOD}: kept a_G: 0 known normals" in printed
    a_g = every.score[target].reshape(-1, 2).mean(1, dtype=np.float64)
    np.testing.assert_array_equal(result.scores[60:], a_g)


def test_without_held_out_clips_there_is_no_adaptive_row(rng, capsys):
    every = held_out_segments(rng)
    every = every.where(every.split != "valid")
    assert adaptive_results(settings(), "fan", every) == []
    assert f"fan: no {METHOD} row" in capsys.readouterr().out


def test_scores_are_transformed_in_their_groups_first(rng):
    """What is kept outside the pool is transformed too: one scale for all clips."""
    test = segments(rng)
    ranks = transform_scores(test.score, test.section, "rank")
    for fields in ({}, {"outside_pool": "keep", "data": "source"}):
        expected = proposed(test._replace(score=ranks), ks=(3,), **fields)
        got = proposed(test, ks=(3,), transform="rank", **fields)
        for a, b in zip(got, expected, strict=True):
            np.testing.assert_array_equal(a.scores, b.scores)
    with pytest.raises(InputError, match=r"smoothing\.transform: 'log', expected scores above 0"):
        proposed(test, transform="log")


def test_a_rule_without_a_hyperparameter(rng):
    test = segments(rng)
    c = config.get_config()
    c.smoothing = config.smoothing("grid_mean", ks=(2, 4))
    result = smoothing_results(c, test)[1]
    assert (result.method, result.setting) == ("K-grid mean", "source")
    got = smoothed_segments(c, test, 0, "source")
    np.testing.assert_allclose(by_clip(got), result.scores, rtol=1e-6)

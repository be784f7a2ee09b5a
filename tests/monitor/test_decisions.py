"""P-values are valid, rates of false alarms are as set, levels go on and off as stated."""

import numpy as np
import pytest
from scipy import stats

from jax_dns.errors import InputError
from jax_dns.monitor.decisions import (
    Level,
    Settings,
    alarm_starts,
    check_settings,
    clip_distance,
    combined_p,
    conformal_p,
    gamma_quantile,
    hit_level,
    is_held_back,
    next_level,
    normals_needed,
    weigh,
)


def test_conformal_p_by_hand():
    normals = np.asarray([1.0, 2.0, 2.0, 5.0])
    assert [conformal_p(v, normals) for v in (0.0, 2.0, 3.0, 9.0)] == [1.0, 0.8, 0.4, 0.2]


@pytest.mark.parametrize("correlation", [0, 0.9, -0.9])
def test_the_combined_p_value_is_valid_whatever_the_dependence(rng, correlation):
    """Each of r + 1 exchangeable clips in turn as the new one: exactly P(p <= j/(r+1)) <= that."""
    r = 19
    counts = np.zeros(r + 2)
    for _ in range(60):
        cov = [[1, correlation], [correlation, 1]]
        clips = rng.multivariate_normal([0, 0], cov, size=r + 1)
        for i in range(r + 1):
            counts[round(combined_p(clips[i], np.delete(clips, i, 0)) * (r + 1))] += 1
    share = np.cumsum(counts) / counts.sum()
    assert (share[1:] <= np.arange(1, r + 2) / (r + 1) + 1e-12).all()
    assert share[r // 2] > 0.3  # and it isn't empty caution


def test_both_statistics_count():
    normals = np.stack([np.arange(50.0), np.arange(50.0)[::-1]], axis=1)
    assert combined_p(np.asarray([99.0, 99.0]), normals) == 1 / 51
    assert combined_p(np.asarray([99.0, -1.0]), normals) > 0.5
    evidence = weigh(99.0, -1.0, normals[:, 0], normals[:, 1])
    assert evidence.p_score == 1 / 51 and evidence.p_distance == 1
    assert evidence.p == combined_p(np.asarray([99.0, -1.0]), normals)


def test_distance_and_gamma_quantile(rng):
    known = rng.normal(size=(9, 2))
    clip = rng.normal(size=(3, 2))
    by_hand = np.mean([min(np.linalg.norm(x - y) for y in known) for x in clip])
    assert clip_distance(clip, known) == pytest.approx(by_hand)
    scores = stats.gamma.rvs(3, scale=2, size=20_000, random_state=0)
    assert gamma_quantile(stats.gamma.ppf(0.9, 3, scale=2), scores) == pytest.approx(0.9, abs=5e-3)
    low = gamma_quantile(1.0, scores - 50)
    assert 0.9 < low <= 1 and np.isnan(gamma_quantile(1.0, np.ones(5)))


@pytest.mark.parametrize("hits, window", [(1, 1), (2, 3), (3, 5)])
def test_alarms_of_normal_clips_are_as_rare_as_set(rng, hits, window):
    settings = Settings(0.2, 0.1, 500.0, hits, window)
    p = rng.random(40_000)  # independent clips: 400 times 0.2 days
    starts = alarm_starts(p, settings)
    # An alarm may begin only where none is on, so somewhat fewer than one a day.
    assert 240 < starts.sum() < 460
    assert alarm_starts(p, settings, "warning").sum() > 1.4 * starts.sum()


def test_levels_go_on_and_off():
    settings = Settings(1.0, 0.1, 100.0, hits=2, window=3)
    alarm, warning = (hit_level(d, settings) for d in (1.0, 0.1))
    assert alarm < 0.1 < warning
    level, names = Level("normal", ()), []
    for p in (0.0, 1.0, 0.0, 1.0, 1.0, 1.0, warning, warning, 1.0, 1.0, 1.0):
        level = next_level(level, p, settings)
        names.append(level.name)
    assert names == ["normal"] * 2 + ["alarm"] * 3 + ["normal"] * 2 + ["warning"] * 3 + ["normal"]
    assert is_held_back(alarm, settings) and not is_held_back(alarm * 1.01, settings)


@pytest.mark.parametrize("name", ["alarm", "warning"])
@pytest.mark.parametrize("hits, window", [(1, 1), (2, 3), (2, 9)])
def test_alarm_starts_are_those_of_clip_after_clip(rng, name, hits, window):
    settings = Settings(0.2, 0.05, 100.0, hits, window)
    p = rng.random(1000)
    levels, level, starts, before = ("normal", "warning", "alarm"), Level("normal", ()), [], 0
    for value in p.tolist():
        level = next_level(level, value, settings)
        now = levels.index(level.name)
        starts.append(now >= levels.index(name) > before)
        before = now
    assert sum(starts) > 5
    assert alarm_starts(p, settings, name).tolist() == starts


def test_how_many_normals_a_rate_needs():
    once = Settings(7.0, 1.0, 1440.0, hits=1, window=1)
    assert hit_level(7.0, once) == pytest.approx(1 / 10_080)
    assert normals_needed(7.0, once) == 10_079
    assert normals_needed(7.0, Settings()) < 60
    assert hit_level(0.5, once._replace(clips_per_day=1.0)) == 1


@pytest.mark.parametrize(
    "settings, message",
    [
        (Settings(hits=6), "hits: 6 of the last 5"),
        (Settings(hits=0), "hits: 0 of"),
        (Settings(alarm_days=0.0), "alarm_days: 0.0, expected above 0"),
        (Settings(warning_days=9.0), "warning_days: 9.0, expected at most alarm_days, 7.0"),
        (Settings(clips_per_day=float("nan")), "clips_per_day: nan"),
        (Settings(evidence="all"), "evidence: 'all', expected both, score or distance"),
    ],
)
def test_settings_without_sense_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        check_settings(settings)

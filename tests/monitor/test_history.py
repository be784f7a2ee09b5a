"""The history: exact after any appends and expiries, whole after any end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.monitor.history import ClipRecord, History

D = 3


def clip(i, time=None):
    return ClipRecord(f"clip_{i:03d}.wav", f"{i:032x}", float(i if time is None else time))


def by_hand(scores, features, pool, k):
    """Eq. 7 in float64 by a loop over items, ties by row; all candidates where they are few."""
    x = features.astype(np.float64)
    out = np.empty(len(scores))
    for i in range(len(scores)):
        near = sorted((((x[i] - x[j]) ** 2).sum(), j) for j in np.flatnonzero(pool) if j != i)
        rows = [j for _, j in near[: k - 1]]
        out[i] = (scores[i] + scores[rows].sum(dtype=np.float64)) / (1 + len(rows))
    return out


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 1), st.integers(1, 4), st.booleans()),
        st.tuples(st.just("expire"), st.integers(0, 1), st.integers(0, 12), st.just(True)),
        st.tuples(st.just("evidence"), st.integers(0, 1), st.integers(0, 20), st.booleans()),
        st.tuples(st.just("reopen"), st.just(0), st.just(0), st.just(True)),
    ),
    min_size=1,
    max_size=14,
)


@given(steps, st.integers(1, 5), st.integers(0, 3), st.booleans(), st.integers(0, 99))
@settings(max_examples=200, deadline=None)
def test_any_order_of_changes_equals_a_recomputation(tmp_path_factory, steps, k, spare, tied, seed):
    rng = np.random.default_rng(seed)
    folder = tmp_path_factory.mktemp("history")
    history = History.open(folder, k=k, spare=spare)
    expected = {0: [], 1: []}  # section -> (clip, score, feature, evidence) of live items
    clips = {0: [], 1: []}
    for i, (kind, section, number, flag) in enumerate(steps):
        if kind == "append":
            scores = rng.normal(size=number).astype(np.float32)
            features = rng.normal(size=(number, D)).astype(np.float32)
            features = features.round() if tied else features + 100
            key, _ = history.append("fan", section, clip(i), scores, features, evidence=flag)
            clips[section].append(key)
            expected[section] += [[key, *row, flag] for row in zip(scores, features)]
        elif kind == "expire":
            live = expected[section]
            assert history.expire("fan", section, keep_items=number) == max(0, len(live) - number)
            expected[section] = live[max(0, len(live) - number) :]
        elif kind == "evidence" and clips[section]:
            key = clips[section][number % len(clips[section])]
            history.set_evidence("fan", section, key, flag)
            for row in expected[section]:
                row[3] = flag if row[0] == key else row[3]
        elif kind == "reopen":
            history.close()
            history = History.open(folder, k=k, spare=spare)
    groups, pools, all_scores, all_features, all_smoothed = [], [], [], [], []
    for section, rows in expected.items():
        items = history.smoothed("fan", section)
        assert len(items.clip) == len(rows)
        if not rows:
            continue
        _, scores, features, pool = (np.asarray(column) for column in zip(*rows))
        np.testing.assert_array_equal(items.score, scores)
        np.testing.assert_array_equal(history.live_features("fan", section), features)
        # Equal to the last bits: the loop sums in another order.
        np.testing.assert_allclose(items.smoothed, by_hand(scores, features, pool, k), rtol=1e-12)
        groups += [section] * len(rows)
        pools, all_scores = pools + [*pool], all_scores + [*scores]
        all_features, all_smoothed = all_features + [*features], all_smoothed + [*items.smoothed]
    history.close()
    fewest = (
        min(
            (sum(pools[j] for j in range(len(groups)) if groups[j] == groups[i] and j != i))
            for i in range(len(groups))
        )
        if groups
        else 0
    )
    if groups and k <= 1 + fewest and not tied:
        public = smooth(
            np.asarray(all_scores, np.float32),
            np.asarray(all_features, np.float32),
            k,
            groups=np.asarray(groups),
            pool=np.asarray(pools),
        )
        np.testing.assert_allclose(all_smoothed, public, rtol=1e-5, atol=1e-6)


def filled(folder, n=6, **options):
    rng = np.random.default_rng(0)
    history = History.open(folder, k=3, **options)
    for i in range(n):
        history.append(
            "fan", 0, clip(i), rng.normal(size=2), rng.normal(size=(2, D)), evidence=i != 1
        )
    return history


def test_a_section_knows_its_clips_by_their_samples(tmp_path):
    history = filled(tmp_path)
    assert history.seen("fan", 0, f"{3:032x}") and not history.seen("fan", 1, f"{3:032x}")
    assert not history.seen("fan", 0, f"{6:032x}")


def test_what_a_kill_leaves_behind_the_last_row_is_overwritten(tmp_path):
    history = filled(tmp_path)
    before = history.smoothed("fan", 0)
    with pytest.raises(RuntimeError, match="killed"), history.transaction():
        history.append("fan", 0, clip(9), np.ones(2), np.ones((2, D)))
        raise RuntimeError("killed")
    history.close()
    assert (tmp_path / "features-1.f32").stat().st_size == 14 * D * 4
    history = History.open(tmp_path, k=3, spare=8)
    for now, then in zip(history.smoothed("fan", 0), before):
        np.testing.assert_array_equal(now, then)
    history.append("fan", 0, clip(9), np.ones(2), np.full((2, D), 2.0))
    np.testing.assert_array_equal(history.live_features("fan", 0)[-2:], np.full((2, D), 2.0))
    assert history.check("fan", 0) < 1e-6


def test_days_count_from_the_newest_item_whatever_the_clock_says(tmp_path):
    history = History.open(tmp_path, k=2)
    day = 86_400.0
    for i, time in enumerate((10 * day, 12 * day, 3 * day)):  # the clock is set back
        options = dict(keep_days=5.0)
        _, smoothed = history.append(
            "fan", 0, clip(i, time), np.ones(1), np.ones((1, D)), **options
        )
    assert np.isnan(smoothed).all()  # expired when it came
    assert [*history.smoothed("fan", 0).clip] == ["clip_000.wav", "clip_001.wav"]


def test_expired_rows_leave_the_memory(tmp_path):
    history = History.open(tmp_path, k=3)
    rng = np.random.default_rng(0)
    for i in range(5):
        n = 1000
        history.append(
            "fan", 0, clip(i), rng.normal(size=n), rng.normal(size=(n, D)), keep_items=500
        )
    assert len(history._sections["fan", 0].score) <= 2 * 1000
    assert history.check("fan", 0) < 1e-6
    before = history.smoothed("fan", 0).smoothed
    history.close()
    history = History.open(tmp_path, k=3)
    history.append("fan", 0, clip(5), np.ones(1), np.full((1, D), 99.0), keep_items=501)
    np.testing.assert_array_equal(history.smoothed("fan", 0).smoothed[:-1], before)
    assert history.check("fan", 0) < 1e-6


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(k=4), "has k 3, expected 4"),
        (dict(k=3, spare=2), "has spare 8, expected 2"),
        (dict(k=3, model="b"), "has model a, expected b"),
        (dict(k=0), "k: 0, expected 1 or more"),
    ],
)
def test_a_history_of_other_settings_is_refused(tmp_path, options, message):
    filled(tmp_path, model="a").close()
    with pytest.raises(InputError, match=message):
        History.open(tmp_path, **options)
    History.open(tmp_path, k=3).close()


def test_a_file_that_is_no_history_is_refused(tmp_path):
    (tmp_path / "history.sqlite3").write_bytes(b"no database" * 99)
    with pytest.raises(InputError, match=r"history\.sqlite3: "):
        History.open(tmp_path)


def test_unusable_clips_change_nothing(tmp_path):
    history = filled(tmp_path)
    with pytest.raises(InputError, match=r"clip_009\.wav: its scores or features aren't finite"):
        history.append("fan", 0, clip(9), np.full(1, np.nan), np.ones((1, D)))
    with pytest.raises(InputError, match=r"clip_009\.wav: 5 features, expected 3"):
        history.append("fan", 0, clip(9), np.ones(1), np.ones((1, 5)))
    assert len(history.smoothed("fan", 0).clip) == 12
    assert history.expire("pump", 0, keep_items=0) == 0
    assert len(history.smoothed("pump", 0).clip) == len(history.live_features("pump", 0)) == 0

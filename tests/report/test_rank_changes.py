"""Ranks within a section, against counting."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.report.rank_changes import rank_changes

CLIP = st.tuples(st.integers(0, 2), st.integers(-3, 3), st.integers(-3, 3))


@given(st.lists(CLIP, min_size=1, max_size=30), st.integers(1, 12))
def test_ranks_and_movers(clips, count):
    section, before, after = np.asarray(clips).T
    before, after = before.astype(float), after.astype(float)
    found = rank_changes(before, after, section, count=count)

    def rank(scores, i):
        return 1 + sum(scores[j] > scores[i] for j in range(len(clips)) if section[j] == section[i])

    def moved(i):
        n = sum(section == section[i])
        return abs(rank(before, i) - rank(after, i)) / max(n - 1, 1), abs(before[i] - after[i])

    for i in range(len(clips)):
        assert (found.before[i], found.after[i]) == (rank(before, i), rank(after, i))
        assert found.n[i] == sum(section == section[i])
    changed = [i for i in range(len(clips)) if before[i] != after[i]]
    expected = sorted(map(moved, changed), reverse=True)[:count]
    assert [moved(i) for i in found.most] == expected
    assert len(set(found.most.tolist())) == len(found.most)

"""A seeded choice of test clips."""

from hypothesis import given
from hypothesis import strategies as st

from jax_dns.data.layouts.random_split import random_test

NAMES = [f"{i}.wav" for i in range(50)]


@given(st.integers(0, 50), st.integers(0, 9))
def test_as_many_as_asked_for_whatever_the_order(n, seed):
    chosen = random_test(NAMES, n, seed=seed)
    assert len(chosen) == n and chosen <= set(NAMES)
    assert chosen == random_test(NAMES[::-1], n, seed=seed)


def test_another_seed_chooses_others_and_more_names_move_few():
    assert random_test(NAMES, 20, seed=0) != random_test(NAMES, 20, seed=1)
    more = [*NAMES, "a.wav", "b.wav"]
    assert len(random_test(NAMES, 20, seed=0) - random_test(more, 20, seed=0)) <= 2

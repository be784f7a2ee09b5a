"""Halves of rows: the smaller values, and how small the others are."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jax_dns.smoothing.engine.counting import padded_columns
from jax_dns.smoothing.engine.halving import EIGHT, NETWORK, Shortlist, halve_columns, halvings


def test_the_network_sorts():
    """Zeros and ones suffice (Knuth's 0-1 principle)."""
    for values in itertools.product((0, 1), repeat=EIGHT):
        parts = list(values)
        for i, j in NETWORK:
            parts[i], parts[j] = min(parts[i], parts[j]), max(parts[i], parts[j])
        assert parts == sorted(values)


@pytest.mark.parametrize("columns", [64, 704, 8_448])
def test_half_is_kept_and_the_least_of_the_others_known(rng, columns):
    values = rng.normal(size=(6, columns)).astype(np.float32)
    listed = Shortlist(jnp.asarray(values), jnp.full(6, jnp.inf))
    for times in (1, 2, 3):
        before, listed = np.asarray(listed.values), halve_columns(listed)
        kept = np.asarray(listed.values)
        assert kept.shape[1] == padded_columns(before.shape[1] // 2)
        for row, kept_row, left_out in zip(before, kept, np.asarray(listed.smallest_dropped)):
            held = np.sort(kept_row)[: len(row) // 2]
            assert np.isin(held, row).all()
            gone = np.setdiff1d(row, held)
            assert left_out <= gone.min() if times > 1 else left_out == gone.min()


def test_of_values_in_no_order_the_smallest_are_kept(rng):
    """A sixteenth of a row, nearly always: what the choice of Ks rests on."""
    values = np.asarray(rng.normal(size=(2_000, 2_048)), np.float32)
    listed = halve_columns(Shortlist(jnp.asarray(values), jnp.full(2_000, jnp.inf)))
    needed = np.sort(values, axis=1)[:, 2_048 // 16 - 1]
    assert (needed < np.asarray(listed.smallest_dropped)).mean() > 0.995


def test_which_ks_are_sought_where():
    ks = tuple(2**i for i in range(1, 12))
    assert halvings(ks, 8_448) == {3: ks[:7], 2: (256,), 1: (512,), 0: (1_024, 2_048)}
    assert halvings((2, 4, 2_048), 8_448) == {0: (2, 4, 2_048)}, "two do not pay"
    assert halvings((1_024, 1_500, 2_048), 8_448) == {0: (1_024, 1_500, 2_048)}

"""The split of Sec. IV.A and batches that depend on (seed, step) alone."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jax_dns.data.clips import Clip
from jax_dns.data.sampler import sample_batch, split_clips, steps_per_epoch
from jax_dns.errors import InputError


def clips(sections=2, source=20, target=3):
    return [
        Clip(Path(), f"{s}_{domain}_{i}", "fan", s, domain, "train", 0)
        for s in range(sections)
        for domain, n in (("source", source), ("target", target))
        for i in range(n)
    ]


def test_85_percent_of_source_and_two_of_three_target_clips_train():
    given_clips = clips()
    split = split_clips(given_clips, seed=0)
    counts = Counter((given_clips[i].section, given_clips[i].domain) for i in split.train)
    assert counts == {(s, d): n for s in (0, 1) for d, n in (("source", 17), ("target", 2))}
    assert sorted([*split.train, *split.valid]) == list(range(len(given_clips)))


def test_split_follows_the_seed_alone():
    a, b, c = (split_clips(clips(), seed=seed).train.tolist() for seed in (1, 1, 2))
    assert a == b != c


@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_some_target_clip_always_trains(n):
    split = split_clips(clips(1, 0, n), seed=0)
    assert len(split.train) == max(1, round(2 * n / 3))


@given(
    n=st.integers(1, 50),
    outliers=st.integers(1, 60),
    half=st.integers(1, 20),
    epoch=st.integers(0, 3),
    seed=st.integers(0, 5),
)
def test_an_epoch_is_one_pass(n, outliers, half, epoch, seed):
    steps = steps_per_epoch(n, batch_size=2 * half, outliers=True)
    batches = [
        sample_batch(seed, epoch * steps + i, n_target=n, n_outlier=outliers, batch_size=2 * half)
        for i in range(steps)
    ]
    target = np.concatenate([b.target for b in batches])
    assert set(target[:n]) == set(range(n))
    assert all(len(b.target) == len(b.outlier) == half for b in batches)  # t^mac is 1:1
    outlier = np.concatenate([b.outlier for b in batches])
    assert max(Counter(outlier.tolist()).values()) <= -(-len(outlier) // outliers)
    random_crops = np.concatenate([b.crop for b in batches])
    assert (
        len(random_crops) == 2 * half * steps and random_crops.min() >= 0 and random_crops.max() < 1
    )


def test_batches_depend_on_seed_and_step_alone():
    options = dict(n_target=30, n_outlier=40, batch_size=8)
    late = sample_batch(3, 25, **options)
    for step in range(25):
        sample_batch(3, step, **options)
    again = sample_batch(3, 25, **options)
    for a, b in zip(late, again):
        np.testing.assert_array_equal(a, b)
    assert (sample_batch(4, 25, **options).target != late.target).any()
    assert (sample_batch(3, 26, **options).crop != late.crop).all()


def test_order_changes_between_epochs():
    first, second = (sample_batch(0, s, n_target=32, n_outlier=32, batch_size=64) for s in (0, 1))
    assert (first.target != second.target).any() and (first.outlier != second.outlier).any()
    assert (first.target != first.outlier).any()


def test_nothing_to_draw_from():
    with pytest.raises(InputError, match="no training clips"):
        sample_batch(0, 0, n_target=0, batch_size=4)
    with pytest.raises(InputError, match="batch_size: 5 is odd"):
        sample_batch(0, 0, n_target=3, n_outlier=3, batch_size=5)

"""AE, SerialOE and Proposed over segments, averaged by clip."""

import numpy as np
import pytest

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.inlier.gmm import fit_mixture, negative_log_likelihood
from jax_dns.pipeline.methods import autoencoder, largest_k, proposed, serial_oe
from jax_dns.segments_file import Segments
from jax_dns.smoothing.cross_clip import smooth_other_clips


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


def test_ae_is_the_mean_over_segments(rng):
    test = segments(rng)
    np.testing.assert_allclose(autoencoder(test).scores, by_clip(test.score), rtol=1e-6)


def test_serial_oe_fits_one_mixture_a_section(rng):
    train, test = segments(rng, 20), segments(rng)
    found = serial_oe(train, test, components=(1, 2, 64), data=("source", "all"), seed=3)
    assert [(s.value, s.data) for s in found] == [
        (1, "source"),
        (2, "source"),
        (1, "all"),
        (2, "all"),
    ]
    expected = np.empty(len(test.score))
    for section in (0, 1):
        rows = (train.section == section) & (train.domain == "source")
        here = test.section == section
        mixture = fit_mixture(train.feature[rows], 2, seed=3)
        expected[here] = negative_log_likelihood(mixture, test.feature[here])
    np.testing.assert_allclose(found[1].scores, by_clip(expected), rtol=1e-5)


def test_serial_oe_needs_every_section(rng):
    train, test = segments(rng), segments(rng)
    only = train.where(train.section == 0)
    assert serial_oe(only, test, components=(1,), data=("all",)) == []


@pytest.mark.parametrize("data", ["source", "all"])
def test_proposed_smooths_segments_within_a_section(rng, data):
    test = segments(rng)
    found = proposed(test, ks=(1, 3, 500), data=(data,))
    assert [s.value for s in found] == [1, 3]
    pool = (test.domain == "source") | (data == "all")
    expected = smooth(test.score, test.feature, 3, groups=test.section, pool=pool)
    np.testing.assert_allclose(found[1].scores, by_clip(expected), rtol=1e-6)
    np.testing.assert_allclose(found[0].scores, autoencoder(test).scores, rtol=1e-6)


def test_other_readings(rng):
    test = segments(rng)
    kept = proposed(test, ks=(3,), data=("source",), outside_pool="keep")[0].scores
    target = test.domain[::3] == "target"
    np.testing.assert_allclose(kept[target], autoencoder(test).scores[target], rtol=1e-6)
    smoothed = proposed(test, ks=(3,), data=("source",))[0].scores
    np.testing.assert_allclose(kept[~target], smoothed[~target], rtol=1e-6)
    clip = proposed(test, ks=(2,), data=("all",), unit="clip")[0].scores
    features = test.feature.reshape(12, 3, 4).mean(1)
    expected = smooth(by_clip(test.score), features, 2, groups=test.section[::3])
    np.testing.assert_allclose(clip, expected, rtol=1e-5)
    machine = proposed(test, ks=(20,), data=("all",), groups=np.zeros(36, np.int32))
    expected = smooth(test.score, test.feature, 20)
    np.testing.assert_allclose(machine[0].scores, by_clip(expected), rtol=1e-6)


def test_neighbours_of_other_clips(rng):
    test = segments(rng)
    clip = np.repeat(np.arange(12), 3)
    pool = test.domain == "source"
    found = proposed(test, ks=(1, 4, 10, 11), data=("source",), same_clip=False)
    assert [s.value for s in found] == [1, 4, 10]  # three source clips beside its own
    expected = smooth_other_clips(
        test.score, test.feature, (4,), clip=clip, groups=test.section, pool=pool
    )
    np.testing.assert_allclose(found[1].scores, by_clip(expected[0]), rtol=1e-6)
    # A clip is one item where clips are smoothed.
    both = [
        proposed(test, ks=(2,), data=("all",), unit="clip", same_clip=same)[0].scores
        for same in (True, False)
    ]
    np.testing.assert_array_equal(*both)


def test_largest_k():
    groups = np.asarray([0, 0, 0, 1, 1])
    assert largest_k(groups, np.ones(5, bool)) == 2
    assert largest_k(groups, np.asarray([True, True, True, True, False])) == 1


@pytest.mark.parametrize(
    "options", [dict(data=("moon",)), dict(unit="song"), dict(outside_pool="drop")]
)
def test_unknown_readings_are_refused(rng, options):
    with pytest.raises(InputError, match=f"{next(iter(options.values()))[0]}.*expected"):
        proposed(segments(rng), **dict(ks=(2,), data=("source",)) | options)

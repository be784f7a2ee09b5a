"""What a recording's background changes."""

import itertools

import numpy as np

from jax_dns.datasets.clip_parts import Sound, parts
from jax_dns.datasets.surroundings import LOAD_SPREAD

STEADY = Sound(seed=3, seconds=1.0)
SHOP = STEADY._replace(background="shop")


def test_a_shop_adds_noise_alone_besides_the_load(monkeypatch):
    monkeypatch.setattr("jax_dns.datasets.clip_parts.LOAD_SPREAD", 1.0)
    arguments = ("fan", 0, "source", 1, 0, "test")
    steady, shop = parts(*arguments, STEADY), parts(*arguments, SHOP)
    for field in ("healthy", "fault", "kind", "point"):
        np.testing.assert_array_equal(getattr(shop, field), getattr(steady, field))
    louder = parts(*arguments, SHOP._replace(snr_db=-20.0))
    quieter = parts(*arguments, STEADY._replace(snr_db=-20.0))
    added = louder.noise - quieter.noise
    np.testing.assert_allclose(added, 10 * (shop.noise - steady.noise), atol=1e-5)


def test_loads_vary_more_in_a_shop():
    def loads(sound):
        return [parts("fan", 0, "source", 0, i, "test", sound).point.load for i in range(40)]

    assert 0.7 < np.std(loads(STEADY)) < 1.3
    assert 0.7 * LOAD_SPREAD < np.std(loads(SHOP)) < 1.3 * LOAD_SPREAD


def test_labels_and_splits_have_shops_of_their_own():
    """The shop is the section's, but what runs during a clip doesn't tell its label."""
    shops = [
        parts("fan", 0, "source", label, 0, split, SHOP).noise
        - parts("fan", 0, "source", label, 0, split, STEADY).noise
        for label, split in ((0, "test"), (1, "test"), (0, "train"))
    ]
    assert all(not np.allclose(a, b) for a, b in itertools.pairwise(shops))

"""Fields of a config are looked at before anything is done."""

import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline.validate_config import CHOICES, check


def test_the_papers_settings_pass():
    check(config.get_config())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *((name, "nrom", " or ".join(allowed)) for name, allowed in CHOICES.items()),
        ("ae.epochs", 0, "more than 0"),
        ("extractor.embed_batch_size", -1, "more than 0"),
        ("data.hop", 0.0, "more than 0"),
        ("extractor.batch_size", 5, "even"),
        ("seeds", (), "whole numbers, 0 or more"),
        ("seeds", (-1,), "whole numbers, 0 or more"),
        ("smoothing.ks", (0, 2), "whole numbers, 1 or more"),
        ("inlier.components", (1.5,), "whole numbers, 1 or more"),
        ("smoothing.data", "moon", "some of source,all"),
        ("inlier.data", "", "some of source,all"),
        ("ae.n_fft", 2**20, "less than two segments"),
        ("extractor.window_hop", 300, "a divisor of extractor.n_fft"),
    ],
)
def test_each_field_that_cannot_be_used_is_named(name, value, expected):
    c = config.get_config()
    part, _, field = name.rpartition(".")
    (c[part] if part else c)[field] = value
    with pytest.raises(InputError) as error:
        check(c)
    assert str(error.value).startswith(f"{name}: {value!r}, expected {expected}")

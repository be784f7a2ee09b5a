"""Records of fields, such as `LogMel`: one argument of a factory, several fields of the config."""

from typing import NamedTuple

import pytest

from jax_dns import components, config
from jax_dns.component_fields import own_fields, to_arguments
from jax_dns.components import build
from jax_dns.errors import InputError
from jax_dns.types import Facts, InlierModel


class Window(NamedTuple):
    """Stands for `LogMel`."""

    size: int = 4
    hop: int = 2


WINDOW = Window(hop=3)


def windowed(facts, *, window=WINDOW, k=1):
    return InlierModel("X", (0,), lambda *_: {"window": window, "k": k}, lambda v, x: x[:, 0])


def test_a_records_fields_are_flat():
    fields = own_fields(windowed)
    assert {name: field.default for name, field in fields.items()} == {"size": 4, "hop": 3, "k": 1}
    assert [field.parameter for field in fields.values()] == ["window", "window", "k"]


def test_arguments_put_the_record_together():
    assert to_arguments(windowed, {"size": 7, "k": 2}) == {"window": Window(7, 3), "k": 2}
    assert to_arguments(windowed, {}) == {}


def test_a_config_has_the_flat_fields():
    c = components.use_factories(config.get_config(), {"inlier": windowed})
    c.inlier = config.inlier(c.inlier.name, hop=5)
    model = build(c, "inlier", Facts(16_000, 64_000, n_sections=6))
    assert model.fit() == {"window": Window(4, 5), "k": 1}
    c.inlier = config.inlier(c.inlier.name, window=3)
    with pytest.raises(InputError, match="takes no such field, expected some of size, hop, k"):
        build(c, "inlier", Facts(16_000, 64_000, n_sections=6))

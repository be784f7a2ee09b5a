"""Outlier exposure is SerialOE's machine loss alone."""

import pytest

from jax_dns import config
from jax_dns.components import build
from jax_dns.discriminative import outlier_exposure as module
from jax_dns.discriminative.mel_input import MelInput
from jax_dns.discriminative.recipe import Recipe
from jax_dns.discriminative.serial_oe import ExtractorSettings
from jax_dns.errors import InputError
from jax_dns.types import Facts

FACTS = Facts(16_000, 16_000, n_sections=2)


def test_passes_the_settings_and_no_weight_of_the_sections(monkeypatch):
    seen = {}
    real = module.serial_oe
    monkeypatch.setattr(
        module, "serial_oe", lambda facts, **fields: seen.update(fields) or real(facts, **fields)
    )
    settings = dict(
        mel=MelInput(n_mels=32),
        net=ExtractorSettings(feature_dim=8),
        recipe=Recipe(weight_decay=0.1),
    )
    model = module.outlier_exposure(FACTS, **settings)
    assert (model.name, model.scope) == ("OE", "target+outliers")
    assert seen == {**settings, "lambda_id": 0.0}


def test_by_name_on_the_papers_config():
    c = config.get_config()
    c.discriminative.name = "outlier_exposure"
    assert build(c, "discriminative", FACTS).name == "OE"
    c.discriminative.lambda_id = 2.0
    with pytest.raises(InputError, match=r"discriminative\.lambda_id: outlier_exposure takes no"):
        build(c, "discriminative", FACTS)
    c.discriminative = config.discriminative("outlier_exposure", n_mel=3)
    with pytest.raises(InputError, match="n_mel"):
        build(c, "discriminative", FACTS)

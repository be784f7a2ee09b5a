"""How a training is recognised as done: by its code, settings and recordings."""

import pytest

from jax_dns import config
from jax_dns.components import use_factories
from jax_dns.pipeline.training_tasks import (
    describe,
    model_folder,
    network_settings,
    schedule,
    scope_of,
)
from jax_dns.types import FittedModel, GradientModel


@pytest.mark.parametrize(
    ("section", "field", "value", "changes"),
    [
        ("generative", "save_every", 3, False),
        ("generative", "validate_every", 3, False),
        ("generative", "vmap_runs", "no", False),
        ("generative", "epochs", 3, True),
        ("generative", "frames", 3, True),
        ("discriminative", "n_mels", 64, False),
        ("data", "segment_seconds", 2.0, True),
        ("data", "segment_hop_seconds", 2.0, False),
        ("data", "train_fraction", 0.5, True),
    ],
)
def test_settings_that_change_a_training(section, field, value, changes):
    c = config.get_config()
    before = network_settings(c, "generative")
    c[section][field] = value
    assert (network_settings(c, "generative") != before) == changes


def test_the_best_checkpoint_depends_on_the_validations():
    c = config.get_config()
    c.generative.checkpoint = "best"
    before = network_settings(c, "generative")
    c.generative.validate_every = 3
    assert network_settings(c, "generative") != before


def test_names_scopes_and_folders(tmp_path):
    c = config.get_config()
    assert (
        describe(c, "generative").name == "AE" and describe(c, "discriminative").name == "SerialOE"
    )
    assert (scope_of(c, "generative"), scope_of(c, "discriminative")) == (
        "target",
        "target+outliers",
    )
    assert model_folder(c, "generative", tmp_path / "fan") == tmp_path / "fan/generative"
    assert schedule(c, "generative").batch_size == 16
    assert schedule(c, "discriminative").eval_batch_size == 64

    def at_once(facts):
        return GradientModel("all", "all", None, None, None, None)

    def fitted(facts):
        return FittedModel("fitted", None, None)

    c = use_factories(c, {"discriminative": at_once, "generative": fitted})
    folder = model_folder(c, "discriminative", tmp_path / "fan")
    assert folder == tmp_path / "all_machines/discriminative"
    assert scope_of(c, "generative") == "target"

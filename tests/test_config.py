"""The paper's settings, and that every config file is one of changed fields only."""

import importlib.util
from pathlib import Path

import pytest

from jax_dns import config
from jax_dns.pipeline.validate_config import check

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_papers_values():
    c = config.get_config()
    g, d = c.generative, c.discriminative
    assert (g.n_fft, g.hop_length, g.n_mels, g.frames) == (1024, 512, 128, 5)
    assert (g.epochs, g.batch_size, g.learning_rate) == (1500, 16, 1e-3)
    assert (d.n_fft, d.hop_length, d.n_mels, d.feature_dim) == (2048, 256, 224, 128)
    assert (d.epochs, d.batch_size, d.learning_rate, d.lambda_id) == (150, 128, 1e-3, 5.0)
    assert c.smoothing.ks == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
    assert c.inlier.n_components == (1, 2, 4, 8, 16, 32)
    assert (c.data.dev_sections, c.data.eval_sections) == ((0, 1, 2), (3, 4, 5))


def test_a_section_of_another_component_has_its_fields_alone():
    c = config.generative("idnn", n_mels=64, epochs=3)
    assert c.name == "idnn" and c.n_mels == 64 and c.epochs == 3 and "frames" not in c
    with pytest.raises(AttributeError, match='Key "ae" does not exist'):
        config.get_config().ae = 1


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_files(path):
    module = load(path)
    assert f"--config=configs/{path.name}" in module.__doc__
    assert set(module.get_config()) == set(config.get_config())
    check(module.get_config())  # every name resolves, every field is its component's


def test_the_papers_config_changes_nothing():
    path = next(p for p in CONFIGS if p.stem == "dcase2021")
    assert load(path).get_config().to_dict() == config.get_config().to_dict()


def test_the_demo_keeps_the_networks():
    path = next(p for p in CONFIGS if p.stem == "demo")
    demo, paper = load(path).get_config(), config.get_config()
    for part, free in (
        ("generative", {"epochs", "bn_momentum"}),
        (
            "discriminative",
            {"n_mels", "hop_length", "epochs", "batch_size", "bn_momentum", "eval_batch_size"},
        ),
    ):
        changed = {name for name in paper[part] if demo[part][name] != paper[part][name]}
        assert changed <= free

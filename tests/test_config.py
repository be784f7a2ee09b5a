"""The paper's settings, and that every config file is one of changed fields only."""

import importlib.util
import tomllib
from pathlib import Path

import pytest

from jax_dns import config

CONFIGS = sorted((Path(__file__).parents[1] / "configs").glob("*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_papers_values():
    c = config.get_config()
    assert (c.ae.n_fft, c.ae.window_hop, c.ae.n_mels, c.ae.frames) == (1024, 512, 128, 5)
    assert (c.ae.epochs, c.ae.batch_size, c.ae.learning_rate) == (1500, 16, 1e-3)
    e = c.extractor
    assert (e.n_fft, e.window_hop, e.n_mels, e.feature_dim) == (2048, 256, 224, 128)
    assert (e.epochs, e.batch_size, e.learning_rate, e.lambda_id) == (150, 128, 1e-3, 5.0)
    assert c.smoothing.ks == (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
    assert c.inlier.components == (1, 2, 4, 8, 16, 32)
    assert (c.data.dev_sections, c.data.eval_sections) == ((0, 1, 2), (3, 4, 5))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_files(path):
    module = load(path)
    assert f"--config=configs/{path.name}" in module.__doc__
    assert set(module.get_config()) == set(config.get_config())


def test_the_papers_config_changes_nothing():
    path = next(p for p in CONFIGS if p.stem == "dcase2021")
    assert load(path).get_config().to_dict() == config.get_config().to_dict()


def test_every_package_is_installed():
    project = Path(__file__).parents[1]
    with (project / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["setuptools"]["packages"]
    found = {p.parent.relative_to(project) for p in project.glob("jax_dns/**/__init__.py")}
    assert set(listed) == {".".join(path.parts) for path in found}


def test_the_demo_keeps_the_networks():
    path = next(p for p in CONFIGS if p.stem == "demo")
    demo, paper = load(path).get_config(), config.get_config()
    for part, free in (
        ("ae", {"epochs", "bn_momentum"}),
        ("extractor", {"n_mels", "epochs", "batch_size", "bn_momentum", "embed_batch_size"}),
    ):
        changed = {name for name in paper[part] if demo[part][name] != paper[part][name]}
        assert changed <= free

"""Training on the device and vmapped ends where training from the host, one by one, does."""

import json

import pytest
from toy_config import get_config

from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline import train as training


def log(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def trained(workdir, cached):
    """Trains toy networks on three sections; in device memory and vmapped where `cached`."""
    config = get_config()
    config.data.cache_on_device = config.generative.vmap_runs = cached
    run(config, workdir, ("index", "train_generative", "train_discriminative"))
    return config, workdir


@pytest.fixture(scope="module")
def on_device(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("on_device"), "yes")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"), "no")[1]


@pytest.mark.parametrize("part", ["generative", "discriminative"])
def test_losses_are_those_of_the_plain_path(plain, on_device, part):
    for machine in ("fan", "valve"):
        one, other = (log(w / machine / part) for w in (plain, on_device[1]))
        assert [r["step"] for r in one] == [r["step"] for r in other]
        for a, b in zip(one, other):
            # Rounding grows with the steps: Adam's first are the gradients' signs.
            assert b["loss"] == pytest.approx(a["loss"], rel=1e-3 * a["epoch"] ** 2)


def test_what_was_trained_vmapped_is_not_trained_again(on_device, monkeypatch):
    config, workdir = on_device

    def fail(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(training, "train_vmapped", fail)
    monkeypatch.setattr(training, "train_model", fail)
    run(config, workdir, ("index", "train_generative"))
    config.generative.vmap_runs = config.data.cache_on_device = "no"
    run(config, workdir, ("index", "train_generative"))


def test_a_batch_that_the_devices_cannot_share_is_an_error(small_config, monkeypatch):
    monkeypatch.setattr("jax.devices", lambda: [None] * 3)
    with pytest.raises(InputError, match="batch_size: 4, expected a multiple of the 3 devices"):
        training.make_source(small_config, {})

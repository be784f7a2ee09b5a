"""Training on the device and vmapped ends where training from the host, one by one, does."""

import json

import pytest

from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline import train as training


def log(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def on_device(factory, tmp_path_factory):
    from pipeline.conftest import small

    config = small(factory)
    config.data.cache_on_device = config.generative.vmap_runs = "yes"
    workdir = tmp_path_factory.mktemp("on_device")
    run(config, workdir, ("index", "train_generative", "train_discriminative"))
    return config, workdir


@pytest.mark.parametrize("part", ["generative", "discriminative"])
def test_losses_are_those_of_the_plain_path(finished, on_device, part):
    for machine in ("fan", "valve"):
        one, other = (log(w / machine / part) for w in (finished, on_device[1]))
        assert [r["step"] for r in one] == [r["step"] for r in other]
        for a, b in zip(one, other):
            if a["epoch"] == 1:  # Adam's first steps are signs of gradients: rounding flips some
                assert b["loss"] == pytest.approx(a["loss"], rel=2e-2)


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

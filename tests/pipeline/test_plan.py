"""Why a stage is done again; whole plans are in test_run.py."""

import pytest

from jax_dns import config
from jax_dns.pipeline.plan import NOTHING, StagePlan, _reasons, format_plan
from jax_dns.pipeline.training_tasks import network_settings


def generative(c):
    return network_settings(c, "generative")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: None, ""),
        (lambda c: c.generative.update(epochs=3), "generative.epochs is 3, was 1500"),
        (lambda c: c.generative.update(validate_every=7), ""),
        (lambda c: c.discriminative.update(epochs=3), ""),
        (lambda c: c.update(seeds=(1, 2)), ""),
        (
            lambda c: (c.data.update(train_fraction=0.5), c.generative.update(n_mels=64)),
            "data.train_fraction is 0.5, was 0.85; generative.n_mels is 64, was 128",
        ),
        (
            lambda c: c.update(generative=config.generative("twfr_gmm", r=0.5)),
            "generative.name is 'twfr_gmm', was 'autoencoder'",
        ),
    ],
)
def test_only_fields_that_change_the_result_are_reasons(change, reason):
    earlier, now = config.get_config(), config.get_config()
    with now.unlocked():
        change(now)
    got = _reasons(earlier, now, generative)
    assert got == reason or (reason and got.startswith(reason))
    assert _reasons(None, now, generative) == ""


def test_formats():
    done, todo = StagePlan("fit", True, "done"), StagePlan("smooth", False, "to do")
    assert format_plan([done, done]) == NOTHING
    assert format_plan([done, todo]).splitlines()[1:] == [
        "  fit                   done",
        "  smooth                to do",
    ]

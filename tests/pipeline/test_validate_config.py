"""Every field of a config is checked before anything is done."""

import jax.numpy as jnp
import pytest
from toy_models import toy_autoencoder

from jax_dns import config
from jax_dns.components import use_factories
from jax_dns.errors import InputError
from jax_dns.pipeline.validate_config import CHOICES, check, check_network
from jax_dns.types import Facts


def test_the_papers_settings_pass():
    check(config.get_config())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        *((name, "nrom", " or ".join(allowed)) for name, allowed in CHOICES.items()),
        ("generative.learning_rate", -1.0, "more than 0"),
        ("evaluation.fixed_ks", (0,), "whole numbers, 1 or more"),
        ("discriminative.batch_size", 5, "even"),
        ("seeds", (), "whole numbers, 0 or more"),
        ("seeds", (-1,), "whole numbers, 0 or more"),
        ("seeds", (0, 0), "whole numbers, 0 or more, once"),
        ("data.dev_sections", (), "whole numbers, 0 or more"),
        ("data.eval_sections", (-1,), "whole numbers, 0 or more"),
        ("smoothing.ks", (0, 2), "whole numbers, 1 or more"),
        ("smoothing.metric", "nrom", "euclidean or cosine"),
        ("inlier.n_components", (0,), "whole numbers, 1 or more"),
        ("discriminative.head", "nrom", "linear or norm"),
        ("smoothing.data", "moon", "some of source,all"),
        ("inlier.data", "", "some of source,all"),
        ("data.normal", (7,), "names of folders"),
        ("data.anomaly", (), "names of folders"),
    ],
)
def test_each_field_that_cannot_be_used_is_named(name, value, expected):
    c = config.get_config()
    section, _, field = name.rpartition(".")
    (c[section] if section else c)[field] = value
    with pytest.raises(InputError) as error:
        check(c)
    assert str(error.value).startswith(f"{name}: {value!r}, expected {expected}")


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("data.segment", "config.data.segment is now config.data.segment_seconds"),
        ("data.sampel_rate", "config.data.sampel_rate: did you mean data.sample_rate?"),
        ("ae.keep", "config.ae.keep is now config.generative.checkpoint"),
        (
            "extractor.lambda_id",
            "config.extractor.lambda_id is now config.discriminative.lambda_id",
        ),
        ("extractor.mel_norm", "is gone: discriminative.mel_scale sets"),
    ],
)
def test_unknown_fields_and_those_of_earlier_versions(field, message):
    c = config.get_config()
    section, _, name = field.partition(".")
    with c.unlocked():
        if section not in c:
            c[section] = {}
        with c[section].unlocked():
            c[section][name] = 1
    with pytest.raises(InputError, match=message.replace("?", r"\?")):
        check(c)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(apply=lambda variables, audio: audio), r"apply returned shape \[2, 40\] .* \[2\] sc"),
        (dict(loss=lambda v, b, k: (b.audio.sum(1), {})), r"loss has shape \[2\], expected a sca"),
        (dict(init=lambda key: {"params": jnp.dot(1.0, jnp.ones(2), 3)}), "gives no network"),
    ],
)
def test_a_network_is_run_on_shapes_before_it_is_trained(change, message):
    def broken(facts):
        return toy_autoencoder(40)._replace(**change)

    c = use_factories(config.get_config(), {"generative": broken})
    with pytest.raises(InputError, match=message):
        check_network(c, "generative", Facts(16_000, 40, 1))

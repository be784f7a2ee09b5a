"""Numbers out of range, and sections and machine types that aren't there, are refused at once."""

import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline.field_ranges import check_ranges, check_sections, check_synthetic


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("generative.epochs", 0, "more than 0"),
        ("generative.learning_rate", -1.0, "more than 0"),
        ("generative.n_mels", 0, "a whole number, 1 or more"),
        ("generative.frames", 126, "at most 126, as many as a segment has"),
        ("generative.fmin", -1.0, "0 or more"),
        ("generative.fmin", 9000.0, "more than fmin, 9000, at most 8000 Hz"),
        ("generative.fmax", 9000.0, "more than fmin, 50, at most 8000 Hz"),
        ("generative.bn_momentum", 1.0, "0 or more and less than 1"),
        ("generative.n_fft", 2**20, "more than 0 and less than two segments"),
        ("discriminative.hop_length", 300, "a divisor of discriminative.n_fft"),
        ("discriminative.eval_batch_size", -1, "more than 0"),
        ("discriminative.dropout", 1.0, "0 or more and less than 1"),
        ("discriminative.mixup_alpha", -0.1, "0 or more"),
        ("discriminative.lambda_id", -1.0, "0 or more"),
        ("discriminative.weight_decay", -1.0, "0 or more"),
        ("discriminative.feature_dim", 0, "a whole number, 1 or more"),
        ("discriminative.power", 0.0, "more than 0"),
        ("inlier.reg_covar", -1.0, "0 or more"),
        ("smoothing.adaptive_gate", 0.5, "1 or more"),
        ("data.segment_hop_seconds", 0.0, "more than 0"),
        ("data.channel", -2, "a channel's number, or -1"),
        ("data.train_fraction", 1.5, "more than 0 and at most 1"),
        ("data.sample_rate", 0, "more than 0"),
        ("synthetic.sections", 0, "a whole number, 1 or more"),
        ("synthetic.test_normal", -1, "0 or more"),
        ("evaluation.umap_fraction", -1.0, "more than 0 and at most 1"),
    ],
)
def test_a_number_out_of_range(name, value, expected):
    c = config.get_config()
    section, _, field = name.partition(".")
    c[section][field] = value
    if name == "generative.frames":
        check_ranges(c)  # as many as there are
        c[section][field] = value = 127
    with pytest.raises(InputError) as error:
        check_ranges(c)
    name = name.replace("fmin", "fmax") if value == 9000.0 else name
    assert str(error.value).startswith(f"{name}: ") and expected in str(error.value)


def test_another_component_has_its_own_fields_checked():
    c = config.get_config()
    c.generative = config.generative("twfr_gmm", n_components=2, n_mels=0)
    with pytest.raises(InputError, match=r"generative.n_mels: 0, expected a whole number"):
        check_ranges(c)


def test_sections_of_the_test_clips():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0, 1), (2, 7)
    assert check_sections(c, {"fan": [0, 1, 2, 7], "pump": []}) == []
    assert check_sections(c, {"fan": [0, 2]}) == [
        "fan: no section 1 (data.dev_sections), left out",
        "fan: no section 7 (data.eval_sections), left out",
    ]
    with pytest.raises(InputError) as error:
        check_sections(c, {"fan": [0, 1, 2, 7], "pump": [0, 1, 3]})
    assert str(error.value) == (
        "data.eval_sections: (2, 7), expected some of the sections of pump, which are 0, 1, 3"
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("machines", "fan,nosuch", "data.machines: 'nosuch', expected some of fan, gearbox, pump"),
        ("outliers", "nosuch", "data.outliers: 'nosuch', expected some of fan, gearbox, pump"),
        ("dev_sections", (0, 6), r"data.dev_sections: \(0, 6\), expected some of 0, 1, 2, 3, 4, 5"),
        ("eval_sections", (7,), r"data.eval_sections: \(7,\), expected .* \(synthetic.sections: 6"),
    ],
)
def test_the_synthetic_data_set_has_no_others(field, value, message):
    c = config.get_config()
    check_synthetic(c)
    c.data[field] = value
    with pytest.raises(InputError, match=message):
        check_synthetic(c)

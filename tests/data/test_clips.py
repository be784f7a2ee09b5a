"""Names of recordings and the checks of a clip's values."""

from pathlib import Path

import pytest

from jax_dns.data.clips import Clip, check_clip, parse_name
from jax_dns.errors import InputError

CLIP = Clip(Path("fan/a.wav"), "a.wav", "fan", 0, "source", "test", -1)


def test_a_name_gives_section_domain_split_label_and_attributes(tmp_path):
    clip = parse_name(tmp_path / "section_03_target_test_anomaly_0012_spd_34V_mic_1.wav", "fan")
    assert clip[3:] == (3, "target", "test", 1, "spd_34V_mic_1")
    assert parse_name(tmp_path / "section_00_source_test_0000.wav", "fan").label == -1
    assert parse_name(tmp_path / "section_00_source_train_normal_0000.flac", "fan").label == 0
    assert parse_name(tmp_path / "section_00_source_train_0000.wav", "fan").label == 0
    plain = parse_name(tmp_path / "section_00_source_train_normal_0000_noAttribute.wav", "fan")
    assert plain.attributes == ""


@pytest.mark.parametrize(
    "name",
    ["section_xx_source_test_0000.wav", "section_00_source_0000.wav", "noise.wav"],
)
def test_a_name_that_does_not_parse_is_named(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: name does not parse \(expected section_SS"):
        parse_name(tmp_path / name, "fan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"section": 2**31}, "section 2147483648, expected 0 to 2147483647"),
        ({"section": -1}, "section -1, expected 0"),
        ({"domain": "both"}, "domain is 'both', expected one of 'source', 'target'"),
        ({"split": "valid"}, "split is 'valid', expected one of 'train', 'test'"),
        ({"label": 2}, "label is 2, expected one of 0, 1, -1"),
        ({"split": "train", "label": 1}, "a training clip is named anomaly"),
        ({"path": Path("\udcff.wav")}, r"\\xff.wav: not a name in UTF-8"),
    ],
)
def test_values_that_cannot_be_used_are_named(change, message):
    check_clip(CLIP)
    with pytest.raises(InputError, match=message):
        check_clip(CLIP._replace(**change))

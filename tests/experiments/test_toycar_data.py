"""ToyCar and outliers of other data sets in one folder: names, counts, and the index of it."""

import pytest
from conftest import write_clip
from toycar_data import link_data

from jax_dns.data.layouts import index_clips

OUTLIER = "section_03_source_train_normal_0000_speed_6.wav"


@pytest.fixture
def sources(tmp_path):
    for name in ("normal_id_01_00000000", "normal_id_02_00000001"):
        write_clip(tmp_path / "toycar/ToyCar/train" / f"{name}.wav", 0.1)
    write_clip(tmp_path / "toycar/ToyCar/test/anomaly_id_01_00000000.wav", 0.1)
    write_clip(tmp_path / "others/motor/train" / OUTLIER, 0.1)
    write_clip(tmp_path / "others/motor/source_test" / OUTLIER.replace("train", "test"), 0.1)
    return tmp_path / "toycar", tmp_path / "others"


def test_linked_data_is_read_as_dcase_2020s(sources, tmp_path):
    out = tmp_path / "out"
    for _ in range(2):  # again over its own links
        assert link_data(*sources, out) == {"ToyCar": 3, "motor": 1}
    clips = index_clips(out)
    assert {c.name for c in clips["motor"]} == {"train/normal_id_03_00000001.wav"}
    assert {(c.section, c.split, c.label) for c in clips["ToyCar"]} == {
        (1, "train", 0),
        (2, "train", 0),
        (1, "test", 1),
    }


def test_another_name_is_refused(sources, tmp_path):
    write_clip(sources[1] / "motor/train/hello.wav", 0.1)
    with pytest.raises(SystemExit, match=r"hello\.wav: expected section_SS_"):
        link_data(*sources, tmp_path / "out")

"""Names, layouts and labels."""

import pytest

from jax_dns.data.clips import index_clips, parse_name, read_ground_truth
from jax_dns.errors import InputError


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_name_gives_section_domain_split_and_label(tmp_path):
    clip = parse_name(tmp_path / "section_03_target_test_anomaly_0012_spd_34V_mic_1.wav", "fan")
    assert clip[3:] == (3, "target", "test", 1)
    assert parse_name(tmp_path / "section_00_source_test_0000.wav", "fan").label == -1
    assert parse_name(tmp_path / "section_00_source_train_normal_0000.flac", "fan").label == 0


@pytest.mark.parametrize(
    "name",
    ["section_xx_source_test_0000.wav", "section_00_source_0000.wav", "noise.wav"],
)
def test_name_that_does_not_parse_is_named(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: name does not parse \(expected section_SS"):
        parse_name(tmp_path / name, "fan")


def test_anomalous_training_clip_is_refused(tmp_path):
    with pytest.raises(InputError, match="named anomaly"):
        parse_name(tmp_path / "section_00_source_train_anomaly_0000.wav", "fan")


@pytest.mark.parametrize("bases", [("dev_data", "eval_data"), (".", ".")])
def test_dev_and_eval_side_by_side_or_one_flat_root(tmp_path, bases):
    touch(tmp_path / bases[0] / "anvil/train/section_00_source_train_normal_0000.wav")
    touch(tmp_path / bases[1] / "anvil/source_test/section_03_source_test_0000.wav")
    touch(tmp_path / bases[0] / "anvil/train/notes.txt")
    clips = index_clips(tmp_path)
    assert [c.section for c in clips["anvil"]] == [0, 3]


def test_labels_are_joined_from_ground_truth(tmp_path, capsys):
    for number in range(3):
        touch(tmp_path / f"eval_data/fan/source_test/section_03_source_test_000{number}.wav")
    truth = tmp_path / "ground_truth/ground_truth_fan_section_03_source_test.csv"
    truth.parent.mkdir()
    truth.write_text("section_03_source_test_0001.wav,1\nsection_03_source_test_0000.wav,0\n")
    assert [c.label for c in index_clips(tmp_path)["fan"]] == [0, 1, -1]
    assert "no line for section_03_source_test_0002.wav" in capsys.readouterr().out


def test_ground_truth_that_contradicts_is_refused(tmp_path):
    name = "section_03_source_test_normal_0000.wav"
    touch(tmp_path / "fan/source_test" / name)
    truth = tmp_path / "ground_truth_fan_section_03_source_test.csv"
    truth.write_text(f"{name},0\n")
    assert index_clips(tmp_path)["fan"][0].label == 0
    other = tmp_path / "ground_truth" / truth.name
    other.parent.mkdir()
    other.write_text(f"{name},1\n")
    with pytest.raises(InputError, match="gives other labels than"):
        index_clips(tmp_path)
    other.rename(truth)
    with pytest.raises(InputError, match=f"{name} is 1, by its name 0"):
        index_clips(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a.wav,2\n", "expected name,0 or name,1"), ("a.wav,0\na.wav,1\n", "both labels")],
)
def test_bad_ground_truth_names_the_line(tmp_path, text, message):
    path = tmp_path / "truth.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"truth.csv, line \d.*{message}"):
        read_ground_truth(path)


def test_one_name_twice_is_refused(tmp_path):
    for base in ("dev_data", "eval_data"):
        touch(tmp_path / base / "fan/train/section_00_source_train_normal_0000.wav")
    with pytest.raises(InputError, match="a clip of this name is also at"):
        index_clips(tmp_path)


def test_missing_root_machine_and_recordings(tmp_path):
    with pytest.raises(InputError, match=r"data.root: .*not a folder"):
        index_clips(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no machine folders"):
        index_clips(tmp_path)
    (tmp_path / "fan/train").mkdir(parents=True)
    with pytest.raises(InputError, match=r"no \.wav or \.flac files"):
        index_clips(tmp_path)
    with pytest.raises(InputError, match="no recordings of 'pump'"):
        index_clips(tmp_path, machines=["pump"])


def test_official_labels_of_2021(shared):
    files = sorted((shared / "metrics/ground_truth_2021").glob("*.csv"))
    counts = {path.name: len(read_ground_truth(path)) for path in files}
    assert len(counts) == 42
    assert counts["ground_truth_gearbox_section_03_source_test.csv"] == 234
    assert counts["ground_truth_slider_section_05_target_test.csv"] == 203


def test_genuine_recordings_of_2023_are_indexed(shared):
    clips = index_clips(shared / "dcase_clips")
    assert {m: len(c) for m, c in clips.items()} == dict.fromkeys(
        ("ToyCar", "ToyTrain", "bearing", "fan", "gearbox", "slider", "valve"), 4
    )

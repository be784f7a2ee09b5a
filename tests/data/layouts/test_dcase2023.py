"""DCASE 2023 and after: one section, supplemental recordings, the genuine clips."""

from data.layouts.trees import index, make_tree


def test_train_test_and_supplemental(tmp_path):
    make_tree(
        tmp_path,
        "dev_data/raw/bearing/train/section_00_source_train_normal_0000_noAttribute.wav",
        "dev_data/raw/bearing/test/section_00_target_test_anomaly_0000_noAttribute.wav",
        "dev_data/raw/bearing/supplemental/section_00_machine_source_0000_noAttribute.wav",
        "eval_data/raw/ToyPet/train/section_00_source_train_normal_0000_id_A1_spd_1.wav",
        "eval_data/raw/ToyPet/test/section_00_0000.wav",
    )
    rows, lines = index(tmp_path)
    assert rows == {
        ("bearing", "section_00_source_train_normal_0000_noAttribute.wav"): (0, *train, ""),
        ("bearing", "section_00_target_test_anomaly_0000_noAttribute.wav"): (0, *anomaly, ""),
        ("ToyPet", "section_00_source_train_normal_0000_id_A1_spd_1.wav"): (
            0,
            *train,
            "id_A1_spd_1",
        ),
        ("ToyPet", "section_00_0000.wav"): (0, "source", "test", -1, ""),
    }
    assert lines[0].endswith(": dcase2023 (data.layout names another)")
    assert lines[1] == "bearing: recordings in supplemental/ are left out"
    assert index(tmp_path, machines=["ToyPet"])[1][1].startswith("ToyPet: 1 clips of unknown")


train, anomaly = ("source", "train", 0), ("target", "test", 1)


def test_genuine_clips_under_their_years_layout(shared, tmp_path):
    """The 28 clips of 2023, whose test clips stand in test/ there."""
    for path in sorted((shared / "dcase_clips").glob("*/*/*.wav")):
        machine, split = path.parts[-3], path.parts[-2].rpartition("_")[2]
        folder = tmp_path / machine / split
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).symlink_to(path)
    rows, lines = index(tmp_path)
    assert lines == [f"layout of {tmp_path}: dcase2023 (data.layout names another)"]
    assert len(rows) == 28 and len({machine for machine, _ in rows}) == 7
    assert all(attributes for *_, attributes in rows.values())
    toy_car = "section_00_source_test_normal_0028_car_C2_spd_34V_mic_1.wav"
    assert rows["ToyCar", toy_car] == (0, "source", "test", 0, "car_C2_spd_34V_mic_1")


def test_genuine_clips_in_the_folders_of_2021(shared):
    rows, lines = index(shared / "dcase_clips")
    assert "dcase2021" in lines[0] and len(rows) == 28

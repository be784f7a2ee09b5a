"""MIMII as published."""

from data.layouts.trees import index, make_tree


def normal_and_abnormal(root, folder, n_normal, n_abnormal):
    make_tree(root, *(f"{folder}/normal/{i:08d}.wav" for i in range(n_normal)))
    make_tree(root, *(f"{folder}/abnormal/{i:08d}.wav" for i in range(n_abnormal)))


def test_several_snrs_are_machine_types_of_their_own(tmp_path):
    for snr in ("6_dB_fan", "-6_dB_fan"):
        normal_and_abnormal(tmp_path, f"{snr}/fan/id_00", 10, 3)
        normal_and_abnormal(tmp_path, f"{snr}/fan/id_02", 4, 5)
    rows, lines = index(tmp_path)
    assert {machine for machine, _ in rows} == {"6_dB_fan", "-6_dB_fan"}
    assert lines == [f"layout of {tmp_path}: mimii (data.layout names another)"]
    fan = {name: row for (machine, name), row in rows.items() if machine == "6_dB_fan"}
    assert fan["id_00/abnormal/00000002.wav"] == (0, "source", "test", 1, "")
    groups = [(section, split) for section, _, split, label, _ in fan.values() if label == 0]
    counts = [groups.count(key) for key in ((0, "train"), (0, "test"), (2, "train"), (2, "test"))]
    assert counts == [7, 3, 2, 2]  # as many normal test clips as abnormal ones, at most half


def test_one_machine_without_the_outer_folder_and_the_seed(tmp_path):
    normal_and_abnormal(tmp_path, "fan/id_04", 40, 10)
    first, again, other = (index(tmp_path, seed=seed)[0] for seed in (0, 0, 1))
    assert first == again != other
    assert {machine for machine, _ in first} == {"fan"}
    assert {row[0] for row in first.values()} == {4}

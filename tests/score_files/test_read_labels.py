"""Labels and domains joined by name."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_labels import with_labels
from jax_dns.score_files.read_scores import read_scores

NAMES = ("section_03_0000.wav", "section_03_0001.wav", "section_03_0002.wav")


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def scores(tmp_path):
    name = "anomaly_score_fan_section_03_test.csv"
    return read_scores(put(tmp_path / name, "".join(f"{n},{i}\n" for i, n in enumerate(NAMES))))


def labels(scores, path):
    return with_labels(scores, path).scores["fan"].label.tolist()


def test_none_given(scores):
    assert with_labels(scores, None).matches == {}
    assert labels(scores, None) == [-1, -1, -1]


def test_official_file_and_folder(scores, tmp_path):
    path = put(
        tmp_path / "truth/deep/ground_truth_fan_section_03_source_test.csv",
        f"{NAMES[0]},1\n{NAMES[2]},0\n",
    )
    put(tmp_path / "truth/ground_truth_pump_section_03_source_test.csv", "other.wav,0\n")
    for place in (path, tmp_path / "truth"):
        assert labels(scores, place) == [1, -1, 0]
        assert with_labels(scores, place).matches == {"fan": "2 of 3 clips"}


def test_the_folders_of_the_evaluators_since_2022(scores, tmp_path):
    file = "ground_truth_fan_section_03_test.csv"
    put(tmp_path / "e/ground_truth_data" / file, f"{NAMES[0]},1\n{NAMES[1]},0\n{NAMES[2]},0\n")
    put(tmp_path / "e/ground_truth_domain" / file, f"{NAMES[0]},1\n{NAMES[1]},0\n{NAMES[2]},1\n")
    full = "section_03_target_test_anomaly_0000_A.wav"
    put(tmp_path / "e/ground_truth_attributes" / file, f"{NAMES[0]},{full}\n")
    rows = with_labels(scores, tmp_path / "e").scores["fan"]
    assert rows.label.tolist() == [1, 0, 0]
    assert rows.domain.tolist() == ["target", "source", "target"]
    rows = with_labels({"fan": rows}, tmp_path / "e").scores["fan"]
    assert rows.domain.tolist() == ["target", "source", "target"]
    put(tmp_path / "e/ground_truth_domain" / file, f"{NAMES[0]},0\n")
    (tmp_path / "e/ground_truth_attributes" / file).unlink()
    with pytest.raises(InputError, match=r"domain of section_03_0000.* is source, expected target"):
        with_labels({"fan": rows}, tmp_path / "e")


@pytest.mark.parametrize("third", [False, True])
def test_evaluators_list(scores, tmp_path, third):
    """Two columns, as in 2021, or the label in a third, as in 2020."""
    path = put(
        tmp_path / "l/eval_data_list.csv",
        f"fan\r\n{NAMES[0]},normal_id_03_00000000.wav{',0' * third}\r\n"
        f"{NAMES[1]},section_03_source_test_anomaly_0001.wav{',1' * third}\r\n"
        f"pump\r\n{NAMES[2]},anomaly_id_03_00000002.wav\r\n",
    )
    assert labels(scores, path) == labels(scores, path.parent) == [0, 1, -1]


def test_ones_own_table_by_base_name(scores, tmp_path):
    text = "name,label\n" + "".join(f"/data/fan/{n},{i % 2}\n" for i, n in enumerate(NAMES))
    labelled = with_labels(scores, put(tmp_path / "mine.csv", text))
    assert labelled.scores["fan"].label.tolist() == [0, 1, 0]
    assert labelled.matches == {"fan": "3 of 3 clips, by base name"}


def test_labels_of_the_names_stay_and_are_not_contradicted(scores, tmp_path):
    rows = scores["fan"]._replace(label=np.array([1, -1, 0], np.int8))
    path = put(tmp_path / "mine.csv", f"{NAMES[0]},1\n{NAMES[1]},1\n")
    assert labels({"fan": rows}, path) == [1, 1, 0]
    put(path, f"{NAMES[0]},1\n{NAMES[2]},1\n")
    with pytest.raises(InputError, match=r"label of section_03_0002.* of fan is 1, expected 0 as"):
        labels({"fan": rows}, path)


def test_semicolons_of_the_case(shared):
    folder = shared.parent / "cases/csv"
    rows = with_labels(read_scores(folder / "s.csv"), folder / "gt_semicolon.csv").scores["s"]
    assert rows.label.tolist() == [0, 1]


PAIRS = "".join(f"a,section_03_source_test_{label}_0.wav\n" for label in ("normal", "anomaly"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("list.csv", "fan\na.wav,b.wav\n", "line 2: .*expected name,full name with its label"),
        ("list.csv", "fan\na,normal_id_03_00000000.wav,1\n", "line 2: .*expected name,full name"),
        ("list.csv", f"fan\n{PAIRS}", r"list\.csv: gives other labels than .*list.csv .a; expec"),
        ("mine.csv", f"{NAMES[0]},2\n", r"mine\.csv, line 1: .*expected name,0|1"),
        ("mine.csv", f"{NAMES[0]},0\n{NAMES[0]},1\n", "line 2: .* is given two values"),
        ("mine.csv", "a,0\nb,1\n", r"none of 3 names matches: .*section_03_0000.*labels are of a"),
        (
            "ground_truth_pump_section_03_test.csv",
            f"{NAMES[0]},1\n",
            r"pump_section_03_test\.csv: no labels of fan .expected this machine type; --machine",
        ),
    ],
)
def test_unusable(scores, tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        with_labels(scores, put(tmp_path / name, text))


def test_two_files_that_disagree(scores, tmp_path):
    for folder, label in (("a", 0), ("b", 1)):
        name = "ground_truth_fan_section_03_source_test.csv"
        put(tmp_path / "truth" / folder / name, f"{NAMES[0]},{label}\n")
    with pytest.raises(InputError, match=r"b/ground_.*: gives other labels than .*a/ground_"):
        with_labels(scores, tmp_path / "truth")


def test_nothing_there(scores, tmp_path):
    with pytest.raises(InputError, match="no such file or folder"):
        with_labels(scores, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no ground_truth"):
        with_labels(scores, tmp_path / "empty")


def test_the_official_list_agrees_with_the_official_labels(shared, tmp_path):
    """Both forms of the 2021 ground truth, all 8,635 clips of it."""
    metrics = shared / "metrics"
    names = {}
    for path in sorted((metrics / "ground_truth_2021").glob("*.csv")):
        machine = path.name.split("_")[2]
        names.setdefault(machine, []).extend(x.split(",")[0] for x in path.read_text().split())
    scores = {}
    for machine, clips in names.items():
        scores |= read_scores(put(tmp_path / f"{machine}.csv", "".join(f"{n},0\n" for n in clips)))
    one = with_labels(scores, metrics / "ground_truth_2021").scores
    two = with_labels(scores, metrics / "eval_data_list_2021.csv").scores
    assert sum(len(rows.label) for rows in one.values()) == 8635
    for machine in names:
        assert (one[machine].label != -1).all()
        np.testing.assert_array_equal(one[machine].label, two[machine].label)

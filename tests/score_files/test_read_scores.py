"""Score and label files of anyone's system."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_labels import with_labels
from jax_dns.score_files.read_scores import Place, file_name, place_of, read_scores, read_values

SCORES = "anomaly_score_{}_section_{:02d}_{}_test.csv"


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("section_03_target_test_anomaly_0007_f-n_A.wav", Place(3, "target", 1)),
        ("section_00_source_test_normal_0206_pat_01.wav", Place(0, "source", 0)),
        ("fan/source_test/Section_12_Source_Test_Normal_0000.WAV", Place(12, "source", 0)),
        (r"fan\section_01_source_test_0000", Place(1, "source", -1)),
        ("section_00_0000.wav", Place(0, "", -1)),
        ("anything.wav", Place(-1, "", -1)),
    ],
)
def test_names(name, place):
    assert place_of(name) == place


def test_a_csv_with_or_without_a_header(tmp_path):
    for text in ("name,score\n b.wav , 1e-3\n\na.wav,-2\n", "\ufeffb.wav,.001\r\na.wav,-2.0\r\n"):
        path = put(tmp_path / "mine.csv", text)
        ((machine, rows),) = read_scores(path).items()
        assert machine == "mine"
        assert rows.clip.tolist() == ["b.wav", "a.wav"] and rows.score.tolist() == [1e-3, -2]
        assert rows.section.tolist() == [-1, -1] and rows.domain.tolist() == ["", ""]
    assert list(read_scores(path, machine="fan")) == ["fan"]


def test_a_folder_of_the_evaluators_files(tmp_path):
    put(tmp_path / SCORES.format("my_fan", 0, "source"), "x.wav,1\ny.wav,2\n")
    put(tmp_path / SCORES.format("my_fan", 1, "target"), "section_01_target_test_normal_0_a.wav,3")
    put(tmp_path / "anomaly_score_pump_section_02_test.csv", "section_02_0000.wav,4\n")
    put(tmp_path / "result.csv", b"\xff")
    put(tmp_path / "decision_result_my_fan_section_00_source_test.csv", "x.wav,1\n")
    found = read_scores(tmp_path)
    fan, pump = found["my_fan"], found["pump"]
    assert fan.clip.tolist() == ["x.wav", "y.wav", "section_01_target_test_normal_0_a.wav"]
    assert fan.section.tolist() == [0, 0, 1] and fan.label.tolist() == [-1, -1, 0]
    assert fan.domain.tolist() == ["source", "source", "target"]
    assert (pump.section[0], pump.domain[0]) == (2, "")
    assert file_name("anomaly_score", "pump", 2, "") == "anomaly_score_pump_section_02_test.csv"
    assert (
        file_name("ground_truth", "f", 3, "target") == "ground_truth_f_section_03_target_test.csv"
    )


NAME = "section_00_source_test_0000.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "s.csv: is empty"),
        (b"\n \n", "s.csv: is empty"),
        (b"\xff\xfe,1\n", "not a CSV file in UTF-8"),
        ('"a,1\n', "line 1: 'a,1' .expected name,score"),
        ("a,1\nb,2,3\n", "line 2: 'b,2,3' .expected name,score"),
        ("a,1\n,2\n", "line 2: ',2'"),
        ("a,1\nb,x\n", "line 2: the score of b is 'x' .expected a number"),
        ("name,score\na,nan\n", "line 2: the score of a is nan .expected a finite"),
        ("a,inf\n", "line 1: the score of a is inf"),
        ("name,score\n", "holds no scores"),
        (f"{NAME},x\n{NAME},1\n", "line 1: the score of section_00_.* is 'x'"),
    ],
)
def test_unusable_score_files(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as raised:
        read_scores(put(tmp_path / "s.csv", text))
    assert "\n" not in str(raised.value)


def test_unusable_score_folders(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv: no such file"):
        read_scores(tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no anomaly_score_"):
        read_scores(tmp_path / "empty")
    put(tmp_path / "AE" / SCORES.format("fan", 0, "source"), "a,1\n")
    with pytest.raises(InputError, match="there are some in its folders AE"):
        read_scores(tmp_path)
    put(tmp_path / "AE" / SCORES.format("fan", 1, "source"), "a,1\n")
    with pytest.raises(InputError, match="AE: a of fan in more than one file"):
        read_scores(tmp_path / "AE")
    put(tmp_path / "old/anomaly_score_fan_id_00.csv", "a,1\n")
    with pytest.raises(InputError, match=r"id_00\.csv: name does not parse"):
        read_scores(tmp_path / "old")
    put(tmp_path / "odd" / SCORES.format("fan", 1, "source"), f"{NAME},1\n")
    with pytest.raises(InputError, match=r"is named for section 00, source .expected those"):
        read_scores(tmp_path / "odd")


def test_values_by_clip(tmp_path):
    one = read_scores(put(tmp_path / "fan.csv", "a,1\nb,2\n"))
    two = one | {"pump": one["fan"]}
    path = put(tmp_path / "v.csv", "name,group\na,x\nb,7\nb,7\n")
    assert read_values(path, one, expected="group") == {"fan": {"a": "x", "b": "7"}}
    path = put(tmp_path / "v.csv", "machine,name,pool\nfan,a,1\npump,a,0\n")
    assert read_values(path, two, expected="0|1") == {"fan": {"a": "1"}, "pump": {"a": "0"}}
    for text, machines, message in (
        ("a,1\nb,2\n", one, r"v\.csv, line 2: 'b,2' .expected name,0|1"),
        ("a,1\na,0\n", one, "line 2: a is given two values"),
        ("a,1\n", two, r"line 1: 'a,1' .expected machine,name,0|1"),
        ("a,\n", one, "line 1: 'a,' .expected name,0|1"),
    ):
        with pytest.raises(InputError, match=message):
            read_values(put(tmp_path / "v.csv", text), machines, expected="0|1")


def test_labels_are_joined_where_names_carry_none(tmp_path):
    text = "section_03_source_test_0000.wav,1\nsection_03_source_test_normal_0001.wav,2\n"
    scores = read_scores(put(tmp_path / "s" / SCORES.format("fan", 3, "source"), text))
    truth = "section_03_source_test_0000.wav,1\nsection_03_source_test_normal_0001.wav,1\n"
    put(tmp_path / "g/deep/ground_truth_fan_section_03_source_test.csv", truth)
    put(tmp_path / "g/ground_truth_pump_section_03_source_test.csv", "other.wav,0\n")
    assert with_labels(scores, None)["fan"].label.tolist() == [-1, 0]
    assert with_labels(scores, tmp_path / "g")["fan"].label.tolist() == [1, 0]
    own = put(tmp_path / "own.csv", "name,label\nsection_03_source_test_0000.wav,0\n")
    assert with_labels(scores, own)["fan"].label.tolist() == [0, 0]
    pairs = "fan\r\nsection_03_source_test_0000.wav,section_03_source_test_anomaly_0000.wav\r\n"
    listed = put(tmp_path / "l/eval_data_list_2021.csv", pairs)
    for path in (listed, listed.parent):
        assert with_labels(scores, path)["fan"].label.tolist() == [1, 0]


def test_unusable_labels(tmp_path):
    scores = read_scores(put(tmp_path / "s.csv", "a,1\nb,2\n"))
    (tmp_path / "empty").mkdir()
    put(tmp_path / "two/ground_truth_fan_section_00_source_test.csv", "a,0\n")
    put(tmp_path / "two/ground_truth_fan_section_01_source_test.csv", "a,1\n")
    put(tmp_path / "three/ground_truth_fan_section_00_source_test.csv", "a,2\n")
    put(tmp_path / "list.csv", "fan\na,b\n")
    pairs = [f"a,section_00_source_test_{label}_0000.wav" for label in ("normal", "anomaly")]
    put(tmp_path / "twice.csv", "\n".join(["fan", *pairs]))
    put(tmp_path / "own.csv", "a,0\na,1\n")
    for name, message in (
        ("none", "no such file or folder"),
        ("empty", "holds no ground_truth_"),
        ("two", "section_01_source_test.csv: a of fan has another label elsewhere"),
        ("three", "line 1: 'a,2' .expected name,0 or name,1"),
        ("list.csv", "line 2: 'a,b' .expected published name,labelled name"),
        ("twice.csv", "line 3: a of fan is given both labels"),
        ("own.csv", "line 2: a is given two values"),
    ):
        with pytest.raises(InputError, match=message):
            with_labels(scores, tmp_path / name)


def test_the_official_list_agrees_with_the_official_labels(shared, tmp_path):
    """Both forms of the 2021 ground truth, all 8,634 clips of it."""
    metrics = shared / "metrics"
    names = {}
    for path in sorted((metrics / "ground_truth_2021").glob("*.csv")):
        machine = path.name.split("_")[2]
        names.setdefault(machine, []).extend(x.split(",")[0] for x in path.read_text().split())
    scores = {}
    for machine, found in names.items():
        path = put(tmp_path / f"{machine}.csv", "".join(f"{name},0\n" for name in found))
        scores |= read_scores(path)
    one = with_labels(scores, metrics / "ground_truth_2021")
    two = with_labels(scores, metrics / "eval_data_list_2021.csv")
    for machine in names:
        assert (one[machine].label != -1).all()
        np.testing.assert_array_equal(one[machine].label, two[machine].label)

"""Score files of anyone's system."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_scores import official_naming, read_scores, read_values

SCORES = "anomaly_score_{}_section_{:02d}_{}_test.csv"


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_csv_with_or_without_a_head(tmp_path):
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


def test_official_files_of_2022_and_2020(tmp_path, shared):
    folder = shared / "dcase2022_dev_scores/gmm"
    fan = read_scores(folder)["fan"]
    assert official_naming(folder) == 2022
    assert sorted(set(fan.section.tolist())) == [0, 1, 2] and set(fan.label.tolist()) == {0, 1}
    assert {"source", "target"} == set(fan.domain.tolist())
    put(tmp_path / "anomaly_score_ToyCar_id_05.csv", "normal_id_05_00000000.wav,1\n")
    rows = read_scores(tmp_path)["ToyCar"]
    assert official_naming(tmp_path) == 2020
    assert (rows.section[0], rows.domain[0], rows.label[0]) == (5, "", 0)
    assert official_naming(put(tmp_path / "mine.csv", "a,1\n")) == 2021


RUN = "clip,section,domain,label,AE,Proposed\nx.wav,3,source,1,0.5,7\ny.wav,4,target,-1,1.5,8\n"


def test_scores_csv_of_a_run(tmp_path):
    path = put(tmp_path / "scores.csv", RUN)
    rows = read_scores(path, column="Proposed", machine="fan")["fan"]
    assert rows.score.tolist() == [7, 8] and rows.section.tolist() == [3, 4]
    assert rows.domain.tolist() == ["source", "target"] and rows.label.tolist() == [1, -1]
    for options, message in (
        ({}, "columns AE, Proposed .expected one of scores; --column names it"),
        ({"column": "IDNN"}, "no column 'IDNN' of scores .there is AE, Proposed"),
        ({"column": "AE", "name_key": "wav"}, "no head with wav in the first line"),
    ):
        with pytest.raises(InputError, match=message):
            read_scores(path, **options)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("x.wav,3,source,2,1,1", "line 2: label is '2' .expected 0, 1, or -1 for unknown"),
        ("x.wav,3,home,1,1,1", "line 2: domain is 'home' .expected source or target"),
        ("x.wav,1.5,source,1,1,1", "line 2: section is '1.5' .expected a whole number"),
        (
            "section_03_source_test_normal_0000.wav,3,source,1,1,1",
            "line 2: label is '1' .expected 0, which the clip's name says",
        ),
        (
            "section_03_source_test_normal_0000.wav,3,target,0,1,1",
            "line 2: domain is 'target' .expected source, which",
        ),
    ],
)
def test_columns_that_cannot_be(tmp_path, row, message):
    path = put(tmp_path / "scores.csv", f"{RUN.splitlines()[0]}\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_scores(path, column="AE")


def test_a_table_of_several_machine_types(tmp_path):
    path = put(tmp_path / "all.csv", "machine,wav,a_G\nfan,a,1\npump,a,2\nfan,b,3\n")
    found = read_scores(path, name_key="wav")
    assert {m: rows.score.tolist() for m, rows in found.items()} == {"fan": [1, 3], "pump": [2]}


NAME = "section_00_source_test_0000.wav"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "s.csv: is empty"),
        (b"\n \n", "s.csv: is empty"),
        (b"\xff\xfe,1\n", "not a CSV file in UTF-8"),
        ('"a,1\n', "line 1: 'a,1' .expected name,score"),
        ("a,1\nb,2,3\n", "line 2: 'b,2,3' .expected 2 fields"),
        ("a,1\n,2\n", "line 2: field 1 is empty"),
        ("a,1\nb,x\n", "line 2: the score of b is 'x' .expected a number"),
        ("name,score\na,nan\n", "line 2: the score of a is nan .expected a finite"),
        ("a,inf\n", "line 1: the score of a is inf"),
        ("name,score\n", "holds no scores"),
        # A faulty first row isn't a head.
        (f"{NAME},x\n{NAME},1\n", "line 1: the score of section_00_.* is 'x'"),
        ("a,\nb,1\n", "line 1: the score of a is '' .expected a number"),
        ("a,n/a\nb,1\n", "line 1: the score of a is 'n/a'"),
        ("name,AE,SerialOE\na,1,2\n", "columns AE, SerialOE .expected one"),
        ("name,label\na,1\n", "columns of scores: none"),
    ],
)
def test_unusable_score_files(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as raised:
        read_scores(put(tmp_path / "s.csv", text))
    assert "\n" not in str(raised.value)


def test_the_first_row_of_the_case(shared):
    with pytest.raises(InputError, match="line 1: the score of a is ''"):
        read_scores(shared.parent / "cases/csv/first_row/s.csv")


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
    put(tmp_path / "old/anomaly_score_fan_00.csv", "a,1\n")
    with pytest.raises(InputError, match=r"fan_00\.csv: name does not parse"):
        read_scores(tmp_path / "old")
    put(tmp_path / "odd" / SCORES.format("fan", 1, "source"), f"{NAME},1\n")
    with pytest.raises(InputError, match=r"is named for section 00, source .expected those"):
        read_scores(tmp_path / "odd")


def test_values_by_clip(tmp_path):
    path = put(tmp_path / "v.csv", "name,group\na,x\nb,7\nb,7\n")
    assert read_values(path, ["fan"], expected="group") == {"fan": {"a": "x", "b": "7"}}
    path = put(tmp_path / "v.csv", "machine,name,pool\nfan,a,1\npump,a,0\n")
    assert read_values(path, ["fan", "pump"], expected="0|1") == {
        "fan": {"a": "1"},
        "pump": {"a": "0"},
    }
    for text, machines, message in (
        ("a,1\nb,2\n", ["fan"], r"v\.csv, line 2: 'b,2' .expected name,0|1"),
        ("a,1\na,0\n", ["fan"], "line 2: a is given two values"),
        ("a,1\n", ["fan", "pump"], r"line 1: 'a,1' .expected machine,name,0|1"),
        ("a,\n", ["fan"], "line 1: 'a,' .expected name,0|1"),
    ):
        with pytest.raises(InputError, match=message):
            read_values(put(tmp_path / "v.csv", text), machines, expected="0|1")


def test_parquet_scores(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="extra parquet")
    from pyarrow import parquet

    columns = {"wav": [7, 8], "machine": ["fan", "fan"], "label": [1, 0], "score": [1, 2]}
    parquet.write_table(pa.table(columns), tmp_path / "s.parquet")
    rows = read_scores(tmp_path / "s.parquet", name_key="wav")["fan"]
    assert rows.clip.tolist() == ["7", "8"] and rows.label.tolist() == [1, 0]
    np.testing.assert_array_equal(rows.score, [1, 2])

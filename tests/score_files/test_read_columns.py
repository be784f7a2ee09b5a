"""Tables as columns."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_columns import numbers, read_columns


def put(path, text):
    path.write_text(text)
    return path


def test_a_head_is_known_by_its_words(tmp_path):
    table = read_columns(put(tmp_path / "t.csv", "File,AE\na.wav,1\nb.wav,2\n"))
    assert table.has_head and table.name_column() == "File"
    assert table.text("File").tolist() == ["a.wav", "b.wav"]
    assert numbers(table, "AE").tolist() == [1, 2]
    table = read_columns(put(tmp_path / "t.csv", "wav_id,AE\na.wav,1\n"), name_key="wav_id")
    assert table.has_head and table.name_column("wav_id") == "wav_id"
    table = read_columns(put(tmp_path / "t.csv", "a.wav,1\nb.wav,2\n"))
    assert not table.has_head and table.name_column() == "0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,name\na,1\n", r"t\.csv, line 1: two columns have the same name"),
        ("name,score\na\n", r"t\.csv, line 2: 'a' .expected name,score"),
        ("a,1\n\nb,2,3\n", r"t\.csv, line 3: 'b,2,3' .expected 2 fields, as in the first line"),
        ("name,score\na,x\n", r"line 2: the score of a is 'x' .expected a number\)"),
        ("name,score\na,inf\n", "line 2: the score of a is inf .expected a finite number"),
        ("name,score\n,1\n", "line 2: name is empty"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        table = read_columns(put(tmp_path / "t.csv", text))
        table.text("name")
        numbers(table, "score", named="name")


def test_a_missing_column_names_those_there(tmp_path):
    table = read_columns(put(tmp_path / "t.csv", "name,score\na,1\n"))
    with pytest.raises(InputError, match=r"no column wav .the columns are name, score; --name-key"):
        table.name_column("wav")


def test_parquet(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="extra parquet")
    from pyarrow import parquet

    columns = {"clip": ["a", "b"], "score": [1, 2], "feature": [[1.0, 2.0], [3.0, 4.0]]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_columns(tmp_path / "t.parquet")
    assert table.name_column() == "clip" and table.where == ["row 0", "row 1"]
    assert numbers(table, "score").tolist() == [1, 2]
    np.testing.assert_array_equal(table.columns["feature"], [[1, 2], [3, 4]])
    for name, column, message in (
        ("missing", [None, 1.0], "row 0: x is missing"),
        ("ragged", [[1.0], [1.0, 2.0]], "x has lists of 1 to 2 values"),
    ):
        parquet.write_table(pa.table({"x": column}), tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match=message):
            read_columns(tmp_path / f"{name}.parquet")
    put(tmp_path / "junk.parquet", "junk")
    with pytest.raises(InputError, match="not a readable Parquet file"):
        read_columns(tmp_path / "junk.parquet")
    with pytest.raises(InputError, match="no such file"):
        read_columns(tmp_path / "none.parquet")


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"t\.pq: needs pyarrow .pip install 'jax-dns.parquet"):
        read_columns(tmp_path / "t.pq")

"""Features of anyone's system."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.score_files.read_features import read_features


def write(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def test_features_of_several_machine_types(tmp_path):
    x = np.arange(8, dtype=np.float16).reshape(4, 2)
    one = write(
        tmp_path / "all.npz", name=list("aabc"), machine=["fan", "pump", "fan", "valve"], feature=x
    )
    found = read_features(one, ["pump", "fan"])
    assert {m: f.name.tolist() for m, f in found.items()} == {"pump": ["a"], "fan": ["a", "b"]}
    assert found["fan"].feature.tolist() == [[0, 1], [4, 5]]
    assert found["fan"].feature.dtype == np.float32
    write(tmp_path / "d/fan.npz", name=np.asarray(["a", "b"], "S"), feature=x[:2].astype(int))
    write(
        tmp_path / "d/pump/segments.npz",
        clip=list("aab"),
        split=["train", "test", "test"],
        feature=x[1:],
    )
    found = read_features(tmp_path / "d", ["fan", "pump"])
    assert found["fan"].name.tolist() == ["a", "b"]
    assert found["pump"].name.tolist() == ["a", "b"]
    assert found["pump"].feature.tolist() == x[2:].tolist()


ONES = np.ones((2, 3))


@pytest.mark.parametrize(
    ("arrays", "machines", "message"),
    [
        ({"name": list("ab")}, ["fan"], "lacks feature .*there is name; --name-key, --feature"),
        ({"feature": ONES}, ["fan"], "lacks name"),
        ({"name": [0.5, 2], "feature": ONES}, ["fan"], r"name is float64 .*expected \[2\] strings"),
        ({"name": list("ab"), "feature": ONES[0]}, ["fan"], r"feature is float64 of shape \[3\]"),
        ({"name": list("abc"), "feature": ONES}, ["fan"], "3 names and 2 rows of feature"),
        ({"name": list("ab"), "feature": ONES[:, :0]}, ["fan"], "at least one row and one column"),
        ({"name": list("ab"), "feature": ONES * [[1], [np.nan]]}, ["fan"], r"row 1 \(b\) holds na"),
        ({"name": list("ab"), "feature": ONES * 1e39}, ["fan"], r"row 0 \(a\) holds inf"),
        ({"name": list("ab"), "feature": ONES}, ["fan", "pump"], "lacks machine, but the scores"),
        (
            {"name": list("ab"), "feature": ONES, "machine": ["fan"] * 2},
            ["pump"],
            r"no rows of pump \(expected some; there is fan\)",
        ),
        ({"name": list("ab"), "feature": ONES, "machine": ["fan"]}, ["fan"], r"machine is .*\[1\]"),
        ({"name": np.asarray(["a", 1], object), "feature": ONES}, ["fan"], "without pickled"),
        ({"name": np.asarray([b"\xff", b"b"]), "feature": ONES}, ["fan"], "name isn't in UTF-8"),
    ],
)
def test_unusable_features(tmp_path, arrays, machines, message):
    with pytest.raises(InputError, match=message) as raised:
        read_features(write(tmp_path / "f.npz", **arrays), machines)
    assert "f.npz: " in str(raised.value) and "\n" not in str(raised.value)


def test_unusable_feature_files(tmp_path):
    (tmp_path / "junk.npz").write_bytes(b"junk")
    (tmp_path / "junk.npy").write_bytes(b"")
    np.save(tmp_path / "rows.npy", ONES)
    np.savez(tmp_path / "x.npz", ONES)
    (tmp_path / "x.npz").rename(tmp_path / "zip.npy")
    (tmp_path / "folder").mkdir()
    for name, machines, message in (
        ("junk.npz", ["fan"], "not a readable .npz"),
        ("junk.npy", ["fan"], "not a readable .npy"),
        ("zip.npy", ["fan"], "is an .npz under another name"),
        ("none.npz", ["fan"], "no such file"),
        ("none.npy", ["fan"], "no such file"),
        ("rows.npy", ["fan", "pump"], "rows without names, but the scores are of fan, pump"),
        (
            "folder",
            ["fan"],
            r"no features of fan \(expected fan.npz, fan.csv, fan.parquet, .*fan/segments.npz\)",
        ),
    ):
        with pytest.raises(InputError, match=message):
            read_features(tmp_path / name, machines)
    rows = read_features(tmp_path / "rows.npy", ["fan"])["fan"]
    assert rows.name is None and rows.feature.shape == (2, 3)


def test_other_keys(tmp_path):
    path = write(tmp_path / "f.npz", wav=[7, 8], embedding=ONES.astype(int), feature=ONES[:1])
    found = read_features(path, ["fan"], name_key="wav", feature_key="embedding")["fan"]
    assert found.name.tolist() == ["7", "8"] and found.feature.dtype == np.float32
    with pytest.raises(InputError, match=r"lacks emb .expected arrays wav and emb; there is wav, "):
        read_features(path, ["fan"], name_key="wav", feature_key="emb")
    with pytest.raises(InputError, match="lacks clips "):
        read_features(path, ["fan"], name_key="clips")


def test_a_csv_of_features(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("file,machine,split,f0,f1,g\na,fan,test,1,2,9\nb,fan,train,3,4,9\n")
    found = read_features(path, ["fan"], feature_key="f")["fan"]
    assert found.name.tolist() == ["a"] and found.feature.tolist() == [[1, 2]]
    assert read_features(path, ["fan"])["fan"].feature.tolist() == [[1, 2, 9]]
    path.write_text("b;3,5;1\na;2,5;0\n")  # no head, decimal commas
    found = read_features(path, ["fan"])["fan"]
    assert found.name.tolist() == ["b", "a"] and found.feature.tolist() == [[3.5, 1], [2.5, 0]]
    (tmp_path / "d").mkdir()
    path.rename(tmp_path / "d/fan.csv")
    assert read_features(tmp_path / "d", ["fan"])["fan"].feature.shape == (2, 2)
    for text, options, message in (
        ("name,f0\na,x\n", {}, "line 2: the f0 of a is 'x'"),
        ("name,f0\na,1\n", {"feature_key": "g"}, "no columns g .there is name, f0"),
        ("name,f0\na,1\n", {"name_key": "wav"}, "no column wav"),
        ("wav,f0\na,1\n", {}, "line 1: the score of wav is 'f0'|the 1 of wav is 'f0'"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_features(path, ["fan"], **options)


def test_parquet_features(tmp_path):
    pa = pytest.importorskip("pyarrow", reason="extra parquet")
    from pyarrow import parquet

    lists = {"name": ["a", "b"], "feature": [[1.0, 2.0], [3.0, 4.0]]}
    columns = {"name": ["a", "b"], "x": [1, 3], "y": [2.0, 4.0], "label": [0, 1]}
    for content in (lists, columns):
        parquet.write_table(pa.table(content), tmp_path / "f.parquet")
        found = read_features(tmp_path / "f.parquet", ["fan"])["fan"]
        assert found.name.tolist() == ["a", "b"] and found.feature.tolist() == [[1, 2], [3, 4]]

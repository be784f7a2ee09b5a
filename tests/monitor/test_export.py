"""A history's items in files, and the check by recomputation."""

import csv

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.monitor.history import ClipRecord, History


@pytest.fixture
def history(tmp_path):
    history = History.open(tmp_path / "history", k=2)
    rng = np.random.default_rng(0)
    for i in range(4):
        record = ClipRecord(f'ファン, "{i}".wav', str(i), 100.0 + i, p=0.5)
        history.append("fan", i % 2, record, rng.normal(size=3), rng.normal(size=(3, 2)))
    history.expire("fan", 0, keep_items=3)
    yield history
    history.close()


def test_csv_holds_every_item(history, tmp_path):
    assert history.export(tmp_path / "items.csv") == 12
    with (tmp_path / "items.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["live"] for row in rows] == list("000111111111")
    assert rows[6]["clip"] == 'ファン, "1".wav' and rows[6]["section"] == "1"
    assert [float(row["smoothed"]) for row in rows[6:]] == history.smoothed(
        "fan", 1
    ).smoothed.tolist()


def test_parquet_holds_the_same(history, tmp_path):
    pq = pytest.importorskip("pyarrow.parquet", reason="extra parquet")
    history.export(tmp_path / "items.parquet")
    table = pq.read_table(tmp_path / "items.parquet").to_pydict()
    assert table["smoothed"][6:] == history.smoothed("fan", 1).smoothed.tolist()
    assert table["p_score"] == [None] * 12 and table["p"] == [0.5] * 12


def test_other_suffixes_are_refused(history, tmp_path):
    with pytest.raises(InputError, match=r"expected a name that ends in .csv or .parquet"):
        history.export(tmp_path / "items.xlsx")


def test_the_check_sees_a_wrong_score(history):
    assert history.check("fan", 1) < 1e-6
    history.connection.execute("UPDATE item SET smoothed = smoothed + 1")
    assert history.check("fan", 1) > 0.5
    assert history.check("fan", 7) == 0

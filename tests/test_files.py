"""Files written whole."""

import json
import os

import numpy as np
import pytest

from jax_dns import files
from jax_dns.errors import InputError


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"a\.txt: can't be written \(No space left on device\)"):
        files.write_text(path, "new")
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_kinds(tmp_path):
    files.write_json(tmp_path / "deep/a.json", {"x": [1, 2.5]})
    assert json.loads((tmp_path / "deep/a.json").read_text()) == {"x": [1, 2.5]}
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "b.json", float("nan"))
    files.write_npz(tmp_path / "c.npz", {"x": np.arange(3)})
    with np.load(tmp_path / "c.npz", allow_pickle=False) as file:
        assert file["x"].tolist() == [0, 1, 2]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        files.write_text(tmp_path / "file/a.txt", "x")

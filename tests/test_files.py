"""Files written whole, digests, and CSV tables in the forms that spreadsheets write."""

import hashlib
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


def test_an_interrupted_write_leaves_nothing_beside_the_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "a.txt", "new")
    assert not list(tmp_path.iterdir())


def test_json_text_and_npz_are_read_back(tmp_path):
    files.write_json(tmp_path / "deep/a.json", {"x": [1, 2.5]})
    assert json.loads((tmp_path / "deep/a.json").read_text()) == {"x": [1, 2.5]}
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(tmp_path / "b.json", float("nan"))
    files.write_npz(tmp_path / "c.npz", {"x": np.arange(3)})
    assert files.read_npz(tmp_path / "c.npz")["x"].tolist() == [0, 1, 2]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        files.write_text(tmp_path / "file/a.txt", "x")


def test_a_link_is_replaced_and_its_target_kept(tmp_path):
    target = tmp_path / "elsewhere.txt"
    target.write_text("theirs")
    (tmp_path / "a.txt").symlink_to(target)
    files.write_text(tmp_path / "a.txt", "ours")
    assert target.read_text() == "theirs" and (tmp_path / "a.txt").read_text() == "ours"
    assert not (tmp_path / "a.txt").is_symlink()


def test_only_our_own_temporary_files_are_removed_and_no_link_is_followed(tmp_path):
    workdir, elsewhere = tmp_path / "w", tmp_path / "elsewhere"
    for folder in (workdir / "fan/deep", elsewhere):
        folder.mkdir(parents=True)
    ours = files.temporary_path(workdir / "fan/deep/x.npz")
    in_another_folder = files.temporary_path(elsewhere / "x.npz")
    theirs = [workdir / ".notes-1.partial", workdir / "a.partial", workdir / ".jax-dns-1.partial"]
    for path in (ours, in_another_folder, *theirs):
        path.write_text("x")
    (workdir / "link").symlink_to(elsewhere)
    linked_file = files.temporary_path(workdir / "y")
    linked_file.symlink_to(theirs[0])
    files.remove_temporaries(workdir)
    assert not ours.exists()
    assert in_another_folder.exists() and linked_file.is_symlink()
    assert all(path.read_text() == "x" for path in theirs)


def test_digests_of_bytes_and_files(tmp_path):
    (tmp_path / "a").write_bytes(b"sound")
    expected = hashlib.blake2b(b"sound", digest_size=16).hexdigest()
    assert files.bytes_digest(b"sound") == files.file_digest(tmp_path / "a") == expected
    assert files.bytes_digest(memoryview(b"sound")) == expected
    assert files.file_digest(tmp_path / "nowhere") == files.file_digest(tmp_path) == ""


TABLE = [(1, ["a.wav", "0.5"]), (2, ["b c.wav", "-1.25e-3"]), (4, ["d.wav", "1"])]


@pytest.mark.parametrize(
    "text",
    [
        "a.wav,0.5\nb c.wav,-1.25e-3\n\nd.wav,1\n",
        "\ufeffa.wav;0,5\r\nb c.wav;-1,25e-3\r\n\r\nd.wav;1\r\n",
        "a.wav\t0.5\nb c.wav\t-1.25e-3\n\nd.wav\t1\n",
        ' "a.wav" ; 0,5 \n"b c.wav";-1,25e-3\n  ;  \nd.wav;1',
        '"a.wav","0.5"\n"b c.wav","-1.25e-3"\n,\nd.wav,1',
    ],
)
def test_separators_and_decimal_commas(tmp_path, text):
    (tmp_path / "t.csv").write_text(text.replace(' "a.wav" ', '"a.wav"'), newline="")
    assert files.read_csv(tmp_path / "t.csv") == TABLE


def test_a_separator_within_names_is_none(tmp_path):
    (tmp_path / "t.csv").write_text('x;1.wav,0\n"x\t2;b.wav",1\ny;3.FLAC,1\n')
    names = [row[0] for _, row in files.read_csv(tmp_path / "t.csv")]
    assert names == ["x;1.wav", "x\t2;b.wav", "y;3.FLAC"]


def test_lines_with_different_separators_are_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a.wav,0\nb.wav;0,5\n")
    with pytest.raises(InputError, match=r"t\.csv, line 2: 'b\.wav;0' \(expected one separator"):
        files.read_csv(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\n \n", "is empty"),
        ("é,1".encode("latin-1"), "not a CSV file in UTF-8"),
        (b"x" * 200_000 + b",0", "not a CSV file in UTF-8 .field larger"),
    ],
)
def test_what_is_no_table_is_one_line(tmp_path, content, message):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(InputError, match=rf"t\.csv: {message}"):
        files.read_csv(tmp_path / "t.csv")
    with pytest.raises(InputError, match="no such file"):
        files.read_csv(tmp_path / "nowhere.csv")


def test_local_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert files.local_path("~/x", "root") == tmp_path / "x"
    assert files.local_path(tmp_path / "a~b", "root") == tmp_path / "a~b"
    with pytest.raises(InputError, match="root: gs://bucket/x, expected a local path"):
        files.local_path("gs://bucket/x", "root")
    with pytest.raises(InputError, match="root: ~nobody-here/x, expected a path without ~"):
        files.local_path("~nobody-here/x", "root")

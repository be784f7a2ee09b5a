"""Fingerprints and records of what is done."""

import pytest
from ml_collections import ConfigDict

from jax_dns.errors import InputError
from jax_dns.fingerprints import (
    fingerprint,
    is_done,
    is_whole,
    read_stamp,
    reset_if_stale,
    without_fields,
    write_stamp,
)


def test_fingerprints_tell_configs_apart():
    a, b = ConfigDict({"x": 1, "y": (1, 2)}), ConfigDict({"y": (1, 2), "x": 1})
    assert fingerprint(a, 3) == fingerprint(b, 3) != fingerprint(a, 4)
    b.x = 2
    assert fingerprint(a) != fingerprint(b)
    assert fingerprint(without_fields(a, "x")) == fingerprint(without_fields(b, "x"))
    with pytest.raises(TypeError):
        fingerprint(object())


def test_records(tmp_path):
    assert read_stamp(tmp_path, "fit") == {} and not is_done(tmp_path, "fit", "k")
    write_stamp(tmp_path, "fit", "k", more=[1])
    assert is_done(tmp_path, "fit", "k") and not is_done(tmp_path, "fit", "other")
    assert read_stamp(tmp_path, "fit")["more"] == [1]
    (tmp_path / "fit.json").write_text('{"fingerprint": "k"')
    assert not is_done(tmp_path, "fit", "k")


def test_a_stage_whose_files_changed_is_not_done(tmp_path):
    path = tmp_path / "fit.npz"
    path.write_bytes(b"whole")
    write_stamp(tmp_path, "fit", "k", files=[path])
    assert is_done(tmp_path, "fit", "k") and is_whole(tmp_path, "fit")
    for content in (b"who", b"whale", b""):
        path.write_bytes(content)
        assert not is_done(tmp_path, "fit", "k")
    path.unlink()
    assert not is_done(tmp_path, "fit", "k")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format_version": 2}', "\x00"])
def test_unreadable_records_say_nothing_or_stop(tmp_path, text):
    (tmp_path / "selection.json").write_text(text)
    assert read_stamp(tmp_path, "selection") == {}
    with pytest.raises(InputError, match=r"selection\.json: .*remove it and run its stage again"):
        read_stamp(tmp_path, "selection", strict=True)
    assert read_stamp(tmp_path, "nothing", strict=True) == {}


def test_begin_keeps_pieces_of_the_same_work_only(tmp_path):
    reset_if_stale(tmp_path / "ae", "k")
    (tmp_path / "ae/piece").write_text("")
    reset_if_stale(tmp_path / "ae", "k")
    assert (tmp_path / "ae/piece").exists()
    reset_if_stale(tmp_path / "ae", "other")
    assert not (tmp_path / "ae/piece").exists()

"""Recordings below a folder, links and hidden files."""

from data.layouts.trees import make_tree

from jax_dns.data.layouts.walk import DEPTH, walk_audio


def test_order_suffixes_and_hidden_files(tmp_path):
    make_tree(tmp_path, "b/{2,1}.wav", "a/x.FLAC", "b/{notes.txt,.3.wav}", ".trash/4.wav")
    found = [path.relative_to(tmp_path).as_posix() for path in walk_audio(tmp_path)]
    assert found == ["a/x.FLAC", "b/1.wav", "b/2.wav"]


def test_links_are_followed_once(tmp_path):
    make_tree(tmp_path, "root/a/1.wav", "elsewhere/2.wav")
    (tmp_path / "root/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root/a/up").symlink_to(tmp_path / "root")
    (tmp_path / "root/loop").symlink_to(tmp_path / "root/loop")
    found = [path.relative_to(tmp_path).as_posix() for path in walk_audio(tmp_path / "root")]
    assert found == ["root/a/1.wav", "root/linked/2.wav"]


def test_no_deeper_than_needed(tmp_path):
    make_tree(tmp_path, "/".join("d" * DEPTH) + "/1.wav", "/".join("e" * (DEPTH + 1)) + "/2.wav")
    assert [path.name for path in walk_audio(tmp_path)] == ["1.wav"]

"""manifest.csv: clips and the recordings they were cut from."""

import pytest
from paper.manifest import find_manifest, read_manifest

from jax_dns.errors import InputError


def test_columns_in_any_order(tmp_path):
    path = tmp_path / "manifest.csv"
    path.write_text("segment,recording,clip\n0,r.wav,a.wav\n1,r.wav,b.wav\n")
    assert read_manifest(path) == {"a.wav": "r.wav", "b.wav": "r.wav"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip,condition\na,b\n", "columns clip,condition, expected clip and recording"),
        ("clip,recording\na\n", "line 2 lacks a clip or a recording"),
        ("clip,recording\na,b\na,c\n", "line 3 names a again"),
        ("", "is empty"),
    ],
)
def test_what_cannot_be_used_is_named(tmp_path, text, message):
    path = tmp_path / "manifest.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_manifest(path)


def test_found_beside_the_clips(tmp_path):
    assert find_manifest(tmp_path, "fan") is None
    (tmp_path / "eval_data/fan").mkdir(parents=True)
    (tmp_path / "eval_data/fan/manifest.csv").touch()
    assert find_manifest(tmp_path, "fan") == tmp_path / "eval_data/fan/manifest.csv"


def test_the_quadrotors_recordings(shared):
    recordings = read_manifest(find_manifest(shared / "machines", "uav"))
    test = {r for clip, r in recordings.items() if clip.startswith("section_00_source_test_normal")}
    assert len(recordings) == 311 and len(test) == 5  # as the data's README says

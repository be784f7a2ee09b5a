"""Zips unpacked whole and in their place."""

import functools
import stat
import threading
import zipfile

import pytest

from jax_dns.datasets.http import Stopped
from jax_dns.datasets.unzip import clip_target, ground_truth_target, unpack
from jax_dns.errors import InputError

CLIP = "section_00_source_train_normal_0000.wav"
FAN = functools.partial(clip_target, base="dev_data", machine="fan")


def make_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def run(path, place=FAN, stop=None):
    root = path.parent / "root"
    root.mkdir(exist_ok=True)
    temporary = root / ".download/unpacking/zip"
    try:
        return unpack(path, root, place, temporary=temporary, stop=stop or threading.Event())
    finally:
        assert not temporary.exists()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"fan/train/{CLIP}", f"fan/train/{CLIP}"),
        (f"train/{CLIP}", f"fan/train/{CLIP}"),
        (f"./fan/train/{CLIP}", f"fan/train/{CLIP}"),
        (f"dev_data/fan/source_test/{CLIP}", f"fan/source_test/{CLIP}"),
        (f"dev_data_fan/target_test/{CLIP}", f"fan/target_test/{CLIP}"),
        (f"fan\\train\\{CLIP}", f"fan/train/{CLIP}"),
        ("fan/attributes.csv", "fan/attributes.csv"),
        ("README.md", "fan/README.md"),
    ],
)
def test_where_a_member_goes(tmp_path, name, expected):
    path = make_zip(
        tmp_path / "a.zip", {name: b"sound", "fan/": b"", "__MACOSX/fan/._x": b"", ".DS": b""}
    )
    assert run(path) == {f"dev_data/{expected}": 5}
    found = [
        p.relative_to(tmp_path / "root") for p in (tmp_path / "root").rglob("*") if p.is_file()
    ]
    assert [str(p) for p in found] == [f"dev_data/{expected}"]


def test_only_ground_truth_of_ground_truth(tmp_path):
    name = "ground_truth_fan_section_03_source_test.csv"
    members = {f"deep/er/{name}": b"a.wav,0\n", "deep/readme.csv": b"", "x.wav": b""}
    path = make_zip(tmp_path / "a.zip", members)
    assert run(path, functools.partial(ground_truth_target, base="truth")) == {f"truth/{name}": 8}


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (f"../train/{CLIP}", "lies outside"),
        (f"fan/train/../../../{CLIP}", "lies outside"),
        (f"/train/{CLIP}", "lies outside"),
        (f"C:\\train\\{CLIP}", "lies outside"),
        (f"..\\{CLIP}", "lies outside"),
        (link("fan/train/link.wav"), "is a link or a device"),
        (f"train/{CLIP}", "two members for dev_data/fan/train"),
    ],
)
def test_a_zip_that_cannot_be_trusted_is_refused_whole(tmp_path, name, message):
    path = make_zip(tmp_path / "a.zip", {f"fan/train/{CLIP}": b"good", name: b"/etc/passwd"})
    with pytest.raises(InputError, match=f"a.zip: .*{message}.*refused"):
        run(path)
    assert path.exists() and not [
        p for p in tmp_path.rglob("*") if p.name != "a.zip" and p.is_file()
    ]


def test_damage_is_noticed_before_anything_is_in_place(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("fan/train/a.wav", b"good")
        archive.writestr("fan/train/b.wav", b"sound" * 100)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"soundsound", b"soundSound", 1))
    with pytest.raises(InputError, match=r"a damaged zip \(Bad CRC-32.*removed"):
        run(path)
    assert not path.exists() and not list((tmp_path / "root").rglob("*.wav"))
    path.write_bytes(b"<html>")
    with pytest.raises(InputError, match="a damaged zip"):
        run(path)


def test_a_stop_leaves_nothing_half_done(tmp_path):
    path, stop = make_zip(tmp_path / "a.zip", {"train/a.wav": b"sound"}), threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        run(path, stop=stop)
    assert path.exists() and not list((tmp_path / "root").rglob("*.wav"))

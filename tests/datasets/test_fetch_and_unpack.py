"""Room on the disk: checked beforehand, and running out while files arrive."""

import errno
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from jax_dns.datasets.download import download
from jax_dns.errors import InputError

FAN = "dev_data_fan.zip"
DEV = {"parts": ("dev",)}


def get(zenodo, root, **options):
    return download(root, base_url=zenodo.url, client=zenodo.client, **options)


def files(root):
    """Returns contents by path."""
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_too_little_room_is_said_before_anything_is_fetched(zenodo, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=900_000))
    with pytest.raises(InputError, match=r"not enough room: 2 files.* 900kB are free") as error:
        get(zenodo, tmp_path, **DEV)
    assert "\n" not in str(error.value)
    assert zenodo.requested() == ["4562016"]
    # Both zips and 1.3 times as much unpacked are 1.78 MB; with a zip at a time 1.39 MB are enough.
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1_400_000))
    for options in ({"jobs": 2}, {"jobs": 1, "keep_zips": True}):
        with pytest.raises(InputError, match=r"needs room for 1\.78MB"):
            get(zenodo, tmp_path, **options, **DEV)
    get(zenodo, tmp_path, jobs=1, **DEV)


def test_a_disk_that_fills_up_keeps_what_has_arrived(zenodo, tmp_path, monkeypatch):
    opened = Path.open

    def short(self, mode="r", *arguments, **options):
        file = opened(self, mode, *arguments, **options)
        if self.name == f"{FAN}.partial":
            write = file.write

            def fails(data):
                if file.tell() + len(data) > 200_000:
                    write(data[: 200_000 - file.tell()])
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                return write(data)

            return Full(file, fails)
        return file

    class Full:
        def __init__(self, file, write):
            self.file, self.write = file, write

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", short)
        with pytest.raises(InputError, match=f"{FAN}: No space left on device; .* is kept"):
            get(zenodo, tmp_path, jobs=1, **DEV)
    assert zenodo.requested() == ["4562016", FAN]  # the rest is not tried on a full disk
    assert (tmp_path / f"zips/{FAN}.partial").stat().st_size == 200_000
    get(zenodo, tmp_path, **DEV)
    assert zenodo.ranges(FAN) == ["bytes=200000-"]
    assert files(tmp_path / "dev_data") == files(zenodo.data / "dev_data")


def test_a_zip_without_room_to_unpack_is_kept(zenodo, tmp_path, monkeypatch):
    room = iter([10**9, 1, 1])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=next(room)))
    with pytest.raises(InputError, match=r"zips/dev_data_fan.zip: 0.00 GB when unpacked.*is kept"):
        get(zenodo, tmp_path, machines=["fan"], **DEV)
    monkeypatch.undo()
    zenodo.requested()
    get(zenodo, tmp_path, machines=["fan"], **DEV)
    assert zenodo.requested() == ["4562016"]

"""Damaged files, a full disk, two runs at once: the same result, or one clear error and then it."""

import os
import random
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from soak import runs
from soak.fuzzing import command
from soak.runs import assert_same, finish, start

PASSED_OVER = (".lock", ".png", ".html")  # not read again, or for people


def artefacts(workdir: Path) -> list[str]:
    """Every file of a run but the factory's recordings and most of the checkpoints' pieces."""
    found = sorted(p.relative_to(workdir).as_posix() for p in workdir.rglob("*") if p.is_file())
    pieces = [name for name in found if "/d/" in name]
    found = [n for n in found if not n.endswith((".wav", *PASSED_OVER)) and n not in pieces]
    return found + pieces[:2] + pieces[-2:]


def damaged_and_rerun(name: str, kind: int, reference: Path, workdir: Path) -> str:
    """Cuts a file of a finished run short and runs again; what was said of it."""
    shutil.copytree(reference, workdir)
    path = workdir / name
    content = path.read_bytes()
    path.write_bytes([b"", content[: len(content) // 2], content[:-3]][kind])
    code, message = command(f"--config={runs.CONFIG}", f"--workdir={workdir}")
    if code:  # a clear error that names it, or its folder; then it is the user's to remove
        assert path.name in message or str(path.parent) in message, (name, message)
        if path.name == "factory.json":
            path.write_bytes(content)
        else:
            shutil.rmtree(path.parent) if path.parent != workdir else path.unlink()
        code, again = command(f"--config={runs.CONFIG}", f"--workdir={workdir}")
        assert code == 0, (name, again)
    assert_same(workdir, reference)
    shutil.rmtree(workdir)
    return message


FEW = ["audio/fan.json", "fan/smoothed.npz", "fan/inlier.json", "results.json"]


@pytest.mark.parametrize("name", FEW)
def test_a_damaged_artefact(undisturbed, tmp_path, name):
    assert damaged_and_rerun(name, 1, undisturbed, tmp_path / "w") == ""


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_every_damaged_artefact(undisturbed, tmp_path, part):
    rng, told = random.Random(part), []
    for name in artefacts(undisturbed)[part::4]:
        told.append(damaged_and_rerun(name, rng.randrange(3), undisturbed, tmp_path / "w"))
    print(f"{len(told)} files cut short, {sum(map(bool, told))} led to an error:", set(told))


@pytest.mark.soak
@pytest.mark.parametrize("limit", [1_000, 60_000, 400_000, 4_000_000])
def test_a_limit_on_the_size_of_files(undisturbed, tmp_path, limit):
    code, text = finish(tmp_path / "w", limit=limit)
    lines = [line for line in text.splitlines() if line.startswith("jax-dns: error: ")]
    assert code == 1 and len(lines) == 1 and "Traceback" not in text, text
    assert "can't be written" in lines[0] or "File too large" in lines[0]
    print(lines[0])
    code, text = finish(tmp_path / "w")
    assert code == 0, text
    assert_same(tmp_path / "w", undisturbed)


@pytest.mark.soak
@pytest.mark.parametrize("megabytes", [2, 20])
def test_a_full_disk(undisturbed, tmp_path, megabytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(disk)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no rights to mount a small file system")
    try:
        code, text = finish(disk / "w")
        lines = [line for line in text.splitlines() if line.startswith("jax-dns: error: ")]
        assert code == 1 and len(lines) == 1 and "Traceback" not in text, text
        print(lines[0])
        subprocess.run(["mount", "-o", "remount,size=500m", str(disk)], check=True)
        code, text = finish(disk / "w")
        assert code == 0, text
        assert_same(disk / "w", undisturbed)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.soak
def test_two_runs_at_once(undisturbed, tmp_path):
    first = start(tmp_path / "w")
    while not (tmp_path / "w/config.json").exists():
        time.sleep(0.01)
    code, message = command(f"--config={runs.CONFIG}", f"--workdir={tmp_path / 'w'}")
    assert code == 1 and f"in use by process {first.pid} on " in message
    assert first.wait(timeout=600) == 0
    assert_same(tmp_path / "w", undisturbed)

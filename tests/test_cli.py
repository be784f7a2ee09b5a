"""The command line: help, and one clear line for each thing that can't be used."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import write_clip

from jax_dns import cli

PROJECT = Path(__file__).parents[1]
UAV = f"--config={PROJECT / 'configs/uav.py'}"
NAME = "section_00_source_train_normal_0000.wav"


@pytest.fixture
def root(tmp_path):
    """A folder that would run: quadrotors with test clips, motors to be outliers."""
    root = tmp_path / "root"
    for machine in ("uav", "motor"):
        for i in range(2):
            name = f"section_00_source_train_normal_000{i}.wav"
            write_clip(root / machine / "train" / name, 0.1, seed=i)
    write_clip(root / "uav/source_test/section_00_source_test_normal_0000.wav", 0.1)
    return root


def call(capsys, *arguments):
    """Exit code and the lines of standard error."""
    code = cli.main(["run", *map(str, arguments)])
    return code, capsys.readouterr().err.strip().splitlines()


def bad_clip(root, **options):
    write_clip(root / "uav/train" / NAME, 0.1, **options)


def not_a_number(root):
    samples = np.zeros(100)
    samples[3] = np.nan
    bad_clip(root, samples=samples, subtype="FLOAT")


def replace(root, content):
    (root / "uav/train" / NAME).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: replace(root, b""), f"{NAME}: not a readable wav or flac file"),
        (lambda root: replace(root, b"RIFF1234junk"), f"{NAME}: not a readable wav or flac file"),
        (lambda root: bad_clip(root, samples=np.zeros(0)), f"{NAME}: holds no samples"),
        (lambda root: bad_clip(root, channels=2), f"{NAME}: has 2 channels, expected mono"),
        (lambda root: bad_clip(root, sample_rate=8000), "sampled at 8000 Hz, expected 16000 Hz"),
        (not_a_number, f"{NAME}: sample 3 is nan"),
        (lambda root: write_clip(root / "uav/train/fine.wav"), "fine.wav: name does not parse"),
        (lambda root: shutil.rmtree(root / "uav/source_test"), "no test clips of uav"),
        (lambda root: shutil.rmtree(root / "motor"), "no recordings of 'motor'"),
        (lambda root: shutil.rmtree(root), "data.root: .* is not a folder"),
    ],
)
def test_unusable_recordings(root, tmp_path, capsys, damage, message):
    damage(root)
    workdir = tmp_path / "work"
    code, lines = call(capsys, UAV, f"--workdir={workdir}", f"--config.data.root={root}")
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith("jax-dns: error: ")
    import re

    assert re.search(message, lines[0])
    assert not list(workdir.rglob("*.partial")) and not (workdir / "seed_0").exists()


def test_corrupt_clips_can_be_skipped(root, tmp_path, capsys):
    replace(root, b"")
    arguments = [UAV, f"--workdir={tmp_path / 'w'}", f"--config.data.root={root}"]
    arguments += ["--stages=index", "--config.data.skip_corrupt=True"]
    assert cli.main(["run", *arguments]) == 0
    out = capsys.readouterr().out
    assert "skipped 1 of 3 recordings" in out and NAME in out


@pytest.mark.parametrize(
    ("argument", "code", "message"),
    [
        ("--config.generative.epohcs=3", 2, 'Did you mean "epochs"'),
        ("--config.generative.epochs=many", 2, "config.generative.epochs=many"),
        ("--stages=train", 1, "stages: 'train', expected some of index,train_generative"),
        ("--verbose", 2, "verbose"),
        ("extra", 2, "extra: not an option"),
        ("--config.data.standardise=clip", 1, "data.standardise: 'clip', expected recording"),
        ("--config.data.machines=saw", 1, "no recordings of 'saw'.*expected some of motor, uav"),
        ("--config.seeds=()", 1, r"seeds: \(\), expected whole numbers"),
    ],
)
def test_unusable_arguments(root, tmp_path, capsys, argument, code, message):
    arguments = [UAV, f"--workdir={tmp_path / 'w'}", f"--config.data.root={root}", argument]
    got, lines = call(capsys, *arguments)
    assert got == code and len(lines) == 1
    import re

    assert re.search(message, lines[0]), lines[0]


def test_missing_config_and_workdir(tmp_path, capsys):
    code, lines = call(capsys, "--config=nowhere.py", f"--workdir={tmp_path}")
    assert code == 2 and "no such file 'nowhere.py'" in lines[0] and len(lines) == 1
    code, lines = call(capsys, UAV)
    assert code == 2 and "required: --workdir; see" in lines[0] and len(lines) == 1


def test_workdir_that_cannot_be_written(root, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, lines = call(
        capsys, UAV, f"--workdir={tmp_path / 'file/work'}", f"--config.data.root={root}"
    )
    assert code == 1 and len(lines) == 1 and "workdir: " in lines[0]
    assert (tmp_path / "file").read_text() == ""


def test_help_version_and_unknown_commands(capsys):
    assert cli.main(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"jax-dns {command} " in out for command in cli.COMMANDS)
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    out = capsys.readouterr().out
    assert "jax-dns score --help" in out and "--config.data.root=DIR" in out
    assert cli.main([]) == 2
    assert cli.main(["--version"]) == 0
    capsys.readouterr()
    assert cli.main(["fly"]) == 2
    assert "fly: no such command" in capsys.readouterr().err


def test_as_a_module_and_as_a_program(root, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    arguments = ["run", UAV, f"--workdir={tmp_path / 'w'}", f"--config.data.root={root}"]
    done = subprocess.run(
        [sys.executable, "-m", "jax_dns", *arguments, "--stages=index"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "uav: 3 clips" in done.stdout


def test_a_reader_that_ends_early(tmp_path):
    """`jax-dns ... | head -1` is no error."""
    (tmp_path / "s.csv").write_text("name,score\na,1\n")
    arguments = [sys.executable, "-m", "jax_dns", "evaluate", f"--scores={tmp_path / 's.csv'}"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with subprocess.Popen(arguments, env=environment, **pipes) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert process.returncode == 141 and errors == b""


def test_a_command_collects_garbage_rarely():
    """Python's default is 700 objects; see `collect_garbage_rarely`."""
    program = "import gc; from jax_dns import cli; cli.main(); print(gc.get_threshold()[0])"
    command = [sys.executable, "-c", program, "--version"]
    environment = os.environ | {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}  # else it starts again
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "50000"

"""Commands without a home folder, with empty cache variables, and on an ASCII terminal."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_clip

PROJECT = Path(__file__).parents[1]
# What the list of users answers for a number that it lacks, as in many containers.
HOMELESS = """
import pwd, sys
def getpwuid(uid): raise KeyError(uid)
pwd.getpwuid = getpwuid
"""
CLI = "from jax_dns.cli import main\nsys.exit(main())\n"
SCORES = (
    "section_00_source_test_normal_0001_größe.wav,0.1\n"
    "section_00_source_test_anomaly_0001_音.wav,0.2\n"
)


def child(folder, code, *arguments, **environment):
    """Runs Python code in `folder`, with an ASCII terminal and without a home."""
    kept = {n: v for n, v in os.environ.items() if n.startswith(("JAX_", "PATH"))}
    ascii_only = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(PROJECT)}
    return subprocess.run(
        [sys.executable, "-c", HOMELESS + code, *map(str, arguments)],
        cwd=folder,
        env=kept | ascii_only | {"XDG_CACHE_HOME": "", "TMPDIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("mode", ["0", "1"])
def test_other_alphabets_on_an_ascii_terminal(tmp_path, mode):
    """Python's UTF-8 mode or not, which decides how names of files are decoded."""
    (tmp_path / "größe.csv").write_text(SCORES, encoding="utf-8")
    options = {"PYTHONUTF8": mode, "PYTHONCOERCECLOCALE": "0"}
    done = child(tmp_path, CLI, "evaluate", "--scores", "größe.csv", **options)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert r"gr\xf6\xdfe" in done.stdout or r"gr\udcc3\udcb6" in done.stdout
    assert "100.00" in done.stdout and names(tmp_path) == ["größe.csv"]


def test_a_run_without_a_home(tmp_path):
    for split in ("train/section_00_source_train", "test/section_00_source_test"):
        for i in range(2):
            write_clip(tmp_path / f"root/größe/{split}_normal_000{i}.wav", 0.1, seed=i)
    before = names(tmp_path)
    arguments = ["--config=" + str(PROJECT / "configs/dcase2021.py"), "--config.data.root=root"]
    arguments += ["--workdir=w", "--stages=index"]
    done = child(tmp_path, CLI, "run", *arguments)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert r"gr\xf6\xdfe: 4 clips" in done.stdout
    assert [name for name in names(tmp_path) if not name.startswith("w")] == before
    done = child(tmp_path, CLI, "run", *arguments[:2], "--workdir=~/w")
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "workdir: ~/w, expected a path without ~" in done.stderr


@pytest.mark.parametrize("variable", ["", "relative", None])
def test_libraries_cache_in_a_folder_that_is_removed(tmp_path, variable):
    """Matplotlib asks for XDG_CONFIG_HOME or the home, Numba for XDG_CACHE_HOME or "~"."""
    pytest.importorskip("matplotlib", reason="extra viz")
    code = """
from jax_dns import environment
environment.use_absolute_folders()
import matplotlib.font_manager, os
print(matplotlib.get_cachedir(), os.environ["XDG_CACHE_HOME"], "HOME" in os.environ)
"""
    folders = {} if variable is None else {"XDG_CACHE_HOME": variable, "HOME": variable}
    done = child(tmp_path, code, **folders)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    matplotlib, cache, home = done.stdout.split()
    assert Path(cache).parent == tmp_path and Path(matplotlib).parent == Path(cache)
    assert home == "False" and names(tmp_path) == []


def test_a_name_that_is_no_text_is_one_line(tmp_path):
    """Python decodes the machine type, the file's stem, to characters that no file can hold."""
    (tmp_path / "größe.csv").write_text(SCORES, encoding="utf-8")
    options = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = child(tmp_path, CLI, "evaluate", "--scores=größe.csv", "--out=out", **options)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1
    assert "not text in utf-8" in done.stderr

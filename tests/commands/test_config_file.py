"""Which config a command line means, and the one line for a config that can't be used."""

import re
import sys
from pathlib import Path

import pytest

from jax_dns import cli
from jax_dns.commands import config_file
from jax_dns.commands.config_file import find_config, shipped_configs

PROJECT = Path(__file__).parents[2]
START = "from jax_dns import config\n\n\ndef get_config():\n    c = config.get_config()\n"


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def error_of(capsys, *arguments):
    assert cli.main(["run", *map(str, arguments)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("jax-dns: error: ")


def test_every_config_of_the_checkout_has_a_name():
    names = sorted(path.stem for path in (PROJECT / "configs").glob("*.py"))
    assert shipped_configs() == names and "demo" in names
    assert find_config("demo").read_text() == (PROJECT / "configs/demo.py").read_text()


def test_a_file_comes_before_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("demo").write_text("")
    assert find_config("demo") == Path("demo")


def test_the_wheel_takes_the_configs_along():
    setuptools = pytest.importorskip("setuptools", reason="builds the wheel")
    found = setuptools.find_namespace_packages(PROJECT, include=["jax_dns*"])
    assert "jax_dns.configs" in found


def test_modules_beside_the_config_are_imported(tmp_path, capsys, monkeypatch):
    (tmp_path / "beside_the_config.py").write_text("EPOCHS = 0\n")
    mine = tmp_path / "mine.py"
    mine.write_text(
        f"import beside_the_config\n{START}"
        "    c.generative.epochs = beside_the_config.EPOCHS\n    return c\n"
    )
    assert cli.main(["run", "--config", str(mine), "--workdir", str(tmp_path / "w")]) == 1
    assert "generative.epochs: 0, expected more than 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{START}    c.generative.epohcs = 3\n", r":6: .*epohcs.*jax_dns/config.py lists"),
        (f"{START}    c.ae.epochs = 3\n", r":6: config.ae is now config.generative"),
        (f"{START}    raise ValueError('a\\nb')\n", r":6: ValueError: a b"),
        (f"{START}    return c + 1\n", r":6: TypeError: unsupported operand"),
        ("import nowhere_at_all\n", r":1: ModuleNotFoundError: No module named"),
        ("def get_config(:\n", r":1: SyntaxError: invalid syntax"),
    ],
)
def test_an_error_inside_a_config_names_its_line(tmp_path, capsys, content, message):
    path = tmp_path / "mine.py"
    path.write_text(content)
    line = error_of(capsys, f"--config={path}", f"--workdir={tmp_path / 'w'}")
    assert line.startswith(f"--config: {path}:") and re.search(message, line), line


def test_an_error_in_a_module_beside_it_names_that_line(tmp_path, capsys):
    (tmp_path / "fails_when_called.py").write_text("def go():\n    return 1 / 0\n")
    path = tmp_path / "mine.py"
    path.write_text(f"import fails_when_called\n{START}    fails_when_called.go()\n")
    line = error_of(capsys, f"--config={path}", f"--workdir={tmp_path / 'w'}")
    assert "fails_when_called.py:2: ZeroDivisionError: division by zero" in line


def test_options_without_values_and_unknown_names(tmp_path, capsys):
    names = ", ".join(config_file.shipped_configs())
    assert f"no such file 'nope', expected one like configs/demo.py, or one of {names}" in error_of(
        capsys, "--config", "nope", "--workdir", tmp_path
    )
    missing = error_of(capsys, "--config", "demo", "--workdir")
    assert missing == "argument --workdir: expected one argument; see jax-dns run --help"
    required = error_of(capsys, "--config=demo")
    assert required.startswith("the following arguments are required: --workdir")
    unknown = error_of(capsys, "--config=demo", f"--workdir={tmp_path}", "--verbose")
    assert unknown == "--verbose: not an option; see jax-dns run --help"

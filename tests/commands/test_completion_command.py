"""What the shell completes, asked of bash itself."""

import shutil
import subprocess

import pytest

from jax_dns import cli
from jax_dns.commands.completion_command import options_of


def script(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


def shell(name):
    if not shutil.which(name):
        pytest.skip(f"no {name}")
    return name


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def completed(script, *words):
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _jax_dns; echo "${{COMPREPLY[@]}}"'
    return output("bash", "-c", f"{script}\n{ask}")


def test_bash(capsys):
    shell("bash")
    text = script(capsys, "bash")
    assert completed(text, "jax-dns", "s") == ["score", "smooth"]
    assert completed(text, "jax-dns", "") == list(cli.COMMANDS)
    assert completed(text, "jax-dns", "run", "--wor") == ["--workdir"]
    fields = completed(text, "jax-dns", "run", "--config.data.se")
    ends = {"segment_seconds=", "segment_hop_seconds="}
    assert {field.removeprefix("--config.data.") for field in fields} == ends
    assert "--ground-truth" in completed(text, "jax-dns", "evaluate", "--")
    assert completed(text, "jax-dns", "run", "--config", "dir/") == []  # files, by bash's default
    assert completed(text, "jax-dns", "run", "--config", "") == []
    assert completed(text, "jax-dns", "completion", "") == ["bash", "zsh", "fish"]
    assert completed(text, "jax-dns", "monitor", "ac") == ["acknowledge"]


# Completion's own builtins work within its widgets alone: here they print what they would add.
ZSH = """
compdef() { :; }
_files() { print files; }
compadd() { [[ $1 == -S ]] && shift 2; shift; for word; do [[ $word == $PREFIX* ]] && print -r -- $word; done; :; }
compset() { [[ $PREFIX == *=* ]]; }
"""  # noqa: E501


def test_zsh(capsys):
    shell("zsh")
    text = script(capsys, "zsh")

    def completed(*words):
        quoted = " ".join(f"'{word}'" for word in words)
        state = f"words=({quoted}); CURRENT={len(words)}; PREFIX=$words[-1]"
        return output("zsh", "-f", "-c", f"{ZSH}\n{text}\n{state}\n_jax_dns")

    assert completed("jax-dns", "s") == ["score", "smooth"]
    assert completed("jax-dns", "run", "--wor") == ["--workdir"]
    assert completed("jax-dns", "run", "--config.data.segment_s") == [
        "--config.data.segment_seconds="
    ]
    assert completed("jax-dns", "run", "--config.data.root=x") == ["files"]
    assert completed("jax-dns", "run", "--config", "") == ["files"]
    assert completed("jax-dns", "completion", "") == ["bash", "zsh", "fish"]


def test_fish(capsys):
    shell("fish")
    text = script(capsys, "fish")

    def completed(line):
        return output("fish", "--no-config", "-c", f"{text}\ncomplete -C '{line}'")

    assert completed("jax-dns repo")[0] == "report"
    assert completed("jax-dns run --dr") == ["--dry-run"]
    assert len(completed("jax-dns run --config.data.segment_")) == 2
    assert completed("jax-dns completion z") == ["zsh"]
    assert completed("jax-dns run --config /nowh") == []


def test_fish_is_quoted(capsys):
    text = script(capsys, "fish")
    assert r"-d 'make a finished run\'s report.html again'" in text
    assert "from run' -l dry-run\n" in text and "from run' -l workdir -r\n" in text


@pytest.mark.parametrize("command", sorted(set(cli.COMMANDS) - {"compare", "completion"}))
def test_every_command_has_options(command):
    options = options_of(command)
    assert "--workdir" in options or "--out" in options or "--root" in options
    assert len(set(options)) == len(options)

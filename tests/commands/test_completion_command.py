"""What the shell completes, asked of bash itself."""

import shutil
import subprocess

import pytest

from jax_dns import cli
from jax_dns.commands.completion_command import options_of


def script(capsys, shell):
    assert cli.main(["completion", shell]) == 0
    return capsys.readouterr().out


def completed(script, *words):
    """What bash offers for the last of the words."""
    quoted = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _jax_dns; echo "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_bash(capsys):
    if not shutil.which("bash"):
        pytest.skip("no bash")
    text = script(capsys, "bash")
    assert completed(text, "jax-dns", "s") == ["score", "smooth"]
    assert completed(text, "jax-dns", "") == list(cli.COMMANDS)
    assert completed(text, "jax-dns", "run", "--wor") == ["--workdir"]
    fields = completed(text, "jax-dns", "run", "--config.data.se")
    ends = {"segment_seconds=", "segment_hop_seconds="}
    assert {field.removeprefix("--config.data.") for field in fields} == ends
    assert "--ground-truth" in completed(text, "jax-dns", "evaluate", "--")
    assert completed(text, "jax-dns", "run", "--config", "dir/") == []  # files, by bash's default


def test_other_shells(capsys):
    assert script(capsys, "zsh").startswith("autoload -U +X bashcompinit")
    fish = script(capsys, "fish")
    assert "-a score" in fish and "__fish_seen_subcommand_from run' -l dry-run" in fish


@pytest.mark.parametrize("command", sorted(set(cli.COMMANDS) - {"compare", "completion"}))
def test_every_command_has_options(command):
    options = options_of(command)
    assert "--workdir" in options or "--out" in options or "--root" in options
    assert len(set(options)) == len(options)

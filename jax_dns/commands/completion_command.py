"""`jax-dns completion`: a script that lets the shell complete commands and options."""

import contextlib
import importlib
import io
import re

from jax_dns.cli import COMMANDS
from jax_dns.commands.parser import Parser
from jax_dns.config import get_config

DESCRIPTION = """Print a script that completes commands, options and fields of the config.

  eval "$(jax-dns completion bash)"          # in ~/.bashrc
  eval "$(jax-dns completion zsh)"           # in ~/.zshrc, after compinit
  jax-dns completion fish | source           # in ~/.config/fish/config.fish
"""
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
BASH = """_jax_dns() {{
  local words current=${{COMP_WORDS[COMP_CWORD]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  else
    case "${{COMP_WORDS[1]}}" in
{cases}
    esac
  fi
  case "$current" in
    -*) ;;
    *) [ "$COMP_CWORD" -eq 1 ] || words= ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _jax_dns jax-dns
"""
ZSH = "autoload -U +X bashcompinit && bashcompinit\n"


def main(arguments: list[str]) -> None:
    """Prints the script of one shell."""
    parser = Parser("completion", DESCRIPTION)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    shell = parser.parse_args(arguments).shell
    print({"bash": _bash, "zsh": lambda: ZSH + _bash(), "fish": _fish}[shell](), end="")


def options_of(command: str) -> list[str]:
    """Lists a command's options, as its help has them, and the config's fields for `run`."""
    if command == "completion":
        return []
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        importlib.import_module(f"jax_dns.commands.{command}_command").main(["--help"])
    usage = text.getvalue().partition("\n\n")[0]
    options = list(dict.fromkeys(OPTION.findall(usage)))
    if command == "run":
        for name, value in get_config().items():
            inner = [f"{name}.{n}" for n in value] if hasattr(value, "items") else [name]
            options += [f"--config.{field}=" for field in inner]
    return options


def _bash() -> str:
    cases = "\n".join(
        f'      {command}) words="{" ".join(options_of(command))}" ;;' for command in COMMANDS
    )
    return BASH.format(commands=" ".join(COMMANDS), cases=cases)


def _fish() -> str:
    lines = [
        f"complete -c jax-dns -n __fish_use_subcommand -f -a {command} -d '{text}'"
        for command, text in COMMANDS.items()
    ]
    for command in COMMANDS:
        for option in options_of(command):
            seen = f"'__fish_seen_subcommand_from {command}'"
            lines.append(f"complete -c jax-dns -n {seen} -l {option[2:].rstrip('=')} -r")
    return "\n".join(lines) + "\n"

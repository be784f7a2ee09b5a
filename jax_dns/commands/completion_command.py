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
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*)( ?)")
WORDS = {  # what may follow a command directly
    "completion": ("bash", "zsh", "fish"),
    "monitor": ("acknowledge", "export", "check", "replay"),
}
BASH = """_jax_dns() {{
  local words= current=${{COMP_WORDS[COMP_CWORD]}}
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="{commands}"
  else
    case "${{COMP_WORDS[1]}} $current" in
{options}
    esac
    case "${{COMP_WORDS[1]}} $COMP_CWORD" in
{words}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  case "${{COMPREPLY[0]}}" in
    *=) compopt -o nospace 2>/dev/null ;;
  esac
}}
complete -o default -F _jax_dns jax-dns
"""
ZSH = """_jax_dns() {{
  if (( CURRENT == 2 )); then
    compadd -- {commands}
  elif compset -P '*='; then
    _files
  else
    case "$words[2] $CURRENT" in
{words}
    esac
    case "$words[2] $PREFIX" in
{options}
      *) _files ;;
    esac
  fi
}}
compdef _jax_dns jax-dns
"""


def main(arguments: list[str]) -> None:
    """Prints the script of one shell."""
    parser = Parser("completion", DESCRIPTION)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))
    shell = parser.parse_args(arguments).shell
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](), end="")


def options_of(command: str) -> dict[str, bool]:
    """Lists a command's options, as its help has them, and the config's fields for `run`.

    Returns:
      Option -> whether it takes a value. That of a field ends in "=".
    """
    if command == "completion":
        return {}
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        importlib.import_module(f"jax_dns.commands.{command}_command").main(["--help"])
    usage = text.getvalue().partition("\n\n")[0]
    options = {option: bool(space) for option, space in OPTION.findall(usage)}
    if command == "run":
        for name, value in get_config().items():
            inner = [f"{name}.{n}" for n in value] if hasattr(value, "items") else [name]
            options |= {f"--config.{field}=": True for field in inner}
    return options


def _bash() -> str:
    options = [
        f'"{command} "-*) words="{" ".join(options_of(command))}" ;;' for command in COMMANDS
    ]
    words = [f'"{command} 2") words+=" {" ".join(some)}" ;;' for command, some in WORDS.items()]
    return _fill(BASH, options, words)


def _zsh() -> str:
    options = []
    for command in COMMANDS:
        every = options_of(command)
        plain = " ".join(option for option in every if not option.endswith("="))
        fields = " ".join(option for option in every if option.endswith("="))
        add = f"compadd -- {plain}" + (f"; compadd -S '' -- {fields}" if fields else "")
        options.append(f'"{command} "-*) {add} ;;')
    words = [
        f'"{command} 3") compadd -- {" ".join(some)}; return ;;' for command, some in WORDS.items()
    ]
    return _fill(ZSH, options, words)


def _fill(script: str, options: list[str], words: list[str]) -> str:
    """Fills in a script's commands and the branches of its two case statements."""
    cases = ["\n".join(f"      {line}" for line in lines) for lines in (options, words)]
    return script.format(commands=" ".join(COMMANDS), options=cases[0], words=cases[1])


def _fish() -> str:
    lines = [
        f"complete -c jax-dns -n __fish_use_subcommand -f -a {command} -d {_quoted(text)}"
        for command, text in COMMANDS.items()
    ]
    for command in COMMANDS:
        line = f"complete -c jax-dns -n '__fish_seen_subcommand_from {command}'"
        if command in WORDS:
            lines.append(f"{line} -f -a '{' '.join(WORDS[command])}'")
        for option, takes_value in options_of(command).items():
            lines.append(f"{line} -l {option[2:].rstrip('=')}{' -r' if takes_value else ''}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Quotes text for fish."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

"""Finds and loads the config of `jax-dns run`: a file, or the name of one of the project's."""

import re
import sys
import traceback
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from jax_dns.config import new_name
from jax_dns.errors import UsageError

SHIPPED = Path(__file__).parents[1] / "configs"  # a link to the checkout's folder


def shipped_configs() -> list[str]:
    """Lists the names that --config takes instead of a file."""
    return sorted(path.stem for path in SHIPPED.glob("*.py"))


def find_config(text: str) -> Path:
    """Returns the config file that a user names, and makes its folder's modules importable.

    Args:
      text: a path, or the name of one of the project's configs. A file of that name comes first.

    Raises:
      UsageError: no such file or name.
    """
    path = Path(text)
    if path.is_file():
        folder = str(path.absolute().parent)
        if folder not in sys.path:
            sys.path.append(folder)
        return path
    shipped = SHIPPED / f"{text}.py"
    if text.isidentifier() and shipped.is_file():
        return shipped
    raise UsageError(
        f"--config: no such file {text!r}, expected one like configs/demo.py, or one of "
        f"{', '.join(shipped_configs())}"
    )


def load_config(text: str, fields: list[str]) -> ConfigDict:
    """Loads a config and changes fields of it.

    Args:
      text: the value of --config; "FILE:ARGUMENT" gives its get_config an argument.
      fields: the arguments --config.x.y=VALUE.

    Raises:
      UsageError: no such config or field, or a config that fails.
    """
    for argument in fields:
        if argument.startswith("-") and not argument.startswith("--config."):
            raise UsageError(f"{argument}: not an option; see jax-dns run --help")
    name, colon, argument = text.partition(":")
    path = find_config(name)
    values = flags.FlagValues()
    argv = ["jax-dns", f"--config={path}{colon}{argument}", *fields]
    try:
        config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
        rest = values(argv)[1:]
        config = values.config
    except Exception as error:  # a config is a program, and may fail in any way
        raise UsageError(explain(error, path, fields)) from error
    if rest:
        raise UsageError(f"{rest[0]}: not an option (expected --name=value)")
    if not isinstance(config, ConfigDict):
        raise UsageError(f"--config: get_config() gives {config!r}, expected a ConfigDict")
    return config


def explain(error: BaseException, path: Path, fields: list[str]) -> str:
    """Explains why a config can't be used: file, line and error, or the field's new name.

    Args:
      error: raised by the config file, or by a field changed on the command line.
      path: the config file.
      fields: the arguments that change fields.
    """
    while "Error whilst parsing config file" in str(error) and error.__context__:
        error = error.__context__  # ml_collections and absl wrap some errors of the config
    place = _line_of(error, path)
    unknown = re.findall(r'Key "(\w+)" does not exist|^"?\'(\w+)\'"?$', str(error))
    names = [first or second for first, second in unknown]
    if not place:
        names = [a.partition("=")[0].removeprefix("--config.") for a in fields] + names
    text = next(filter(None, map(new_name, names)), None) or one_line(error)
    if unknown or (not place and isinstance(error, AttributeError | KeyError)):
        text += " (jax_dns/config.py lists the fields)"
    elif place:
        text = f"{type(error).__name__}: {text}"
    return f"--config: {place}{text}"


def one_line(error: BaseException) -> str:
    """Returns an error's message as one line."""
    text = str(error.args[0] if error.args else type(error).__name__)
    text = re.sub(r" and cannot be added since.*", "", text, flags=re.DOTALL)
    text = " ".join(text.replace("\\n", " ").replace("\\'", "'").split())
    return text.strip("'\"") if text.count("'") % 2 else text


def _line_of(error: BaseException, path: Path) -> str:
    """Returns "file:line: " of the config's own line, or of a module's beside it; "" for none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    folder = path.absolute().parent
    frames: list[Any] = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).absolute().parent == folder
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""

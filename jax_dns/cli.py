"""The command line: `jax-dns run`, the same as `python -m jax_dns run`."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from jax_dns.errors import InputError

USAGE = """Discriminative neighbourhood smoothing for anomalous sound detection, in JAX.

  jax-dns run --config=FILE --workdir=DIR [--stages=a,b,...] [--config.x.y=value ...]
      Train, score, smooth and evaluate; what is already done in DIR is not done again.

      --config=FILE        a config, such as configs/demo.py, configs/dcase2021.py, configs/uav.py
      --workdir=DIR        folder for everything that is made
      --stages=a,b,...     only these, of index, train_ae, train_extractor, embed, fit, smooth,
                           select, evaluate (default: all)
      --config.x.y=value   change a field of the config; every field, with the paper's value and
                           unit, is in jax_dns/config.py. Often used:
        --config.data.root=DIR            recordings in the DCASE 2021 layout
        --config.data.machines=fan,pump   some machine types
        --config.seeds='(0,1,2)'          several seeds
        --config.data.skip_corrupt=True   leave out unusable recordings, and say which

  Score a folder of new, unlabelled clips with what DIR holds, without training:
      jax-dns run --config=FILE --workdir=DIR --stages=embed,smooth --config.data.root=NEW

  jax-dns --help, --version
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
      argv: arguments without the program's name; None for the process's own.

    Returns:
      Exit code: 0; 1 for input that can't be used, said in one line; 2 for a wrong command line.
    """
    if argv is None:
        _ask_for_huge_pages()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or {"-h", "--help", "help"} & set(arguments):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments == ["--version"]:
        from jax_dns import __version__

        print(__version__)
        return 0
    command = COMMANDS.get(arguments[0])
    if command is None:
        return _fail(f"{arguments[0]}: no such command, expected {', '.join(COMMANDS)}", 2)
    try:
        command(arguments[1:])
    except UsageError as error:
        return _fail(str(error), 2)
    except InputError as error:
        return _fail(str(error), 1)
    except OSError as error:
        return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from the last checkpoint", 130)
    return 0


class UsageError(Exception):
    """A command line that makes no sense."""


def _run(arguments: list[str]) -> None:
    from absl import flags
    from ml_collections import config_flags

    values = flags.FlagValues()
    flags.DEFINE_string("workdir", None, "folder for everything that is made", flag_values=values)
    flags.DEFINE_string("stages", None, "stages to run, separated by commas", flag_values=values)
    argv = ["jax-dns", *arguments]
    config_flags.DEFINE_config_file("config", flag_values=values, sys_argv=argv)
    for argument in arguments:
        name, _, path = argument.partition("=")
        if name.lstrip("-") == "config" and not Path(path.partition(":")[0]).is_file():
            raise UsageError(f"--config: no such file {path!r}, expected one like configs/demo.py")
    try:
        rest = values(argv)[1:]
    except flags.Error as error:
        raise UsageError(_one_line(error)) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        fields = "jax_dns/config.py lists the fields"
        raise UsageError(f"--config: {_one_line(error)} ({fields})") from error
    if rest:
        raise UsageError(f"{rest[0]}: not an option (expected --name=value)")
    for name in ("config", "workdir"):
        if not values[name].value:
            raise UsageError(f"--{name} is missing; see jax-dns --help")
    config = values.config
    _keep_compiled(config.compilation_cache)
    from jax_dns.pipeline import STAGES, run

    stages = values.stages.split(",") if values.stages else STAGES
    run(config, values.workdir, stages)


def _ask_for_huge_pages() -> None:
    """Starts the process anew with a setting that glibc reads before anything else runs.

    XLA:CPU allocates each step's buffers anew, and the kernel hands them out zeroed, in pages of
    4 KB unless malloc asks for more: the demo's extractor step takes 0.32 s without and 0.20 s with
    this, on two cores.
    """
    setting = "glibc.malloc.hugetlb"
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform == "linux" and setting not in tunables:
        tunables = ":".join(filter(None, [tunables, f"{setting}=1"]))
        environment = os.environ | {"GLIBC_TUNABLES": tunables}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _keep_compiled(keep: bool) -> None:
    """Lets JAX keep compiled programs in the user's cache folder, so that they're made once."""
    if keep and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        import jax

        cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        jax.config.update("jax_compilation_cache_dir", str(cache / "jax_dns" / "compiled"))


def _one_line(error: BaseException) -> str:
    text = str(error.args[0] if error.args else type(error).__name__)
    text = " ".join(text.replace("\\n", " ").replace("\\'", "'").split())
    return text.strip("'\"") if text.count("'") % 2 else text


def _fail(message: str, code: int) -> int:
    print(f"jax-dns: error: {message}", file=sys.stderr)
    return code


COMMANDS: dict[str, Callable[[list[str]], None]] = {"run": _run}

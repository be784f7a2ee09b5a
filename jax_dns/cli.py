"""The command line: `jax-dns run` and the like; `python -m jax_dns` is the same."""

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

from jax_dns import environment, preemption, processes
from jax_dns.errors import InputError, UsageError

COMMANDS = {
    "run": "train, score, smooth and evaluate, as a config says",
    "score": "score new recordings with a finished run",
    "monitor": "score recordings as they arrive, keep their history, raise alarms",
    "compare": "show two finished runs side by side",
    "report": "make a finished run's report.html again",
    "smooth": "smooth the scores of your own system (Eq. 7)",
    "evaluate": "AUC and pAUC of score files",
    "download": "fetch DCASE 2021 Task 2 from Zenodo",
    "completion": "complete commands and options in bash, zsh or fish",
}
USAGE = f"""Discriminative neighbourhood smoothing for anomalous sound detection, in JAX.

{"".join(f"  jax-dns {name:<10} {text}{chr(10)}" for name, text in COMMANDS.items())}
  jax-dns COMMAND --help
  jax-dns --version

Exit codes: 0 success; 1 unusable input; 2 wrong command line; 130 Ctrl-C; 143 SIGTERM, after a
training has saved its state. Run the same command again to resume.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
      argv: arguments without the program's name; None for the process's own.

    Returns:
      Exit code: 0; 1 for input that can't be used; 2 for a wrong command line; 130 for Ctrl-C;
      143 for SIGTERM. Errors are one line.
    """
    if argv is None:
        _restart_with_huge_pages()
        collect_garbage_rarely()
        environment.use_absolute_folders()
        environment.print_any_name()
    code = _main(list(sys.argv[1:] if argv is None else argv))
    ended_early = code in (130, preemption.EXIT_CODE) or (code and processes.are_several())
    return _exit_now(code) if argv is None and ended_early else code


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments == ["--version"]:
        from jax_dns import __version__

        print(__version__)
        return 0
    if arguments[0] not in COMMANDS:
        return _fail(f"{arguments[0]}: no such command, expected {', '.join(COMMANDS)}", 2)
    try:
        preemption.raise_on_signal(lambda: _run(arguments))
    except UsageError as error:
        return _fail(str(error), 2)
    except InputError as error:
        return _fail(str(error), 1)
    except UnicodeEncodeError as error:  # a file's name in another encoding
        start = error.object[max(0, error.start - 40) : error.end + 40]
        return _fail(f"{start!r}: not text in {error.encoding}; rename the file", 1)
    except BrokenPipeError:  # whoever read the output, `head` for instance, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        return _fail(f"{error.filename or 'input/output'}: {error.strerror or error}", 1)
    except KeyboardInterrupt:
        return _fail("interrupted; run the same command again to resume", 130)
    except preemption.Terminated:
        message = "terminated; run the same command again to resume"
        return _fail(message, preemption.EXIT_CODE)
    except MemoryError as error:
        return _fail(f"not enough memory ({str(error) or 'no details'})", 1)
    except Exception:
        if not processes.are_several():
            raise
        traceback.print_exc()  # at its usual end this process would wait for the others
        return 1
    return 0


def _run(arguments: Sequence[str]) -> None:
    importlib.import_module(f"jax_dns.commands.{arguments[0]}_command").main(arguments[1:])


def collect_garbage_rarely() -> None:
    """Looks for reference cycles after every 50,000 new objects rather than every 700.

    JAX's tracing makes millions of small objects. Training the paper's networks on a few clips
    (tests/soak/tiny.py) takes 18 s of processor time with this setting and 20 s without.
    """
    gc.set_threshold(50_000, 20, 100)


def _restart_with_huge_pages() -> None:
    """Restarts the process with a setting that glibc reads before anything else runs.

    XLA:CPU allocates new buffers at each step. The kernel zeroes them page by page, 4 KB each
    unless malloc asks for huge pages: a step of the extractor of configs/factory.py takes 0.20 s
    with this setting and 0.32 s without, on two cores.
    """
    setting = "glibc.malloc.hugetlb"
    tunables = os.environ.get("GLIBC_TUNABLES", "")
    if sys.platform == "linux" and setting not in tunables:
        tunables = ":".join(filter(None, [tunables, f"{setting}=1"]))
        environment = os.environ | {"GLIBC_TUNABLES": tunables}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _exit_now(code: int) -> int:
    """Ends the process without Python's and XLA's cleaning up.

    After signals at random moments of start-up and compilation, that crashed in 2 of 38 runs. One
    of several processes would wait for the others, which wait for it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    environment.remove_temporary_folder()
    os._exit(code)


def _fail(message: str, code: int) -> int:
    # A file's name may hold a line break.
    print(f"jax-dns: error: {' '.join(message.splitlines())}", file=sys.stderr)
    return code

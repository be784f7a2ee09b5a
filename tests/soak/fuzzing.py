"""The command line within this process, with a limit of time, and a folder that it can read."""

import contextlib
import io
import signal
import sys
import traceback
from pathlib import Path

import numpy as np
from soak.sounds import wav

from jax_dns import cli

CONFIG = Path(__file__).with_name("tiny.py")


def good_root(root: Path, *, machine: str = "fan", value: int | None = None) -> Path:
    """Two clips that index without complaint; `value` for all their samples, else noise."""
    rng = np.random.default_rng(0)
    for split, name in (("train", "train_normal"), ("source_test", "test_normal")):
        path = root / machine / split / f"section_00_source_{name}_0000.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        pcm = rng.integers(-999, 999, 600) if value is None else np.full(600, value)
        path.write_bytes(wav(pcm.astype("<i2").tobytes()))
    return root


def call(root: Path, workdir: Path, *more: str, machine: str = "fan") -> tuple[int, str]:
    """Indexes `root` by the command line: exit code, and the one line that an error is."""
    return command(
        f"--config={CONFIG}",
        f"--workdir={workdir}",
        f"--config.data.root={root}",
        f"--config.data.machines={machine}",
        "--config.data.outliers=",
        "--stages=index",
        *more,
    )


def command(*arguments: str) -> tuple[int, str]:
    """`jax-dns run`: exit code and error; anything but a result or one clear line fails."""
    errors = io.StringIO()
    sys.modules.pop("config_config", None)  # ml_collections would run the file in the last one's
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            code = cli.main(["run", *arguments])
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        raise AssertionError(f"a traceback from {arguments}:\n{told}") from error
    lines = errors.getvalue().splitlines()
    if code == 0:
        return 0, ""
    assert code in (1, 2) and len(lines) == 1, (code, lines)
    assert lines[0].startswith("jax-dns: error: ") and len(lines[0]) < 4000, lines
    return code, lines[0]


@contextlib.contextmanager
def time_limit(seconds: float):
    """A hang is a failure."""

    def late(*_):
        raise AssertionError(f"longer than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

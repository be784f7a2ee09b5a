"""A monitor whose a_G and f_D are sums, for tests in milliseconds; as a script, many services.

The script forks a service for each line of its input, which is JSON, [inbox, history, log], and
prints its process number: the modules are imported once, and a service starts in 0.1 s.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path

import numpy as np

from jax_dns.commands.monitor_command import print_event
from jax_dns.data.decode import Format
from jax_dns.errors import InputError
from jax_dns.monitor import service
from jax_dns.monitor.decisions import Settings
from jax_dns.monitor.inbox import FileSettings
from jax_dns.monitor.judge import HistorySettings
from jax_dns.pipeline.clip_scorer import ClipScorer
from jax_dns.pipeline.lock import workdir_lock
from jax_dns.segments_file import Segments

RATE, SEGMENT, D = 8000, 400, 4
FILES = FileSettings(settle=0.05, patience=0.1, poll=0.05)
SETTINGS = Settings(0.05, 0.02, 1440.0, 2, 3)  # p-values of 0.09 are hits
HISTORY_SETTINGS = HistorySettings(keep_items=60, drift_clips=15, drift_days=0.1)


def score(samples, section):
    """Level, and loudness in four parts, of each segment of 400 samples."""
    wide = samples[: len(samples) // SEGMENT * SEGMENT].astype(np.float32).reshape(-1, SEGMENT)
    if not len(wide):
        raise InputError("fan: too short")
    parts = np.abs(wide).reshape(len(wide), D, -1).mean(2)
    return np.log(parts.mean(1)), np.log(parts)


def scorer(model="model", sections=(0, 1)):
    """A scorer whose known normals are noise of about the level of `noise`."""
    rows = []
    for section in sections:
        for i in range(60):
            samples = noise(10_000 + 100 * section + i)
            scores, features = score(samples, section)
            split = "train" if i < 20 else "valid"
            rows += [
                (f"{section}_{i}", s, section, "source", split, 0, scores[s], features[s])
                for s in range(len(scores))
            ]
    columns = list(zip(*rows))
    types = (str, np.int32, np.int32, str, str, np.int8, np.float32, np.float32)
    segments = Segments(*(np.asarray(c, t) for c, t in zip(columns, types)))
    return ClipScorer("fan", model, segments, Format(RATE), "mean", 2 * SEGMENT, score)


def noise(seed, level=1.0, n=1000):
    """Noise of one colour: int16 [n], two segments."""
    rng = np.random.default_rng(seed)
    return (rng.normal(size=n) * 1000 * level * (1 + 0.1 * rng.normal())).round().astype(np.int16)


def open_toy(inbox, folder, **options):
    """Opens a monitor with the toy's scorer and settings."""
    options = {
        "k": 4,
        "settings": SETTINGS,
        "files": FILES,
        "history_settings": HISTORY_SETTINGS,
    } | options
    return service.open_monitor({"fan": options.pop("scorer", scorer())}, inbox, folder, **options)


def main():
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # killed services leave the process table
    for line in sys.stdin:
        inbox, folder, log = map(Path, json.loads(line))
        number = os.fork()
        if not number:
            _serve(inbox, folder, log)
        print(number, flush=True)


def _serve(inbox, folder, log):
    """Runs the service until it is killed; never returns."""
    with log.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        folder.mkdir(exist_ok=True)
        with workdir_lock(folder):
            service.run(open_toy(inbox, folder), print_event)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()

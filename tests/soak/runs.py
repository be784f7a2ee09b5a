"""`jax-dns run` as a process of its own: started, watched, killed, and what it leaves compared."""

import subprocess
import sys
from pathlib import Path

import child_processes
import numpy as np

from jax_dns.segments_file import read_segments
from jax_dns.training import checkpoints

PROJECT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("tiny.py")
TOY_CONFIG = Path(__file__).with_name("toy.py")
# Each stage of the tiny run, and the first file of the next: while that lacks, the stage is on.
STAGES = {
    "start": "config.json",
    "synthetic": "synthetic/dev_data/fan/train/section_00_source_train_normal_0003.wav",
    "index": "audio/fan.json",
    "train_generative": "fan/generative/done.json",
    "train_discriminative": "fan/discriminative/done.json",
    "embed": "fan/segments.json",
    "fit": "fan/inlier.json",
    "smooth": "fan/smoothed.json",
    "evaluate": "evaluated.json",
}
RESULTS = ("results.json", "results.csv", "results.txt", "fan/scores.csv", "fan/selection.json")


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


def command(workdir: Path) -> list[str]:
    """The tiny run's command line."""
    arguments = [f"--config={CONFIG}", f"--workdir={workdir}"]
    return [sys.executable, "-m", "jax_dns", "run", *arguments]


def start(workdir: Path, *, limit: int | None = None, **environment: str) -> subprocess.Popen:
    """Starts the tiny run; its output goes to a file beside the workdir.

    `limit`: the largest file that it may write, bytes.
    """
    limited = [sys.executable, "-c", LIMITED, str(limit)] if limit else []
    with workdir.with_suffix(".log").open("ab") as log:
        return subprocess.Popen(
            limited + command(workdir),
            stdout=log,
            stderr=log,
            env=child_processes.environment() | environment,
        )


def finish(workdir: Path, *, limit: int | None = None, **environment: str) -> tuple[int, str]:
    """Runs the tiny run to its end; its exit code and what it printed."""
    workdir.with_suffix(".log").unlink(missing_ok=True)
    code = start(workdir, limit=limit, **environment).wait(timeout=600)
    return code, workdir.with_suffix(".log").read_text()


def stage_of(workdir: Path) -> str:
    """The stage that a run is in, by its files; "done" after the last."""
    lacking = (stage for stage, path in STAGES.items() if not (workdir / path).exists())
    return next(lacking, "done")


def parameters(folder: Path) -> dict[str, np.ndarray]:
    """Every array of a training's last checkpoint, read without knowing the network."""
    last = folder / "checkpoints/last"
    step = checkpoints.latest_step(last)
    assert step, f"{last}: no whole checkpoint"
    arrays = checkpoints.read_arrays(last, step)
    assert len(arrays) > 10
    return arrays


def assert_same(workdir: Path, reference: Path) -> None:
    """Results, segments and parameters are those of the reference, bit for bit."""
    for name in RESULTS:
        assert (workdir / name).read_bytes() == (reference / name).read_bytes(), name
    for a, b in zip(*(read_segments(w / "fan/segments.npz")[0] for w in (workdir, reference))):
        np.testing.assert_array_equal(a, b)
    for part in ("generative", "discriminative"):
        ours, theirs = (parameters(w / "fan" / part) for w in (workdir, reference))
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=f"{part} {name}")
    left = [path for path in workdir.rglob("*") if ".partial" in path.name or "-tmp-" in path.name]
    assert not left, left

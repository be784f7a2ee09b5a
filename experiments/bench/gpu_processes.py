"""What `gpu_check.py` times in processes of their own: the extractor's training, and the demo."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.py"


def run_training(out: Path, *, limit: float, quick: bool) -> None:
    """Runs `training.py` for the extractor: first steps, cold and from the cache, and later ones.

    Args:
      out: prefix of the CSV.
      limit: seconds for PyTorch's first step.
      quick: take two segments instead of 128, and one round.
    """
    command = [Path(__file__).with_name("training.py"), "--out", out, "--limit", limit]
    command += ["--tasks", "extractor step from audio", "--batch", 2 if quick else 128]
    if quick:
        command += ["--rounds", 1]
    subprocess.run([sys.executable, *map(str, command)], check=True)


def time_demo(*, quick: bool) -> float:
    """Runs the demo with nothing compiled; returns seconds from the process's start to its end.

    Args:
      quick: train for one epoch.
    """
    command = [sys.executable, "-m", "jax_dns", "run", f"--config={DEMO}"]
    if quick:
        command += [f"--config.{kind}.epochs=1" for kind in ("generative", "discriminative")]
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"XDG_CACHE_HOME": folder}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        start = time.perf_counter()
        subprocess.run([*command, f"--workdir={folder}/demo"], check=True, env=environment)
        return time.perf_counter() - start

"""Rehearses the paper's run on synthetic sound, from the download to Table II and the figures.

    python experiments/rehearsal.py --workdir=rehearsal        # 20 minutes on two CPU cores

Makes a synthetic data set in DCASE 2021's structure (configs/rehearsal.py), serves it from a local
server that plays Zenodo, and runs the commands that a user of the real data set types. Each command
is printed and timed; the first that fails ends the rehearsal. The same command again resumes. The
results stand in experiments/README.md.
"""

import argparse
import csv
import shlex
import subprocess
import sys
import time
from pathlib import Path

from zenodo_server import server

from jax_dns.datasets.synthetic import make_factory

PROJECT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(PROJECT))

from configs import rehearsal  # noqa: E402


def commands(workdir: Path, base_url: str, seeds: str) -> dict[str, list[str]]:
    """Returns the commands that a user types, by step: `jax-dns` and scripts in experiments/."""
    root, run = workdir / "data", workdir / "run"
    config = PROJECT / "configs/rehearsal.py"
    experiments = PROJECT / "experiments"
    return {
        "download": ["jax-dns", "download", f"--root={root}", f"--base-url={base_url}"],
        "run": [
            "jax-dns",
            "run",
            f"--config={config}",
            f"--workdir={run}",
            f"--config.data.root={root}",
            f"--config.seeds={seeds}",
        ],
        "tables": [f"{experiments / 'table2.py'}", f"--workdir={run}", "--readings"],
        "figures 3, 4": [f"{experiments / 'figure3_4.py'}", f"--workdir={run}"],
        "figure 5": [f"{experiments / 'figure5.py'}", f"--workdir={run}"],
        "report": ["jax-dns", "report", f"--workdir={run}"],
    }


def main() -> None:
    """Makes and serves the data set, runs every command and prints the times."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--workdir", type=Path, default=Path("rehearsal"))
    parser.add_argument("--seeds", default="(0,)", help="config.seeds, '(0,1)' for instance")
    options = parser.parse_args()
    workdir = options.workdir.absolute()
    seconds: dict[str, float] = {}
    start = time.perf_counter()
    make_factory(workdir / "zenodo", **rehearsal.FACTORY)
    seconds["synthesis"] = time.perf_counter() - start
    with server.serve(workdir / "zenodo") as base_url:
        for step, command in commands(workdir, base_url, options.seeds).items():
            print(f"\n$ {shlex.join(command)}", flush=True)
            program = ["-m", "jax_dns", *command[1:]] if command[0] == "jax-dns" else command
            start = time.perf_counter()
            code = subprocess.run([sys.executable, *program], check=False).returncode
            seconds[step] = time.perf_counter() - start
            if code:
                sys.exit(f"rehearsal: {step} ended with exit code {code}")
    rows = [*seconds.items(), ("all", sum(seconds.values()))]
    print("\n" + "\n".join(f"{step:<13}{duration:7.0f} s" for step, duration in rows))
    with (workdir / "times.csv").open("w") as file:
        csv.writer(file).writerows([("step", "seconds"), *rows])


if __name__ == "__main__":
    main()

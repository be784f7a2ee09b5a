"""`jax-dns report`: the page of a finished run, made again."""

from pathlib import Path

from jax_dns.commands.parser import Parser
from jax_dns.errors import InputError
from jax_dns.wording import counted

DESCRIPTION = """Make the report of a finished run again: one HTML file with its tables, K curves,
UMAP panels, score histograms, and for each machine type the ten clips that smoothing moved most,
to look at and listen to. It needs no network. `jax-dns run` makes it at its end.

  jax-dns report --workdir=runs/mine
  jax-dns report --workdir=runs/mine --data-root=/recordings --out=report.html
"""


def main(arguments: list[str]) -> None:
    """Reads the workdir and writes the page."""
    parser = Parser("report", DESCRIPTION)
    parser.add_argument("--workdir", required=True, type=Path, help="a finished run's")
    parser.add_argument("--out", type=Path, help="file to write (default: report.html in workdir)")
    parser.add_argument(
        "--data-root", type=Path, help="folder of the recordings (default: as the run had it)"
    )
    options = parser.parse_args(arguments)
    workdir, root = options.workdir.absolute(), options.data_root
    if not workdir.is_dir():
        raise InputError(f"--workdir: {workdir} is not a folder (expected a finished run's)")
    if root is not None and not root.is_dir():
        raise InputError(f"--data-root: {root} is not a folder (expected recordings)")
    from jax_dns.pipeline.workdir import open_run
    from jax_dns.report.build import REPORT, write_report
    from jax_dns.report.page import missing_packages

    if lacking := missing_packages():
        raise InputError(f"report: lacks {' and '.join(lacking)} (pip install 'jax-dns[viz]')")
    config, folders, found = open_run(workdir)
    out = options.out or workdir / REPORT
    made = write_report(config, workdir, folders, found, out=out, root=root)
    clips = [clip for machine in made.machines for clip in machine.moved]
    heard = sum(bool(clip.sound) for clip in clips)
    size = out.stat().st_size / 1e6
    print(f"{out}: {size:.1f} MB, {counted(len(clips), 'clip')}, {heard} with their recordings")

"""Draws Figures 3 and 4 of the paper: UMAP of segments before and after smoothing.

    python experiments/figure3_4.py --workdir=DIR
    python experiments/figure3_4.py --workdir=DIR --machine=fan --section=3 --ks=1,16,256

DIR is the workdir of a `jax-dns run`; its segments.npz suffices. Without --machine and --section
the paper's two figures are drawn: the source domain of the slider's section 4, and both domains of
ToyCar's section 5. One seeded UMAP fit on all of the section's segments, training and test, gives
the coordinates of every panel, and one colour scale serves all scores. Smoothing sees every test
segment, as in the run; 30 % of the points are drawn. Writes <machine>_section_<SS>_<domain>.png.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from command_line import choose_seed, make_parser, run_main
from ml_collections import ConfigDict
from paper.figure_files import FORMATS, save_figure
from paper.umap_panels import choose_fraction, draw_panels

from jax_dns.errors import InputError
from jax_dns.evaluation.plots import missing_packages
from jax_dns.evaluation.results import ORACLE_SUFFIX
from jax_dns.evaluation.umap_plot import umap_places
from jax_dns.pipeline.select import read_selection
from jax_dns.pipeline.smooth import largest_setting, smoothed_segments, smoothing_rule
from jax_dns.pipeline.workdir import read_config, seed_folder
from jax_dns.segments_file import Segments, read_segments

PAPER = (("slider", 4, "source"), ("ToyCar", 5, "all"))  # Figs. 3 and 4
MIN_SEGMENTS = 5  # that UMAP needs


class Panel(NamedTuple):
    """A panel of scores."""

    k: int
    data: str  # the pool: "source" or "all"
    note: str = ""

    @property
    def title(self) -> str:
        """Returns the panel's title."""
        name = "$a_G$, K = 1" if self.k == 1 else f"K = {self.k:,}, {self.data} pool"
        return f"{name} ({self.note})" if self.note else name


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="of a run")
    add("--machine", help="machine type (default: the paper's two)")
    add("--section", type=int, help="its section")
    add("--domain", choices=("source", "target", "all"), help="domain drawn (default: all)")
    add(
        "--ks",
        type=parse_ks,
        help="1,16,256 for instance; 1 is a_G itself (default: 1, the Ks selected"
        "\non the development sections and by the oracle, and the largest)",
    )
    add("--data", choices=("source", "all"), help="pool (default: as selected with each K)")
    add("--seed", type=int, help="of the run (default: its first)")
    add("--umap-seed", type=int, default=0, help="of the fit and of the points drawn (default: 0)")
    add("--fraction", type=float, help="of the points drawn (default: the run's umap_fraction)")
    add("--format", choices=FORMATS, default="png")
    add("--out", type=Path, help="folder (default: figure3_4 in the workdir)")
    options = parser.parse_args(arguments)
    if (options.machine is None) != (options.section is None):
        parser.error("--machine and --section: expected both or neither")
    return options


def parse_ks(text: str) -> list[int]:
    """Parses Ks separated by commas."""
    ks = [int(part) for part in text.split(",")]
    if min(ks) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected whole numbers of at least 1")
    return ks


def main(arguments: list[str] | None = None) -> None:
    """Draws and writes the figures."""
    options = parse(arguments)
    if missing := missing_packages():
        raise InputError(f"lacks {' and '.join(missing)} (pip install 'jax-dns[viz]')")
    workdir = options.workdir.absolute()
    config = read_config(workdir)
    seed = choose_seed(config, options.seed)
    folder = seed_folder(config, workdir, seed)
    figures = PAPER
    if options.machine:
        figures = ((options.machine, options.section, options.domain or "all"),)
    available = [one for one in figures if (folder / one[0] / "segments.npz").is_file()]
    if not available:
        machines = sorted(path.parent.name for path in folder.glob("*/segments.npz"))
        raise InputError(
            f"{folder}: no segments.npz of {' or '.join(one[0] for one in figures)} (expected "
            f"--machine and --section of one of {', '.join(machines) or 'none'})"
        )
    for machine, section, domain in available:
        domain = options.domain or domain
        figure = draw(config, folder / machine, machine, section, domain, seed, options)
        name = f"{machine}_section_{section:02d}_{domain}.{options.format}"
        path = (options.out or workdir / "figure3_4") / name
        save_figure(figure, path)
        print(path)


def draw(
    config: ConfigDict,
    folder: Path,
    machine: str,
    section: int,
    domain: str,
    seed: int,
    options: argparse.Namespace,
) -> Any:
    """Draws one section of a machine type; returns a matplotlib figure."""
    segments, _ = read_segments(folder / "segments.npz")
    is_test = segments.split == "test"
    test = segments.where(is_test)
    if section not in test.section:
        sections = ", ".join(map(str, np.unique(test.section)))
        raise InputError(
            f"{folder}: no test segments of section {section}, expected one of {sections}"
        )
    in_section = segments.section == section
    scores = {}
    for panel in choose_panels(config, folder, test, options):
        values = np.full(len(segments.clip), np.nan, np.float32)
        values[is_test] = smoothed_segments(config, test, panel.k, panel.data)
        scores[panel.title] = values[in_section]
    segments = segments.where(in_section)
    if len(segments.clip) < MIN_SEGMENTS:
        raise InputError(f"{folder}: {len(segments.clip)} segments, UMAP needs {MIN_SEGMENTS}")
    fraction = options.fraction
    if fraction is None:
        fraction = config.evaluation.umap_fraction
    shown = choose_fraction(len(segments.clip), fraction, seed=options.umap_seed)
    shown &= (segments.domain == domain) | (domain == "all")
    domains = "both domains" if domain == "all" else f"{domain} domain"
    return draw_panels(
        segments,
        umap_places(segments.feature, seed=options.umap_seed),
        scores,
        shown=shown,
        title=f"{machine}, section {section:02d}, {domains}, seed {seed}; "
        f"{100 * fraction:g} % of the segments drawn",
    )


def choose_panels(
    config: ConfigDict, folder: Path, test: Segments, options: argparse.Namespace
) -> list[Panel]:
    """Returns the panels of --ks; without it a_G, the selected settings and the largest K."""
    selection, method = read_selection(folder, "pooled"), smoothing_rule(config).name
    selected = [
        Panel(selection[name]["value"], options.data or selection[name]["data"], note)
        for name, note in ((method, "selected"), (method + ORACLE_SUFFIX, "oracle"))
        if name in selection
    ]
    data = options.data or (selected[0].data if selected else "all")
    if options.ks:
        return [Panel(k, data) for k in options.ks]
    panels = {(1, ""): Panel(1, data)}
    for panel in (*selected, Panel(largest_setting(config, test, data), data, "largest")):
        key = (panel.k, panel.data if panel.k > 1 else "")  # K = 1 is the same in every pool
        notes = [panels[key].note] if key in panels and panels[key].note else []
        panels[key] = panel._replace(note=", ".join([*notes, panel.note]))
    return sorted(panels.values())


if __name__ == "__main__":
    run_main(main)

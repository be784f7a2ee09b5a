"""Figures 3 and 4 of the paper: UMAP of training and test segments, before and after smoothing.

    python experiments/figure3_4.py --workdir=DIR
    python experiments/figure3_4.py --workdir=DIR --machine=fan --section=3 --ks=1,16,256

DIR is the workdir of a `jax-dns run`; its segments.npz suffices. Without --machine and --section
the paper's two figures are drawn: the source domain of the slider's section 4, and both domains of
ToyCar's section 5. One seeded UMAP fit on all of the section's segments, training and test, places
the points of every panel; one colour scale serves all scores. Smoothing sees every test segment, as
in the run; 30 % of the points are drawn. Writes <machine>_section_<SS>_<domain>.png.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import parser_of, run, seed_of
from ml_collections import ConfigDict
from paper.umap_panels import FORMATS, choose_share, save_figure, score_maps

from jax_dns.errors import InputError
from jax_dns.evaluation.plots import missing_packages, umap_places
from jax_dns.fingerprints import recorded
from jax_dns.pipeline.figures import largest_k, smoothed_segments
from jax_dns.pipeline.workdir import read_config, seed_folder
from jax_dns.segments_file import Segments, read_segments

PAPER = (("slider", 4, "source"), ("ToyCar", 5, "all"))  # Figs. 3 and 4
FEWEST = 5  # segments that UMAP needs


class Setting(NamedTuple):
    """A panel of scores."""

    k: int
    data: str  # the pool: "source" or "all"
    note: str = ""

    @property
    def title(self) -> str:
        """As a person would read it."""
        name = "$a_G$, K = 1" if self.k == 1 else f"K = {self.k:,}, {self.data} pool"
        return f"{name} ({self.note})" if self.note else name


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = parser_of(__doc__)
    add = parser.add_argument
    add("--workdir", type=Path, required=True, help="of a run")
    add("--machine", help="machine type (default: the paper's two)")
    add("--section", type=int, help="its section")
    add("--domain", choices=("source", "target", "all"), help="drawn (default: all)")
    add(
        "--ks",
        type=numbers,
        help="such as 1,16,256; 1 is a_G itself (default: 1, those selected"
        "\non the development sections and by the oracle, and the largest)",
    )
    add("--data", choices=("source", "all"), help="pool (default: with each K as selected)")
    add("--seed", type=int, help="of the run (default: its first)")
    add("--umap-seed", type=int, default=0, help="of the fit and of the points drawn (default 0)")
    add("--share", type=float, help="of the points drawn (default: the run's umap_share, 0.3)")
    add("--format", choices=FORMATS, default="png")
    add("--out", type=Path, help="folder (default: figure3_4 in the workdir)")
    options = parser.parse_args(arguments)
    if (options.machine is None) != (options.section is None):
        parser.error("--machine and --section: expected both or neither")
    return options


def numbers(text: str) -> list[int]:
    """Ks as typed."""
    found = [int(part) for part in text.split(",")]
    if min(found) < 1:
        raise argparse.ArgumentTypeError(f"{text}: expected whole numbers of at least 1")
    return found


def main(arguments: list[str] | None = None) -> None:
    """Draws the figures asked for."""
    options = parse(arguments)
    if lacking := missing_packages():
        raise InputError(f"lacks {' and '.join(lacking)} (pip install 'jax-dns[viz]')")
    workdir = options.workdir.absolute()
    config = read_config(workdir)
    seed = seed_of(config, options.seed)
    folder = seed_folder(config, workdir, seed)
    wanted = PAPER
    if options.machine:
        wanted = ((options.machine, options.section, options.domain or "all"),)
    found = [one for one in wanted if (folder / one[0] / "segments.npz").is_file()]
    if not found:
        there = sorted(path.parent.name for path in folder.glob("*/segments.npz"))
        raise InputError(
            f"{folder}: no segments.npz of {' or '.join(one[0] for one in wanted)} "
            f"(give --machine and --section; machine types there: {', '.join(there) or 'none'})"
        )
    for machine, section, domain in found:
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
):
    """One machine's figure."""
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    if section not in test.section:
        there = ", ".join(map(str, np.unique(test.section)))
        raise InputError(
            f"{folder}: no test segments of section {section}, expected one of {there}"
        )
    chosen = settings(config, folder, test, options)
    here = segments.section == section
    scores = {}
    for setting in chosen:
        values = np.full(len(segments.clip), np.nan, np.float32)
        values[segments.split == "test"] = smoothed_segments(config, test, setting.k, setting.data)
        scores[setting.title] = values[here]
    segments = segments.where(here)
    if len(segments.clip) < FEWEST:
        raise InputError(f"{folder}: {len(segments.clip)} segments, UMAP needs {FEWEST}")
    share = config.evaluation.umap_share if options.share is None else options.share
    shown = choose_share(len(segments.clip), share, seed=options.umap_seed)
    shown &= (segments.domain == domain) | (domain == "all")
    domains = "both domains" if domain == "all" else f"{domain} domain"
    return score_maps(
        segments,
        umap_places(segments.feature, seed=options.umap_seed),
        scores,
        shown=shown,
        title=f"{machine}, section {section:02d}, {domains}, seed {seed}; "
        f"{100 * share:g} % of the segments drawn",
    )


def settings(
    config: ConfigDict, folder: Path, test: Segments, options: argparse.Namespace
) -> list[Setting]:
    """The panels: those asked for, or a_G, the settings selected and the largest K."""
    selection = recorded(folder, "selection").get("pooled", {})
    picked = [
        Setting(selection[name]["size"], options.data or selection[name]["data"], note)
        for name, note in (("Proposed", "selected"), ("Proposed (Oracle)", "oracle"))
        if name in selection
    ]
    data = options.data or (picked[0].data if picked else "all")
    if options.ks:
        return [Setting(k, data) for k in options.ks]
    by_k = {(1, ""): Setting(1, data)}
    for setting in (*picked, Setting(largest_k(config, test, data), data, "largest")):
        # K = 1 is the same in every pool.
        key = (setting.k, setting.data if setting.k > 1 else "")
        notes = [by_k[key].note] if key in by_k and by_k[key].note else []
        by_k[key] = setting._replace(note=", ".join([*notes, setting.note]))
    return sorted(by_k.values())


if __name__ == "__main__":
    run(main)

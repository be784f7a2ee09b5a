"""The cross-table: every scorer x feature space x smoothing rule, on scores and features at hand.

    python experiments/matrix.py --out matrix --segments WORKDIR/*/segments.npz
    python experiments/matrix.py --out matrix --scores ae=DIR other=DIR --features ranks=FILE.npz

Nothing is trained. A segments.npz gives the scorers `score`, `score_<name>` and the feature spaces
`feature`, `feature_<name>`; its folder names the machine type, a folder seed_<s> above that the
seed. Segments are smoothed, and clips averaged. Folders of official score files are joined with
files of features by clip name.

Neighbours are of the same section. Each rule's setting and pool (source domain, or all) are chosen
on the development sections; the oracle chooses them on the evaluation sections. Figures are means
over machine types and seeds of the harmonic mean of AUC and pAUC over the evaluation sections, in
percent, in both readings: sections pooled over their domains, or each domain by itself. Intervals
are of 1,000 bootstrap resamples of the clips rated, the same for all rows; settings and smoothed
scores stay as they are. They are for the reading "pooled".

Writes matrix.csv, matrix.md and matrix.png, a heat map, and one file a cell in cells/, so that a
second call computes only cells that are missing or whose scores, features, fields or code changed.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import make_parser, run_main
from tqdm import tqdm

from jax_dns.components import SMOOTHING, code_digest
from jax_dns.errors import InputError
from jax_dns.evaluation.bootstrap import draw_counts, resampled_summary
from jax_dns.evaluation.hyperparameters import select
from jax_dns.evaluation.metrics import POOLED, section_metrics
from jax_dns.evaluation.plots import heat_map
from jax_dns.evaluation.results import MethodResult
from jax_dns.evaluation.tables import to_csv
from jax_dns.files import bytes_digest, write_json, write_text
from jax_dns.fingerprints import fingerprint
from jax_dns.pipeline.method_results import DOMAINS
from jax_dns.score_files.join import join
from jax_dns.score_files.read_features import read_features
from jax_dns.score_files.read_scores import read_scores
from jax_dns.segments_file import Segments, clip_mean, clips_of, read_segments
from jax_dns.types import Facts, SmoothingRule

FACTS = Facts(16_000, 64_000, n_sections=1)  # rules don't use them
ALONE = "none"  # the rule of the scorer alone
RULES: dict[str, dict] = {
    "Eq. 7": {"name": "uniform"},
    **{w: {"name": "weighted", "weights": w} for w in ("gaussian", "inverse", "rank")},
    "mutual": {"name": "mutual"},
    "K-grid mean": {"name": "grid_mean"},
    "attention": {"name": "attention"},
    "diffusion": {"name": "diffusion"},
}
COLUMNS = (
    *("scorer", "space", "rule", "machines", "pooled", "low", "high"),
    *("difference", "difference_low", "difference_high"),
    *("by_domain", "oracle_pooled", "oracle_by_domain", "auc", "pauc", "settings"),
)


class Data(NamedTuple):
    """Test rows of one machine type, scored in one way, in one feature space."""

    scorer: str
    space: str
    machine: str
    rows: Segments


class Sections(NamedTuple):
    """Sections that choose settings, and those that are reported."""

    dev: tuple[int, ...]
    final: tuple[int, ...]


def from_segments(path: Path) -> list[Data]:
    """Reads every scorer and feature space of a segments.npz."""
    segments, extra = read_segments(path)
    test = segments.split == "test"
    machine, above = path.parent.name, path.parent.parent.name
    if above.startswith("seed_"):
        machine = f"{machine} {above}"
    arrays = {"score": segments.score, "feature": segments.feature} | extra
    scores, features = (
        {key: x for key, x in arrays.items() if key == kind or key.startswith(f"{kind}_")}
        for kind in ("score", "feature")
    )
    return [
        Data(s, f, machine, segments._replace(score=x, feature=y).where(test))
        for s, x in scores.items()
        for f, y in features.items()
    ]


def from_score_files(scores: dict[str, Path], features: dict[str, Path]) -> list[Data]:
    """Joins each folder of official score files with each file of features, clip by clip."""
    data = []
    for scorer, folder in scores.items():
        by_machine = read_scores(folder)
        for space, file in features.items():
            by_name = read_features(file, list(by_machine))
            for machine, rows in by_machine.items():
                joined = join(rows, by_name[machine], unit="clip").rows
                joined = joined._replace(score=joined.score.astype(np.float32))
                data.append(Data(scorer, space, machine, joined))
    return data


def compute_cell(data: Data, rule: SmoothingRule | None, sections: Sections, draws: int) -> dict:
    """Smooths one machine type in every setting, and rates the settings chosen.

    Args:
      data: of the machine type.
      rule: None for the scorer alone.
      sections: see `Sections`.
      draws: bootstrap resamples.

    Returns:
      Figures by name, fractions of 1, and the resamples' of the reading "pooled".

    Raises:
      InputError: a section without labelled clips of both classes.
    """
    rows, clips = data.rows, clips_of(data.rows)
    results = []
    if rule is None:
        results.append(MethodResult("scorer", "", 0, "", clip_mean(clips, rows.score)))
    else:
        for pool, domains in DOMAINS.items():
            smoothed = rule.smooth(
                rows.score,
                rows.feature,
                groups=rows.section,
                pool=np.isin(rows.domain, domains),
                clip=clips.row,
            )
            for setting, values in smoothed.items():
                scores = clip_mean(clips, np.asarray(values))
                results.append(
                    MethodResult(rule.name, rule.parameter, setting, pool, scores, oracle=True)
                )
    results = [r._replace(metrics=section_metrics(clips, r.scores)) for r in results]
    cell: dict = {}
    options = dict(dev_sections=sections.dev, eval_sections=sections.final)
    for reading, pooled in (("pooled", True), ("by_domain", False)):
        table = select(results, **options, pooled=pooled)
        chosen = [row for row in table if not row.is_oracle]
        if not chosen or not np.isfinite(chosen[0].evaluation):
            raise InputError(
                f"{data.machine}: sections {sections.dev} or {sections.final} lack labelled clips "
                "of both classes, or settings that fit (expected them in each)"
            )
        cell[reading] = chosen[0].evaluation
        cell[f"oracle_{reading}"] = table[-1].evaluation
        if pooled:
            best = chosen[0].result
            cell["setting"] = best.setting
            final = [m for m in best.metrics if m.section in sections.final and m.domain == POOLED]
            cell["auc"] = float(np.mean([m.auc for m in final]))
            cell["pauc"] = float(np.mean([m.pauc for m in final]))
            counts = draw_counts(clips, n_resamples=draws, seed=0)
            resampled = resampled_summary(
                clips, best.scores, counts, sections=sections.final, pooled=True
            )
            cell["resampled"] = resampled.tolist()
    return cell


def cached_cell(folder: Path, data: Data, rule: str, sections: Sections, draws: int) -> dict:
    """Reads a cell, or computes and writes it."""
    component, code = None, ""
    if rule != ALONE:
        fields = dict(RULES[rule])
        factory = SMOOTHING[fields.pop("name")]
        component, code = factory(FACTS, **fields), code_digest(factory)
    key = fingerprint(
        [bytes_digest(np.ascontiguousarray(column).tobytes()) for column in data.rows],
        rule,
        code,
        RULES.get(rule),
        sections,
        draws,
    )
    path = folder / f"{key}.json"
    if path.is_file():
        return json.loads(path.read_text())
    cell = compute_cell(data, component, sections, draws)
    write_json(path, cell)
    return cell


def table_row(scorer: str, space: str, rule: str, cells: dict[str, dict], alone: dict) -> tuple:
    """Averages a rule's cells over machine types; a row of COLUMNS.

    Args:
      scorer: its name.
      space: the feature space's.
      rule: a key of RULES, or ALONE.
      cells: machine type -> cell.
      alone: the same of the scorer alone.
    """

    def mean(name: str) -> float:
        return 100 * float(np.mean([cell[name] for cell in cells.values()]))

    resampled = 100 * np.mean([cell["resampled"] for cell in cells.values()], axis=0)
    before = 100 * np.mean([alone[m]["resampled"] for m in cells], axis=0)
    difference = mean("pooled") - 100 * float(np.mean([alone[m]["pooled"] for m in cells]))
    interval = np.nanquantile(resampled, (0.025, 0.975))
    paired = np.nanquantile(resampled - before, (0.025, 0.975))
    values = (mean("pooled"), *interval, difference, *paired, *map(mean, COLUMNS[10:15]))
    settings = "; ".join(f"{m} {c['setting']}" for m, c in cells.items() if c["setting"])
    return (scorer, space, rule, len(cells), *(f"{value:.2f}" for value in values), settings)


def to_markdown(rows: Sequence[tuple]) -> str:
    """Formats the table without its settings."""
    heads = ("scorer", "features", "rule", "pooled [95 %]", "gain [95 %]", "by domain")
    heads += ("oracle pooled", "oracle by domain", "AUC", "pAUC")
    lines = [heads, ["---"] * len(heads)]
    for row in rows:
        pooled = f"{row[4]} [{row[5]}, {row[6]}]"
        gain = "" if row[2] == ALONE else f"{row[7]} [{row[8]}, {row[9]}]"
        lines.append([*row[:3], pooled, gain, *row[10:15]])
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def draw(path: Path, rows: Sequence[tuple]) -> None:
    """Draws a heat map: scorer and feature space by rule, the reading "pooled"."""
    values = {(f"{row[0]} x {row[1]}", row[2]): float(row[4]) for row in rows}
    pairs, rules = (list(dict.fromkeys(key)) for key in zip(*values))
    table = np.asarray([[values[pair, rule] for rule in rules] for pair in pairs])
    heat_map(path, table, pairs, rules, label="harmonic mean of AUC and pAUC [%]")


def named(kind: str) -> Callable[[str], tuple[str, Path]]:
    """Makes the parser of an argument NAME=PATH."""

    def parse(text: str) -> tuple[str, Path]:
        name, equals, path = text.partition("=")
        if not equals or not name:
            raise argparse.ArgumentTypeError(f"{text!r}, expected NAME={kind}")
        return name, Path(path)

    return parse


def main(arguments: list[str] | None = None) -> None:
    """Computes what is missing, prints the table and writes the files."""
    parser = make_parser(__doc__ or "")
    parser.add_argument("--segments", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--scores", type=named("FOLDER"), nargs="+", default=[])
    parser.add_argument("--features", type=named("FILE"), nargs="+", default=[])
    parser.add_argument("--out", type=Path, required=True, help="folder for the results")
    parser.add_argument("--rules", nargs="*", choices=RULES, default=list(RULES))
    parser.add_argument("--dev-sections", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--eval-sections", type=int, nargs="+", default=[3, 4, 5])
    parser.add_argument("--draws", type=int, default=1000, help="bootstrap resamples")
    options = parser.parse_args(arguments)
    data = from_score_files(dict(options.scores), dict(options.features))
    data += [one for path in options.segments for one in from_segments(path)]
    if not data:
        raise InputError("--segments, or --scores and --features: expected some")
    sections = Sections(tuple(options.dev_sections), tuple(options.eval_sections))
    if set(sections.dev) & set(sections.final):
        raise InputError(
            f"--eval-sections: {sections.final}, expected none of --dev-sections {sections.dev}"
        )
    rows = []
    for scorer, space in dict.fromkeys((one.scorer, one.space) for one in data):
        machines = [one for one in data if (one.scorer, one.space) == (scorer, space)]
        alone: dict[str, dict] = {}
        for rule in (ALONE, *options.rules):
            title = f"{scorer} x {space}, {rule}"
            cells = {
                one.machine: cached_cell(options.out / "cells", one, rule, sections, options.draws)
                for one in tqdm(machines, desc=title, leave=False, disable=None)
            }
            alone = alone or cells
            rows.append(table_row(scorer, space, rule, cells, alone))
    text = to_markdown(rows)
    print(text)
    write_text(options.out / "matrix.md", text)
    write_text(options.out / "matrix.csv", to_csv([COLUMNS, *rows]))
    try:
        draw(options.out / "matrix.png", rows)
    except ImportError:
        print("No figure: matplotlib is not installed (pip install 'jax-dns[viz]').")


if __name__ == "__main__":
    run_main(main)

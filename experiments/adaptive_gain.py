"""What the rule with known normals captures of the gain that labels would give, and what it harms.

    python experiments/adaptive_gain.py --data DIR [--workdir RUN ...] [--source NAME] [--draws 3]

Cells and rules are those of prevalence.py, with all of a cell's anomalies. A rule's share is the
sum of its AUC gains over the sum of the oracle's, the best K of each draw by its labels.
Intervals: 95 %, 2,000 resamples of clusters (the sections, which systems share). Variants, with the
constants of jax_dns/smoothing/adaptive.py:

    no test                    the gate and the guard without the permutation test
    19 weights                 w = 0.95, 0.9, ..., 0.05 instead of four values
    gated fusion               candidates are mixtures of a_G's and a discriminative score's ranks
    8 known a section, pooled  known normals of all sections together, 8 of each
    source's choice            target cells take the K and w that the source's normals chose
    source's normals           target cells take the source domain's known normals

The null test permutes a cell's scores, or its features, over all its items. Prints Markdown tables.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import make_parser, run_main
from paper.cells import Cell, CellDraw, draw, load_cells
from paper.rules_on_draws import (
    ADAPTIVE,
    BASE,
    EITHER,
    FUSION,
    HALF,
    KS,
    STRICT,
    Choice,
    choose,
    fixed,
    neighbourhood,
    rate_rules,
)
from paper.variants import (
    FINE,
    GATED_FUSION,
    POOLED,
    TRANSFERS,
    UNTESTED,
    gated_variants,
    pooled_normals,
    transferred,
)
from tqdm import tqdm

from jax_dns.evaluation.metrics import bulk_auc
from jax_dns.evaluation.tables import Table, to_markdown
from jax_dns.smoothing.adaptive import MIN_MIX, STRICT_GATE
from jax_dns.smoothing.separation import GATE

ORACLE = "oracle K"
RULES = (fixed(16), fixed(64), HALF, ADAPTIVE, STRICT, FUSION, EITHER)
VARIANTS = (UNTESTED, FINE, GATED_FUSION, POOLED)
RESAMPLES = 2000
HARM = 0.01


class Gains(NamedTuple):
    """AUC against a_G's of every rule in one draw of a cell; fractions of 1."""

    cell: int
    gain: Mapping[str, float]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--data", type=Path, help="folder of public scores and features")
    add("--workdir", type=Path, action="append", default=[], help="of a finished run")
    add("--source", action="append", default=[], help="only this source; may be repeated")
    add("--draws", type=int, default=3, help="of each cell (default: 3)")
    add("--known", type=int, default=10**6, help="known normals at most (default: all)")
    add("--only-null", action="store_true", help="the null test alone")
    add("--no-variants", action="store_true", help="leave out the variants, which take longest")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Rates, prints."""
    options = parse(arguments)
    cells = load_cells(options.data, options.workdir)
    cells = [cell for cell in cells if not options.source or cell.source in options.source]
    draws = Draws(cells, options.draws, options.known)
    if not options.only_null:
        gains = rate_cells(draws, variants=not options.no_variants)
        rules = [*RULES, ORACLE, *([] if options.no_variants else [*VARIANTS, *TRANSFERS])]
        print(to_markdown(gain_table(cells, gains, rules)), "\n")
    print(to_markdown(null_table(draws)))


class Draws(NamedTuple):
    """What is drawn of each cell."""

    cells: Sequence[Cell]
    count: int
    known: int  # known normals at most

    def of_source(self, source: str) -> Iterator[tuple[int, int, CellDraw, np.random.Generator]]:
        """Yields number of the cell, number of the draw, rows and generator of one source."""
        numbers = [i for i, cell in enumerate(self.cells) if cell.source == source]
        for number in tqdm(numbers, desc=source, unit="cell", mininterval=5):
            for seed in range(self.count):
                rng = np.random.default_rng([number, seed])
                rows = draw(self.cells[number], None, rng)
                if rows is None:
                    break
                if len(rows.known) > self.known:
                    rows = rows._replace(known=rng.permutation(rows.known)[: self.known])
                yield number, seed, rows, rng


def rate_cells(draws: Draws, *, variants: bool) -> list[Gains]:
    """Rates every rule on every draw of every cell."""
    cells, gains = draws.cells, []
    for source in dict.fromkeys(cell.source for cell in cells):
        for number, seed, rows, _ in draws.of_source(source):
            cell = cells[number]
            scores = rate_rules(cell, rows)
            if variants:
                scores |= gated_variants(cell, rows)
                scores |= pooled_normals(cells, number, rows, seed)
                scores |= transferred(cells, number, rows, seed)
            label = cell.anomaly[rows.unlabelled].astype(int)
            auc = dict(zip(scores, bulk_auc(label, np.stack(list(scores.values())))[0]))
            auc[ORACLE] = max(auc[fixed(k)] for k in KS if fixed(k) in auc)
            gains.append(Gains(number, {rule: auc[rule] - auc[BASE] for rule in auc}))
    return gains


def gain_table(cells: Sequence[Cell], gains: Sequence[Gains], rules: Sequence[str]) -> Table:
    """Returns a row for each source and rule: mean gain, share of the oracle's, harm, worst."""
    rows = []
    for source in dict.fromkeys(cell.source for cell in cells):
        of_source = [g for g in gains if cells[g.cell].source == source]
        clusters = {}
        for g in of_source:
            clusters.setdefault(cells[g.cell].cluster, []).append(g)
        for rule in rules:
            if not any(rule in g.gain for g in of_source):
                continue
            sums = np.asarray([_sums(some, rule) for some in clusters.values()])
            picks = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
            total, resampled = _figures(sums.sum(0)), _figures(sums[picks].sum(1))
            low, high = np.nanpercentile(resampled, [2.5, 97.5], axis=1)
            texts = [f"{v:.1f} ({lo:.1f} to {hi:.1f})" for v, lo, hi in zip(total, low, high)]
            worst = 100 * min(g.gain[rule] for g in of_source if rule in g.gain)
            rows.append([source, rule, *texts, f"{worst:.1f}", str(int(sums[:, 3].sum()))])
    head = ["source", "rule", "gain [points]", "share of the oracle's [%]", "harmed [%]"]
    return Table([*head, "worst [points]", "draws"], rows, "Change of AUC against a_G; 95 %")


def _sums(gains: Sequence[Gains], rule: str) -> tuple[float, float, int, int]:
    some = [g.gain for g in gains if rule in g.gain]
    gain, oracle = sum(g[rule] for g in some), sum(g[ORACLE] for g in some)
    return gain, oracle, sum(g[rule] < -HARM for g in some), len(some)


def _figures(sums: np.ndarray) -> np.ndarray:
    """Returns mean gain in points, share of the oracle's in %, share harmed in %."""
    gain, oracle, harmed, count = np.moveaxis(np.asarray(sums, float), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 100 * np.stack([gain / count, gain / oracle, harmed / count])


def null_table(draws: Draws) -> Table:
    """Returns how often a_G is kept where scores or features are permuted over a cell's items."""
    rows = []
    for source in dict.fromkeys(cell.source for cell in draws.cells):
        for name in ("score", "feature"):
            choices = [
                _null_choice(draws.cells[number], rows_of, name, rng)
                for number, _, rows_of, rng in draws.of_source(source)
            ]
            ratio, mix, k = np.asarray([(c.ratio, c.mix, c.k) for c in choices]).T
            matched = mix >= MIN_MIX
            kept = [k == 1, *(~(matched & (ratio >= gate)) for gate in (GATE, STRICT_GATE))]
            figures = [100 * np.mean(x) for x in (*kept, ~matched)]
            rows.append([source, f"{name}s", *(f"{x:.1f}" for x in figures), str(len(choices))])
    head = ["source", "permuted", "a_G kept [%]", "no test", "no test, gate 3", "by the guard"]
    return Table([*head, "draws"], rows, "Null test: a_G is to be kept")


def _null_choice(cell: Cell, rows: CellDraw, name: str, rng: np.random.Generator) -> Choice:
    both = np.concatenate(rows)
    place = {"score": both, "feature": both, name: rng.permutation(both)}
    score, feature = cell.score[place["score"]], cell.feature[place["feature"]]
    return choose(neighbourhood(score, feature, len(rows.unlabelled)))


if __name__ == "__main__":
    run_main(main)

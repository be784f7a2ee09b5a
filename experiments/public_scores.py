"""Smooths the anomaly scores of public autoencoders on the paper's own clips, DCASE 2021's.

    python experiments/public_scores.py --data DIR [--out public_scores]

DIR holds a folder of official score files for each system, and features.npz with `machine`, `name`
and `feature` [n, d]: the ranks that discriminative scores gave to each clip. Neighbours are of the
same section, of both domains. Figures are harmonic means over machine types and sections of AUC and
pAUC, domains pooled, in percent.

    K = ...          Eq. 7
    K of others      Eq. 7 with the K that is best on the machine type's other sections
    oracle K         Eq. 7 with the K that is best on the section itself
    half dose        half the clip's Gaussian score, half the mean of its 15 nearest clips'
    adaptive         K and weight chosen by known normals, which are half of a section's normal
                     clips; the other half is rated. Then the other way round; the mean of both
    discriminative   the mean of a clip's features
    mean of ranks    of a_G's and the discriminative score's within the section

Intervals are of 1,000 bootstrap resamples, the same for all methods: of the clips within section,
domain and label, and for the gain over a_G also of the sections. Settings and smoothed scores stay
as they are. The gain of "adaptive" is over a_G rated on the same halves.

Writes <out>.csv and <out>.md.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import make_parser, run_main
from jaxtyping import Bool, Float
from matrix import from_score_files
from scipy.stats import rankdata
from tqdm import tqdm

from jax_dns import smooth_grid
from jax_dns.errors import InputError
from jax_dns.evaluation.bootstrap import draw_counts, harmonic_means, interval
from jax_dns.evaluation.metrics import bulk_auc, harmonic_mean
from jax_dns.evaluation.tables import Table, to_csv, to_markdown
from jax_dns.files import write_text
from jax_dns.segments_file import Segments, clips_of
from jax_dns.smoothing.adaptive import smooth_adaptively
from jax_dns.smoothing.dose import smooth_dose

KS = (1, 2, 4, 8, 16, 32, 64, 128)
BASE, HALVES, ADAPTIVE = "a_G", "a_G on halves", "adaptive"
OTHERS, ORACLE = "K of others", "oracle K"
METHODS = (
    *(BASE, "K = 4", "K = 16", "K = 32", OTHERS, ORACLE, "half dose", ADAPTIVE),
    *("discriminative", "mean of ranks"),
)


class RatedScores(NamedTuple):
    """Anomaly scores and the clips that they are rated on."""

    scores: Float[np.ndarray, " c"]
    counted: Bool[np.ndarray, " c"]


class SectionScores(NamedTuple):
    """Every method's scores of one section's clips; figures are means over a method's list."""

    rows: Segments
    methods: dict[str, list[RatedScores]]
    settings: dict[str, list[str]]  # those chosen


class Row(NamedTuple):
    """A method's figures for one system, in percent; gains over a_G in points."""

    system: str
    method: str
    all: float  # harmonic mean of AUC and pAUC
    auc: float
    low: float
    high: float
    gain: float
    gain_low: float
    gain_high: float
    gain_low_sections: float  # sections resampled too
    gain_high_sections: float
    settings: str  # how often each was chosen


def score_section(rows: Segments, ks: Sequence[int]) -> SectionScores:
    """Computes the scores of every method that needs one section alone, with these Ks of Eq. 7."""
    a, x = rows.score, rows.feature
    discriminative = x.mean(1, dtype=np.float64)
    single = {f"K = {k}": scores for k, scores in zip(ks, smooth_grid(a, x, ks))}
    single |= {
        BASE: a,
        "half dose": smooth_dose(a, x),
        "discriminative": discriminative,
        "mean of ranks": (rankdata(a) + rankdata(discriminative)) / 2,
    }
    everything = np.ones(len(a), bool)
    methods = {name: [RatedScores(scores, everything)] for name, scores in single.items()}
    methods |= {ADAPTIVE: [], HALVES: []}
    chosen = []
    half = half_of_normals(rows)
    for known in (half, (rows.label == 0) & ~half):
        choice = smooth_adaptively(a[~known], x[~known], a[known], x[known])
        scores = np.zeros(len(a))
        scores[~known] = choice.scores
        methods[ADAPTIVE].append(RatedScores(scores, ~known))
        methods[HALVES].append(RatedScores(a, ~known))
        chosen.append(f"K = {choice.k}, w = {choice.weight:g}" if choice.k > 1 else "a_G kept")
    return SectionScores(rows, methods, {ADAPTIVE: chosen})


def half_of_normals(rows: Segments) -> Bool[np.ndarray, " c"]:
    """Draws half of a section's normal clips of each domain."""
    rng, half = np.random.default_rng(0), np.zeros(len(rows.clip), bool)
    for domain in np.unique(rows.domain):
        normal = rng.permutation(np.flatnonzero((rows.domain == domain) & (rows.label == 0)))
        half[normal[: len(normal) // 2]] = True
    return half


def add_chosen_ks(sections: Sequence[SectionScores], ks: Sequence[int]) -> None:
    """Adds Eq. 7 with the K of a machine type's other sections, and with the oracle's.

    Ties go to the smaller K.
    """
    values = []
    for section in sections:
        grid = np.stack([section.methods[f"K = {k}"][0].scores for k in ks])
        values.append(np.stack(bulk_auc(section.rows.label, grid)))
    for i, section in enumerate(sections):
        others = np.concatenate(values[:i] + values[i + 1 :])
        for name, rated in ((OTHERS, others), (ORACLE, values[i])):
            k = ks[int(harmonic_means(rated).argmax())]
            section.methods[name] = section.methods[f"K = {k}"]
            section.settings[name] = [f"K = {k}"]


def resampled(section: SectionScores, method: str, counts: np.ndarray) -> np.ndarray:
    """Rates a method in every resample.

    Args:
      section: of one machine type.
      method: a key of its methods.
      counts: [b, c] how often each clip is drawn.

    Returns:
      [2, b] AUC and pAUC, fractions of 1.
    """
    label = section.rows.label
    return np.mean(
        [
            bulk_auc(label[counted], scores[None, counted], counts[:, counted])
            for scores, counted in section.methods[method]
        ],
        axis=0,
    )


def system_rows(system: str, sections: Sequence[SectionScores], draws: int) -> list[Row]:
    """Rates one system's methods over all machine types and sections."""
    values: dict[str, list[np.ndarray]] = {method: [] for method in (*METHODS, HALVES)}
    for number, section in enumerate(tqdm(sections, desc=system, leave=False, disable=None)):
        counts = draw_counts(clips_of(section.rows), n_resamples=draws, seed=[0, number])
        counts = np.concatenate([np.ones_like(counts[:1]), counts])
        for method, listed in values.items():
            listed.append(resampled(section, method, counts))
    tables = {method: 100 * np.stack(listed) for method, listed in values.items()}  # [s, 2, 1 + b]
    picks = np.random.default_rng(0).integers(len(sections), size=(draws, len(sections)))

    def by_section(method: str) -> np.ndarray:
        """Harmonic means of resamples of the sections, in each other clips: [b]."""
        drawn = tables[method][picks.T, :, np.arange(1, draws + 1)]
        return harmonic_means(drawn.transpose(0, 2, 1).reshape(-1, draws))

    rows = []
    for method in METHODS:
        table, base = tables[method], HALVES if method == ADAPTIVE else BASE
        means, before = (harmonic_means(t.reshape(-1, draws + 1)) for t in (table, tables[base]))
        gains, settings = means - before, Counter()
        for section in sections:
            settings.update(section.settings.get(method, []))
        rows.append(
            Row(
                system,
                method,
                means[0],
                harmonic_mean(table[:, 0, 0]),
                *interval(means[1:]),
                gains[0],
                *interval(gains[1:]),
                *interval(by_section(method) - by_section(base)),
                "; ".join(f"{name}: {count}" for name, count in settings.most_common()),
            )
        )
    return rows


def to_table(rows: Sequence[Row]) -> Table:
    """Returns a row for each method and system, and what was chosen."""
    lines = []
    for r in rows:
        gain = f"{r.gain:+.2f} [{r.gain_low:+.2f}, {r.gain_high:+.2f}]"
        sections = f"[{r.gain_low_sections:+.2f}, {r.gain_high_sections:+.2f}]"
        figures = [f"{r.all:.2f} ({r.auc:.1f})", f"[{r.low:.2f}, {r.high:.2f}]"]
        figures += ["", ""] if r.method == BASE else [gain, sections]
        lines.append([r.system, r.method, *figures])
    head = ["system", "method", "All (AUC)", "95 %", "gain over a_G, 95 % of clips", "of sections"]
    return Table(head, lines, "Harmonic mean of AUC and pAUC [%], domains pooled")


def main(arguments: list[str] | None = None) -> None:
    """Scores, rates, prints the table and writes the files."""
    parser = make_parser(__doc__ or "")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of score files and features.npz")
    add("--out", type=Path, default=Path("public_scores"), help="without suffix")
    add("--draws", type=int, default=1000, help="bootstrap resamples (default: 1000)")
    options: argparse.Namespace = parser.parse_args(arguments)
    systems = sorted(path for path in options.data.glob("*") if path.is_dir())
    features = options.data / "features.npz"
    if not systems or not features.is_file():
        raise InputError(f"{options.data}: expected folders of score files, and features.npz")
    rows = []
    for system in systems:
        sections = []
        for data in from_score_files({system.name: system}, {"ranks": features}):
            numbers, sizes = np.unique(data.rows.section, return_counts=True)
            if len(numbers) < 2:
                raise InputError(f"{system}, {data.machine}: one section, expected two or more")
            ks = [k for k in KS if k <= sizes.min()]
            machine = [score_section(data.rows.where(data.rows.section == s), ks) for s in numbers]
            add_chosen_ks(machine, ks)
            sections += machine
        rows += system_rows(system.name, sections, options.draws)
    text = to_markdown(to_table(rows))
    print(text)
    write_text(options.out.with_suffix(".md"), text)
    write_text(options.out.with_suffix(".csv"), to_csv([Row._fields, *rows]))


if __name__ == "__main__":
    run_main(main)

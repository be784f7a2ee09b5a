"""How soon a monitor sees a fault, at one false alarm a week, by the evidence that it decides by.

    python experiments/monitor_delay.py --data DIR [--draws 5] [--out monitor_delay]

DIR holds mimii_fan_features.npz, toycar_logmel.npz and machines/uav, or some of them; without it
the synthetic series alone is computed. A stream is a machine's clips one after another, drawn with
replacement: first two weeks of normal clips, in which false alarms are counted; then two weeks in
which a share of the clips, 0.1 to 10 %, are faults. In the synthetic run to failure every clip
after the onset is worse than the one before. Ways to decide, each at p-values conformal to held-out
normals that neither a_G nor f_D was fitted on:

    a_G             the clip's own score
    distance        the distance of its features to the nearest normals of the training
    both            the mean of both ranks, itself ranked
    Eq. 7, K = 16   a_G averaged with that of the 15 nearest of the last 500 clips
    all three       the mean of the three ranks, itself ranked
    joins by rule   what the monitor does: "both"; while the adaptive rule finds that smoothing
                    separates, the three ranks, K the rule's. Every 1000 clips it looks back over
                    the last 512. One part of the known normals chooses, the other gives p-values.

An alarm needs `hits` of the last `window` clips. A clip's copies, which drawing with replacement
makes, are no neighbours of it. A look back takes each recording once, and leaves out so many faults
that their share stays the stream's; the last way is computed for the monitor's own 3 of 5. The
delay is counted from the first faulty clip; a stream without an alarm within its two weeks is
undetected, and counts as a delay beyond all others in the median.

Writes <out>.csv and prints the table.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
from command_line import make_parser, run_main
from paper.delay_evidence import p_values
from paper.delay_streams import Known, Stream, draw_stream, load, run_to_failure
from tqdm import tqdm

from jax_dns.evaluation.tables import Table, to_csv, to_markdown
from jax_dns.files import write_text
from jax_dns.monitor.decisions import Settings, alarm_starts, normals_needed

WAYS = ("a_G", "distance", "both", "Eq. 7, K = 16", "all three", "joins by rule")
SHARES = (0.001, 0.01, 0.03, 0.1)
RULES = ((3, 5), (6, 100))  # hits, window
CLIPS_PER_DAY = {"uav": 144.0}  # else 1440; few known normals can't reach rarer alarms


class Result(NamedTuple):
    """One stream under one rule, by one kind of evidence."""

    source: str
    share: str
    rule: tuple[int, int]
    way: str
    false_alarms: float  # a week
    delay: float  # clips after the first faulty one; infinite where undetected


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = make_parser(__doc__)
    parser.add_argument("--data", type=Path, help="folder of features and recordings")
    parser.add_argument("--out", type=Path, default=Path("monitor_delay"), help="without suffix")
    parser.add_argument("--draws", type=int, default=5, help="streams of each cell and share")
    parser.add_argument("--cells", type=int, help="cells of each source (all)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Computes, writes, prints."""
    options = parse(arguments)
    results = []
    for seed in tqdm(range(options.draws), desc="synthetic", mininterval=5):
        rng = np.random.default_rng([99, seed])
        stream, known = run_to_failure(rng)
        p = p_values(stream, known, 1440.0)
        results += rate(stream, known, p, "synthetic run to failure", "growing", 1440.0)
    cells = load(options.data, options.cells) if options.data else []
    for number, cell in enumerate(tqdm(cells, desc="real", unit="cell", mininterval=5)):
        per_day = CLIPS_PER_DAY.get(cell.source, 1440.0)
        for seed in range(options.draws):
            normal_weeks = None  # the same for every share, as the random numbers are
            for share in SHARES:
                rng = np.random.default_rng([number, seed])
                stream, known = draw_stream(cell, share, per_day, rng)
                place = cell.source, f"{100 * share:g} %", per_day
                p = p_values(stream, known, per_day, normal_weeks)
                normal_weeks = p
                results += rate(stream, known, p, *place)
    table = summarise(results)
    write_text(options.out.with_suffix(".csv"), to_csv([table.head, *table.rows]))
    print(to_markdown(table))


def rate(
    stream: Stream, known: Known, p: dict[str, np.ndarray], source: str, share: str, per_day: float
) -> list[Result]:
    """Counts false alarms and the delay of every rule and way."""
    first = int(stream.fault.argmax()) if stream.fault.any() else len(stream.fault)
    results = []
    for hits, window in RULES:
        settings = Settings(clips_per_day=per_day, hits=hits, window=window)
        if normals_needed(settings.alarm_days, settings) > len(known.score):
            continue
        for way in WAYS:
            if way == "joins by rule" and (hits, window) != RULES[0]:
                continue
            starts = np.flatnonzero(alarm_starts(p[way], settings))
            weeks = first / per_day / 7
            after = starts[starts >= first]
            delay = float(after[0] - first) if len(after) else np.inf
            false = (starts < first).sum() / weeks
            results.append(Result(source, share, (hits, window), way, false, delay))
    return results


def summarise(results: list[Result]) -> Table:
    """Returns one row for each source, share, rule and way: rates and the median delay."""
    groups: dict[tuple, list[Result]] = {}
    for result in results:
        key = result.source, result.share, f"{result.rule[0]} of {result.rule[1]}", result.way
        groups.setdefault(key, []).append(result)
    rows = []
    for key, group in groups.items():
        delays = np.asarray([result.delay for result in group])
        median = np.sort(delays)[len(delays) // 2]
        false = np.mean([result.false_alarms for result in group])
        detected = 100 * np.isfinite(delays).mean()
        shown = f"{median:.0f}" if np.isfinite(median) else "-"
        rows.append([*key, f"{false:.2f}", f"{detected:.0f}", shown, str(len(group))])
    head = ["source", "faults", "hits", "evidence", "false alarms a week", "detected, %"]
    return Table([*head, "median delay, clips", "streams"], rows, "Delay to detection.")


if __name__ == "__main__":
    run_main(main)

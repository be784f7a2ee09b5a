"""`jax-dns smooth`: Eq. 7 on the scores and features of anyone's system."""

from argparse import Namespace
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jax_dns.commands.parser import Parser
from jax_dns.errors import InputError, UsageError, first_three

DESCRIPTION = """Smooth anomaly scores over neighbourhoods in a feature space (Eq. 7 of the paper).

Scores are joined with features by the clips' names. A name that occurs several times is a clip of
several segments: scores and features repeat alike, the i-th row of the one belonging to the i-th of
the other, and the clip's smoothed scores are averaged. Nothing is smoothed across machine types.

  jax-dns smooth --scores scores.csv --features features.npz --k 16 --out smoothed.csv
  jax-dns smooth --scores DIR --features features.npz --k auto --out NEW
  jax-dns evaluate --scores NEW"""


def main(arguments: list[str]) -> None:
    """Reads, joins, smooths, writes."""
    options = _options(arguments)
    from tqdm import tqdm

    from jax_dns.data.clips import UNKNOWN
    from jax_dns.score_files.read_features import read_features
    from jax_dns.score_files.read_labels import with_labels
    from jax_dns.score_files.read_scores import read_scores, read_values

    scores = read_scores(options.scores, machine=options.machine)
    scores = with_labels(scores, options.ground_truth)
    features = read_features(options.features, list(scores))
    for rows in scores.values():
        if options.official and (rows.section == UNKNOWN).any():
            names = first_three(rows.clip[rows.section == UNKNOWN])
            raise InputError(
                f"--out: {options.out}, expected a .csv, as names carry no section, which the "
                f"official layout needs: {names}"
            )
    given: dict[str, Any] = {"groups": {}, "pool": {}}
    for name, words, expected in (
        ("groups", ("section", "none", None), "group"),
        ("pool", ("all", "source"), "0|1"),
    ):
        if getattr(options, name) not in words:
            given[name] = read_values(Path(getattr(options, name)), scores, expected=expected)
    results = {}
    for machine in tqdm(scores, desc="smooth", unit="machine", disable=len(scores) == 1):
        try:
            results[machine] = _smooth_machine(
                scores[machine],
                features[machine],
                options,
                machine,
                {name: values.get(machine) for name, values in given.items()},
            )
        except InputError as error:
            raise InputError(f"{machine}: {error}") from error
    _write(options, results)


def _options(arguments: list[str]) -> Namespace:
    parser = Parser("smooth", DESCRIPTION)
    add = parser.add_argument
    add(
        "--scores",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help="CSV of name,score, or a folder of the official anomaly_score_<machine>_section_SS_"
        "<source|target>_test.csv",
    )
    add(
        "--features",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help=".npz of name [n] and feature [n, d], with machine [n] where there are several; or a "
        "folder of <machine>.npz; or, for a single CSV, an .npy, row by row",
    )
    add(
        "--k",
        required=True,
        metavar="N|auto",
        help="neighbours, the item itself counted; or auto: the best power of two by "
        "the harmonic mean of AUC and pAUC, for each machine type, which takes labels",
    )
    add(
        "--out",
        required=True,
        type=Path,
        metavar="PATH",
        help="a .csv of name,score, or a folder in the official layout",
    )
    add(
        "--groups",
        metavar="section|none|FILE",
        help="whose neighbours may be whose: the same section (default where names carry it), "
        "anyone, or as a CSV of name,group says",
    )
    add(
        "--pool",
        default="all",
        metavar="all|source|FILE",
        help="who may be a neighbour: anyone (default), the source domain, or as a CSV of name,0|1 "
        "says",
    )
    add(
        "--unit",
        default="segment",
        choices=("segment", "clip"),
        help="segment: smooth, then average over clips (default); clip: before",
    )
    add("--metric", default="euclidean", choices=("euclidean", "cosine"))
    add(
        "--ground-truth",
        type=Path,
        metavar="DIR|FILE",
        help="labels that the names don't carry; see jax-dns evaluate --help",
    )
    add(
        "--select-sections",
        type=_sections,
        metavar="0,1,...",
        help="with --k auto: sections to choose K on (default: all that are labelled)",
    )
    add(
        "--domains",
        default="pooled",
        choices=("pooled", "apart"),
        help="with --k auto: one AUC a section, or one a section and domain",
    )
    add(
        "--machine",
        default="",
        metavar="NAME",
        help="machine type of a single CSV (default: from its name)",
    )
    options = parser.parse_args(arguments)
    options.official = options.out.suffix.lower() != ".csv"
    if options.k != "auto" and not (options.k.isascii() and options.k.isdigit() and int(options.k)):
        raise UsageError(f"--k: {options.k!r}, expected a whole number of at least 1, or auto")
    if options.select_sections is not None and options.k != "auto":
        raise UsageError("--select-sections is for --k auto")
    if options.scores.is_dir() and not options.official:
        raise UsageError(f"--out: {options.out}, expected a folder, as --scores is one")
    if options.scores.is_dir() and options.machine:
        raise UsageError("--machine is for a single CSV; a folder's files name their machine types")
    if options.out.resolve() == options.scores.resolve():
        raise UsageError(f"--out: {options.out} is what --scores reads, expected another place")
    return options


def _sections(text: str) -> list[int]:
    return [int(section) for section in text.split(",")]


def _smooth_machine(
    scores: Any, features: Any, options: Namespace, machine: str, given: Mapping[str, Any]
) -> Any:
    """Smooths one machine type's scores and says how; returns its clips and their scores."""
    import numpy as np
    from tqdm import tqdm

    from jax_dns.score_files.join import join, largest_k, smooth_clips
    from jax_dns.score_files.select_k import before_and_after, best_k, k_table
    from jax_dns.segments_file import clip_mean

    rows = join(scores, features, unit=options.unit)
    groups, pool = _neighbourhoods(rows, options, given)
    largest, why = largest_k(rows, groups=groups, pool=pool)
    auto = options.k == "auto"
    ks = [2**i for i in range(largest.bit_length())] if auto else [int(options.k)]
    if ks[-1] > largest:
        raise InputError(f"--k: {ks[-1]}, expected at most {largest}: {why}")
    clips, grid = smooth_clips(rows, ks, groups=groups, pool=pool, metric=options.metric)
    row, how = 0, ""
    if auto:
        pooled = options.domains == "pooled"
        chosen = best_k(clips, ks, grid, sections=options.select_sections, pooled=pooled)
        row, how = ks.index(chosen.k), f", {chosen.how}"
        table = k_table(chosen, title=machine, pooled=pooled)
    else:
        table = before_and_after(clips, clip_mean(clips, rows.score), grid[row])
    segments = "" if len(rows.clip) == len(clips.name) else f" of {len(rows.clip)} segments"
    n_groups = len(np.unique(groups))
    tqdm.write(
        f"{machine}: {len(clips.name)} clips{segments}, {n_groups} group{'s' * (n_groups > 1)}, "
        f"{int(pool.sum())} of {len(pool)} rows in the pool, K = {ks[row]}{how}"
    )
    if table:
        tqdm.write(f"{table}\n")
    return clips, grid[row]


def _neighbourhoods(rows: Any, options: Namespace, given: Mapping[str, Any]) -> tuple[Any, Any]:
    """Groups and pool of one machine type's rows."""
    import numpy as np

    from jax_dns.score_files.join import given_values, section_groups, source_pool

    if given["groups"] is not None:
        values = given_values(rows, given["groups"], source=options.groups)
        groups = np.unique(values, return_inverse=True)[1]
    elif options.groups == "none":
        groups = np.zeros(len(rows.clip), np.int64)
    else:
        groups = section_groups(rows, needed=options.groups == "section")
    if given["pool"] is not None:
        return groups, given_values(rows, given["pool"], source=options.pool) == "1"
    if options.pool == "source":
        return groups, source_pool(rows)
    return groups, np.ones(len(rows.clip), bool)


def _write(options: Namespace, results: Mapping[str, Any]) -> None:
    """Writes the clip scores of every machine type."""
    from jax_dns.evaluation.tables import to_csv
    from jax_dns.files import write_text
    from jax_dns.score_files.official import anomaly_score_files

    if not options.official:
        ((clips, smoothed),) = results.values()
        lines: Iterable[Any] = zip(clips.name, (repr(float(score)) for score in smoothed))
        write_text(options.out, to_csv([("name", "score"), *lines]))
        print(f"written: {options.out}")
        return
    files = {
        name: text
        for machine, (clips, smoothed) in results.items()
        for name, text in anomaly_score_files(machine, clips, smoothed).items()
    }
    others = {path.name for path in options.out.glob("anomaly_score_*.csv")} - set(files)
    if others:
        raise InputError(
            f"{options.out}: holds other scores already, {sorted(others)[0]} "
            "(expected a new folder, or one with the same files)"
        )
    if options.scores.resolve() in {(options.out / name).resolve() for name in files}:
        raise InputError(f"{options.scores}: would be overwritten (expected another --out)")
    for name, text in files.items():
        write_text(options.out / name, text)
    print(f"written: {len(files)} files in {options.out}")

"""`jax-dns smooth`: Eq. 7 on the scores and features of anyone's system."""

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jax_dns.commands.parser import Parser, add_score_options, check_score_options
from jax_dns.errors import InputError, UsageError, first_three

DESCRIPTION = """Smooth anomaly scores over neighbourhoods in a feature space (Eq. 7 of the paper).

Scores are joined with features by the clips' names, full paths by their base names. A name that
occurs several times is a clip of several segments: the i-th row of its scores belongs to the i-th
row of its features, and its smoothed scores are averaged. Machine types are smoothed separately.

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
    from jax_dns.score_files.write_scores import write_folder, write_table

    scores, matches = with_labels(
        read_scores(
            options.scores,
            machine=options.machine,
            column=options.column,
            name_key=options.name_key,
        ),
        options.ground_truth,
    )
    if len(scores) > 1 and not options.official:
        raise InputError(f"--out: {options.out}, expected a folder: there are {', '.join(scores)}")
    features = read_features(
        options.features,
        list(scores),
        name_key=options.name_key,
        feature_key=options.feature_key,
    )
    for rows in scores.values():
        if options.official and (rows.section == UNKNOWN).any():
            names = first_three(rows.clip[rows.section == UNKNOWN])
            raise InputError(
                f"--out: {options.out}, expected a .csv, as names carry no section, which the "
                f"official layout needs: {names}"
            )
    values: dict[str, Any] = {"groups": {}, "pool": {}}
    for name, words, expected in (
        ("groups", ("section", "none", None), "group"),
        ("pool", ("all", "source"), "0|1"),
    ):
        if getattr(options, name) not in words:
            path = Path(getattr(options, name))
            values[name] = read_values(path, list(scores), expected=expected)
    results = {}
    for machine in tqdm(scores, desc="smooth", unit="machine", disable=len(scores) == 1):
        if machine in matches:
            tqdm.write(f"{machine}: labels of {matches[machine]}")
        try:
            results[machine] = _smooth_machine(
                scores[machine],
                features[machine],
                options,
                machine,
                {name: by_machine.get(machine) for name, by_machine in values.items()},
            )
        except InputError as error:
            raise InputError(f"{machine}: {error}") from error
    if options.official:
        written = write_folder(options.out, results, source=options.scores)
        print(f"written: {written} files in {options.out}")
    else:
        write_table(options.out, next(iter(results.values())))
        print(f"written: {options.out}")


def _options(arguments: list[str]) -> Namespace:
    parser = Parser("smooth", DESCRIPTION)
    add_score_options(parser)
    add = parser.add_argument
    add(
        "--features",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help=".npz of name [n] and feature [n, d]; CSV or Parquet file of names and features; a "
        "folder of <machine>.npz, .csv or .parquet; or, for a single file of scores, an .npy whose "
        "rows are in the scores' order. A file with several machine types has `machine` too",
    )
    add(
        "--feature-key",
        default="",
        metavar="NAME",
        help="array of features, or beginning of their columns' names (default: feature)",
    )
    add(
        "--k",
        required=True,
        metavar="N[,N...]|auto",
        help="number of neighbours, the item itself counted; several give a result each; auto: for "
        "each machine type the power of two with the largest harmonic mean of AUC and pAUC, which "
        "needs labels",
    )
    add(
        "--out",
        required=True,
        type=Path,
        metavar="FILE|DIR",
        help="a .csv of name,score, or a folder for official files, named as the scores' are",
    )
    add(
        "--groups",
        metavar="section|none|FILE",
        help="neighbours are of the same group: the section (default if names carry it), none: one "
        "group, or the group that a CSV of name,group gives",
    )
    add(
        "--pool",
        default="all",
        metavar="all|source|FILE",
        help="which clips may be neighbours: all (default), those of the source domain, or those "
        "with 1 in a CSV of name,0|1",
    )
    add(
        "--unit",
        default="segment",
        choices=("segment", "clip"),
        help="segment: smooth, then average over each clip (default); clip: average, then smooth",
    )
    add(
        "--metric",
        default="euclidean",
        choices=("euclidean", "cosine"),
        help="distance between features (default: euclidean)",
    )
    add(
        "--select-sections",
        type=_numbers,
        metavar="0,1,...",
        help="with --k auto: sections to choose K on (default: all that are labelled)",
    )
    add(
        "--domains",
        default="pooled",
        choices=("pooled", "apart"),
        help="with --k auto: one AUC for each section (default), or for each section and domain",
    )
    options = parser.parse_args(arguments)
    check_score_options(options)
    options.official = options.out.suffix.lower() != ".csv"
    options.ks = None if options.k == "auto" else _ks(options.k)
    if options.select_sections is not None and options.ks is not None:
        raise UsageError("--select-sections is for --k auto")
    if options.scores.is_dir() and not options.official:
        raise UsageError(f"--out: {options.out}, expected a folder, as --scores is one")
    if options.out.resolve() == options.scores.resolve():
        raise UsageError(f"--out: {options.out} is what --scores reads, expected another place")
    return options


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


def _ks(text: str) -> list[int]:
    """Returns the Ks in the order given, each once."""
    ks = [part.strip() for part in text.split(",")]
    if not all(k.isascii() and k.isdigit() and int(k) for k in ks):
        raise UsageError(f"--k: {text!r}, expected whole numbers of at least 1, or auto")
    return list(dict.fromkeys(map(int, ks)))


def _smooth_machine(
    scores: Any, features: Any, options: Namespace, machine: str, values: Mapping[str, Any]
) -> Any:
    """Smooths one machine type's scores, and prints how."""
    import numpy as np
    from tqdm import tqdm

    from jax_dns.score_files.join import join
    from jax_dns.score_files.select_k import before_and_after, k_table
    from jax_dns.score_files.smooth_scores import smooth_scores

    rows, match = join(scores, features, unit=options.unit)
    if match:
        tqdm.write(f"{machine}: features of {match}")
    groups, pool = _groups_and_pool(rows, options, values, machine)
    pooled = options.domains == "pooled"
    result = smooth_scores(
        rows,
        options.ks,
        groups=groups,
        pool=pool,
        metric=options.metric,
        sections=options.select_sections,
        pooled=pooled,
    )
    n_clips, n_groups = len(result.clips.name), len(np.unique(groups))
    segments = "" if len(rows.clip) == n_clips else f" of {len(rows.clip)} segments"
    how = f", {result.selected.how}" if result.selected else ""
    tqdm.write(
        f"{machine}: {n_clips} clips{segments}, {n_groups} group{'s' * (n_groups > 1)}, "
        f"{int(pool.sum())} of {len(pool)} rows in the pool, "
        f"K = {', '.join(map(str, result.after))}{how}"
    )
    if result.selected:
        table = k_table(result.selected, title=machine, pooled=pooled)
    else:
        table = before_and_after(result.clips, result.before, result.after)
    if table:
        tqdm.write(f"{table}\n")
    return result


def _groups_and_pool(
    rows: Any, options: Namespace, values: Mapping[str, Any], machine: str
) -> tuple[Any, Any]:
    """Returns groups and pool of one machine type's rows."""
    import numpy as np
    from tqdm import tqdm

    from jax_dns.score_files.join import section_groups, source_pool, values_of_clips

    if values["groups"] is not None:
        texts, match = values_of_clips(rows, values["groups"], source=options.groups)
        tqdm.write(f"{machine}: groups of {match}")
        groups = np.unique(texts, return_inverse=True)[1]
    elif options.groups == "none":
        groups = np.zeros(len(rows.clip), np.int64)
    else:
        groups = section_groups(rows, needed=options.groups == "section")
    if values["pool"] is not None:
        texts, match = values_of_clips(rows, values["pool"], source=options.pool)
        tqdm.write(f"{machine}: pool of {match}")
        return groups, texts == "1"
    if options.pool == "source":
        return groups, source_pool(rows)
    return groups, np.ones(len(rows.clip), bool)

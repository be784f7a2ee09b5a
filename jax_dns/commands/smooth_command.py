"""`jax-dns smooth`: Eq. 7 on the scores and features of anyone's system."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from jax_dns.commands.smooth_options import read_options
from jax_dns.errors import InputError, NoNameKeyError, first_three
from jax_dns.files import local_path
from jax_dns.wording import counted

T = TypeVar("T")
PRESUPPOSED = (
    "A K for all clips presupposes that anomalies have anomalies near them: where anomalies are "
    "rare it averages them away, however well it does on a test set that is half anomalies "
    "(--k adaptive keeps such scores, --dose 0.5 harms them less)."
)


def main(arguments: list[str]) -> None:
    """Reads, joins, smooths, writes."""
    options = read_options(arguments)
    from tqdm import tqdm

    from jax_dns.data.clips import UNKNOWN
    from jax_dns.score_files.read_features import read_features
    from jax_dns.score_files.read_labels import with_labels
    from jax_dns.score_files.read_scores import read_scores, read_values
    from jax_dns.score_files.write_scores import write_folder, write_table

    read, in_scores = _by_name_key(
        lambda key: read_scores(
            options.scores, machine=options.machine, column=options.column, name_key=key
        ),
        options.name_key,
    )
    scores, matches = with_labels(read, options.ground_truth)
    if len(scores) > 1 and not options.official:
        raise InputError(f"--out: {options.out}, expected a folder: there are {', '.join(scores)}")
    features, in_features = _by_name_key(
        lambda key: read_features(
            options.features, list(scores), name_key=key, feature_key=options.feature_key
        ),
        options.name_key,
    )
    if options.name_key and not (in_scores or in_features):
        raise InputError(
            f"--name-key: neither {options.scores} nor {options.features} has names in "
            f"{options.name_key}"
        )
    for rows in scores.values():
        if options.official and (rows.section == UNKNOWN).any():
            names = first_three(rows.clip[rows.section == UNKNOWN])
            raise InputError(
                f"--out: {options.out}, expected a .csv, as names carry no section, which the "
                f"official layout needs: {names}"
            )
    known = {}
    if options.known_normals:
        machine = options.machine or (next(iter(scores)) if len(scores) == 1 else "")
        known, _ = _by_name_key(
            lambda key: read_scores(
                options.known_normals, machine=machine, column=options.column, name_key=key
            ),
            options.name_key,
        )
    elif options.ks != [1]:
        print(PRESUPPOSED)
    values: dict[str, Any] = {"groups": {}, "pool": {}}
    for name, words, expected in (
        ("groups", ("section", "none", None), "group"),
        ("pool", ("all", "source"), "0|1"),
    ):
        if getattr(options, name) not in words:
            path = local_path(getattr(options, name), f"--{name}")
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
                known.get(machine),
            )
        except InputError as error:
            raise InputError(f"{machine}: {error}") from error
    if options.official:
        written = write_folder(options.out, results, source=options.scores)
        print(f"written: {counted(written, 'file')} in {options.out}")
    else:
        write_table(options.out, next(iter(results.values())))
        print(f"written: {options.out}")


def _by_name_key(read: Callable[[str], T], key: str) -> tuple[T, bool]:
    """Reads a file by --name-key, or by the usual names where the key is another file's.

    Args:
      read: a function of the key; "" stands for the usual names.
      key: of the command line.

    Returns:
      What was read, and whether by the key.
    """
    try:
        return read(key), bool(key)
    except NoNameKeyError:
        return read(""), False


def _smooth_adaptively(
    scores: Any,
    features: Any,
    options: Namespace,
    machine: str,
    values: Mapping[str, Any],
    known: Any,
) -> Any:
    """Smooths one machine type's clips by known normals, and prints each group's choice."""
    import numpy as np
    from tqdm import tqdm

    from jax_dns.score_files.adaptive_scores import smooth_scores_adaptively, with_known_normals
    from jax_dns.score_files.join import join
    from jax_dns.score_files.select_k import before_and_after
    from jax_dns.smoothing.separation import GATE

    if known is None:
        raise InputError(f"{options.known_normals}: no scores (expected known normal clips)")
    rows, match = join(with_known_normals(scores, known), features, unit="clip")
    if match:
        tqdm.write(f"{machine}: features of {match}")
    groups, _ = _groups_and_pool(rows, options, values, machine)
    result, choices = smooth_scores_adaptively(
        rows,
        np.isin(rows.clip, known.clip),
        groups=groups,
        gate=GATE if options.gate is None else options.gate,
        metric=options.metric,
    )
    noun = "section" if options.groups in (None, "section") else "group"
    for group, choice in choices.items():
        name = f"{machine} {noun} {group:02d}" if len(choices) > 1 else machine
        tqdm.write(f"{name}: {choice.description}")
    if table := before_and_after(result.clips, result.before, result.after):
        tqdm.write(f"{table}\n")
    return result


def _smooth_machine(
    scores: Any,
    features: Any,
    options: Namespace,
    machine: str,
    values: Mapping[str, Any],
    known: Any,
) -> Any:
    """Smooths one machine type's scores, and prints how."""
    if options.k == "adaptive":
        return _smooth_adaptively(scores, features, options, machine, values, known)
    import numpy as np
    from tqdm import tqdm

    from jax_dns.score_files.adaptive_scores import smooth_scores_by_dose
    from jax_dns.score_files.join import join
    from jax_dns.score_files.select_k import before_and_after, k_table
    from jax_dns.score_files.smooth_scores import smooth_scores

    rows, match = join(scores, features, unit=options.unit)
    if match:
        tqdm.write(f"{machine}: features of {match}")
    groups, pool = _groups_and_pool(rows, options, values, machine)
    pooled = options.domains == "pooled"
    common = dict(groups=groups, pool=pool, metric=options.metric)
    if options.dose is not None:
        result = smooth_scores_by_dose(rows, options.ks, options.dose, **common)
    else:
        result = smooth_scores(
            rows, options.ks, sections=options.select_sections, pooled=pooled, **common
        )
    n_clips, n_groups = len(result.clips.name), len(np.unique(groups))
    segments = "" if len(rows.clip) == n_clips else f" of {len(rows.clip)} segments"
    how = f", {result.selected.how}" if result.selected else ""
    how += f", dose {options.dose:g}" if options.dose is not None else ""
    tqdm.write(
        f"{machine}: {counted(n_clips, 'clip')}{segments}, {counted(n_groups, 'group')}, "
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

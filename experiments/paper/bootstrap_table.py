"""Table II of finished runs: every entry, for each seed and each bootstrap resample."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from jaxtyping import Float, Int, Shaped
from ml_collections import ConfigDict
from paper.comparison import Entries, Entry, order_methods
from paper.published import TOYCAR_5, TOYCAR_5_MACHINE, TOYCAR_5_SECTION

from jax_dns.errors import InputError, first_three
from jax_dns.evaluation.bootstrap import draw_counts, harmonic_means, resampled_summary
from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.evaluation.metrics import POOLED, harmonic_mean
from jax_dns.evaluation.results import MethodResult
from jax_dns.evaluation.tables import ALL
from jax_dns.pipeline.method_results import READINGS, MachineResults, RunResults
from jax_dns.pipeline.select import ChosenRows, chosen_rows
from jax_dns.segments_file import Clips

Counts = Mapping[str, Mapping[str, Int[np.ndarray, " b"]]]  # machine type -> clip -> counts


def draw_clips(
    results: RunResults,
    *,
    n_resamples: int,
    seed: int,
    recordings: Mapping[str, Mapping[str, str]] | None = None,
) -> Counts:
    """Draws each machine type's clips, once for all methods, settings and seeds of training.

    Args:
      results: of every seed and machine type, with the same test clips for every seed.
      n_resamples: b.
      seed: of the draws. A machine type's draws do not depend on the other machine types.
      recordings: machine type -> clip -> the recording it was cut from, where known.

    Returns:
      How often each clip occurs in each resample.

    Raises:
      InputError: seeds with different test clips, or labelled clips that a manifest lacks.
    """
    first_seed, by_machine = next(iter(results.items()))
    counts = {}
    for machine, one in by_machine.items():
        names = set(one.clips.name)
        for other_seed, others in results.items():
            differing = names ^ set(others[machine].clips.name)
            if differing:
                raise InputError(
                    f"{machine}: the test clips of seed {other_seed} differ from those of seed "
                    f"{first_seed}: {first_three(sorted(differing))}"
                )
        drawn = draw_counts(
            one.clips,
            n_resamples=n_resamples,
            seed=[seed, crc32(machine.encode())],
            recording=_recordings(machine, one.clips, (recordings or {}).get(machine)),
        )
        counts[machine] = dict(zip(one.clips.name, drawn.T))
    return counts


def _recordings(
    machine: str, clips: Clips, by_clip: Mapping[str, str] | None
) -> Shaped[np.ndarray, " c"] | None:
    """Returns each clip's recording; None where the clips themselves are drawn."""
    if by_clip is None:
        return None
    missing = [name for name in clips.name[clips.label >= 0] if name not in by_clip]
    if missing:
        raise InputError(f"{machine}: the manifest names no recording of {first_three(missing)}")
    return np.asarray([by_clip.get(name, name) for name in clips.name])


def choose_rows(config: ConfigDict, results: RunResults, reading: str) -> ChosenRows:
    """Chooses the rows of Table II for every machine type, and for ToyCar-5 where it exists.

    ToyCar-5 is the AUC in section 5 with the settings selected for ToyCar. Its oracle is the
    setting with the largest such AUC (ties: smaller K, then Source).

    Args:
      config: of the run.
      results: of every seed and machine type.
      reading: of the domains, a key of READINGS.

    Returns:
      Seed -> column of Table II -> its rows.
    """
    chosen = chosen_rows(config, results, reading)
    if TOYCAR_5_SECTION not in config.data.eval_sections:
        return chosen
    columns = {}
    for seed, by_machine in chosen.items():
        toycar = results[seed].get(TOYCAR_5_MACHINE)
        rows = _toycar_5_rows(toycar, by_machine.get(TOYCAR_5_MACHINE, []), reading)
        columns[seed] = {**by_machine, **({TOYCAR_5: rows} if rows else {})}
    return columns


def _toycar_5_rows(
    toycar: MachineResults | None, rows: Sequence[TableRow], reading: str
) -> list[TableRow]:
    """Returns the column ToyCar-5 of one seed; empty where section 5 has no labels."""

    def auc(result: MethodResult) -> float:
        return harmonic_mean(
            metrics.auc
            for metrics in result.metrics
            if metrics.section == TOYCAR_5_SECTION
            and (metrics.domain == POOLED) == READINGS[reading]
        )

    toycar_5 = []
    for row in rows:
        result = row.result
        if row.is_oracle:
            result = min(
                (r for r in toycar.results if r.method == row.result.method),
                key=lambda r: (-auc(r), r.value, r.data != "source"),
            )
        if not np.isnan(auc(result)):
            toycar_5.append(row._replace(result=result, evaluation=auc(result)))
    return toycar_5


def make_entries(
    config: ConfigDict, results: RunResults, chosen: ChosenRows, counts: Counts, reading: str
) -> Entries:
    """Makes every entry of Table II, All-hmean included, with its resamples.

    Settings and scores are held fixed. Only the clips are drawn, the same ones for every method and
    seed. A method that some machine type lacks has no All-hmean.

    Args:
      config: of the run.
      results: of every seed and machine type.
      chosen: of `choose_rows`.
      counts: of `draw_clips`.
      reading: of the domains, a key of READINGS.

    Returns:
      Method -> column -> entry.
    """
    columns = list(next(iter(chosen.values())))
    entries: dict[str, dict[str, Entry]] = {}
    for column in columns:
        pairs: dict[str, list[tuple[float, Float[np.ndarray, " b"]]]] = {}
        for seed, by_column in chosen.items():
            for row in by_column.get(column, []):
                if not np.isnan(row.evaluation):
                    resamples = _resample(
                        config, results[seed], row.result, column, counts, reading
                    )
                    pairs.setdefault(row.label, []).append((row.evaluation, resamples))
        for method, by_seed in pairs.items():
            if len(by_seed) == len(chosen):
                values, resamples = zip(*by_seed)
                entries.setdefault(method, {})[column] = Entry(list(values), np.stack(resamples))
    machines = [column for column in columns if column != TOYCAR_5]
    for by_column in entries.values():
        if all(machine in by_column for machine in machines):
            parts = [by_column[machine] for machine in machines]
            values = [harmonic_mean(v) for v in zip(*(part.values for part in parts))]
            resamples = harmonic_means(np.stack([part.resamples for part in parts]))
            by_column[ALL] = Entry(values, resamples)
    return {method: entries[method] for method in order_methods(entries)}


def _resample(
    config: ConfigDict,
    by_machine: Mapping[str, MachineResults],
    result: MethodResult,
    column: str,
    counts: Counts,
    reading: str,
) -> Float[np.ndarray, " b"]:
    """Evaluates one entry of one seed in every resample; empty without resamples."""
    is_toycar_5 = column == TOYCAR_5
    machine = TOYCAR_5_MACHINE if is_toycar_5 else column
    sections = (TOYCAR_5_SECTION,) if is_toycar_5 else tuple(config.data.eval_sections)
    clips = by_machine[machine].clips
    rows = np.isin(clips.section, sections)
    columns = {name: getattr(clips, name)[rows] for name in ("name", "section", "domain", "label")}
    of_clips = np.stack([counts[machine][name] for name in columns["name"]], 1)
    if not len(of_clips):
        return np.empty(0)
    return resampled_summary(
        clips._replace(**columns),
        result.scores[rows],
        of_clips,
        sections=sections,
        pooled=READINGS[reading],
        partial=not is_toycar_5,
    )

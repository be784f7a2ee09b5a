"""Table II of finished runs with bootstrap resamples: every figure, seed and resample."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import numpy as np
from jaxtyping import Float, Int, Shaped
from ml_collections import ConfigDict
from paper.comparison import Entries, Entry, in_order
from paper.published import TOYCAR_5, TOYCAR_5_PLACE

from jax_dns.errors import InputError, first_three
from jax_dns.evaluation.bootstrap import draw_counts, harmonic_means, resampled_summary
from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.evaluation.metrics import POOLED, harmonic_mean
from jax_dns.evaluation.results import MethodResult
from jax_dns.evaluation.tables import ALL
from jax_dns.pipeline.select import Chosen, chosen_settings
from jax_dns.pipeline.smooth import READINGS, MachineResults, RunResults
from jax_dns.segments_file import Clips

Counts = Mapping[str, Mapping[str, Int[np.ndarray, " b"]]]  # machine type -> clip -> counts


def draw(
    found: RunResults,
    *,
    n_resamples: int,
    seed: int,
    recordings: Mapping[str, Mapping[str, str]] | None = None,
) -> Counts:
    """Draws the clips of each machine type, once for all methods, settings and seeds of training.

    Args:
      found: of every seed and machine type; the seeds' test clips must be the same.
      n_resamples: b.
      seed: of the draws; each machine type draws by itself, whichever others there are.
      recordings: machine type -> clip -> the recording it was cut from, where known.

    Returns:
      How often each clip occurs in each resample.

    Raises:
      InputError: seeds with different test clips, or labelled clips that a manifest lacks.
    """
    first = next(iter(found.values()))
    counts = {}
    for machine, one in first.items():
        clips = one.clips
        for number, machines in found.items():
            other = machines[machine].clips.name
            if set(other) != set(clips.name):
                differ = sorted(set(other) ^ set(clips.name))
                raise InputError(
                    f"{machine}: the test clips of seed {number} differ from those of seed "
                    f"{next(iter(found))}: {first_three(differ)}"
                )
        unit = _recordings(machine, clips, (recordings or {}).get(machine))
        drawn = draw_counts(
            clips, n_resamples=n_resamples, seed=[seed, crc32(machine.encode())], recording=unit
        )
        counts[machine] = dict(zip(clips.name, drawn.T))
    return counts


def _recordings(
    machine: str, clips: Clips, named: Mapping[str, str] | None
) -> Shaped[np.ndarray, " c"] | None:
    if named is None:
        return None
    lacking = [name for name in clips.name[clips.label >= 0] if name not in named]
    if lacking:
        raise InputError(f"{machine}: the manifest names no recording of {first_three(lacking)}")
    return np.asarray([named.get(name, name) for name in clips.name])


def choose(config: ConfigDict, found: RunResults, reading: str) -> Chosen:
    """The rows of Table II of every seed and machine type, and of ToyCar-5 where there is one.

    ToyCar-5 is ToyCar's AUC in section 5 in the settings selected for ToyCar; its oracle is the
    setting with the largest such AUC (ties: smaller K, then Source).
    """
    chosen = chosen_settings(config, found, reading)
    machine, section = TOYCAR_5_PLACE
    if section not in config.data.eval_sections:
        return chosen
    return {
        seed: {**columns, **_toycar_5(found[seed].get(machine), columns.get(machine, []), reading)}
        for seed, columns in chosen.items()
    }


def _toycar_5(
    found: MachineResults | None, rows: Sequence[TableRow], reading: str
) -> dict[str, list[TableRow]]:
    """The column ToyCar-5 of one seed; nothing where section 5 isn't labelled or isn't there."""

    def value(candidate: MethodResult) -> float:
        return harmonic_mean(
            cell.auc
            for cell in candidate.metrics
            if cell.section == TOYCAR_5_PLACE[1] and (cell.domain == POOLED) == READINGS[reading]
        )

    kept = []
    for row in rows:
        result = row.result
        if row.is_oracle:
            result = min(
                (r for r in found.candidates if r.method == row.result.method),
                key=lambda r: (-value(r), r.value, r.data != "source"),
            )
        if not np.isnan(value(result)):
            kept.append(row._replace(result=result, evaluation=value(result)))
    return {TOYCAR_5: kept} if kept else {}


def entries(
    config: ConfigDict, found: RunResults, chosen: Chosen, counts: Counts, reading: str
) -> Entries:
    """Every figure of Table II, All-hmean included, with its resamples.

    Settings and scores are held fixed; only the clips are drawn, the same for every method and
    seed. A method that some machine type lacks has no All-hmean.
    """
    columns = list(next(iter(chosen.values())))
    machines = [column for column in columns if column != TOYCAR_5]
    out: dict[str, dict[str, Entry]] = {}
    for column in columns:
        rows: dict[str, list[tuple[float, Float[np.ndarray, " b"]]]] = {}
        for seed, by_column in chosen.items():
            for choice in by_column.get(column, []):
                if not np.isnan(choice.evaluation):
                    drawn = _resampled(config, found[seed], choice.result, column, counts, reading)
                    rows.setdefault(choice.label, []).append((choice.evaluation, drawn))
        for method, pairs in rows.items():
            if len(pairs) == len(chosen):
                values, draws = zip(*pairs)
                out.setdefault(method, {})[column] = Entry(list(values), np.stack(draws))
    for by_column in out.values():
        here = [by_column[machine] for machine in machines if machine in by_column]
        if len(here) == len(machines):
            values = [harmonic_mean(v) for v in zip(*(entry.values for entry in here))]
            by_column[ALL] = Entry(values, harmonic_means(np.stack([e.draws for e in here])))
    return {method: out[method] for method in in_order(out)}


def _resampled(
    config: ConfigDict,
    found: Mapping[str, MachineResults],
    candidate: MethodResult,
    column: str,
    counts: Counts,
    reading: str,
) -> Float[np.ndarray, " b"]:
    """One figure of one seed in every resample."""
    short = column == TOYCAR_5
    machine = TOYCAR_5_PLACE[0] if short else column
    clips = found[machine].clips
    sections = TOYCAR_5_PLACE[1:] if short else tuple(config.data.eval_sections)
    rows = np.isin(clips.section, sections)
    kept = clips._replace(**{n: getattr(clips, n)[rows] for n in Clips._fields if n != "row"})
    return resampled_summary(
        kept,
        candidate.scores[rows],
        np.stack([counts[machine][name] for name in kept.name], 1),
        sections=sections,
        pooled=READINGS[reading],
        partial=not short,
    )

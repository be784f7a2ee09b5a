"""The select stage: hyperparameters chosen on the development sections."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import ORACLE_SUFFIX, MethodResult
from jax_dns.files import write_json
from jax_dns.fingerprints import read_stamp
from jax_dns.pipeline.method_results import READINGS, MachineResults, RunResults, table_rows

SELECTION = "selection"  # .json, in a machine type's folder
ChosenRows = Mapping[int, Mapping[str, Sequence[TableRow]]]  # seed -> machine type -> rows


def write_selection(config: ConfigDict, results: MachineResults, folder: Path) -> None:
    """Writes the chosen settings; keeps earlier ones where there are no labels to choose by."""
    if not any(result.metrics for result in results.results):
        return
    selection = {
        reading: {
            row.label: {"value": row.result.value, "data": row.result.data}
            for row in table_rows(config, results, reading)
        }
        for reading in READINGS
    }
    write_json(folder / f"{SELECTION}.json", {"format_version": 1} | selection)


def read_selection(folder: Path, reading: str, *, strict: bool = False) -> dict[str, dict]:
    """Reads the settings chosen under a reading of the domains; see `read_stamp` for `strict`."""
    return read_stamp(folder, SELECTION, strict=strict).get(reading, {})


def chosen_rows(config: ConfigDict, results: RunResults, reading: str) -> ChosenRows:
    """Returns the rows of Table II of every seed and machine type."""
    return {
        seed: {machine: table_rows(config, r, reading) for machine, r in by_machine.items()}
        for seed, by_machine in results.items()
    }


def method_rows(chosen: ChosenRows) -> dict[str, dict[str, list[float]]]:
    """Returns method -> machine type -> each seed's value, fractions of 1."""
    rows: dict[str, dict[str, list[float]]] = {}
    for machine in next(iter(chosen.values())):
        for by_machine in chosen.values():
            for row in by_machine[machine]:
                rows.setdefault(row.label, {}).setdefault(machine, []).append(row.evaluation)
    return rows


def setting_rows(chosen: ChosenRows) -> dict[str, list[str]]:
    """Returns Table I: method -> each machine type's settings, those of all seeds once each."""
    first = next(iter(chosen.values()))
    every = [row for by_machine in chosen.values() for rows in by_machine.values() for row in rows]
    labels = dict.fromkeys(row.label for row in every if not row.result.is_fixed)
    texts: dict[str, list[str]] = {label: [] for label in labels}
    for label, line in texts.items():
        for machine in first:
            settings = [
                row.result.setting
                for by_machine in chosen.values()
                for row in by_machine[machine]
                if row.label == label
            ]
            line.append("; ".join(dict.fromkeys(settings)) or "-")
    return texts


def selected_metrics(chosen: ChosenRows, machine: str) -> dict[str, list[list[SectionMetrics]]]:
    """Returns method -> each seed's metrics in the chosen setting."""
    rows: dict[str, list] = {}
    for by_machine in chosen.values():
        for row in by_machine[machine]:
            rows.setdefault(row.label, []).append(row.result.metrics)
    return rows


def fixed_metrics(
    config: ConfigDict, results: RunResults, machine: str
) -> dict[str, list[list[SectionMetrics]]]:
    """Returns method and setting -> each seed's metrics, for settings that the config fixes."""
    rows: dict[str, list] = {}
    for by_machine in results.values():
        for result in by_machine[machine].results:
            fixed = (
                config.evaluation.fixed_ks
                if result.oracle
                else (config.evaluation.fixed_components)
            )
            if result.parameter and result.value in fixed and not result.is_baseline:
                rows.setdefault(f"{result.method}, {result.setting}", []).append(result.metrics)
    return rows


def display_setting(
    config: ConfigDict, results: MachineResults, folder: Path
) -> tuple[MethodResult | None, str]:
    """Picks the setting of the smoothing that figures and the report display.

    It is the selected one. Where the selection took K = 1, which changes no score, it is the best
    other setting on the same sections. Without labels it is the one selected earlier, or the
    largest usable one below it.

    Args:
      config: of the run.
      results: of one machine type and seed.
      folder: of its results.

    Returns:
      The result in that setting, or None; and how the setting was chosen, in words.
    """
    moving = [r for r in results.results if r.parameter != "K" or r.value > 1]
    first, above = (
        next((row for row in table_rows(config, r, "pooled") if row.result.oracle), None)
        for r in (results, results._replace(results=moving))
    )
    if first is None:
        method = next((r.method for r in results.results if r.oracle), "")
        result = largest_usable(results, method, read_selection(folder, "pooled"))
        return result, f"{result.setting}, selected earlier" if result else ""
    sections = "evaluation (an oracle)" if first.is_oracle else "development"
    if first.result.parameter != "K" or first.result.value > 1 or above is None:
        setting = first.result.setting
        return first.result, f"{setting}, selected on the {sections} sections"
    return above.result, (
        f"{above.result.setting}, the best above K = 1 on the {sections} sections "
        f"(the selection took K = 1, which leaves every score as it is)"
    )


def largest_usable(
    results: MachineResults, method: str, selection: Mapping[str, Mapping]
) -> MethodResult | None:
    """Returns a method in the setting selected, or in the largest usable one below it."""
    chosen = selection.get(method) or selection.get(method + ORACLE_SUFFIX)
    if not chosen:
        return None
    usable = [
        r
        for r in results.results
        if (r.method, r.data) == (method, chosen["data"]) and r.value <= chosen["value"]
    ]
    return max(usable, key=lambda r: r.value, default=None)

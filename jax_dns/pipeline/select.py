"""What tables show, brought together over machine types and seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import ORACLE_SUFFIX, MethodResult
from jax_dns.fingerprints import recorded
from jax_dns.pipeline.smooth import MachineResults, RunResults, choices

Chosen = Mapping[int, Mapping[str, Sequence[TableRow]]]  # seed -> machine type -> rows of Table II


def chosen_settings(config: ConfigDict, found: RunResults, reading: str) -> Chosen:
    """The rows of Table II of every seed and machine type under a reading of the domains."""
    return {
        seed: {machine: choices(config, f, reading) for machine, f in machines.items()}
        for seed, machines in found.items()
    }


def method_rows(chosen: Chosen) -> dict[str, dict[str, list[float]]]:
    """Method -> machine type -> one value a seed, fractions of 1."""
    rows: dict[str, dict[str, list[float]]] = {}
    for machine in next(iter(chosen.values())):
        for machines in chosen.values():
            for choice in machines[machine]:
                rows.setdefault(choice.label, {}).setdefault(machine, []).append(choice.evaluation)
    return rows


def setting_rows(chosen: Chosen) -> dict[str, list[str]]:
    """Table I: method -> for each machine type the settings selected, those of seeds once each."""
    first = next(iter(chosen.values()))
    every = [row for machines in chosen.values() for rows in machines.values() for row in rows]
    labels = dict.fromkeys(row.label for row in every if row.result.parameter)
    texts: dict[str, list[str]] = {label: [] for label in labels}
    for label, line in texts.items():
        for machine in first:
            picked = [
                row.result.setting
                for machines in chosen.values()
                for row in machines[machine]
                if row.label == label
            ]
            line.append("; ".join(dict.fromkeys(picked)) or "-")
    return texts


def selected_cells(chosen: Chosen, machine: str) -> dict[str, list[list[SectionMetrics]]]:
    """Method, in the setting selected -> the cells of each seed."""
    rows: dict[str, list] = {}
    for machines in chosen.values():
        for choice in machines[machine]:
            rows.setdefault(choice.label, []).append(choice.result.metrics)
    return rows


def fixed_cells(
    config: ConfigDict, found: RunResults, machine: str
) -> dict[str, list[list[SectionMetrics]]]:
    """Method and setting, of those that `config.evaluation` fixes -> the cells of each seed."""
    fixed = {"GMM": config.evaluation.fixed_components, "K": config.evaluation.fixed_ks}
    rows: dict[str, list] = {}
    for machines in found.values():
        for c in machines[machine].candidates:
            if c.value in fixed.get(c.parameter, ()):
                rows.setdefault(f"{c.method}, {c.setting}", []).append(c.metrics)
    return rows


def shown(
    config: ConfigDict, found: MachineResults, folder: Path
) -> tuple[MethodResult | None, str]:
    """The smoothing to look at clip by clip, and in words how it was come by.

    That is the setting selected; where the selection took K = 1, which leaves every score as it is,
    the best K above 1 on the same sections; without labels the setting once selected, or the
    largest K below it that there is.
    """
    moving = [c for c in found.candidates if c.parameter != "K" or c.value > 1]
    first, above = (
        next((row for row in choices(config, f, "pooled") if row.result.oracle), None)
        for f in (found, found._replace(candidates=moving))
    )
    if first is None:
        smoothing = next((c.method for c in found.candidates if c.oracle), "")
        candidate = at_most(found, smoothing, recorded(folder, "selection").get("pooled", {}))
        return candidate, f"{candidate.setting}, selected earlier" if candidate else ""
    sections = "evaluation (an oracle)" if first.is_oracle else "development"
    if first.result.value > 1 or above is None:
        setting = first.result.setting
        return first.result, f"{setting}, selected on the {sections} sections"
    return above.result, (
        f"{above.result.setting}, the best above K = 1 on the {sections} sections "
        f"(the selection took K = 1, which leaves every score as it is)"
    )


def at_most(
    found: MachineResults, method: str, selection: Mapping[str, Mapping]
) -> MethodResult | None:
    """A method in the setting once selected, or the largest below it that there is."""
    wanted = selection.get(method) or selection.get(method + ORACLE_SUFFIX)
    usable = [
        c
        for c in found.candidates
        if wanted and (c.method, c.data) == (method, wanted["data"]) and c.value <= wanted["size"]
    ]
    return max(usable, key=lambda c: c.value, default=None)

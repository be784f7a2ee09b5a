"""What tables show, brought together over machine types and seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ml_collections import ConfigDict

from jax_dns.evaluation.hyperparameters import Candidate, Choice
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.fingerprints import recorded
from jax_dns.pipeline.smooth import MachineResults, RunResults, choices

SETTLED = ("SerialOE", "Proposed", "Proposed (Oracle)")  # methods with hyperparameters
Chosen = Mapping[int, Mapping[str, Sequence[Choice]]]  # seed -> machine type -> rows of Table II


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
                rows.setdefault(choice.method, {}).setdefault(machine, []).append(choice.value)
    return rows


def setting_rows(chosen: Chosen) -> dict[str, list[str]]:
    """Table I: method -> for each machine type the settings selected, those of seeds once each."""
    rows = {}
    for method in SETTLED:
        rows[method] = []
        for machine in next(iter(chosen.values())):
            picked = [
                choice.candidate.setting
                for machines in chosen.values()
                for choice in machines[machine]
                if choice.method == method
            ]
            rows[method].append("; ".join(dict.fromkeys(picked)) or "-")
    return rows


def selected_cells(chosen: Chosen, machine: str) -> dict[str, list[list[SectionMetrics]]]:
    """Method, in the setting selected -> the cells of each seed."""
    rows: dict[str, list] = {}
    for machines in chosen.values():
        for choice in machines[machine]:
            rows.setdefault(choice.method, []).append(choice.candidate.cells)
    return rows


def fixed_cells(
    config: ConfigDict, found: RunResults, machine: str
) -> dict[str, list[list[SectionMetrics]]]:
    """Method and setting, of those that `config.evaluation` fixes -> the cells of each seed."""
    fixed = {
        "SerialOE": config.evaluation.fixed_components,
        "Proposed": config.evaluation.fixed_ks,
    }
    rows: dict[str, list] = {}
    for machines in found.values():
        for c in machines[machine].candidates:
            if c.size in fixed.get(c.method, ()):
                rows.setdefault(f"{c.method}, {c.setting}", []).append(c.cells)
    return rows


def shown(config: ConfigDict, found: MachineResults, folder: Path) -> tuple[Candidate | None, str]:
    """The smoothing to look at clip by clip, and in words how it was come by.

    That is the setting selected; where the selection took K = 1, which leaves every score as it is,
    the best K above 1 on the same sections; without labels the setting once selected, or the
    largest K below it that there is.
    """
    moving = [c for c in found.candidates if c.method != "Proposed" or c.size > 1]
    first, above = (
        next((c for c in choices(config, f, "pooled") if c.method.startswith("Proposed")), None)
        for f in (found, found._replace(candidates=moving))
    )
    if first is None:
        candidate = at_most(found, "Proposed", recorded(folder, "selection").get("pooled", {}))
        return candidate, f"{candidate.setting}, selected earlier" if candidate else ""
    sections = "evaluation (an oracle)" if first.method.endswith("(Oracle)") else "development"
    if first.candidate.size > 1 or above is None:
        setting = first.candidate.setting
        return first.candidate, f"{setting}, selected on the {sections} sections"
    return above.candidate, (
        f"{above.candidate.setting}, the best above K = 1 on the {sections} sections "
        f"(the selection took K = 1, which leaves every score as it is)"
    )


def at_most(
    found: MachineResults, method: str, selection: Mapping[str, Mapping]
) -> Candidate | None:
    """A method in the setting once selected, or the largest below it that there is."""
    wanted = selection.get(method) or selection.get(f"{method} (Oracle)")
    usable = [
        c
        for c in found.candidates
        if wanted and c[:3:2] == (method, wanted["data"]) and c.size <= wanted["size"]
    ]
    return max(usable, key=lambda c: c.size, default=None)

"""The stages select and evaluate: from every setting's clip scores to tables and figures."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation import plots, tables
from jax_dns.evaluation.official import write_anomaly_scores, write_results
from jax_dns.evaluation.selection import Candidate, Choice
from jax_dns.files import write_json, write_text
from jax_dns.pipeline import figures
from jax_dns.pipeline.candidates import READINGS, TITLES, Folders, Found, FoundAll, choices, find
from jax_dns.pipeline.records import fingerprint, is_done, record, recorded


def report(config: ConfigDict, workdir: Path, folders: Folders, stages: Iterable[str]) -> None:
    """Runs `select` and `evaluate`, as far as they are among the stages, and writes clip scores."""
    parts = [
        recorded(folder, stage).get("fingerprint")
        for machines in folders.values()
        for folder in machines.values()
        for stage in ("segments", "serial_oe", "smoothed")
    ]
    d = config.data
    sections = [list(d.dev_sections), list(d.eval_sections)]
    left_out = plots.missing_packages() if config.evaluation.figures else []
    key = fingerprint(parts, sections, config.evaluation, sorted(stages), left_out)
    summary = workdir / "results.txt"
    if "evaluate" in stages and is_done(workdir, "evaluated", key) and summary.is_file():
        tqdm.write(summary.read_text())
        return
    if not {"smooth", "select", "evaluate"} & set(stages):
        return
    (workdir / "evaluated.json").unlink(missing_ok=True)
    found = {
        seed: {machine: find(folder) for machine, folder in machines.items()}
        for seed, machines in folders.items()
    }
    if "select" in stages:
        for seed, machines in folders.items():
            for machine, folder in machines.items():
                _write_selection(config, found[seed][machine], folder)
    for seed, machines in folders.items():
        for stale in next(iter(machines.values())).parent.glob("official/*/*.csv"):
            stale.unlink()
        for machine, folder in machines.items():
            _write_scores(found[seed][machine], machine, folder)
    if "evaluate" in stages:
        text = _evaluate(config, workdir, folders, found)
        tqdm.write(text)
        write_text(summary, text)
        record(workdir, "evaluated", key)


def _write_selection(config: ConfigDict, found: Found, folder: Path) -> None:
    """Writes the chosen settings; keeps earlier ones where there are no labels to choose by."""
    if not any(candidate.cells for candidate in found.candidates):
        return
    chosen = {
        reading: {
            c.method: {"size": c.candidate.size, "data": c.candidate.data}
            for c in choices(config, found, reading)
        }
        for reading in READINGS
    }
    write_json(folder / "selection.json", chosen)


def _write_scores(found: Found, machine: str, folder: Path) -> None:
    """Writes scores.csv and the official score files, in the settings once selected."""
    columns = _selected(found, machine, folder, "pooled")
    if not columns:
        raise InputError(f"{folder}: no smoothed.npz of these segments (expected the stage smooth)")
    clips = found.clips
    header = ("clip", "section", "domain", "label", *columns)
    lines = zip(
        clips.name, clips.section, clips.domain, clips.label,
        *([repr(float(s)) for s in c.scores] for c in columns.values()),
    )  # fmt: skip
    write_text(folder / "scores.csv", tables.to_csv([header, *lines]))
    # The official figures are by domain, and so is the selection of what they rate.
    for method, candidate in _selected(found, machine, folder, "by_domain").items():
        official = folder.parent / "official" / method
        write_anomaly_scores(official, machine, clips, candidate.scores)
    tqdm.write(f"{machine}: scores of {len(clips.name)} clips in {folder / 'scores.csv'}")


def _selected(found: Found, machine: str, folder: Path, reading: str) -> dict[str, Candidate]:
    """Each method in the setting once selected, or the largest below it that there is."""
    selection = recorded(folder, "selection").get(reading, {})
    columns = {c.method: c for c in found.candidates if c.method == "AE"}
    for method in ("SerialOE", "Proposed"):
        wanted = selection.get(method) or selection.get(f"{method} (Oracle)")
        usable = [
            c
            for c in found.candidates
            if wanted and c[:3:2] == (method, wanted["data"]) and c.size <= wanted["size"]
        ]
        if usable:
            columns[method] = max(usable, key=lambda c: c.size)
            if columns[method].size != wanted["size"]:
                tqdm.write(
                    f"{machine}: {method} with {columns[method].setting}; the setting selected, "
                    f"{wanted['size']}, needs more clips"
                )
    return columns


def _evaluate(config: ConfigDict, workdir: Path, folders: Folders, found: FoundAll) -> str:
    """Writes results.json, results.csv, result.csv and figures; returns the tables."""
    if not any(
        c.cells for machines in found.values() for f in machines.values() for c in f.candidates
    ):
        return "No section has labelled test clips of both classes: no tables.\n"
    seeds, machines = list(found), list(next(iter(found.values())))
    sections = ",".join(map(str, config.data.eval_sections))
    texts, more, values = [], [], {}
    fixed = config.evaluation.fixed_ks or config.evaluation.fixed_components
    for reading in READINGS:
        chosen = {s: {m: choices(config, found[s][m], reading) for m in machines} for s in seeds}
        rows: dict[str, dict[str, list[float]]] = {}
        for machine in machines:
            for seed in seeds:
                for choice in chosen[seed][machine]:
                    row = rows.setdefault(choice.method, {})
                    row.setdefault(machine, []).append(choice.value)
        title = f"Harmonic mean of AUC and pAUC [%], sections {sections}, {TITLES[reading]}"
        texts.append(tables.table_two(rows, title))
        texts.append(_settings_table(chosen, machines, reading))
        values[reading] = {
            m: {str(s): [_choice_json(c) for c in chosen[s][m]] for s in seeds} for m in machines
        }
        if reading == "pooled" and (len(machines) == 1 or fixed):
            more = [_details(config, found, chosen, machine) for machine in machines]
    for seed in seeds:
        for method in ("AE", "SerialOE", "Proposed"):
            rows = {
                m: c.candidate.cells
                for m in machines
                for c in choices(config, found[seed][m], "by_domain")
                if c.method == method
            }
            root = next(iter(folders[seed].values())).parent
            if rows:
                write_results(root / "official" / method, rows)
    write_json(workdir / "results.json", {"format_version": 1, "readings": values})
    write_text(workdir / "results.csv", _long_csv(found))
    texts += [*more, figures.draw(config, workdir, folders, found)]
    return "\n" + "\n\n".join(text for text in texts if text) + "\n"


def _choice_json(choice: Choice) -> dict:
    def number(x: float) -> float | None:
        return None if np.isnan(x) else x

    return {
        "method": choice.method,
        "size": choice.candidate.size,
        "data": choice.candidate.data,
        "value": number(choice.value),
        "development": number(choice.development),
    }


def _settings_table(chosen, machines, reading) -> str:
    """Table I: the settings selected."""
    lines = [["Setting", *machines]]
    for method in ("SerialOE", "Proposed", "Proposed (Oracle)"):
        line = [method]
        for machine in machines:
            picked = [
                c.candidate.setting
                for choices in chosen.values()
                for c in choices[machine]
                if c.method == method
            ]
            line.append("; ".join(dict.fromkeys(picked)) or "-")
        lines.append(line)
    return tables.aligned(lines)


def _details(config: ConfigDict, found, chosen, machine: str) -> str:
    """By section and domain: the settings selected, and the fixed ones."""
    rows: dict[str, list] = {}
    for seed, machines in found.items():
        for choice in chosen[seed][machine]:
            rows.setdefault(choice.method, []).append(choice.candidate.cells)
        e = config.evaluation
        fixed = {"SerialOE": e.fixed_components, "Proposed": e.fixed_ks}
        for c in machines[machine].candidates:
            if c.size in fixed.get(c.method, ()):
                rows.setdefault(f"{c.method}, {c.setting}", []).append(c.cells)
    return tables.details(rows, f"{machine}, by section and domain; AUC/pAUC [%]")


def _long_csv(found: FoundAll) -> str:
    """Every setting, section and domain."""
    header = ("seed", "machine", "method", "size", "data", "section", "domain", "auc", "pauc")
    rows = [
        (seed, machine, c.method, c.size, c.data, *cell)
        for seed, machines in found.items()
        for machine, f in machines.items()
        for c in f.candidates
        for cell in c.cells
    ]
    return tables.to_csv([header, *rows])

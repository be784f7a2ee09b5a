"""The stages select and evaluate: from every setting's clip scores to tables and figures."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation import plots, tables
from jax_dns.evaluation.hyperparameters import TableRow
from jax_dns.evaluation.results import ORACLE_SUFFIX, MethodResult
from jax_dns.files import write_json, write_text
from jax_dns.fingerprints import fingerprint, is_done, record, recorded
from jax_dns.pipeline import figures
from jax_dns.pipeline.select import (
    at_most,
    chosen_settings,
    fixed_cells,
    method_rows,
    selected_cells,
    setting_rows,
)
from jax_dns.pipeline.smooth import (
    READINGS,
    TITLES,
    Folders,
    MachineResults,
    RunResults,
    choices,
    find,
)
from jax_dns.report.build import REPORT, add_report, packages_lacking
from jax_dns.score_files.official import write_anomaly_scores, write_results


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
    left_out = left_out + packages_lacking(config)
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
        for stale in (workdir / REPORT, *_pictures(folders)):
            stale.unlink(missing_ok=True)
        text = _evaluate(config, workdir, folders, found)
        tqdm.write(text)
        write_text(summary, text)  # whatever becomes of the report
        line = add_report(config, workdir, folders, found)
        tqdm.write(line)
        write_text(summary, text + line)
        record(workdir, "evaluated", key, files=_files(workdir, folders))


def _pictures(folders: Folders) -> list[Path]:
    """Figures that an earlier run may have left, of other results."""
    machines = [folder for machines in folders.values() for folder in machines.values()]
    return [folder / name for folder in machines for name in ("k_curve.png", "umap.png")]


def _files(workdir: Path, folders: Folders) -> list[Path]:
    """What the two stages have left, to be looked at before it is taken for done."""
    found = [workdir / f"results.{kind}" for kind in ("txt", "json", "csv")]
    for machines in folders.values():
        for folder in machines.values():
            found += [folder / "scores.csv", folder / "selection.json"]
    return [path for path in found if path.is_file()]


def _write_selection(config: ConfigDict, found: MachineResults, folder: Path) -> None:
    """Writes the chosen settings; keeps earlier ones where there are no labels to choose by."""
    if not any(candidate.metrics for candidate in found.candidates):
        return
    chosen = {
        reading: {
            c.label: {"size": c.result.value, "data": c.result.data}
            for c in choices(config, found, reading)
        }
        for reading in READINGS
    }
    write_json(folder / "selection.json", {"format_version": 1} | chosen)


def _write_scores(found: MachineResults, machine: str, folder: Path) -> None:
    """Writes scores.csv and the official score files, in the settings once selected."""
    columns = _selected(found, machine, folder, "pooled")
    if not columns:
        raise InputError(f"{folder}: no smoothed.npz of these segments (expected the stage smooth)")
    clips = found.clips
    header = ("clip", "section", "domain", "label", *columns)
    lines = zip(
        clips.name,
        clips.section,
        clips.domain,
        clips.label,
        *([repr(float(s)) for s in c.scores] for c in columns.values()),
    )
    write_text(folder / "scores.csv", tables.to_csv([header, *lines]))
    # The official figures are by domain, and so is the selection of what they rate.
    for method, candidate in _selected(found, machine, folder, "by_domain").items():
        official = folder.parent / "official" / method
        write_anomaly_scores(official, machine, clips, candidate.scores)
    tqdm.write(f"{machine}: scores of {len(clips.name)} clips in {folder / 'scores.csv'}")


def _selected(
    found: MachineResults, machine: str, folder: Path, reading: str
) -> dict[str, MethodResult]:
    """Each method in the setting once selected, or the largest below it that there is."""
    selection = recorded(folder, "selection", strict=True).get(reading, {})
    columns = {c.method: c for c in found.candidates if not c.parameter}
    for method in dict.fromkeys(c.method for c in found.candidates if c.parameter):
        candidate = at_most(found, method, selection)
        if candidate:
            columns[method] = candidate
            wanted = selection.get(method) or selection[method + ORACLE_SUFFIX]
            if candidate.value != wanted["size"]:
                tqdm.write(
                    f"{machine}: {method} with {candidate.setting}; the setting selected, "
                    f"{wanted['size']}, needs more clips"
                )
    return columns


def _evaluate(config: ConfigDict, workdir: Path, folders: Folders, found: RunResults) -> str:
    """Writes results.json, results.csv, result.csv and figures; returns the tables."""
    if not any(
        c.metrics for machines in found.values() for f in machines.values() for c in f.candidates
    ):
        return "No section has labelled test clips of both classes: no tables.\n"
    seeds, machines = list(found), list(next(iter(found.values())))
    sections = ",".join(map(str, config.data.eval_sections))
    texts, more, values = [], [], {}
    fixed = config.evaluation.fixed_ks or config.evaluation.fixed_components
    for reading in READINGS:
        chosen = chosen_settings(config, found, reading)
        title = f"Harmonic mean of AUC and pAUC [%], sections {sections}, {TITLES[reading]}"
        texts.append(tables.to_text(tables.table_two(method_rows(chosen), title)))
        settings = [[method, *row] for method, row in setting_rows(chosen).items()]
        texts.append(tables.to_text(tables.Table(["Setting", *machines], settings)))
        values[reading] = {
            m: {str(s): [_choice_json(c) for c in chosen[s][m]] for s in seeds} for m in machines
        }
        if reading == "pooled" and (len(machines) == 1 or fixed):
            more = [
                tables.to_text(
                    tables.details(
                        selected_cells(chosen, machine) | fixed_cells(config, found, machine),
                        f"{machine}, by section and domain; AUC/pAUC [%]",
                    )
                )
                for machine in machines
            ]
    for seed in seeds:
        official: dict[str, dict] = {}
        for m in machines:
            for row in choices(config, found[seed][m], "by_domain"):
                if not row.is_oracle:
                    official.setdefault(row.label, {})[m] = row.result.metrics
        root = next(iter(folders[seed].values())).parent
        for method, rows in official.items():
            write_results(root / "official" / method, rows)
    write_json(workdir / "results.json", {"format_version": 1, "readings": values})
    write_text(workdir / "results.csv", _long_csv(found))
    texts += [*more, figures.draw(config, workdir, folders, found)]
    return "\n" + "\n\n".join(text for text in texts if text) + "\n"


def _choice_json(choice: TableRow) -> dict:
    def number(x: float) -> float | None:
        return None if np.isnan(x) else x

    return {
        "method": choice.label,
        "size": choice.result.value,
        "data": choice.result.data,
        "value": number(choice.evaluation),
        "development": number(choice.development),
    }


def _long_csv(found: RunResults) -> str:
    """Every setting, section and domain."""
    header = ("seed", "machine", "method", "size", "data", "section", "domain", "auc", "pauc")
    rows = [
        (seed, machine, c.method, c.value, c.data, *cell)
        for seed, machines in found.items()
        for machine, f in machines.items()
        for c in f.candidates
        for cell in c.metrics
    ]
    return tables.to_csv([header, *rows])

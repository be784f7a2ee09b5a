"""The evaluate stage: from every setting's clip scores to tables, CSV files and figures."""

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
from jax_dns.fingerprints import fingerprint, is_done, read_stamp, write_stamp
from jax_dns.pipeline import figures
from jax_dns.pipeline.method_results import (
    BASELINES,
    READINGS,
    RESULTS,
    TITLES,
    Folders,
    MachineResults,
    RunResults,
    load_results,
    table_rows,
)
from jax_dns.pipeline.select import (
    chosen_rows,
    fixed_metrics,
    largest_usable,
    method_rows,
    read_selection,
    selected_metrics,
    setting_rows,
    write_selection,
)
from jax_dns.score_files.official import write_anomaly_scores, write_results
from jax_dns.wording import counted

STAMP = "evaluated"
SUMMARY = "results.txt"
FIGURES = ("k_curve.png", "umap.png", "umap.npz")  # in a machine type's folder


def select_and_evaluate(
    config: ConfigDict, workdir: Path, folders: Folders, stages: Iterable[str]
) -> None:
    """Runs the stages select and evaluate, as far as they are asked for, and writes clip scores.

    Args:
      config: of the run.
      workdir: its folder.
      folders: of its machine types.
      stages: those of the run.

    Raises:
      InputError: results that are missing or can't be read.
    """
    stages = set(stages)
    if is_evaluated(config, workdir, folders, stages):
        tqdm.write((workdir / SUMMARY).read_text(encoding="utf-8"))
        return
    if not {"smooth", "select", "evaluate"} & stages:
        return
    (workdir / f"{STAMP}.json").unlink(missing_ok=True)
    results = {
        seed: {machine: load_results(folder) for machine, folder in by_machine.items()}
        for seed, by_machine in folders.items()
    }
    if "select" in stages:
        for seed, by_machine in folders.items():
            for machine, folder in by_machine.items():
                write_selection(config, results[seed][machine], folder)
    for seed, by_machine in folders.items():
        for stale in next(iter(by_machine.values())).parent.glob("official/*/*.csv"):
            stale.unlink()
        for machine, folder in by_machine.items():
            _write_scores(results[seed][machine], machine, folder)
    if "evaluate" in stages:
        for stale in _pictures(folders):
            stale.unlink(missing_ok=True)
        text = _evaluate(config, workdir, folders, results)
        tqdm.write(text)
        write_text(workdir / SUMMARY, text)
        key = _fingerprint(config, folders, stages)
        write_stamp(workdir, STAMP, key, files=_files(workdir, folders))


def is_evaluated(config: ConfigDict, workdir: Path, folders: Folders, stages: set[str]) -> bool:
    """Returns whether the stage evaluate is asked for and its results are current."""
    key = _fingerprint(config, folders, stages)
    whole = is_done(workdir, STAMP, key) and (workdir / SUMMARY).is_file()
    return "evaluate" in stages and whole


def _fingerprint(config: ConfigDict, folders: Folders, stages: set[str]) -> str:
    parts = [
        read_stamp(folder, stage).get("fingerprint")
        for by_machine in folders.values()
        for folder in by_machine.values()
        for stage in ("segments", *RESULTS, BASELINES)
    ]
    d = config.data
    sections = [list(d.dev_sections), list(d.eval_sections)]
    missing = plots.missing_packages() if config.evaluation.figures else []
    return fingerprint(parts, sections, config.evaluation, sorted(stages), missing)


def _pictures(folders: Folders) -> list[Path]:
    """Lists the figures that an earlier run may have left, of other results."""
    machines = [folder for by_machine in folders.values() for folder in by_machine.values()]
    return [folder / name for folder in machines for name in FIGURES]


def _files(workdir: Path, folders: Folders) -> list[Path]:
    """Lists what the two stages leave, for their stamp."""
    files = [workdir / f"results.{suffix}" for suffix in ("txt", "json", "csv")]
    for by_machine in folders.values():
        for folder in by_machine.values():
            files += [folder / "scores.csv", folder / "selection.json"]
    return [path for path in files if path.is_file()]


def _write_scores(results: MachineResults, machine: str, folder: Path) -> None:
    """Writes scores.csv and the official score files, in the settings once selected."""
    columns = _selected(results, machine, folder, "pooled")
    if not columns:
        raise InputError(f"{folder}: no smoothed.npz of these segments (expected the stage smooth)")
    clips = results.clips
    header = ("clip", "section", "domain", "label", *columns)
    lines = zip(
        clips.name,
        clips.section,
        clips.domain,
        clips.label,
        *([repr(float(s)) for s in result.scores] for result in columns.values()),
    )
    write_text(folder / "scores.csv", tables.to_csv([header, *lines]))
    # The official figures are by domain, and so is the selection of what they evaluate.
    for method, result in _selected(results, machine, folder, "by_domain").items():
        write_anomaly_scores(folder.parent / "official" / method, machine, clips, result.scores)
    tqdm.write(
        f"{machine}: scores of {counted(len(clips.name), 'clip')} in {folder / 'scores.csv'}"
    )


def _selected(
    results: MachineResults, machine: str, folder: Path, reading: str
) -> dict[str, MethodResult]:
    """Returns each method in the setting once selected, or in the largest usable one below it."""
    selection = read_selection(folder, reading, strict=True)
    columns = {r.method: r for r in results.results if r.is_fixed}
    for method in dict.fromkeys(r.method for r in results.results if not r.is_fixed):
        result = largest_usable(results, method, selection)
        if result:
            columns[method] = result
            chosen = selection.get(method) or selection[method + ORACLE_SUFFIX]
            if result.value != chosen["value"]:
                tqdm.write(
                    f"{machine}: {method} with {result.setting}; the setting selected, "
                    f"{chosen['value']}, needs more clips"
                )
    return columns


def _evaluate(config: ConfigDict, workdir: Path, folders: Folders, results: RunResults) -> str:
    """Writes results.json, results.csv, result.csv and figures; returns the tables."""
    every = [r for by_machine in results.values() for m in by_machine.values() for r in m.results]
    if not any(result.metrics for result in every):
        return "No section has labelled test clips of both classes: no tables.\n"
    seeds, machines = list(results), list(next(iter(results.values())))
    sections = ",".join(map(str, config.data.eval_sections))
    texts, details, values = [], [], {}
    fixed = config.evaluation.fixed_ks or config.evaluation.fixed_components
    for reading in READINGS:
        chosen = chosen_rows(config, results, reading)
        title = f"Harmonic mean of AUC and pAUC [%], sections {sections}, {TITLES[reading]}"
        texts.append(tables.to_text(tables.table_two(method_rows(chosen), title)))
        settings = [[method, *row] for method, row in setting_rows(chosen).items()]
        texts.append(tables.to_text(tables.Table(["Setting", *machines], settings)))
        values[reading] = {
            m: {str(s): [_row_json(row) for row in chosen[s][m]] for s in seeds} for m in machines
        }
        if reading == "pooled" and (len(machines) == 1 or fixed):
            details = [
                tables.to_text(
                    tables.details(
                        selected_metrics(chosen, machine) | fixed_metrics(config, results, machine),
                        f"{machine}, by section and domain; AUC/pAUC [%]",
                    )
                )
                for machine in machines
            ]
    _write_official(config, folders, results)
    write_json(workdir / "results.json", {"format_version": 2, "readings": values})
    write_text(workdir / "results.csv", _long_csv(results))
    texts += [*details, figures.draw(config, folders, results)]
    return "\n" + "\n\n".join(text for text in texts if text) + "\n"


def _write_official(config: ConfigDict, folders: Folders, results: RunResults) -> None:
    """Writes result.csv of each method, in the settings selected by domain."""
    for seed, by_machine in results.items():
        official: dict[str, dict] = {}
        for machine, one in by_machine.items():
            for row in table_rows(config, one, "by_domain"):
                if not row.is_oracle:
                    official.setdefault(row.label, {})[machine] = row.result.metrics
        root = next(iter(folders[seed].values())).parent
        for method, metrics in official.items():
            write_results(root / "official" / method, metrics)


def _row_json(row: TableRow) -> dict:
    def number(x: float) -> float | None:
        return None if np.isnan(x) else x

    return {
        "method": row.label,
        "value": row.result.value,
        "data": row.result.data,
        "evaluation": number(row.evaluation),
        "development": number(row.development),
    }


def _long_csv(results: RunResults) -> str:
    """Formats the metrics of every setting, section and domain."""
    header = ("seed", "machine", "method", "value", "data", "section", "domain", "auc", "pauc")
    rows = [
        (seed, machine, r.method, r.value, r.data, *metrics)
        for seed, by_machine in results.items()
        for machine, one in by_machine.items()
        for r in one.results
        for metrics in r.metrics
    ]
    return tables.to_csv([header, *rows])

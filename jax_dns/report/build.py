"""report.html: what a finished workdir holds, brought together on one page."""

from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.evaluation import plots, tables
from jax_dns.evaluation.results import baseline
from jax_dns.files import write_text
from jax_dns.fingerprints import fingerprint, is_done, read_stamp, write_stamp
from jax_dns.pipeline.evaluate import STAMP as EVALUATED
from jax_dns.pipeline.index import data_root
from jax_dns.pipeline.method_results import READINGS, TITLES, Folders, MachineResults, RunResults
from jax_dns.pipeline.select import (
    ChosenRows,
    chosen_rows,
    display_setting,
    fixed_metrics,
    method_rows,
    selected_metrics,
    setting_rows,
)
from jax_dns.pipeline.workdir import open_run, read_config, read_provenance
from jax_dns.report import page, pictures
from jax_dns.report.excerpts import displayed_range, excerpts, is_small
from jax_dns.report.facts import NOTES, changed_fields, facts, mel_ticks
from jax_dns.report.html_tables import Entry, Row, Table, by_machine, by_place

REPORT, STAMP = "report.html", "reported"


def add_report(workdir: Path) -> str:
    """Makes a finished run's report, where its results have changed since the last one.

    Args:
      workdir: of the run, which the stage evaluate has been through.

    Returns:
      A line that tells where the report is, or why there is none; "" where the config wants none.
    """
    config = read_config(workdir)
    if not config.evaluation.report:
        return ""
    path = workdir / REPORT
    line = f"Report, to look at and listen to: {path}"
    key = fingerprint(read_stamp(workdir, EVALUATED).get("fingerprint"))
    if is_done(workdir, STAMP, key):
        return line
    path.unlink(missing_ok=True)
    missing = page.missing_packages()
    if missing:
        lack = " and ".join(missing)
        return f"Left out, for lack of {lack} (pip install 'jax-dns[viz]'): {REPORT}"
    try:
        config, folders, results = open_run(workdir)
        write_report(config, workdir, folders, results, out=path)
    except InputError as error:
        return f"Left out: {REPORT} ({error})"
    write_stamp(workdir, STAMP, key, files=[path])
    return line


def write_report(
    config: ConfigDict,
    workdir: Path,
    folders: Folders,
    found: RunResults,
    *,
    out: Path,
    root: Path | None = None,
) -> page.Report:
    """Writes the page; tables are over all seeds, clips and pictures of the first.

    Args:
      config: of the run.
      workdir: the run's.
      folders: its machine types' folders.
      found: every method in every setting.
      out: file to write.
      root: folder of recordings; None: the config's.

    Returns:
      What the page shows.

    Raises:
      InputError: the file can't be written.
    """
    seed, machines = next(iter(found.items()))
    labelled = any(c.metrics for one in machines.values() for c in one.results)
    chosen = {reading: chosen_rows(config, found, reading) for reading in READINGS}
    notes = dict.fromkeys(config.data.dev_sections, "development")
    notes |= dict.fromkeys(config.data.eval_sections, "evaluation")
    parts = []
    for machine, one in tqdm(
        machines.items(), desc="report", unit="machine", leave=False, disable=None
    ):
        part = _machine(config, workdir, folders[seed][machine], machine, one, len(machines), root)
        details = [
            by_place(caption, cells, notes)
            for caption, cells in (
                (
                    "By section and domain, in the settings selected [%]",
                    selected_metrics(chosen["pooled"], machine),
                ),
                (
                    "By section and domain, in fixed settings [%]",
                    fixed_metrics(config, found, machine),
                ),
            )
            if any(seeds for cells in cells.values() for seeds in cells)
        ]
        parts.append(part._replace(details=details))
    report = page.Report(
        title=", ".join(machines) if len(machines) < 4 else f"{len(machines)} machine types",
        facts=facts(config, workdir, list(found), list(machines)),
        command=str(read_provenance(workdir).get("command", "")),
        tiles=_tiles(chosen["pooled"]) if labelled else [],
        tables=[
            table
            for reading in READINGS
            for table in _tables(config, chosen[reading], reading)
            if labelled
        ],
        machines=parts,
        changed=changed_fields(config),
        notes=NOTES,
        detail_note=f"clips and pictures are those of seed {seed}" if len(found) > 1 else "",
        colour_bar=pictures.colour_bar(),
        mel_ticks=mel_ticks(*displayed_range(config)),
    )
    write_text(out, page.render(report))
    return report


def _machine(
    config: ConfigDict,
    workdir: Path,
    folder: Path,
    name: str,
    found: MachineResults,
    n_machines: int,
    root: Path | None,
) -> page.MachinePage:
    """One machine type and seed: its pictures and clips."""
    after, setting = display_setting(config, found, folder)
    part = page.MachinePage(name, setting)
    if (folder / "umap.png").is_file() and config.evaluation.figures:
        umap = pictures.data_uri((folder / "umap.png").read_bytes(), "image/png")
        part = part._replace(umap=umap)
    if any(c.metrics for c in found.results):
        sections = {
            "development": config.data.dev_sections,
            "evaluation": config.data.eval_sections,
        }
        curve = plots.k_curve_figure(found.results, title="", sections=sections, pooled=True)
        part = part._replace(k_curve=pictures.inline_svg(curve))
    before = baseline(found.results)
    if before is None or after is None:
        return part
    clips = found.clips
    scores = {"before": before.scores, f"after, {after.setting}": after.scores}
    drawn = pictures.histograms(scores, clips.label, clips.domain)
    return part._replace(
        histograms=pictures.inline_svg(drawn),
        **excerpts(
            config,
            found,
            name,
            scores=(before.scores, after.scores),
            root=lambda: root or data_root(config, workdir),
            lossless=is_small(config, n_machines),
        )._asdict(),
    )


def _tables(config: ConfigDict, chosen: ChosenRows, reading: str) -> list[Table]:
    """Table II and the settings selected."""
    rows = tables.add_all_hmean(method_rows(chosen))
    sections = ", ".join(map(str, config.data.eval_sections))
    caption = f"Harmonic mean of AUC and pAUC [%], sections {sections}, {TITLES[reading]}"
    settings = [
        Row(method, [Entry(text) for text in texts])
        for method, texts in setting_rows(chosen).items()
    ]
    head = ["Setting selected", *next(iter(chosen.values()))]
    return [by_machine(caption, rows), Table(f"Settings, {TITLES[reading]}", head, settings)]


def _tiles(chosen: ChosenRows) -> list[page.Tile]:
    """All-hmean of each method, and how it compares with the autoencoder."""
    rows = tables.add_all_hmean(method_rows(chosen))
    values = {name: row[tables.ALL] for name, row in rows.items() if tables.ALL in row}
    every = (row for machines in chosen.values() for rows in machines.values() for row in rows)
    first = baseline(row.result for row in every)
    before = first.method if first else ""
    tiles = []
    for name, seeds in values.items():
        note = ""
        if name != before and before in values:
            gaps = [100 * (x - y) for x, y in zip(seeds, values[before])]
            note = f"{sum(gaps) / len(gaps):+.2f} points against {before}".replace("-", "−")
        tiles.append(page.Tile(name, tables.percent(seeds), note))
    return tiles

"""report.html: what a finished workdir holds, brought together on one page."""

from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.errors import InputError
from jax_dns.files import write_text
from jax_dns.fingerprints import fingerprint, is_done, read_stamp, write_stamp
from jax_dns.pipeline.evaluate import STAMP as EVALUATED
from jax_dns.pipeline.index import data_root
from jax_dns.pipeline.method_results import READINGS, Folders, RunResults
from jax_dns.pipeline.select import chosen_rows, method_rows, setting_rows
from jax_dns.pipeline.workdir import open_run, read_config, read_provenance
from jax_dns.report import page
from jax_dns.report.answer import NO_LABELS, answer, sections_text
from jax_dns.report.facts import changed_fields, facts
from jax_dns.report.html_tables import Reading, results_table
from jax_dns.report.machine_part import machine_part
from jax_dns.report.notes import notes
from jax_dns.report.spectrograms import colour_bar, displayed_range, mel_ticks

REPORT, STAMP = "report.html", "reported"
READING_NOTES = {"pooled": "domains pooled", "by_domain": "each domain"}


def add_report(workdir: Path) -> str:
    """Makes a finished run's report, unless there is one of the same results.

    Args:
      workdir: of a run whose stage evaluate is done.

    Returns:
      A line that tells where the report is, or why there is none; "" if the config wants none.
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
    results: RunResults,
    *,
    out: Path,
    root: Path | None = None,
) -> page.Report:
    """Writes the page. Tables are over all seeds; pictures and clips are of the first.

    Args:
      config: of the run.
      workdir: the run's.
      folders: its machine types' folders.
      results: every method in every setting.
      out: file to write.
      root: folder of recordings; None: the config's.

    Returns:
      What the page shows.

    Raises:
      InputError: the file can't be written.
    """
    seed, by_machine = next(iter(results.items()))
    machines = list(by_machine)
    labelled = any(r.metrics for one in by_machine.values() for r in one.results)
    chosen = {reading: chosen_rows(config, results, reading) for reading in READINGS}
    table = None
    if labelled:
        readings = [
            Reading(READING_NOTES[reading], method_rows(rows), setting_rows(rows))
            for reading, rows in chosen.items()
        ]
        caption = (
            f"Harmonic mean of AUC and pAUC [%] over {sections_text(config)}; below it the "
            "setting selected"
        )
        table = results_table(caption, readings, machines)
    parts = [
        machine_part(
            config,
            results,
            chosen["pooled"],
            machine,
            folders[seed][machine],
            root=lambda: root or data_root(config, workdir),
        )
        for machine in tqdm(machines, desc="report", unit="machine", leave=False, disable=None)
    ]
    report = page.Report(
        title=", ".join(machines) if len(machines) < 4 else f"{len(machines)} machine types",
        answer=answer(config, results, chosen["pooled"]) if labelled else NO_LABELS,
        results=table,
        machines=parts,
        facts=facts(config, workdir, list(results), machines),
        command=str(read_provenance(workdir).get("command", "")),
        changed=changed_fields(config),
        notes=notes(by_machine[machines[0]].results),
        detail_note=f"pictures and clips are those of seed {seed}" if len(results) > 1 else "",
        colour_bar=colour_bar(),
        mel_ticks=mel_ticks(*displayed_range(config)),
    )
    write_text(out, page.render(report))
    return report

"""One machine type's part of the report: pictures, tables by section, and clips."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict

from jax_dns.evaluation import plots
from jax_dns.evaluation.results import MethodResult, baseline, is_baseline
from jax_dns.evaluation.tables import percent
from jax_dns.evaluation.umap_plot import panel_names, read_umap, umap_figure
from jax_dns.pipeline.figures import selected_smoothing
from jax_dns.pipeline.method_results import RunResults
from jax_dns.pipeline.select import (
    ChosenRows,
    display_setting,
    fixed_metrics,
    method_rows,
    selected_metrics,
)
from jax_dns.pipeline.smooth import smoothed_segments
from jax_dns.report.clip_cards import clip_cards, is_small
from jax_dns.report.html_tables import HtmlTable, sections_table
from jax_dns.report.page import MachinePart, Picture
from jax_dns.report.pictures import histograms, inline_svg, same_heights
from jax_dns.report.score_strips import RANGE, ScoreStrip, score_strip
from jax_dns.report.spectrograms import SECONDS
from jax_dns.segments_file import clips_of, read_segments


def machine_part(
    config: ConfigDict,
    results: RunResults,
    chosen: ChosenRows,
    machine: str,
    folder: Path,
    *,
    root: Callable[[], Path],
) -> MachinePart:
    """Makes a machine type's part; pictures and clips are those of the first seed.

    Args:
      config: of the run.
      results: every method in every setting.
      chosen: the rows of Table II with the domains of a section pooled.
      machine: the machine type.
      folder: of its results, first seed.
      root: returns the folder of recordings, or raises InputError.
    """
    by_machine = next(iter(results.values()))
    one = by_machine[machine]
    after, setting = display_setting(config, one, folder)
    before = baseline(one.results)
    pictures = []
    if any(result.metrics for result in one.results):
        pictures.append(_k_curves(config, results, machine))
    if before is not None and after is not None:
        pictures.append(_histograms(machine, before, after, one.clips.label, one.clips.domain))
    pictures += _umap(config, machine, folder)
    part = MachinePart(
        machine,
        _summary(chosen, machine),
        setting,
        pictures,
        _details(config, results, chosen, machine),
    )
    if before is None or after is None:
        return part
    cards = clip_cards(
        config,
        one.clips,
        machine,
        before=before.scores,
        after=after.scores,
        root=root,
        lossless=is_small(config, len(by_machine)),
        strips=_strips(config, folder, after),
    )
    return part._replace(**cards._asdict())


def _summary(chosen: ChosenRows, machine: str) -> str:
    """Returns the methods' figures in one line."""
    figures = {
        method: row[machine]
        for method, row in method_rows(chosen).items()
        if machine in row and not is_baseline(method)
    }
    return ", ".join(f"{method} {percent(values)}" for method, values in figures.items())


def _k_curves(config: ConfigDict, results: RunResults, machine: str) -> Picture:
    runs = [by_machine[machine].results for by_machine in results.values()]
    chosen = selected_smoothing(config, results, machine)
    figures = [
        plots.k_curve_figure(runs, title="", sections={name: some}, pooled=True, chosen=chosen)
        for name, some in (
            ("development", config.data.dev_sections),
            ("evaluation", config.data.eval_sections),
        )
    ]
    same_heights(figures)
    band = "; the band spans the seeds" if len(results) > 1 else ""
    return Picture(
        _panels(figures, f"{machine} K"),
        f"Harmonic mean of AUC and pAUC of {machine} against K, a panel for the development "
        "sections and one for the evaluation sections",
        "Harmonic mean of AUC and pAUC against K, both domains of a section pooled. The ring marks "
        f"the K selected on the development sections{band}.",
    )


def _histograms(
    machine: str,
    before: MethodResult,
    after: MethodResult,
    label: np.ndarray,
    domain: np.ndarray,
) -> Picture:
    scores = {"before": before.scores, f"after, {after.setting}": after.scores}
    return Picture(
        _panels(histograms(scores, label, domain).values(), f"{machine} scores"),
        f"Histograms of the clip scores of {machine}, by domain, before and after smoothing",
        "Clip scores of all test sections before and after smoothing. The axis ends at the 99th "
        "percentile; the last bin holds the scores beyond.",
    )


def _umap(config: ConfigDict, machine: str, folder: Path) -> list[Picture]:
    points = read_umap(folder) if config.evaluation.figures else None
    if points is None:
        return []
    figures = [umap_figure(points, panels=[name], width=3.2) for name in panel_names(points)]
    return [
        Picture(
            _panels(figures, f"{machine} UMAP"),
            f"UMAP of segments of {machine}, coloured by anomaly score before and after smoothing "
            "and by the change of rank",
            "Segments of one evaluation section, placed by UMAP of their features f_D. Each panel "
            "has its own colours, spread between the 2nd and 98th percentile; target segments are "
            "outlined. The last panel shows which segments' ranks changed.",
        )
    ]


def _panels(figures: Iterable[Any], name: str) -> list[str]:
    return [inline_svg(figure, f"{name} {i}") for i, figure in enumerate(figures)]


def _details(
    config: ConfigDict, results: RunResults, chosen: ChosenRows, machine: str
) -> list[HtmlTable]:
    notes = dict.fromkeys(config.data.dev_sections, "development")
    notes |= dict.fromkeys(config.data.eval_sections, "evaluation")
    return [
        sections_table(f"By section and domain, in the {which} settings [%]", rows, notes)
        for which, rows in (
            ("selected", selected_metrics(chosen, machine)),
            ("fixed", fixed_metrics(config, results, machine)),
        )
        if any(metrics for seeds in rows.values() for metrics in seeds)
    ]


def _strips(config: ConfigDict, folder: Path, after: MethodResult) -> dict[str, ScoreStrip]:
    """Returns the segment scores over time of clips that are longer than the page plays."""
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    clips = clips_of(test)
    d = config.data
    seconds = d.segment_seconds + d.segment_hop_seconds * (np.bincount(clips.row) - 1)
    long = np.flatnonzero(seconds > SECONDS + d.segment_hop_seconds / 2)
    if not len(long):
        return {}
    smoothed = None
    if config.smoothing.unit == "segment":
        smoothed = smoothed_segments(config, test, after.value, after.data)
    ranges = [_range(test.score), (0.0, 1.0) if smoothed is None else _range(smoothed)]
    strips = {}
    for clip in long:
        rows = np.flatnonzero(clips.row == clip)
        rows = rows[np.argsort(test.segment[rows], kind="stable")]
        strips[str(clips.name[clip])] = score_strip(
            test.score[rows],
            None if smoothed is None else smoothed[rows],
            seconds=float(seconds[clip]),
            ranges=ranges,
        )
    return strips


def _range(scores: Float[np.ndarray, " n"]) -> tuple[float, float]:
    low, high = np.percentile(scores, RANGE)
    return float(low), float(high)

"""A run's figures: K curves, and segments before and after smoothing."""

import threading
from pathlib import Path

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.evaluation import plots
from jax_dns.evaluation.results import MethodResult
from jax_dns.evaluation.umap_plot import compile_umap, umap_points, write_umap
from jax_dns.pipeline.method_results import (
    Folders,
    MachineResults,
    RunResults,
    table_rows,
)
from jax_dns.pipeline.select import display_setting
from jax_dns.pipeline.smooth import smoothed_segments
from jax_dns.segments_file import read_segments

FEWEST = 5  # segments that UMAP needs


def compile_ahead(config: ConfigDict) -> None:
    """Compiles what figures need while an accelerator trains, whose host has little else to do.

    On a CPU training needs every core, so nothing is done.
    """
    draws = config.evaluation.figures and not plots.missing_packages()
    if draws and jax.default_backend() != "cpu":
        threading.Thread(target=compile_umap, daemon=True).start()


def draw(config: ConfigDict, folders: Folders, results: RunResults) -> str:
    """Draws each machine type's K curve and UMAP panels.

    Args:
      config: of the run.
      folders: of its machine types.
      results: every method in every setting.

    Returns:
      A line that tells where the figures are, or which packages they lack.
    """
    if not config.evaluation.figures:
        return ""
    missing = plots.missing_packages()
    if missing:
        return (
            f"Left out, for lack of {' and '.join(missing)} (pip install 'jax-dns[viz]'): "
            "the K curves and the UMAP panels."
        )
    sections = {
        "development": config.data.dev_sections,
        "evaluation": config.data.eval_sections,
    }
    for seed, by_machine in folders.items():
        for machine, folder in by_machine.items():
            plots.k_curve(
                folder / "k_curve.png",
                [by_name[machine].results for by_name in results.values()],
                title=machine,
                pooled=True,
                sections=sections,
                chosen=selected_smoothing(config, results, machine),
            )
            _umap(config, results[seed][machine], machine, folder)
    return "Figures: k_curve.png and umap.png in each machine type's folder"


def selected_smoothing(config: ConfigDict, results: RunResults, machine: str) -> list[MethodResult]:
    """Returns each seed's smoothing in the setting selected on the development sections."""
    return [
        row.result
        for by_machine in results.values()
        for row in table_rows(config, by_machine[machine], "pooled")
        if row.result.oracle and not row.is_oracle
    ]


def _umap(config: ConfigDict, results: MachineResults, machine: str, folder: Path) -> None:
    """Draws UMAP of the first evaluation section's segments, before and after smoothing."""
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    scores = {"a_G": test.score}
    result, _ = display_setting(config, results, folder)
    if result is not None and config.smoothing.unit == "segment":
        scores[f"smoothed, {result.setting}"] = smoothed_segments(
            config, test, result.value, result.data
        )
    present = [s for s in config.data.eval_sections if s in test.section]
    in_section = test.section == (present[0] if present else test.section[0])
    if in_section.sum() < FEWEST:
        tqdm.write(f"{machine}: no UMAP panels of {in_section.sum()} segments")
        return
    test = test.where(in_section)
    scores = {name: values[in_section] for name, values in scores.items()}
    points = umap_points(
        test.feature, scores, test.label, test.domain, share=config.evaluation.umap_fraction
    )
    write_umap(folder, points, title=f"{machine} section {test.section[0]:02d}")

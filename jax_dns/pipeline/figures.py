"""A run's figures: K curves, and segments before and after smoothing."""

from pathlib import Path

import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns import smooth
from jax_dns.artefact import read_segments
from jax_dns.evaluation import plots
from jax_dns.pipeline.candidates import Folders, Found, FoundAll, choices, smoothing_groups

FEWEST = 5  # segments that UMAP needs


def draw(config: ConfigDict, workdir: Path, folders: Folders, found: FoundAll) -> str:
    """Draws each machine type's K curve and UMAP; returns a line on what was left out."""
    if not config.evaluation.figures:
        return ""
    missing = plots.missing_packages()
    if missing:
        return (
            f"Left out, for lack of {' and '.join(missing)} (pip install 'jax-dns[viz]'): "
            "the K curves and the UMAP panels."
        )
    for seed, machines in folders.items():
        for machine, folder in machines.items():
            f = found[seed][machine]
            plots.k_curve(
                folder / "k_curve.png", f.candidates, title=machine, pooled=True,
                sections={
                    "development": config.data.dev_sections,
                    "evaluation": config.data.eval_sections,
                },
            )  # fmt: skip
            _umap(config, f, machine, folder)
    return f"Figures: k_curve.png and umap.png in each machine's folder under {workdir}"


def _umap(config: ConfigDict, found: Found, machine: str, folder: Path) -> None:
    """UMAP of the first evaluation section's segments, before and after smoothing."""
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    scores = {"a_G": test.score}
    choice = next(
        (c.candidate for c in choices(config, found, "pooled") if c.method.startswith("Proposed")),
        None,
    )
    c = config.smoothing
    if choice is not None and c.unit == "segment":
        pool = (test.domain == "source") | (choice.data == "all")
        smoothed = smooth(
            test.score, test.feature, choice.size, groups=smoothing_groups(config, test),
            pool=pool, metric=c.metric,
        )  # fmt: skip
        if c.outside_pool == "keep":
            smoothed = np.where(pool, smoothed, test.score)
        scores[f"smoothed, {choice.setting}"] = smoothed
    present = [s for s in config.data.eval_sections if s in test.section]
    here = test.section == (present[0] if present else test.section[0])
    if here.sum() < FEWEST:
        tqdm.write(f"{machine}: no UMAP panels of {here.sum()} segments")
        return
    test, scores = test.where(here), {name: values[here] for name, values in scores.items()}
    plots.umap_scores(
        folder / "umap.png", test.feature, scores, test.label, share=config.evaluation.umap_share,
        title=f"{machine} section {test.section[0]:02d}",
    )  # fmt: skip

"""A run's figures: K curves, and segments before and after smoothing."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns import smooth
from jax_dns.errors import InputError
from jax_dns.evaluation import plots
from jax_dns.pipeline import methods
from jax_dns.pipeline.select import shown
from jax_dns.pipeline.smooth import Folders, MachineResults, RunResults, smoothing_groups
from jax_dns.segments_file import Segments, clips_of, read_segments
from jax_dns.smoothing.cross_clip import other_clip_counts, smooth_other_clips

FEWEST = 5  # segments that UMAP needs


def draw(config: ConfigDict, workdir: Path, folders: Folders, found: RunResults) -> str:
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
                folder / "k_curve.png",
                f.candidates,
                title=machine,
                pooled=True,
                sections={
                    "development": config.data.dev_sections,
                    "evaluation": config.data.eval_sections,
                },
            )
            _umap(config, f, machine, folder)
    return f"Figures: k_curve.png and umap.png in each machine's folder under {workdir}"


def smoothed_segments(
    config: ConfigDict, test: Segments, k: int, data: str
) -> Float[np.ndarray, " n"]:
    """Segment scores after Eq. 7, as `config.smoothing` reads the paper.

    Args:
      config: of the run.
      test: test segments of one machine type.
      k: K.
      data: the pool, "source" or "all".

    Returns:
      [n] scores.

    Raises:
      InputError: K beyond `largest_k`, or a config that smooths clips.
    """
    c, groups, pool = config.smoothing, smoothing_groups(config, test), _pool(test, data)
    if c.unit != "segment":
        raise InputError(f"smoothing.unit: {c.unit!r}, expected segment to show segments' scores")
    if c.same_clip:
        out = smooth(test.score, test.feature, k, groups=groups, pool=pool, metric=c.metric)
    else:
        out = smooth_other_clips(
            test.score,
            test.feature,
            (k,),
            clip=clips_of(test).row,
            groups=groups,
            pool=pool,
            metric=c.metric,
        )[0]
    return np.where(pool, out, test.score) if c.outside_pool == "keep" else out


def largest_k(config: ConfigDict, test: Segments, data: str) -> int:
    """The largest of the run's Ks that every test segment has neighbours for; 1 if none."""
    groups, pool = smoothing_groups(config, test), _pool(test, data)
    if config.smoothing.same_clip:
        limit = methods.largest_k(groups, pool)
    else:
        limit = 1 + int(other_clip_counts(clips_of(test).row, groups, pool).min())
    return max((k for k in config.smoothing.ks if k <= limit), default=1)


def _pool(test: Segments, data: str) -> Bool[np.ndarray, " n"]:
    return np.isin(test.domain, methods.DOMAINS[data])


def _umap(config: ConfigDict, found: MachineResults, machine: str, folder: Path) -> None:
    """UMAP of the first evaluation section's segments, before and after smoothing."""
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    scores = {"a_G": test.score}
    choice, _ = shown(config, found, folder)
    if choice is not None and config.smoothing.unit == "segment":
        scores[f"smoothed, {choice.setting}"] = smoothed_segments(
            config, test, choice.value, choice.data
        )
    present = [s for s in config.data.eval_sections if s in test.section]
    here = test.section == (present[0] if present else test.section[0])
    if here.sum() < FEWEST:
        tqdm.write(f"{machine}: no UMAP panels of {here.sum()} segments")
        return
    test, scores = test.where(here), {name: values[here] for name, values in scores.items()}
    plots.umap_scores(
        folder / "umap.png",
        test.feature,
        scores,
        test.label,
        share=config.evaluation.umap_share,
        title=f"{machine} section {test.section[0]:02d}",
    )

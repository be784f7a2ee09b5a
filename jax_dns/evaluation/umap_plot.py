"""UMAP panels of segments, before and after smoothing (extra viz)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy.stats import rankdata

from jax_dns.evaluation.plots import new_figure, save_png
from jax_dns.files import read_npz, write_npz

KINDS = ((0, "o", "normal"), (1, "X", "anomaly"), (-1, "^", "unknown"))  # label, marker, name
CLIP = (2, 98)  # percentiles between which a panel's colours are spread


class UmapPoints(NamedTuple):
    """Segments that a figure draws."""

    place: Float[np.ndarray, "n 2"]
    label: Int[np.ndarray, " n"]  # 0 normal, 1 anomaly, -1 unknown
    domain: Shaped[np.ndarray, " n"]  # "source" or "target"
    scores: dict[str, Float[np.ndarray, " n"]]  # panel -> scores; the first is before smoothing
    moved: Float[np.ndarray, " n"]  # change of rank, in percent of the segments; empty if unknown


def umap_points(
    features: Float[np.ndarray, "n d"],
    scores: dict[str, Float[np.ndarray, " n"]],
    label: Int[np.ndarray, " n"],
    domain: Shaped[np.ndarray, " n"],
    *,
    share: float = 0.3,
    seed: int = 0,
) -> UmapPoints:
    """Places segments by UMAP of their features, and picks those to draw.

    Args:
      features: [n, d] f_D.
      scores: panel -> [n]; if there are two, the second is after smoothing.
      label: [n] 0 normal, 1 anomaly, -1 unknown.
      domain: [n] "source" or "target".
      share: of the segments drawn, at random; of 200 or fewer, all are. UMAP sees them all.
      seed: of UMAP and of the choice.
    """
    place = umap_places(features, seed=seed)
    n = len(features)
    drawn = np.random.default_rng(seed).random(n) < (share if n > 200 else 1)
    moved = np.zeros(0)
    if len(scores) > 1:
        before, after = (rankdata(values) for values in list(scores.values())[:2])
        moved = (100 * (after - before) / n)[drawn]
    picked = {name: values[drawn] for name, values in scores.items()}
    return UmapPoints(place[drawn], label[drawn], domain[drawn], picked, moved)


def umap_places(features: Float[np.ndarray, "n d"], *, seed: int) -> Float[np.ndarray, "n 2"]:
    """Runs UMAP with its defaults: Euclidean, 15 neighbours (fewer if there are fewer items)."""
    import warnings

    with warnings.catch_warnings():
        # umap and numba warn of one thread under a seed, and of their own deprecations.
        warnings.simplefilter("ignore")
        import umap

        reducer = umap.UMAP(random_state=seed, n_neighbors=min(15, len(features) - 1))
        return reducer.fit_transform(features)


def compile_umap() -> None:
    """Compiles UMAP's functions, by placing a few points: 7 s on two Intel Xeon cores."""
    umap_places(np.random.default_rng(0).random((32, 2), np.float32), seed=0)


def panel_names(points: UmapPoints) -> list[str]:
    """Returns the panels: one for each set of scores, and one of the difference."""
    return [*points.scores, *(["change of rank"] if len(points.moved) else [])]


def umap_figure(
    points: UmapPoints, *, title: str = "", panels: Sequence[str] = (), width: float = 5.0
) -> Any:
    """Draws the panels, each with a colour scale of its own.

    Colours are spread between the 2nd and 98th percentile of the panel's values. Target segments
    have a dark outline. The last panel shows by how many percent of the segments each one's rank
    changed.

    Args:
      points: to draw.
      title: of the figure; may be empty.
      panels: names of `panel_names` to draw; by default all. The legend is in the first of all.
      width: of a panel, inches.

    Returns:
      A matplotlib figure.
    """
    names = list(panels) or panel_names(points)
    figure, grid = new_figure(len(names), width=width)
    for axes, name in zip(grid, names):
        is_change = name not in points.scores
        values = points.moved if is_change else points.scores[name]
        low, high = np.percentile(values, CLIP)
        if is_change:
            high = max(abs(low), abs(high), 1e-9)
            low = -high
        colours = {"vmin": low, "vmax": high, "cmap": "coolwarm" if is_change else "viridis"}
        for label, marker, text in KINDS:
            for domain, edge, width in (("source", "none", 0.0), ("target", "black", 0.9)):
                rows = (points.label == label) & (points.domain == domain)
                if rows.any():
                    drawn = axes.scatter(
                        *points.place[rows].T,
                        c=values[rows],
                        marker=marker,
                        s=30,
                        edgecolors=edge,
                        linewidths=width,
                        label=f"{text}, {domain}",
                        **colours,
                    )
        axes.set(title=f"{title}, {name}" if title else name, xticks=[], yticks=[])
        unit = "change of rank [% of segments]" if is_change else "anomaly score"
        figure.colorbar(drawn, ax=axes, label=unit, extend="both")
    if names[0] == panel_names(points)[0]:
        grid[0].legend(fontsize="small")
    return figure


def write_umap(folder: Path, points: UmapPoints, *, title: str) -> None:
    """Writes `umap.png`, and `umap.npz` for `read_umap`."""
    save_png(umap_figure(points, title=title), folder / "umap.png")
    scores = np.stack(list(points.scores.values()))
    arrays = points._asdict() | {"names": np.asarray(list(points.scores)), "scores": scores}
    write_npz(folder / "umap.npz", arrays)


def read_umap(folder: Path) -> UmapPoints | None:
    """Reads what `write_umap` wrote; None if there is nothing.

    Raises:
      InputError: an unreadable file.
    """
    path = folder / "umap.npz"
    if not path.is_file():
        return None
    arrays = read_npz(path)
    scores = dict(zip(arrays.pop("names").tolist(), arrays.pop("scores")))
    return UmapPoints(**arrays, scores=scores)

"""Figures; matplotlib and umap-learn (extra viz) are imported where they are used."""

import io
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from jax_dns.evaluation.metrics import summary
from jax_dns.evaluation.results import MethodResult, methods_of
from jax_dns.files import write_bytes

MARKERS = {"source": "o", "all": "s"}


def missing_packages() -> list[str]:
    """Packages of the extra `viz` that aren't installed."""
    from importlib.util import find_spec

    return [name for name in ("matplotlib", "umap") if find_spec(name) is None]


def k_curve(
    path: Path,
    results: Sequence[MethodResult],
    *,
    title: str,
    sections: dict[str, Sequence[int]],
    pooled: bool,
) -> None:
    """Draws the harmonic mean of AUC and pAUC against K.

    Args:
      path: of the PNG.
      results: all methods and settings of one machine type.
      title: of the figure.
      sections: name -> sections, a panel each.
      pooled: see `metrics.summary`.
    """
    _save(k_curve_figure(results, title=title, sections=sections, pooled=pooled), path)


def k_curve_figure(
    results: Sequence[MethodResult],
    *,
    title: str,
    sections: dict[str, Sequence[int]],
    pooled: bool,
) -> Any:
    """The figure of `k_curve`, not saved; `title` may be empty."""
    figure, panels = _figure(len(sections))
    for axes, (name, chosen) in zip(panels, sections.items()):

        def percent(result: MethodResult, chosen: Sequence[int] = chosen) -> float:
            return 100 * summary(result.metrics, sections=chosen, pooled=pooled)

        curves = [r for r in results if r.parameter == "K"]
        for method, data in dict.fromkeys((r.method, r.data) for r in curves):
            line = [(r.value, percent(r)) for r in curves if (r.method, r.data) == (method, data)]
            axes.plot(*zip(*sorted(line)), marker=MARKERS[data], label=f"{method}, {data}")
        others = [r for r in results if r.parameter != "K"]
        for method, style in zip(methods_of(others), itertools.cycle(("--", ":", "-."))):
            values = [percent(r) for r in others if r.method == method]
            label = method if len(values) == 1 else f"{method}, best of {len(values)}"
            if not np.isnan(values).all():  # sections without labels have no value
                axes.axhline(np.nanmax(values), color="black", linestyle=style, label=label)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel="K", title=f"{title}, {name}" if title else name)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("harmonic mean of AUC and pAUC [%]")
    panels[-1].legend(fontsize="small")
    return figure


def umap_scores(
    path: Path,
    features: Float[np.ndarray, "n d"],
    scores: dict[str, Float[np.ndarray, " n"]],
    label: Int[np.ndarray, " n"],
    *,
    title: str,
    share: float = 0.3,
    seed: int = 0,
) -> None:
    """Draws segments where UMAP puts their features, coloured by score: before and after.

    Args:
      path: of the PNG.
      features: [n, d] f_D.
      scores: name -> [n], a panel each; one colour scale, their 2nd to 98th percentile.
      label: [n]; 0 is drawn as a dot, 1 as a cross, -1 as a triangle.
      title: of the figure.
      share: of the segments drawn, at random; the fit sees them all.
      seed: of the fit and of the choice.
    """
    place = umap_places(features, seed=seed)
    rng = np.random.default_rng(seed)
    shown = (
        rng.random(len(features)) < share if len(features) > 200 else np.ones(len(features), bool)
    )
    low, high = np.percentile(np.concatenate(list(scores.values())), (2, 98))
    figure, panels = _figure(len(scores))
    for axes, (name, values) in zip(panels, scores.items()):
        for kind, marker, text in ((0, "o", "normal"), (1, "x", "anomaly"), (-1, "^", "unknown")):
            rows = shown & (label == kind)
            if rows.any():
                drawn = axes.scatter(
                    *place[rows].T,
                    c=values[rows],
                    vmin=low,
                    vmax=high,
                    marker=marker,
                    s=18,
                    linewidths=1,
                    label=text,
                )
        axes.set(title=f"{title}, {name}", xticks=[], yticks=[])
    panels[0].legend(fontsize="small")
    figure.colorbar(drawn, ax=list(panels), label="anomaly score")
    _save(figure, path)


def umap_places(features: Float[np.ndarray, "n d"], *, seed: int) -> Float[np.ndarray, "n 2"]:
    """UMAP with its defaults: Euclidean, 15 neighbours (fewer where there are fewer items)."""
    import warnings

    with warnings.catch_warnings():
        # umap and numba warn of one thread under a seed, and of their own deprecations.
        warnings.simplefilter("ignore")
        import umap

        reducer = umap.UMAP(random_state=seed, n_neighbors=min(15, len(features) - 1))
        return reducer.fit_transform(features)


def heat_map(
    path: Path,
    values: Float[np.ndarray, "r c"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
) -> None:
    """Draws a table of numbers in colours.

    Args:
      path: of the PNG.
      values: [r, c].
      rows: their names.
      columns: their names.
      label: of the colour bar.
    """
    from matplotlib.figure import Figure

    size = (3 + 0.9 * len(columns), 1.5 + 0.4 * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(values, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (i, j), value in np.ndenumerate(values):
        color = "white" if value < middle else "black"
        axes.text(j, i, f"{value:.1f}", ha="center", va="center", color=color)
    figure.colorbar(image, label=label)
    _save(figure, path)


def _figure(n_panels: int) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 5 * n_panels, 4.2), layout="constrained")
    return figure, figure.subplots(1, n_panels, sharex=True, sharey=True, squeeze=False)[0]


def _save(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())

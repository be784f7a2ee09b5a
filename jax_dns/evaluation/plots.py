"""K curves and heat maps; matplotlib (extra viz) is imported where it is used."""

import io
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from jax_dns.evaluation.metrics import summary
from jax_dns.evaluation.results import MethodResult, methods_of
from jax_dns.files import write_bytes

MARKERS = {"source": "o", "all": "s"}


def missing_packages() -> list[str]:
    """Returns the packages of the extra `viz` that aren't installed."""
    from importlib.util import find_spec

    return [name for name in ("matplotlib", "umap") if find_spec(name) is None]


def k_curve(
    path: Path,
    runs: Sequence[Sequence[MethodResult]],
    *,
    title: str,
    sections: Mapping[str, Sequence[int]],
    pooled: bool,
    chosen: Sequence[MethodResult] = (),
) -> None:
    """Writes a PNG of the harmonic mean of AUC and pAUC against K; see `k_curve_figure`."""
    figure = k_curve_figure(runs, title=title, sections=sections, pooled=pooled, chosen=chosen)
    save_png(figure, path)


def k_curve_figure(
    runs: Sequence[Sequence[MethodResult]],
    *,
    title: str,
    sections: Mapping[str, Sequence[int]],
    pooled: bool,
    chosen: Sequence[MethodResult] = (),
) -> Any:
    """Draws the harmonic mean of AUC and pAUC against K, in percent.

    Args:
      runs: for each seed all methods and settings of one machine type. Curves are means over seeds,
        in a band from the lowest to the highest seed.
      title: of the figure; may be empty.
      sections: name -> sections, one panel each.
      pooled: see `metrics.summary`.
      chosen: the settings selected, one for each seed; their points are ringed.

    Returns:
      A matplotlib figure.
    """
    runs = [[result for result in run if not result.is_baseline] for run in runs]
    figure, panels = new_figure(len(sections))
    for axes, (name, some) in zip(panels, sections.items()):
        curves = _percent(runs, some, pooled)
        with_k = [key for key in curves if key[1] == "K"]
        for method, data in dict.fromkeys((key[0], key[3]) for key in with_k):
            keys = sorted(
                (key for key in with_k if (key[0], key[3]) == (method, data)),
                key=lambda key: key[2],
            )
            ks = [key[2] for key in keys]
            values = [curves[key] for key in keys]
            (line,) = axes.plot(
                ks, list(map(np.mean, values)), marker=MARKERS[data], label=f"{method}, {data}"
            )
            if len(runs) > 1:
                low, high = list(map(min, values)), list(map(max, values))
                axes.fill_between(ks, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
        _ring(axes, curves, chosen)
        others = [result for run in runs for result in run if result.parameter != "K"]
        for method, style in zip(
            methods_of(others), itertools.cycle(("--", ":", "-.", (0, (8, 3)), (0, (1, 4))))
        ):
            settings = [curves[key] for key in curves if key[0] == method and key[1] != "K"]
            label = method if len(settings) == 1 else f"{method}, best of {len(settings)}"
            means = list(map(np.mean, settings))
            if not np.isnan(means).all():  # sections without labels have no value
                axes.axhline(np.nanmax(means), color="black", linestyle=style, label=label)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel="K", title=f"{title}, {name}" if title else name)
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("harmonic mean of AUC and pAUC [%]")
    panels[-1].legend(fontsize="small")
    return figure


def _percent(
    runs: Sequence[Sequence[MethodResult]], sections: Sequence[int], pooled: bool
) -> dict[tuple, list[float]]:
    """Returns method, parameter, value and data -> the harmonic mean of each seed, in percent."""
    curves: dict[tuple, list[float]] = {}
    for result in (result for run in runs for result in run):
        mean = summary(result.metrics, sections=sections, pooled=pooled)
        curves.setdefault(tuple(result[:4]), []).append(100 * mean)
    return curves


def _ring(axes: Any, curves: Mapping[tuple, list[float]], chosen: Sequence[MethodResult]) -> None:
    """Draws a ring around the point of each chosen setting."""
    points = dict.fromkeys(tuple(result[:4]) for result in chosen if result.parameter == "K")
    label = "selected"
    for key in points:
        if key in curves:
            axes.plot(
                [key[2]],
                [np.mean(curves[key])],
                marker="o",
                markersize=15,
                markerfacecolor="none",
                markeredgecolor="black",
                markeredgewidth=1.5,
                linestyle="none",
                label=label,
            )
            label = "_nolegend_"


def new_figure(n_panels: int, *, width: float = 5.0) -> tuple[Any, Any]:
    """Returns a matplotlib figure with panels side by side that share their axes.

    Args:
      n_panels: number of panels.
      width: of a panel, inches; a small one has comparatively large text.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + width * n_panels, 0.7 + 0.7 * width), layout="constrained")
    return figure, figure.subplots(1, n_panels, sharex=True, sharey=True, squeeze=False)[0]


def save_png(figure: Any, path: Path) -> None:
    """Writes a matplotlib figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(path, buffer.getvalue())


def heat_map(
    path: Path,
    values: Float[np.ndarray, "r c"],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    label: str,
) -> None:
    """Writes a PNG of a table of numbers in colours.

    Args:
      path: of the PNG.
      values: [r, c].
      rows: their names.
      columns: their names.
      label: of the colour bar.
    """
    from matplotlib.figure import Figure

    size = (3 + 0.9 * len(columns), max(3.5, 1.5 + 0.4 * len(rows)))  # room for the label
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
    save_png(figure, path)

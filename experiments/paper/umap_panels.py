"""Draws Figs. 3 and 4: training and test segments in UMAP coordinates, by label and by score."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.segments_file import Segments

MAX_COLUMNS = 4  # panels side by side
COLOUR_RANGE = (2, 98)  # percentiles of the scores shown
TEST_SIZE = 17  # of a marker, points squared


class Style(NamedTuple):
    """Markers of the segments of one label and domain."""

    label: int
    domain: str
    marker: str
    colour: str
    name: str


TRAINING = {"source": ("0.8", "o", 5), "target": ("0.3", "D", 9)}  # grey, marker, size
# Hue tells the label, lightness the domain: Okabe and Ito's colours, safe for the colour-blind.
TEST = (
    Style(0, "source", "o", "#0072B2", "normal"),
    Style(0, "target", "o", "#56B4E9", "normal"),
    Style(1, "source", "x", "#D55E00", "anomaly"),
    Style(1, "target", "x", "#E69F00", "anomaly"),
    Style(-1, "source", "^", "#000000", "unlabelled"),
    Style(-1, "target", "^", "#777777", "unlabelled"),
)
MARKERS = {style.label: style.marker for style in TEST}


def choose_fraction(n: int, fraction: float, *, seed: int) -> Bool[np.ndarray, " n"]:
    """Chooses a fraction of n points at random; their number is rounded up.

    Raises:
      InputError: a fraction that is not above 0 and up to 1.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"fraction: {fraction}, expected above 0, up to 1")
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: int(np.ceil(fraction * n))]] = True
    return chosen


def draw_panels(
    segments: Segments,
    coordinates: Float[np.ndarray, "n 2"],
    scores: Mapping[str, Float[np.ndarray, " n"]],
    *,
    shown: Bool[np.ndarray, " n"],
    title: str,
) -> Any:
    """Draws a panel of labels and domains and a panel for each set of scores, on the same axes.

    Args:
      segments: of one section; those outside the split "test" are drawn as training.
      coordinates: [n, 2] of each segment.
      scores: panel title -> [n] scores. Those of test segments are drawn on one colour scale, from
        the 2nd to the 98th percentile of all that are shown.
      shown: [n] which segments are drawn.
      title: of the figure.

    Returns:
      A matplotlib figure.

    Raises:
      InputError: no test segment is shown.
    """
    from matplotlib.figure import Figure

    test = shown & (segments.split == "test")
    if not test.any():
        raise InputError("shown: no test segment among those to draw, expected some")
    n_panels = 1 + len(scores)
    n_rows = -(-n_panels // MAX_COLUMNS)
    n_columns = -(-n_panels // n_rows)
    figure = Figure(figsize=(0.8 + 3.1 * n_columns, 1.0 + 3.1 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    panels = grid.ravel()
    for axes in panels[:n_panels]:
        _draw_training(axes, segments, coordinates, shown & (segments.split != "test"))
    _draw_labels(panels[0], segments, coordinates, test)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower left",
        ncols=3,
        frameon=False,
        markerscale=1.5,
    )
    colour_range = np.percentile(np.stack([x[test] for x in scores.values()]), COLOUR_RANGE)
    for axes, (name, values) in zip(panels[1:], scores.items()):
        mapped = _draw_scores(axes, segments, coordinates, test, values, colour_range)
        axes.set_title(name, fontsize=10)
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    figure.colorbar(
        mapped, ax=list(panels), label="anomaly score", extend="both", pad=0.01, aspect=20 * n_rows
    )
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_training(axes, segments, coordinates, training) -> None:
    for domain, (grey, marker, size) in TRAINING.items():
        rows = training & (segments.domain == domain)
        if rows.any():
            style = dict(color=grey, marker=marker, s=size, linewidths=0)
            axes.scatter(*coordinates[rows].T, label=f"training, {domain}", **style)


def _draw_labels(axes, segments, coordinates, test) -> None:
    for style in TEST:
        rows = test & (segments.label == style.label) & (segments.domain == style.domain)
        if rows.any():
            axes.scatter(
                *coordinates[rows].T,
                color=style.colour,
                label=f"{style.name}, {style.domain}",
                **_marker(style.marker),
            )
    axes.set_title("labels and domains", fontsize=10)


def _draw_scores(axes, segments, coordinates, test, values, colour_range) -> Any:
    for label, marker in MARKERS.items():
        rows = test & (segments.label == label)
        if rows.any():
            mapped = axes.scatter(
                *coordinates[rows].T,
                c=values[rows],
                cmap="viridis",
                vmin=colour_range[0],
                vmax=colour_range[1],
                **_marker(marker),
            )
    return mapped


def _marker(marker: str) -> dict[str, Any]:
    return dict(marker=marker, linewidths=1.1 if marker == "x" else 0, s=TEST_SIZE)

"""Figs. 3 and 4: training and test segments where UMAP puts them, by label and by score."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from jax_dns.errors import InputError
from jax_dns.files import write_bytes
from jax_dns.segments_file import Segments

FORMATS = ("png", "pdf", "svg")
COLUMNS = 4  # panels side by side at most
TRAINING = {"source": ("0.8", "o", 5), "target": ("0.3", "D", 9)}  # grey, marker, size
# Hue says label, lightness domain: Okabe and Ito's colours, apart for the colour-blind too.
TEST = (
    (0, "source", "o", "#0072B2", "normal"),
    (0, "target", "o", "#56B4E9", "normal"),
    (1, "source", "x", "#D55E00", "anomaly"),
    (1, "target", "x", "#E69F00", "anomaly"),
    (-1, "source", "^", "#000000", "unlabelled"),
    (-1, "target", "^", "#777777", "unlabelled"),
)


def choose_share(n: int, share: float, *, seed: int) -> Bool[np.ndarray, " n"]:
    """Chooses a share of n points at random, rounded up.

    Raises:
      InputError: a share out of range.
    """
    if not 0 < share <= 1:
        raise InputError(f"share: {share}, expected above 0, up to 1")
    chosen = np.zeros(n, bool)
    chosen[np.random.default_rng(seed).permutation(n)[: int(np.ceil(share * n))]] = True
    return chosen


def score_maps(
    segments: Segments,
    places: Float[np.ndarray, "n 2"],
    scores: Mapping[str, Float[np.ndarray, " n"]],
    *,
    shown: Bool[np.ndarray, " n"],
    title: str,
) -> Any:
    """Draws one panel of labels and domains and one for each set of scores, on the same axes.

    Args:
      segments: of one section, training and test; what isn't split "test" is drawn as training.
      places: [n, 2] where each segment is drawn.
      scores: panel's title -> [n] scores, of which those of test segments are drawn, on one colour
        scale: the 2nd to 98th percentile of all that are shown.
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
    n_rows = -(-n_panels // COLUMNS)
    n_columns = -(-n_panels // n_rows)
    figure = Figure(figsize=(0.8 + 3.1 * n_columns, 1.0 + 3.1 * n_rows), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    panels = grid.ravel()
    for domain, (grey, marker, size) in TRAINING.items():
        rows = shown & (segments.split != "test") & (segments.domain == domain)
        for axes in panels[:n_panels] if rows.any() else ():
            style = dict(color=grey, marker=marker, s=size, linewidths=0)
            axes.scatter(*places[rows].T, label=f"training, {domain}", **style)
    for label, domain, marker, colour, name in TEST:
        rows = test & (segments.label == label) & (segments.domain == domain)
        if rows.any():
            style = dict(marker=marker, linewidths=0 if marker != "x" else 1.1, s=17)
            panels[0].scatter(*places[rows].T, color=colour, label=f"{name}, {domain}", **style)
    panels[0].set_title("labels and domains", fontsize=10)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower left",
        ncols=3,
        frameon=False,
        markerscale=1.5,
    )
    scale = np.percentile(np.stack([values[test] for values in scores.values()]), (2, 98))
    drawn = None
    for axes, (name, values) in zip(panels[1:], scores.items()):
        for label, marker in ((0, "o"), (1, "x"), (-1, "^")):
            rows = test & (segments.label == label)
            style = dict(marker=marker, linewidths=0 if marker != "x" else 1.1, s=17)
            if rows.any():
                drawn = axes.scatter(
                    *places[rows].T,
                    c=values[rows],
                    cmap="viridis",
                    vmin=scale[0],
                    vmax=scale[1],
                    **style,
                )
        axes.set_title(name, fontsize=10)
    for axes in panels:
        axes.set(xticks=[], yticks=[])
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    figure.colorbar(
        drawn, ax=list(panels), label="anomaly score", extend="both", pad=0.01, aspect=20 * n_rows
    )
    figure.suptitle(title, fontsize=11)
    return figure


def save_figure(figure: Any, path: Path) -> None:
    """Writes a matplotlib figure whole, in the format that the file's name ends in.

    Raises:
      InputError: another format than FORMATS, or a folder that can't be written.
    """
    kind = path.suffix.removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"{path}: expected a name that ends in .{', .'.join(FORMATS)}")
    buffer = io.BytesIO()
    undated = {"png": None, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
    figure.savefig(buffer, format=kind, dpi=150, metadata=undated)
    write_bytes(path, buffer.getvalue())

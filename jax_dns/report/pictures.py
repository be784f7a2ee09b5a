"""Pictures inside a page: figures as SVG in the page's own colours."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

NORMAL, ANOMALY, UNKNOWN = "#4c8ad9", "#e0722f", "#8a9199"  # distinct for the colour-blind too
KINDS = ((0, NORMAL, "normal"), (1, ANOMALY, "anomaly"), (-1, UNKNOWN, "unknown"))


def data_uri(data: bytes, media_type: str) -> str:
    """Returns bytes as a URI that holds them."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def inline_svg(figure: Any, name: str) -> str:
    """Returns a matplotlib figure as an `<svg>` element in the page's colours.

    Black becomes the page's ink and white its background, so that one picture serves light and
    dark pages.

    Args:
      figure: to draw.
      name: unique in the page, for the ids that the picture refers to.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))
    svg = re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)  # such as figure_1
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # the page sets the size
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = svg.replace("#000000", "currentColor").replace("#ffffff", "var(--card)")
    return svg.replace("<svg ", '<svg aria-hidden="true" ', 1)


def same_heights(figures: Sequence[Any]) -> None:
    """Gives the first panels of several figures one range of values."""
    panels = [figure.axes[0] for figure in figures]
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def histograms(
    scores: Mapping[str, Float[np.ndarray, " c"]],
    label: Int[np.ndarray, " c"],
    domain: Shaped[np.ndarray, " c"],
) -> dict[str, Any]:
    """Draws histograms of clip scores: a figure for each domain, a row for each set of scores.

    Args:
      scores: name -> [c]; all figures have one axis, from the lowest score to the 99th percentile,
        and the scores beyond are in the last bin.
      label: [c] 0 normal, 1 anomaly, -1 unknown.
      domain: [c] "source" or "target".

    Returns:
      Domain -> matplotlib figure.
    """
    from matplotlib.figure import Figure

    everything = np.concatenate(list(scores.values()))
    low, high = everything.min(), np.percentile(everything, 99)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    figures = {}
    for place in ("source", "target"):
        if not (domain == place).any():
            continue
        figure = Figure(figsize=(5.2, 0.4 + 1.7 * len(scores)), layout="constrained")
        panels = figure.subplots(len(scores), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
        for axes, (name, values) in zip(panels, scores.items()):
            for kind, colour, text in KINDS:
                chosen = values[(label == kind) & (domain == place)]
                if len(chosen):
                    chosen = np.minimum(chosen, edges[-1])
                    axes.hist(chosen, edges, color=colour, alpha=0.6, label=text)
            axes.set_title(f"{place}, {name}", fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
            axes.yaxis.get_major_locator().set_params(integer=True)
            axes.set_ylabel("clips")
        panels[0].legend(fontsize=9, frameon=False)
        panels[-1].set_xlabel("anomaly score")
        figures[place] = figure
    return figures

"""Pictures inside a page: plots as SVG in the page's own colours, spectrograms as small PNG."""

import base64
import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped

NORMAL, ANOMALY, UNKNOWN = "#4c8ad9", "#e0722f", "#8a9199"  # apart for the colour-blind too
LEVELS = 64  # colours of a spectrogram: 28 kB for ten seconds; 38 kB with 256, 115 kB as RGBA
COLOURS = "magma"


def data_uri(data: bytes, media_type: str) -> str:
    """The bytes in the page itself."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def inline_svg(figure: Any) -> str:
    """A matplotlib figure as an `<svg>` element that takes text and paper from the page around it.

    Black becomes the page's ink, white its card, so that one picture serves light and dark.
    """
    import matplotlib

    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "jax_dns"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)  # every figure has a figure_1: no unique ids
    svg = re.sub(r' (width|height)="[\d.]+pt"', "", svg, count=2)  # the page sets the size
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg).replace("xlink:href", "href")
    svg = svg.replace("#000000", "currentColor").replace("#ffffff", "var(--card)")
    return svg.replace("<svg ", '<svg aria-hidden="true" ', 1)


def histograms(
    scores: Mapping[str, Float[np.ndarray, " c"]],
    label: Int[np.ndarray, " c"],
    domain: Shaped[np.ndarray, " c"],
) -> Any:
    """Draws histograms of clip scores, a row for each set of scores and a column for each domain.

    Args:
      scores: name -> [c], on one axis: their 0th to 99th percentile, with what is beyond in the
        last bin.
      label: [c]; 0 normal, 1 anomaly, -1 unknown.
      domain: [c] "source" or "target".

    Returns:
      A matplotlib figure.
    """
    from matplotlib.figure import Figure

    places = [d for d in ("source", "target") if (domain == d).any()]
    everything = np.concatenate(list(scores.values()))
    low, high = everything.min(), np.percentile(everything, 99)
    edges = np.linspace(low, high if high > low else low + 1, 41)
    figure = Figure(figsize=(5.2 * len(places), 0.4 + 1.6 * len(scores)), layout="constrained")
    panels = figure.subplots(len(scores), len(places), sharex=True, sharey="col", squeeze=False)
    kinds = ((0, NORMAL, "normal"), (1, ANOMALY, "anomaly"), (-1, UNKNOWN, "unknown"))
    for line, (name, values) in zip(panels, scores.items()):
        for axes, place in zip(line, places):
            for kind, colour, text in kinds:
                chosen = values[(label == kind) & (domain == place)]
                if len(chosen):
                    chosen = np.minimum(chosen, edges[-1])
                    axes.hist(chosen, edges, color=colour, alpha=0.6, label=text)
            axes.set_title(f"{place}, {name}", fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
            axes.yaxis.get_major_locator().set_params(integer=True)
        line[0].set_ylabel("clips")
    panels[0, -1].legend(fontsize=9, frameon=False)
    for axes in panels[-1]:
        axes.set_xlabel("anomaly score")
    return figure


def spectrogram_png(
    decibels: Float[np.ndarray, "n_mels frames"], *, low: float, high: float
) -> bytes:
    """A spectrogram as a PNG, a pixel a band and frame, low bands at the bottom.

    Args:
      decibels: [n_mels, frames].
      low: dB of the darkest colour.
      high: dB of the brightest colour.
    """
    from PIL import Image

    span = max(high - low, 1e-6)
    level = np.clip((decibels[::-1] - low) / span * LEVELS, 0, LEVELS - 1).astype(np.uint8)
    image = Image.fromarray(level)
    image.putpalette(_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def colour_bar(stops: int = 9) -> str:
    """The spectrograms' colours as a CSS gradient, low to high."""
    chosen = _palette()[np.linspace(0, LEVELS - 1, stops).round().astype(int)]
    return ", ".join("#" + bytes(colour).hex() for colour in chosen.tolist())


def _palette() -> np.ndarray:
    from matplotlib import colormaps

    return (255 * colormaps[COLOURS](np.linspace(0, 1, LEVELS))[:, :3]).round().astype(np.uint8)

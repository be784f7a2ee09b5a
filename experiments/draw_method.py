"""Draws method.svg, the picture of the method in README.md.

python experiments/draw_method.py        # under a second; writes experiments/method.svg
"""

from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np

PATH = Path(__file__).with_name("method.svg")
WIDTH, HEIGHT = 880, 250
INK, FRAME = "#222222", "#777777"
GENERATIVE, DISCRIMINATIVE = "#D55E00", "#0072B2"  # Okabe and Ito's colours
K = 5
CENTRES = ((680.0, 88.0), (762.0, 128.0), (672.0, 168.0))  # of clusters in the feature space
LEVELS = (0.2, 0.5, 0.85)  # of the clusters' scores
PER_CLUSTER = 10


def text(x: float, y: float, content: str, *, size: int = 14, anchor: str = "middle") -> str:
    """Returns a line of text; _x becomes a subscript."""
    name, _, rest = content.partition("_")
    subscript, space, tail = rest.partition(" ")
    markup = escape(name)
    if subscript:
        markup += f'<tspan dy="4" font-size="{0.7 * size:g}">{escape(subscript)}</tspan>'
        markup += f'<tspan dy="-4">{escape(space + tail)}</tspan>'
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}" '
        f'fill="{INK}">{markup}</text>'
    )


def box(x: float, y: float, width: float, height: float, lines: list[str], colour: str) -> str:
    """Returns a rounded box with centred lines of text, the first one larger."""
    parts = [
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="none" '
        f'stroke="{colour}" stroke-width="2"/>'
    ]
    first = y + height / 2 - 9 * (len(lines) - 1) + 5
    for number, line in enumerate(lines):
        parts.append(text(x + width / 2, first + 18 * number, line, size=12 if number else 14))
    return "\n".join(parts)


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """Returns an arrow."""
    return (
        f'<path d="M{x:g} {y:g} L{to_x:g} {to_y:g}" stroke="{INK}" stroke-width="1.5" '
        'fill="none" marker-end="url(#head)"/>'
    )


def waveform(x: float, y: float, width: float, height: float) -> str:
    """Returns a recording's waveform."""
    t = np.linspace(0, 1, 60)
    values = np.sin(40 * t) * np.sin(np.pi * t) * (0.6 + 0.4 * np.sin(9 * t))
    points = " ".join(f"{x + width * a:.1f},{y + height * b / 2:.1f}" for a, b in zip(t, values))
    return f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-width="1.5"/>'


def feature_space() -> list[str]:
    """Returns items at their features, shaded by their scores, and one item's neighbours.

    The item's own score is high among neighbours with low scores: smoothing will lower it.
    """
    rng = np.random.default_rng(4)
    number = np.arange(PER_CLUSTER)
    spread = 34 * np.sqrt((number + 0.3) / PER_CLUSTER)[None, :, None]
    spread = spread * (0.85 + 0.3 * rng.random((len(CENTRES), PER_CLUSTER, 1)))
    angle = 2 * np.pi * 0.618 * number[None, :, None] + rng.random((len(CENTRES), 1, 1)) * 6
    offsets = spread * np.concatenate([np.cos(angle), np.sin(angle)], axis=-1)
    items = (np.asarray(CENTRES)[:, None] + offsets).reshape(-1, 2)
    scores = np.repeat(LEVELS, PER_CLUSTER) + 0.1 * rng.normal(size=len(items))
    query = int(np.linalg.norm(items - CENTRES[0], axis=1).argmin())
    scores[query] = 0.9
    distances = np.linalg.norm(items - items[query], axis=1)
    radius = np.sort(distances)[K - 1 : K + 1].mean()
    x, y = items[query]
    parts = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="none" '
        f'stroke="{DISCRIMINATIVE}" stroke-width="1.5" stroke-dasharray="4 3"/>'
    ]
    for number, ((x, y), score) in enumerate(zip(items, np.clip(scores, 0.2, 1))):
        edge = INK if number == query else "none"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" fill="{GENERATIVE}" '
            f'fill-opacity="{score:.2f}" stroke="{edge}" stroke-width="2"/>'
        )
    return parts


def picture() -> str:
    """Returns the whole picture as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" role="img">',
        "<title>Scores of a generative model are averaged over neighbours in the feature space "
        "of a discriminative model</title>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        waveform(20, 118, 90, 56),
        text(65, 170, "recording"),
        arrow(118, 106, 162, 72),
        arrow(118, 132, 162, 170),
        box(168, 32, 210, 66, ["generative model", "autoencoder"], GENERATIVE),
        box(168, 146, 210, 66, ["discriminative model", "EfficientNet-B0"], DISCRIMINATIVE),
        arrow(378, 65, 412, 65),
        arrow(378, 179, 428, 179),
        text(474, 60, "anomaly score", size=13),
        text(472, 84, "a_G"),
        text(472, 176, "feature"),
        text(472, 198, "f_D"),
        arrow(532, 72, 596, 92),
        arrow(512, 179, 596, 150),
        f'<rect x="604" y="28" width="214" height="184" rx="8" fill="none" stroke="{FRAME}"/>',
        *feature_space(),
        text(711, 20, "feature space, shaded by score", size=12),
        text(711, 236, f"smoothed score = mean over the K = {K} nearest", size=13),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    PATH.write_text(picture())
    print(PATH)

"""Pictures in a page: what they show, and that they fit in it."""

import io
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from jax_dns.report import pictures

pytest.importorskip("matplotlib", reason="extra viz")


def test_histograms_count_every_clip(rng):
    before, after = rng.normal(size=60), np.full(60, 0.5)
    label = np.repeat([0, 1, -1], 20)
    domain = np.tile(["source", "target"], 30)
    figure = pictures.histograms({"before": before, "after": after}, label, domain)
    panels = {axes.get_title(): axes for axes in figure.axes}
    assert list(panels) == [f"{d}, {n}" for n in ("before", "after") for d in ("source", "target")]
    for axes in figure.axes:
        assert sum(bar.get_height() for bar in axes.patches) == 30
    low, high = np.inf, -np.inf
    for bar in panels["source, before"].patches:
        low, high = min(low, bar.get_x()), max(high, bar.get_x() + bar.get_width())
    both = np.concatenate([before, after])
    assert low == pytest.approx(both.min()) and high == pytest.approx(np.percentile(both, 99))


def test_svg_takes_its_colours_from_the_page():
    scores = {"before": np.arange(4.0), "after": np.ones(4)}
    label, domain = np.asarray([0, 0, 1, 1]), np.repeat(["source"], 4)
    svg, again = (pictures.inline_svg(pictures.histograms(scores, label, domain)) for _ in range(2))
    assert svg == again  # no date, no random ids
    assert "#000000" not in svg and "currentColor" in svg and 'id="figure_1"' not in svg
    assert "http" not in svg and "<?xml" not in svg and "DOCTYPE" not in svg
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] and "width" not in root.attrib
    assert "anomaly score" in "".join(root.itertext())


def test_spectrogram_is_upright_and_spans_its_colours(rng):
    from matplotlib import colormaps
    from PIL import Image

    decibels = rng.uniform(-10, 30, (8, 5))
    decibels[0, 0], decibels[7, 4] = -50, 90
    png = pictures.spectrogram_png(decibels, low=-10.0, high=30.0)
    image = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
    expected = colormaps["magma"](np.clip((decibels[::-1] + 10) / 40, 0, 1))[..., :3] * 255
    assert image.shape == (8, 5, 3)
    assert np.abs(image - expected).max() < 255 / pictures.LEVELS * 2.5
    flat = pictures.spectrogram_png(np.zeros((2, 2)), low=0.0, high=0.0)
    assert Image.open(io.BytesIO(flat)).size == (2, 2)


def test_colour_bar_ends_where_the_spectrograms_do():
    stops = pictures.colour_bar().split(", ")
    assert len(stops) == 9 and stops[0] == "#000004" and stops[-1] == "#fcfdbf"

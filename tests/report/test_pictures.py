"""Pictures in a page: what they show, and that they fit in it."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from jax_dns.report import pictures

pytest.importorskip("matplotlib", reason="extra viz")


def test_histograms_count_every_clip(rng):
    before, after = rng.normal(size=60), np.full(60, 0.5)
    label = np.repeat([0, 1, -1], 20)
    domain = np.tile(["source", "target"], 30)
    figures = pictures.histograms({"before": before, "after": after}, label, domain)
    panels = {axes.get_title(): axes for figure in figures.values() for axes in figure.axes}
    assert list(panels) == [f"{d}, {n}" for d in ("source", "target") for n in ("before", "after")]
    for axes in panels.values():
        assert sum(bar.get_height() for bar in axes.patches) == 30
    low, high = np.inf, -np.inf
    for bar in panels["source, before"].patches:
        low, high = min(low, bar.get_x()), max(high, bar.get_x() + bar.get_width())
    both = np.concatenate([before, after])
    assert low == pytest.approx(both.min()) and high == pytest.approx(np.percentile(both, 99))


def test_svg_takes_its_colours_from_the_page():
    scores = {"before": np.arange(4.0), "after": np.ones(4)}
    label, domain = np.asarray([0, 0, 1, 1]), np.repeat(["source"], 4)

    def drawn(name):
        return pictures.inline_svg(pictures.histograms(scores, label, domain)["source"], name)

    svg, again = drawn("a"), drawn("a")
    assert svg == again  # no date, no random ids
    ids = [set(re.findall(r'id="([^"]*)"', text)) for text in (svg, drawn("b"))]
    assert ids[0] and not ids[0] & ids[1]
    assert "#000000" not in svg and "currentColor" in svg and 'id="figure_1"' not in svg
    assert "http" not in svg and "<?xml" not in svg and "DOCTYPE" not in svg
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] and "width" not in root.attrib
    assert "anomaly score" in "".join(root.itertext())


def test_same_heights():
    from matplotlib.figure import Figure

    figures = [Figure() for _ in range(2)]
    for figure, values in zip(figures, ([0, 1], [-5, 0.5])):
        figure.subplots().plot(values)
    low, high = figures[1].axes[0].get_ylim()[0], figures[0].axes[0].get_ylim()[1]
    pictures.same_heights(figures)
    assert {figure.axes[0].get_ylim() for figure in figures} == {(low, high)}

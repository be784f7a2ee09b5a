"""UMAP panels: what they draw."""

import struct

import numpy as np
import pytest
from scipy.stats import rankdata

from jax_dns.evaluation import umap_plot
from jax_dns.evaluation.umap_plot import UmapPoints, panel_names, read_umap, umap_figure

pytest.importorskip("matplotlib", reason="extra viz")


@pytest.fixture
def points(rng):
    n = 60
    scores = {"a_G": rng.normal(size=n), "smoothed": rng.normal(size=n) / 50}
    scores["a_G"][0] = 1e6  # beyond the colours' range
    label = np.repeat([0, 1, -1], 20)
    domain = np.tile(["source", "target"], n // 2)
    return UmapPoints(rng.normal(size=(n, 2)), label, domain, scores, rng.normal(size=n))


def test_each_panel_has_colours_of_its_own(points):
    figure = umap_figure(points, title="fan")
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [p.get_title() for p in panels] == ["fan, a_G", "fan, smoothed", "fan, change of rank"]
    for axes, values in zip(panels, (*points.scores.values(), points.moved)):
        drawn = np.concatenate([c.get_array() for c in axes.collections])
        assert sorted(drawn) == sorted(values)
        low, high = np.percentile(values, (2, 98))
        if axes is panels[-1]:
            low, high = -max(-low, high), max(-low, high)
        assert {c.get_clim() for c in axes.collections} == {(low, high)}
        for collection in axes.collections:
            outlined = len(collection.get_edgecolors()) > 0
            assert outlined == collection.get_label().endswith("target")
    assert len(umap_figure(points, panels=["a_G"]).axes) == 2  # with its colour bar


def test_points_are_those_of_the_segments(monkeypatch, rng, tmp_path):
    monkeypatch.setattr(umap_plot, "umap_places", lambda features, seed: features[:, :2])
    features = rng.normal(size=(400, 4))
    before, after = rng.normal(size=400), rng.normal(size=400)
    label, domain = np.arange(400) % 2, np.tile(["source", "target"], 200)
    found = umap_plot.umap_points(
        features, {"a_G": before, "after": after}, label, domain, share=0.25, seed=2
    )
    assert 70 < len(found.label) < 130
    rows = [np.flatnonzero(features[:, 0] == x)[0] for x in found.place[:, 0]]
    np.testing.assert_array_equal(found.scores["after"], after[rows])
    np.testing.assert_array_equal(found.domain, domain[rows])
    moved = (rankdata(after) - rankdata(before)) / 4
    np.testing.assert_allclose(found.moved, moved[rows])
    alone = umap_plot.umap_points(features[:100], {"a_G": before[:100]}, label[:100], domain[:100])
    assert len(alone.label) == 100 and panel_names(alone) == ["a_G"]
    umap_plot.write_umap(tmp_path, found, title="fan")
    again = read_umap(tmp_path)
    for a, b in zip(again, found):
        np.testing.assert_equal(a, b)
    data = (tmp_path / "umap.png").read_bytes()
    width, height = struct.unpack(">II", data[16:24])
    assert data.startswith(b"\x89PNG") and width > 3 * height > 900
    assert read_umap(tmp_path / "none") is None


def test_places_are_the_same_for_a_seed(rng):
    pytest.importorskip("umap", reason="extra viz")
    features = np.concatenate([rng.normal(size=(15, 4)), 20 + rng.normal(size=(15, 4))])
    places = umap_plot.umap_places(features.astype(np.float32), seed=3)
    np.testing.assert_array_equal(
        places, umap_plot.umap_places(features.astype(np.float32), seed=3)
    )
    between = np.linalg.norm(places[:15].mean(0) - places[15:].mean(0))
    assert between > 2 * places[:15].std()

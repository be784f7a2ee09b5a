"""Figures: drawn from what they should show."""

import struct

import numpy as np
import pytest

from jax_dns.evaluation import plots
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import MethodResult

pytest.importorskip("matplotlib", reason="extra viz")


def size(path):
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG")
    return struct.unpack(">II", data[16:24])


def test_k_curve(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(plots, "_save", lambda figure, path: drawn.update(figure=figure))
    candidates = [
        MethodResult(*setting, np.zeros(1), [SectionMetrics(0, "all", value, value)])
        for *setting, value in (
            ("AE", "", 0, "", 0.5),
            ("SerialOE", "GMM", 1, "all", 0.6),
            ("SerialOE", "GMM", 2, "all", 0.7),
            ("Proposed", "K", 4, "source", 0.9),
            ("Proposed", "K", 1, "source", 0.5),
        )
    ]
    plots.k_curve(tmp_path / "k.png", candidates, title="fan", sections={"dev": (0,)}, pooled=True)
    lines = {line.get_label(): line.get_xydata() for line in drawn["figure"].axes[0].lines}
    np.testing.assert_allclose(lines["Proposed, source"], [[1, 50], [4, 90]])
    assert lines["AE"][0, 1] == pytest.approx(50)
    assert lines["SerialOE, best of 2"][0, 1] == pytest.approx(70)


def test_umap_panels_share_places_and_colours(tmp_path, rng):
    pytest.importorskip("umap", reason="extra viz")
    features = np.concatenate([rng.normal(size=(15, 4)), 20 + rng.normal(size=(15, 4))])
    scores = {"a_G": rng.normal(size=30), "smoothed": np.zeros(30)}
    label = np.repeat([0, 1, -1], 10)
    path = tmp_path / "umap.png"
    plots.umap_scores(path, features.astype(np.float32), scores, label, title="fan", seed=3)
    assert min(size(path)) > 300
    places = plots.umap_places(features.astype(np.float32), seed=3)
    np.testing.assert_array_equal(places, plots.umap_places(features.astype(np.float32), seed=3))
    between = np.linalg.norm(places[:15].mean(0) - places[15:].mean(0))
    assert between > 2 * places[:15].std()


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "umap" else object()
    )
    assert plots.missing_packages() == ["umap"]


def test_a_heat_map_shows_every_number(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        plots,
        "_save",
        lambda figure, path: shown.extend(t.get_text() for t in figure.axes[0].texts),
    )
    values = np.asarray([[1.0, 22.22, 3.0], [4.0, 5.0, 6.66]])
    plots.heat_map(tmp_path / "a.png", values, ["a", "b"], ["x", "y", "z"], label="[%]")
    assert shown == ["1.0", "22.2", "3.0", "4.0", "5.0", "6.7"]

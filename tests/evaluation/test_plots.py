"""K curves: drawn from what they should show."""

import struct

import numpy as np
import pytest

from jax_dns.evaluation import plots
from jax_dns.evaluation.metrics import SectionMetrics
from jax_dns.evaluation.results import MethodResult

pytest.importorskip("matplotlib", reason="extra viz")


def result(*setting, value):
    return MethodResult(*setting, np.zeros(1), [SectionMetrics(0, "all", value, value)])


def run(shift=0.0):
    return [
        result("AE", "", 0, "", value=0.5),
        result("SerialOE", "GMM", 1, "all", value=0.6),
        result("SerialOE", "GMM", 2, "all", value=0.7),
        result("Proposed", "K", 4, "source", value=0.8 + shift),
        result("Proposed", "K", 1, "source", value=0.5),
    ]


def lines_of(figure):
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def test_one_seed():
    figure = plots.k_curve_figure([run()], title="fan", sections={"dev": (0,)}, pooled=True)
    lines = lines_of(figure)
    np.testing.assert_allclose(lines["Proposed, source"], [[1, 50], [4, 80]])
    assert lines["AE"][0, 1] == pytest.approx(50)
    assert lines["SerialOE, best of 2"][0, 1] == pytest.approx(70)
    assert not figure.axes[0].collections and "selected" not in lines


def test_seeds_have_a_band_and_the_chosen_settings_a_ring():
    runs = [run(-0.1), run(0.1)]
    figure = plots.k_curve_figure(
        runs,
        title="",
        sections={"dev": (0,), "eval": (0,)},
        pooled=True,
        chosen=[runs[0][3], runs[1][3]],
    )
    lines = lines_of(figure)
    np.testing.assert_allclose(lines["Proposed, source"], [[1, 50], [4, 80]])
    (band,) = figure.axes[0].collections
    corners = {tuple(np.round(xy, 6)) for xy in band.get_paths()[0].vertices}
    assert {(1, 50), (4, 70), (4, 90)} == corners
    np.testing.assert_allclose(lines["selected"], [[4, 80]])
    assert [axes.get_title() for axes in figure.axes] == ["dev", "eval"]


def test_a_png(tmp_path):
    plots.k_curve(tmp_path / "k.png", [run()], title="", sections={"dev": (0,)}, pooled=True)
    data = (tmp_path / "k.png").read_bytes()
    assert data.startswith(b"\x89PNG") and min(struct.unpack(">II", data[16:24])) > 300


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "umap" else object()
    )
    assert plots.missing_packages() == ["umap"]


def test_a_heat_map_shows_every_number(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(
        plots,
        "save_png",
        lambda figure, path: shown.extend(t.get_text() for t in figure.axes[0].texts),
    )
    values = np.asarray([[1.0, 22.22, 3.0], [4.0, 5.0, 6.66]])
    plots.heat_map(tmp_path / "a.png", values, ["a", "b"], ["x", "y", "z"], label="[%]")
    assert shown == ["1.0", "22.2", "3.0", "4.0", "5.0", "6.7"]

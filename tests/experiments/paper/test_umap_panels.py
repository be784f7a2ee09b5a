"""UMAP panels; their contents are tested through the script that draws them."""

import numpy as np
import pytest
from paper.figure_files import save_figure
from paper.umap_panels import choose_fraction, draw_panels

from jax_dns.errors import InputError
from jax_dns.segments_file import Segments


def test_fraction_is_seeded_and_rounded_up():
    chosen = choose_fraction(101, 0.3, seed=1)
    assert chosen.sum() == 31
    np.testing.assert_array_equal(chosen, choose_fraction(101, 0.3, seed=1))
    assert (chosen != choose_fraction(101, 0.3, seed=2)).any()
    assert choose_fraction(7, 1.0, seed=0).all()
    for fraction in (0.0, 1.1):
        with pytest.raises(InputError, match="fraction"):
            choose_fraction(7, fraction, seed=0)


def test_unlabelled_segments_and_formats(tmp_path, rng):
    pytest.importorskip("matplotlib", reason="extra viz")
    n = 12
    segments = Segments(
        np.arange(n).astype(str),
        np.zeros(n, np.int32),
        np.zeros(n, np.int32),
        np.repeat(["source", "target"], n // 2),
        np.full(n, "test"),
        np.full(n, -1, np.int8),
        rng.normal(size=n).astype(np.float32),
        rng.normal(size=(n, 3)).astype(np.float32),
    )
    call = dict(scores={str(i): segments.score for i in range(5)}, title="fan")
    coordinates = segments.feature[:, :2]
    figure = draw_panels(segments, coordinates, shown=np.ones(n, bool), **call)
    _, labels = figure.axes[0].get_legend_handles_labels()
    assert labels == ["unlabelled, source", "unlabelled, target"]
    for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        save_figure(figure, tmp_path / f"map.{kind}")
        assert (tmp_path / f"map.{kind}").read_bytes().startswith(start)
    with pytest.raises(InputError, match=r"map\.jpg.*\.png, \.pdf, \.svg"):
        save_figure(figure, tmp_path / "map.jpg")
    with pytest.raises(InputError, match="no test segment"):
        draw_panels(segments, coordinates, shown=np.zeros(n, bool), **call)

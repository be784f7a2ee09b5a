"""Maps of segments; what they show is tested through the script that draws them."""

import numpy as np
import pytest
from paper.umap_panels import choose_share, save_figure, score_maps

from jax_dns.errors import InputError
from jax_dns.segments_file import Segments


def test_share_is_seeded_and_rounded_up():
    chosen = choose_share(101, 0.3, seed=1)
    assert chosen.sum() == 31
    np.testing.assert_array_equal(chosen, choose_share(101, 0.3, seed=1))
    assert (chosen != choose_share(101, 0.3, seed=2)).any()
    assert choose_share(7, 1.0, seed=0).all()
    for share in (0.0, 1.1):
        with pytest.raises(InputError, match="share"):
            choose_share(7, share, seed=0)


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
    places = segments.feature[:, :2]
    figure = score_maps(segments, places, shown=np.ones(n, bool), **call)
    _, labels = figure.axes[0].get_legend_handles_labels()
    assert labels == ["unlabelled, source", "unlabelled, target"]
    for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        save_figure(figure, tmp_path / f"map.{kind}")
        assert (tmp_path / f"map.{kind}").read_bytes().startswith(start)
    with pytest.raises(InputError, match=r"map\.jpg.*\.png, \.pdf, \.svg"):
        save_figure(figure, tmp_path / "map.jpg")
    with pytest.raises(InputError, match="no test segment"):
        score_maps(segments, places, shown=np.zeros(n, bool), **call)

"""A run on features from a file: no extractor is trained."""

import numpy as np
import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.segments_file import read_segments


def test_runs_without_training_and_follows_the_file(workdir, small_config, tmp_path):
    c = small_config
    c.evaluation.figures = c.evaluation.report = False
    before, _ = read_segments(workdir / "fan/segments.npz")
    names = np.unique(before.clip)
    features = np.random.default_rng(0).normal(size=(len(names), 3)).astype(np.float32)
    for machine in ("fan", "valve"):
        np.savez(tmp_path / f"{machine}.npz", name=names, feature=features)
    c.discriminative = config.discriminative(
        "precomputed", path=str(tmp_path / "{machine}.npz"), label="BEATs"
    )
    c.data.machines = "fan"
    trained = (workdir / "fan/discriminative/done.json").stat().st_mtime_ns
    run(c, workdir)
    assert (workdir / "fan/discriminative/done.json").stat().st_mtime_ns == trained
    after, _ = read_segments(workdir / "fan/segments.npz")
    row = {name: i for i, name in enumerate(names.tolist())}
    expected = features[[row[name] for name in after.clip.tolist()]]
    np.testing.assert_array_equal(after.feature, expected)
    np.testing.assert_allclose(after.score, before.score, rtol=1e-5)
    assert "BEATs" in (workdir / "results.txt").read_text()
    np.savez(tmp_path / "fan.npz", name=names[1:], feature=features[1:])
    with pytest.raises(InputError, match=f"lacks .* segments, of {names[0]}"):
        run(c, workdir)

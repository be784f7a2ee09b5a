"""Select and evaluate on a stranger's segments.npz: no sound, no networks."""

import csv
import json

import numpy as np
import pytest

from jax_dns import config
from jax_dns.fingerprints import write_stamp
from jax_dns.pipeline.evaluate import select_and_evaluate
from jax_dns.pipeline.method_results import (
    read_method_results,
    segments_digest,
    write_method_results,
)
from jax_dns.pipeline.smooth import smoothing_results
from jax_dns.segments_file import Segments, write_segments


def segments(rng, label):
    """20 clips a section and domain; anomalies are apart in feature space, hardly in score."""
    n = 80
    label = np.tile(np.repeat([0, 1], 10), 4).astype(np.int8) if label else np.full(n, -1, np.int8)
    truth = np.tile(np.repeat([0, 1], 10), 4)
    return Segments(
        np.asarray([f"{i:03d}.wav" for i in range(n)]),
        np.zeros(n, np.int32),
        np.repeat([0, 1], 40).astype(np.int32),
        np.tile(np.repeat(["source", "target"], 20), 2),
        np.full(n, "test"),
        label,
        (rng.normal(size=n) + truth).astype(np.float32),
        (rng.normal(size=(n, 4)) + 6 * truth[:, None]).astype(np.float32),
    )


@pytest.fixture
def workdir(tmp_path, rng):
    def make(label=True):
        folder = tmp_path / "fan"
        test = segments(rng, label)
        write_segments(folder / "segments.npz", test)
        write_stamp(folder, "segments", "s")
        c = config.get_config()
        c.smoothing.ks = (1, 8)
        write_method_results(folder / "smoothed.npz", smoothing_results(c, test), test)
        write_stamp(folder, "smoothed", "s", segments=segments_digest(folder))
        return tmp_path, {0: {"fan": folder}}

    return make


@pytest.fixture
def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.evaluation.figures = False
    return c


def test_smoothing_that_helps_is_selected_and_reported(workdir, settings):
    root, folders = workdir()
    select_and_evaluate(settings, root, folders, ("smooth", "select", "evaluate"))
    chosen = json.loads((root / "fan/selection.json").read_text())
    assert chosen["pooled"]["Proposed"]["value"] == 8 and "SerialOE" not in chosen["pooled"]
    rows = json.loads((root / "results.json").read_text())["readings"]["pooled"]["fan"]["0"]
    value = {row["method"]: row["evaluation"] for row in rows}
    assert value["Proposed"] > 0.9 > 0.8 > value["AE"]
    lines = [line.split() for line in (root / "results.txt").read_text().splitlines()]
    percent = f"{100 * value['Proposed']:.2f}"
    assert ["Proposed", percent, percent] in lines and ["Proposed", "K=8", "all"] in lines
    assert not any("SerialOE" in line for line in lines)  # nothing was fitted


def test_without_labels_an_earlier_selection_is_kept(workdir, settings):
    root, folders = workdir(label=False)
    kept = {"format_version": 1, "pooled": {"Proposed": {"value": 16, "data": "all"}}}
    (root / "fan/selection.json").write_text(json.dumps(kept))
    select_and_evaluate(settings, root, folders, ("smooth", "select", "evaluate"))
    assert json.loads((root / "fan/selection.json").read_text()) == kept
    rows = list(csv.DictReader((root / "fan/scores.csv").read_text().splitlines()))
    found = {
        (s.value, s.data): s.scores for s in read_method_results(root / "fan/smoothed.npz")
    }  # K = 16 isn't there: the largest below it stands in, and is named
    np.testing.assert_allclose([float(r["Proposed"]) for r in rows], found[8, "all"])
    assert "no tables" in (root / "results.txt").read_text()


def test_a_setting_that_does_not_fit_is_named(workdir, settings, capsys):
    root, folders = workdir(label=False)
    (root / "fan/selection.json").write_text(
        json.dumps({"format_version": 1, "pooled": {"Proposed": {"value": 16, "data": "all"}}})
    )
    select_and_evaluate(settings, root, folders, ("smooth",))
    assert "fan: Proposed with K=8 all; the setting selected, 16, needs" in capsys.readouterr().out

"""Figures of a run."""

import threading

import jax
import numpy as np
import pytest

from jax_dns import config, smooth
from jax_dns.evaluation import plots
from jax_dns.evaluation.metrics import section_metrics
from jax_dns.evaluation.results import MethodResult
from jax_dns.pipeline import figures
from jax_dns.pipeline.method_results import MachineResults
from jax_dns.segments_file import Segments, clips_of, write_segments


@pytest.fixture
def drawn(monkeypatch):
    calls = {}
    monkeypatch.setattr(plots, "missing_packages", lambda: [])
    monkeypatch.setattr(plots, "k_curve", lambda path, *_, **options: calls.update(k=options))
    monkeypatch.setattr(figures, "umap_points", lambda *args, **_: calls.update(umap=args))
    monkeypatch.setattr(figures, "write_umap", lambda folder, _, title: calls.update(title=title))
    return calls


def run_of(folder, rng, n):
    test = Segments(
        np.asarray([f"{i:03d}.wav" for i in range(n)]),
        np.zeros(n, np.int32),
        np.arange(n, dtype=np.int32) % 2,
        np.tile(["source", "source", "target", "target"], n // 4),
        np.full(n, "test"),
        (np.arange(n) // 4 % 2).astype(np.int8),
        rng.normal(size=n).astype(np.float32),
        rng.normal(size=(n, 3)).astype(np.float32),
    )
    write_segments(folder / "segments.npz", test)
    clips = clips_of(test)
    scores = test.score.astype(float)
    metrics = section_metrics(clips, scores)
    found = [
        MethodResult("Proposed", "K", 2, "source", scores, metrics, oracle=True),
        MethodResult("AE", "", 0, "", scores, metrics),
    ]
    return test, {0: {"fan": MachineResults(clips, found)}}


def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    return c


def test_umap_shows_the_evaluation_section_before_and_after(tmp_path, rng, drawn):
    test, found = run_of(tmp_path, rng, 40)
    figures.draw(settings(), {0: {"fan": tmp_path}}, found)
    here = test.section == 1
    features, scores, label, domain = drawn["umap"]
    assert drawn["title"] == "fan section 01"
    np.testing.assert_array_equal(features, test.feature[here])
    np.testing.assert_array_equal(label, test.label[here])
    np.testing.assert_array_equal(domain, test.domain[here])
    pool = test.domain[here] == "source"
    expected = smooth(test.score[here], test.feature[here], 2, pool=pool)
    np.testing.assert_array_equal(scores["smoothed, K=2 source"], expected)
    assert drawn["k"]["sections"] == {"development": (0,), "evaluation": (1,)}
    (chosen,) = drawn["k"]["chosen"]
    assert chosen is found[0]["fan"].results[0]


def test_too_few_segments_for_umap_are_said(tmp_path, rng, drawn, capsys):
    _, found = run_of(tmp_path, rng, 8)
    figures.draw(settings(), {0: {"fan": tmp_path}}, found)
    assert "umap" not in drawn and "fan: no UMAP panels of 4 segments" in capsys.readouterr().out


def test_figures_can_be_turned_off():
    c = settings()
    c.evaluation.figures = False
    assert figures.draw(c, {}, {}) == ""


@pytest.mark.parametrize(
    ("backend", "drawn", "missing"),
    [("tpu", True, []), ("cpu", True, []), ("gpu", False, []), ("gpu", True, ["umap-learn"])],
)
def test_compiles_ahead_beside_an_accelerator_alone(monkeypatch, backend, drawn, missing):
    compiled = threading.Event()
    monkeypatch.setattr(figures, "compile_umap", compiled.set)
    monkeypatch.setattr(plots, "missing_packages", lambda: missing)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    c = config.get_config()
    c.evaluation.figures = drawn
    figures.compile_ahead(c)
    assert compiled.wait(5 if backend == "tpu" else 0.2) == (backend == "tpu")

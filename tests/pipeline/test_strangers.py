"""Components by someone else, each in one file outside of the package, run end to end.

Each runs from a config by import path and from Python; nothing of the project is edited.
"""

import csv
import json
import sys

import pytest
from conftest import write_clip

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.smoothing.adaptive import METHOD

SCORER = '''
"""A linear prediction of each sample from the 16 before it, trained by gradient descent."""
import jax, jax.numpy as jnp, optax
from jax_dns.types import GradientModel

def scorer(facts, *, order=16):
    def error(variables, audio):
        past = jnp.stack([audio[:, i : audio.shape[1] - order + i] for i in range(order)], -1)
        return (past @ variables["params"]["w"] - audio[:, order:]) ** 2
    return GradientModel(
        name="LPC", scope="target",
        init=lambda key: {"params": {"w": jnp.zeros(order)}, "batch_stats": {}},
        loss=lambda variables, batch, key: (error(variables, batch.audio).mean(), {}),
        apply=lambda variables, audio: error(variables, audio).mean(1),
        optimizer=optax.adam(1e-2),
    )
'''
EXTRACTOR = '''
"""Mean and deviation of each log-mel band, less their means in training."""
import jax.numpy as jnp, numpy as np
from jax_dns.features import decibel, mel_spectrogram
from jax_dns.types import FittedModel

def extractor(facts, *, n_mels=16):
    def statistics(audio):
        mel = decibel(mel_spectrogram(
            jnp.asarray(audio), sample_rate=facts.sample_rate, n_fft=1024, hop=512, n_mels=n_mels,
            fmin=50.0, fmax=7800.0))
        return jnp.concatenate([mel.mean(-1), mel.std(-1)], axis=1)
    def fit(batches, seed):
        return {"mean": np.concatenate([statistics(audio) for audio in batches]).mean(0)}
    return FittedModel("log-mel", fit, lambda v, x: np.asarray(statistics(x)) - v["mean"])
'''
INLIER = '''
"""The distance to the nearest of the training segments."""
import numpy as np
from jax_dns.types import InlierModel

def inlier(facts):
    def fit(features, is_target_domain, setting, seed):
        return {"bank": features}
    def apply(variables, features):
        gaps = features[:, None] - variables["bank"][None]
        return np.sqrt((gaps**2).sum(-1)).min(1)
    return InlierModel("", (0,), fit, apply)
'''
RULE = '''
"""Half of the item's own score, half of the mean over its neighbours."""
from jax_dns import smooth
from jax_dns.types import SmoothingRule

def rule(facts, *, ks=(2, 4)):
    def half(scores, features, *, groups, pool, clip):
        return {k: (scores + smooth(scores, features, k, groups=groups, pool=pool)) / 2 for k in ks}
    return SmoothingRule("Half dose", "K", tuple(ks), half)
'''
STRANGERS = {
    "generative": ("scorer", SCORER, {"epochs": 2, "batch_size": 4, "order": 8}),
    "discriminative": ("extractor", EXTRACTOR, {"eval_batch_size": 8, "n_mels": 12}),
    "inlier": ("inlier", INLIER, {}),
    "smoothing": ("rule", RULE, {"ks": (2, 3)}),
}
MAKERS = {kind: getattr(config, kind) for kind in STRANGERS}


@pytest.fixture
def import_path(tmp_path, monkeypatch):
    """Writes a stranger's module; returns its import path."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(kind):
        name, source, _ = STRANGERS[kind]
        assert source.count("\n") <= 40
        (tmp_path / f"strangers_{name}.py").write_text(source)
        sys.modules.pop(f"strangers_{name}", None)
        return f"strangers_{name}:{name}"

    return write


def quick(small_config):
    """The small run with nothing to train but what a test is about."""
    small_config.evaluation.figures = small_config.evaluation.report = False
    small_config.evaluation.baselines = ()
    small_config.data.machines, small_config.data.outliers = "fan", "valve"
    return small_config


def methods(workdir):
    with (workdir / "results.csv").open() as file:
        return {row["method"] for row in csv.DictReader(file)}


def test_all_four_in_one_run_by_import_path(import_path, small_config, tmp_path):
    c = quick(small_config)
    for kind, (_, _, fields) in STRANGERS.items():
        c[kind] = MAKERS[kind](import_path(kind), **fields)
    c.smoothing.adaptive = False
    run(c, tmp_path / "w")
    assert methods(tmp_path / "w") == {"LPC", "log-mel", "Half dose", "LPC + log-mel ranks"}
    text = (tmp_path / "w/results.txt").read_text()
    assert "Half dose (Oracle)" in text and "K=" in text
    assert "SerialOE" not in text and "Proposed" not in text
    header = (tmp_path / "w/fan/scores.csv").read_text().splitlines()[0]
    assert header == "clip,section,domain,label,LPC,log-mel,Half dose,LPC + log-mel ranks"
    log = (tmp_path / "w/fan/generative/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in log] == [1, 2]


def test_all_four_from_python(import_path, small_config, tmp_path, monkeypatch):
    import importlib

    c, factories = quick(small_config), {}
    for kind, (_, _, fields) in STRANGERS.items():
        module, _, name = import_path(kind).partition(":")
        factories[kind] = getattr(importlib.import_module(module), name)
        c[kind] = MAKERS[kind](**fields)
    c.smoothing.adaptive = False
    run(c, tmp_path / "w", components=factories)
    assert methods(tmp_path / "w") == {"LPC", "log-mel", "Half dose", "LPC + log-mel ranks"}


def test_one_stranger_at_a_time_among_the_papers(import_path, workdir, small_config):
    """What depends on it is done again, and nothing else."""
    c = quick(small_config)
    c.data.machines, c.data.outliers = "", ""

    def stamps():
        files = workdir.glob("fan/*/done.json")
        files = [*files, *(workdir / f"fan/{name}" for name in ("segments.npz", "inlier.npz"))]
        return {str(f.relative_to(workdir)): f.stat().st_mtime_ns for f in files}

    before = stamps()
    c.smoothing = config.smoothing(import_path("smoothing"), ks=(2,))
    run(c, workdir)
    expected = {"AE", "SerialOE", "Half dose", "AE + SerialOE ranks", METHOD}
    assert methods(workdir) == expected and stamps() == before
    c.inlier = config.inlier(import_path("inlier"))
    run(c, workdir)
    changed = {name for name, time in stamps().items() if time != before[name]}
    assert changed == {"fan/inlier.npz"}


def test_changed_code_is_run_again(import_path, workdir, small_config, tmp_path, capsys):
    c = quick(small_config)
    c.data.machines, c.data.outliers = "", ""
    c.smoothing = config.smoothing(import_path("smoothing"), ks=(2,))
    run(c, workdir)
    first = (workdir / "fan/smoothed.npz").stat().st_mtime_ns
    run(c, workdir)
    assert (workdir / "fan/smoothed.npz").stat().st_mtime_ns == first
    file = tmp_path / "strangers_rule.py"
    file.write_text(file.read_text().replace(") / 2 for", ") / 4 for"))
    sys.modules.pop("strangers_rule")
    run(c, workdir)
    assert (workdir / "fan/smoothed.npz").stat().st_mtime_ns > first


def test_a_stranger_that_cannot_be_found(small_config, tmp_path):
    c = quick(small_config)
    c.smoothing.name = "unifrom"
    with pytest.raises(InputError, match=r"smoothing\.name: 'unifrom', expected one of uniform"):
        run(c, tmp_path / "w")
    assert not (tmp_path / "w").exists()


LAYOUT = '''
"""<machine>-<kind>-<number>.wav in one folder; kind: train, good or bad."""
from jax_dns.data.clips import Clip

def layout(root):
    for path in sorted(root.glob("*.wav")):
        machine, kind, number = path.stem.split("-")
        split = "train" if kind == "train" else "test"
        label = int(kind == "bad")
        yield Clip(path, path.name, machine, int(number) % 2, "source", split, label)
'''


def test_a_layout(small_config, tmp_path, monkeypatch):
    """A stranger's folders: both sections, one domain, no ground truth."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "strangers_layout.py").write_text(LAYOUT)
    for name, source, _ in STRANGERS.values():
        (tmp_path / f"strangers_{name}.py").write_text(source)
        sys.modules.pop(f"strangers_{name}", None)
    for seed, (kind, n) in enumerate((("train", 8), ("good", 8), ("bad", 8))):
        for i in range(n):
            write_clip(tmp_path / f"sound/saw-{kind}-{i}.wav", 2.0, seed=10 * seed + i)
    c = quick(small_config)
    c.data.root, c.data.layout = str(tmp_path / "sound"), "strangers_layout:layout"
    c.data.machines = c.data.outliers = ""
    for kind, (name, _, fields) in STRANGERS.items():
        c[kind] = MAKERS[kind](f"strangers_{name}:{name}", **fields)
    run(c, tmp_path / "w")
    with (tmp_path / "w/saw/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 16 and {row["section"] for row in rows} == {"0", "1"}
    assert {row["label"] for row in rows if "bad" in row["clip"]} == {"1"}
    c.data.layout = "dcase1999"
    with pytest.raises(InputError, match=r"data\.layout: 'dcase1999', expected one of dcase2020"):
        run(c, tmp_path / "w")

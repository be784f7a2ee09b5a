"""The baselines' rows, against scikit-learn and loops."""

import json

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.mixture import GaussianMixture

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc
from jax_dns.pipeline import run
from jax_dns.pipeline.baselines import baseline_results, chosen_setting
from jax_dns.pipeline.method_results import load_results, read_method_results
from jax_dns.pipeline.validate_config import check
from jax_dns.segments_file import Segments, clips_of, write_segments

STAGES = ("fit", "smooth", "select", "evaluate")
PER_CELL = 12


def segments(rng):
    """Two sections and domains, training and test clips, two segments a clip."""
    cells = [
        (s, d, split) for s in (0, 1) for d in ("source", "target") for split in ("train", "test")
    ]
    rows = [(*cell, i, j) for cell in cells for i in range(PER_CELL) for j in range(2)]
    n = len(rows)
    label = np.asarray([i % 2 if split == "test" else 0 for _, _, split, i, _ in rows], np.int8)
    return Segments(
        np.asarray([f"{s}_{d}_{split}_{i}.wav" for s, d, split, i, _ in rows]),
        np.asarray([j for *_, j in rows], np.int32),
        np.asarray([s for s, *_ in rows], np.int32),
        np.asarray([d for _, d, *_ in rows]),
        np.asarray([split for _, _, split, *_ in rows]),
        label,
        rng.normal(size=n).astype(np.float32),
        (rng.normal(size=(n, 4)) + 2 + 0.7 * label[:, None]).astype(np.float32),
    )


def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.inlier.n_components, c.inlier.data = (1,), "all"
    c.smoothing.ks = (1, 4)
    c.evaluation.figures = c.evaluation.report = False
    return c


@pytest.fixture
def done(tmp_path, rng):
    """A finished run, and its segments."""
    every = segments(rng)
    write_segments(tmp_path / "saw/segments.npz", every)
    run(settings(), tmp_path, stages=STAGES)
    return tmp_path, every


def nearest_cosine(train, test):
    """The smaller of the distances to the nearest training features of either domain."""
    unit = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in (train.feature, test.feature)]
    return (1 - unit[1] @ unit[0].T).min(1)


def mahalanobis(train, test):
    model = LedoitWolf().fit(train.feature.astype(np.float64))
    return model.mahalanobis(test.feature.astype(np.float64))


def gaussian(train, test):
    return -GaussianMixture(1, random_state=0).fit(train.feature).score_samples(test.feature)


def equation_7(scores, test, k, source_only):
    """Eq. 7 by a loop, neighbours of the same section."""
    x, smoothed = test.feature.astype(np.float64), np.empty(len(scores))
    for i in range(len(scores)):
        candidates = np.flatnonzero(
            (test.section == test.section[i])
            & (np.arange(len(scores)) != i)
            & (~source_only | (test.domain == "source"))
        )
        order = candidates[np.argsort(((x[candidates] - x[i]) ** 2).sum(1))][: k - 1]
        smoothed[i] = (scores[i] + scores[order].sum()) / k
    return smoothed


@pytest.mark.parametrize(
    ("method", "score"),
    [("k-NN", nearest_cosine), ("Mahalanobis", mahalanobis), ("SerialOE", gaussian)],
)
def test_each_score_and_its_smoothed_form(done, method, score):
    workdir, every = done
    train, test = (every.where(every.split == split) for split in ("train", "test"))
    expected = np.empty(len(test.score))
    for section in (0, 1):
        rows = test.section == section
        expected[rows] = score(train.where(train.section == section), test.where(rows))
    clips = clips_of(test)
    results = load_results(workdir / "saw").results
    raw = next(result for result in results if result.method == method)
    scale = np.abs(expected).max()

    def by_clip(values):
        return values.reshape(-1, 2).mean(1)

    np.testing.assert_allclose(raw.scores, by_clip(expected), atol=1e-4 * scale)
    smoothed = [result for result in results if result.method == f"{method}, smoothed"]
    assert [(r.setting, r.oracle) for r in smoothed] == [
        (f"K={k} {data}", False) for data in ("source", "all") for k in (1, 4)
    ]
    for result in smoothed:
        loop = equation_7(expected, test, result.value, np.asarray(result.data == "source"))
        np.testing.assert_allclose(result.scores, by_clip(loop), atol=1e-4 * scale)
    section = clips.section == 1
    pooled = next(m for m in raw.metrics if (m.section, m.domain) == (1, "all"))
    assert pooled.auc == pytest.approx(auc(clips.label[section], by_clip(expected)[section]))


def test_features_of_almost_one_direction_are_told_apart(rng):
    """Their cosine distances are below float32's rounding."""
    every = segments(rng)
    near = every._replace(feature=(1 + 1e-5 * every.feature).astype(np.float32))
    raw = baseline_results(settings(), "saw", near, "knn", 0)[0]
    assert len(np.unique(raw.scores)) == len(raw.scores) and raw.scores.max() < 1e-8


def test_rows_of_the_tables(done):
    workdir, _ = done
    rows = json.loads((workdir / "results.json").read_text())["readings"]["pooled"]["saw"]["0"]
    names = [row["method"] for row in rows]
    new = [f"{name}{end}" for name in ("k-NN", "Mahalanobis") for end in ("", ", smoothed")]
    assert names[-5:] == ["SerialOE, smoothed", *new]
    for name in ("results.txt", "results.csv", "saw/scores.csv"):
        assert "Mahalanobis, smoothed" in (workdir / name).read_text()


def test_they_are_computed_once_and_by_the_config(done, capsys):
    workdir, _ = done
    path = workdir / "saw/baselines.npz"
    first = path.stat().st_mtime_ns
    capsys.readouterr()
    run(settings(), workdir, stages=STAGES)
    assert path.stat().st_mtime_ns == first and "nothing to do" in capsys.readouterr().out
    other = [path.with_name(f"{name}.npz").stat().st_mtime_ns for name in ("inlier", "smoothed")]
    c = settings()
    c.evaluation.baselines = ("lof",)
    run(c, workdir, stages=STAGES)
    printed = capsys.readouterr().out
    assert "smooth                evaluation.baselines is ('lof',), was" in printed
    methods = {result.method for result in read_method_results(path)}
    assert methods == {"SerialOE, smoothed", "LOF", "LOF, smoothed"}
    assert other == [
        path.with_name(f"{name}.npz").stat().st_mtime_ns for name in ("inlier", "smoothed")
    ]
    c.evaluation.baselines = ()
    run(c, workdir, stages=STAGES)
    assert read_method_results(path) == [] and "smoothed" not in printed.splitlines()[-1]


def test_without_labels_the_setting_chosen_earlier(done, tmp_path):
    workdir, every = done
    test = every.where(every.split == "test")
    unknown = test._replace(label=np.full_like(test.label, -1))
    c, inlier = settings(), read_method_results(workdir / "saw/inlier.npz")
    assert chosen_setting(c, inlier, unknown, workdir / "saw").setting == "GMM 1 all"
    assert chosen_setting(c, inlier, unknown, tmp_path / "none") is None


def test_without_training_clips(tmp_path, rng, capsys):
    every = segments(rng)
    write_segments(tmp_path / "saw/segments.npz", every.where(every.split == "test"))
    run(settings(), tmp_path, stages=STAGES)
    assert read_method_results(tmp_path / "saw/baselines.npz") == []
    assert "no k-NN row, a section has too few training segments" in capsys.readouterr().out


def test_an_unknown_name():
    c = config.get_config()
    c.evaluation.baselines = ("nosuch",)
    with pytest.raises(InputError, match=r"evaluation.baselines: .*, expected some of knn, mahal"):
        check(c)

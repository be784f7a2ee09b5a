"""Data at the edge: what comes of it is defined, finite, and said."""

import csv
import json

import numpy as np
import pytest

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.segments_file import Segments, write_segments

AFTER_SOUND = ("fit", "smooth", "select", "evaluate")


def segments(rng, *, feature=None, score=None, label=(0, 1), per_cell=8):
    """Two sections, two domains, `per_cell` training and test clips each, a segment a clip."""
    cells = [
        (s, d, split) for s in (0, 1) for d in ("source", "target") for split in ("train", "test")
    ]
    rows = [(*cell, i) for cell in cells for i in range(per_cell)]
    n = len(rows)
    test = np.asarray([split == "test" for *_, split, _ in rows])
    labels = np.asarray([label[i % len(label)] for *_, i in rows])
    return Segments(
        np.asarray([f"{s}_{d}_{split}_{i}.wav" for s, d, split, i in rows]),
        np.zeros(n, np.int32),
        np.asarray([s for s, *_ in rows], np.int32),
        np.asarray([d for _, d, *_ in rows]),
        np.asarray([split for *_, split, _ in rows]),
        np.where(test, labels, 0).astype(np.int8),
        np.asarray(rng.normal(size=n) if score is None else np.full(n, score), np.float32),
        np.asarray(rng.normal(size=(n, 4)) if feature is None else feature(n), np.float32),
    )


def settings(**fields):
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.inlier.n_components = fields.get("components", (1, 2))
    c.inlier.reg_covar = fields.get("regularisation", 1e-6)
    c.smoothing.ks = fields.get("ks", (1, 4))
    c.evaluation.figures = c.evaluation.report = False
    return c


def rows_of(workdir, c, given):
    """Method -> its row under the pooled reading."""
    write_segments(workdir / "saw/segments.npz", given)
    run(c, workdir, stages=AFTER_SOUND)
    found = json.loads((workdir / "results.json").read_text())["readings"]["pooled"]["saw"]["0"]
    for row in found:
        assert row["evaluation"] is None or 0 <= row["evaluation"] <= 1
    lines = (workdir / "saw/scores.csv").read_text().splitlines()
    assert len(lines) == 33 and "nan" not in "".join(lines) and "inf" not in "".join(lines)
    return {row["method"]: row for row in found}


@pytest.mark.parametrize(
    "feature",
    [
        lambda n: np.ones((n, 4)),
        lambda n: np.zeros((n, 4)),
        lambda n: np.full((n, 4), 1e6),
        lambda n: np.repeat(np.arange(n)[:, None], 4, axis=1),
        lambda n: np.eye(4)[np.arange(n) % 2],
    ],
    ids=["ones", "zeros", "large", "one dimension", "two points"],
)
def test_constant_and_singular_features(tmp_path, rng, feature):
    """Covariances without an inverse: `inlier.reg_covar` gives them one."""
    rows = rows_of(tmp_path, settings(), segments(rng, feature=feature))
    assert {"AE", "SerialOE", "Proposed"} <= set(rows)


def test_without_regularisation_a_singular_covariance_is_a_clear_error(tmp_path, rng):
    given = segments(rng, feature=lambda n: np.ones((n, 4)))
    with pytest.raises(InputError, match=r"inlier: .*covariance.*inlier\.reg_covar"):
        rows_of(tmp_path, settings(regularisation=0.0), given)


def test_equal_scores_are_chance(tmp_path, rng):
    rows = rows_of(tmp_path, settings(), segments(rng, score=1.0))
    assert rows["AE"]["evaluation"] == rows["Proposed"]["evaluation"] == 0.5


def test_more_components_than_segments_and_k_than_the_pool(tmp_path, rng, capsys):
    """Settings that some section has too few segments for are left out, and that is said."""
    rows = rows_of(tmp_path, settings(components=(1, 999), ks=(2, 999)), segments(rng))
    assert rows["SerialOE"]["value"] == 1 and rows["Proposed"]["value"] == 2
    assert "saw, seed 0: K up to 2 of 999 fits every section's pool" in capsys.readouterr().out


def test_no_setting_fits(tmp_path, rng):
    rows = rows_of(tmp_path, settings(components=(999,), ks=(999,)), segments(rng))
    assert set(rows) == {"AE", "k-NN", "Mahalanobis"}  # these have nothing to choose


def test_a_section_of_one_class_has_no_auc(tmp_path, rng):
    """It counts in no mean; where the evaluation section is the one, nothing is reported."""
    given = segments(rng)
    rows = rows_of(tmp_path, settings(), given._replace(label=given.label * (given.section == 0)))
    assert all(row["evaluation"] is None for row in rows.values())
    with (tmp_path / "results.csv").open() as file:
        assert {row["section"] for row in csv.DictReader(file)} == {"0"}


@pytest.mark.parametrize("label", [(0,), (1,), (-1,)])
def test_one_class_everywhere_gives_no_tables(tmp_path, rng, label):
    write_segments(tmp_path / "saw/segments.npz", segments(rng, label=label))
    run(settings(), tmp_path, stages=AFTER_SOUND)
    text = (tmp_path / "results.txt").read_text()
    assert "No section has labelled test clips of both classes: no tables." in text


def test_a_section_of_one_segment(tmp_path, rng):
    given = segments(rng)
    alone = (given.section == 0) | (np.cumsum(given.section == 1) == 1) | (given.split == "train")
    write_segments(tmp_path / "saw/segments.npz", given.where(alone))
    c = settings()
    with pytest.raises(
        InputError, match=r"data.eval_sections: \(1,\), expected .* saw, which are 0"
    ):
        run(c, tmp_path, stages=AFTER_SOUND)
    c.data.eval_sections = (0,)
    run(c, tmp_path, stages=AFTER_SOUND)
    assert (tmp_path / "saw/scores.csv").is_file()

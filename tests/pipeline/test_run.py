"""The whole path on small sound: what it leaves, what it does again, and what it doesn't."""

import csv
import datetime
import itertools
import json
import os
import shutil

import numpy as np
import pytest

from jax_dns import smooth
from jax_dns.data.layouts import index_clips
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import section_metrics, summary
from jax_dns.evaluation.results import is_baseline
from jax_dns.pipeline import embed as embedding
from jax_dns.pipeline import run
from jax_dns.pipeline.plan import NOTHING
from jax_dns.segments_file import clip_mean, clips_of, read_segments
from jax_dns.smoothing.adaptive import METHOD
from jax_dns.training import loop, trainers

pytestmark = pytest.mark.slow


def contents(folder, *, but=()):
    """Every file below a folder and its bytes."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name not in but
    }


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def plan_of(capsys):
    """The plan that the last run printed: stage -> text."""
    text = capsys.readouterr().out.split("plan:\n")[-1]
    lines = itertools.takewhile(lambda line: line.startswith("  "), text.splitlines())
    return dict(line.strip().split(maxsplit=1) for line in lines)


def no_training(monkeypatch):
    monkeypatch.setattr(trainers, "train_loop", lambda *_, **__: pytest.fail("trained again"))


@pytest.fixture
def embedded(monkeypatch):
    """Counts the recordings that are embedded."""
    counts, real = [], embedding.score_and_embed

    def counting(recordings, *args, **options):
        counts.append(len(recordings))
        return real(recordings, *args, **options)

    monkeypatch.setattr(embedding, "score_and_embed", counting)
    return counts


def test_segments_file_holds_every_segment(finished, factory):
    for machine, clips in index_clips(factory).items():
        segments, _ = read_segments(finished / machine / "segments.npz")
        assert len(segments.clip) == 3 * len(clips)  # 2 s in segments of 1 s, 0.5 s apart
        found = clips_of(segments)
        expected = {c.name: (c.section, c.domain, c.label) for c in clips}
        got = zip(found.section.tolist(), found.domain.tolist(), found.label.tolist())
        assert dict(zip(found.name.tolist(), got)) == expected
        by_name = dict(zip(segments.clip.tolist(), segments.split.tolist()))
        for clip in clips:
            assert (by_name[clip.name] == "test") == (clip.split == "test")
        counts = [sum(v == part for v in by_name.values()) for part in ("train", "valid")]
        assert counts == [10, 4]  # a section: 4 of 5 source clips and 1 of 2 target clips train
        assert np.isfinite(segments.score).all() and segments.feature.shape[1] == 128


def test_results_follow_from_the_segments(finished, small_config):
    """AE, Proposed and its oracle once more, from segments.npz alone."""
    results = json.loads((finished / "results.json").read_text())["readings"]
    for machine in ("fan", "valve"):
        segments, _ = read_segments(finished / machine / "segments.npz")
        test = segments.where(segments.split == "test")
        clips = clips_of(test)
        values = {}
        for data in ("source", "all"):
            pool = (test.domain == "source") | (data == "all")
            for k in (1, 2, 4):
                scores = smooth(test.score, test.feature, k, groups=test.section, pool=pool)
                values[k, data] = section_metrics(clips, clip_mean(clips, scores))
        for reading, pooled in (("pooled", True), ("by_domain", False)):
            rows = {r["method"]: r for r in results[reading][machine]["0"]}
            papers = ["SerialOE", "AE", "Proposed", "Proposed (Oracle)"]
            names = [row for row in rows if not is_baseline(row)]
            assert names == [*papers, METHOD, "AE + SerialOE ranks"] and len(rows) == 11
            # One held-out clip a section is too few to choose by.
            assert rows[METHOD]["evaluation"] == rows["AE"]["evaluation"]
            ae = summary(values[1, "all"], sections=(1,), pooled=pooled)
            assert rows["AE"]["evaluation"] == pytest.approx(ae)
            for method, sections, key in (
                ("Proposed", (0,), "development"),
                ("Proposed (Oracle)", (1,), "evaluation"),
            ):
                best = max(summary(v, sections=sections, pooled=pooled) for v in values.values())
                assert rows[method][key] == pytest.approx(best)


def test_what_a_run_leaves(finished):
    for name in ("config.json", "versions.json", "results.json", "results.csv", "results.txt"):
        assert (finished / name).stat().st_size > 0
    text = (finished / "results.txt").read_text()
    for words in ("SerialOE", "Proposed (Oracle)", "fan  ", "valve", "All-hmean", "K="):
        assert words in text
    for machine in ("fan", "valve"):
        names = {p.name for p in (finished / machine).iterdir()}
        assert {"segments.npz", "scores.csv", "selection.json", "inlier.npz"} <= names
        scores = rows_of(finished / machine / "scores.csv")
        assert len(scores) == 16 and {"AE", "SerialOE", "Proposed"} <= set(scores[0])
        log = (finished / machine / "discriminative/metrics.jsonl").read_text().splitlines()
        log = [json.loads(line) for line in log]
        assert [line["epoch"] for line in log] == [1, 2]
        assert {(line["machine"], line["seed"]) for line in log} == {(machine, 0)}
        assert all(0 < line["learning_rate"] <= 1e-3 for line in log)
        assert all(datetime.datetime.fromisoformat(line["time"]).tzinfo for line in log)
    official = finished / "official/Proposed"
    assert len(list(official.glob("anomaly_score_*_test.csv"))) == 8
    assert (official / "result.csv").is_file()
    long = rows_of(finished / "results.csv")
    assert {row["domain"] for row in long} == {"source", "target", "all"}


def test_figures_or_what_was_left_out(finished, workdir, small_config, monkeypatch, capsys):
    from jax_dns.evaluation import plots

    if not plots.missing_packages():
        assert (finished / "fan/k_curve.png").stat().st_size > 10_000
        assert (finished / "valve/umap.png").stat().st_size > 10_000
    monkeypatch.setattr(plots, "missing_packages", lambda: ["matplotlib", "umap"])
    small_config.evaluation.umap_fraction = 0.5
    run(small_config, workdir)
    out = capsys.readouterr().out
    assert "Left out, for lack of matplotlib and umap" in out and "All-hmean" in out


def test_a_second_run_does_nothing_and_says_so(
    workdir, small_config, monkeypatch, embedded, capsys
):
    before = contents(workdir)
    no_training(monkeypatch)
    run(small_config, workdir)
    after = contents(workdir)
    assert after == before and embedded == []
    out = capsys.readouterr().out
    assert f"\n{NOTHING}\n" in out and "plan:" not in out and "tensorboard" not in out
    small_config.tensorboard = True
    run(small_config, workdir)
    out = capsys.readouterr().out
    assert NOTHING in out and "tensorboard: nothing to write" in out


def test_a_copied_workdir_prints_no_path_of_the_first(workdir, finished, small_config, capsys):
    run(small_config, workdir)
    out = capsys.readouterr().out
    assert "All-hmean" in out and str(finished) not in out
    assert str(finished) not in (workdir / "results.txt").read_text(encoding="utf-8")


def test_a_changed_field_redoes_what_depends_on_it(
    toy_workdir, toy_config, monkeypatch, embedded, capsys
):
    no_training(monkeypatch)
    segments = (toy_workdir / "fan/segments.npz").stat().st_mtime_ns
    before = (toy_workdir / "fan/smoothed.npz").stat().st_mtime_ns
    toy_config.smoothing.ks = (1, 3)
    toy_config.generative.validate_every = 7  # changes nothing that training ends with
    run(toy_config, toy_workdir)
    assert embedded == []
    plan = plan_of(capsys)
    assert plan["train_generative"] == plan["embed"] == plan["fit"] == "done"
    assert plan["smooth"] == "smoothing.ks is (1, 3), was (1, 2, 4, 512)"
    assert (toy_workdir / "fan/segments.npz").stat().st_mtime_ns == segments
    assert (toy_workdir / "fan/smoothed.npz").stat().st_mtime_ns > before
    assert {
        row["value"] for row in rows_of(toy_workdir / "results.csv") if row["method"] == "Proposed"
    } == {
        "1",
        "3",
    }
    monkeypatch.undo()
    trained = []
    monkeypatch.setattr(
        trainers,
        "train_loop",
        lambda *a, **k: trained.append(k["title"]) or loop.train_loop(*a, **k),
    )
    toy_config.generative.learning_rate = 2e-3
    run(toy_config, toy_workdir)
    assert trained == ["fan toy AE, seed 0", "valve toy AE, seed 0"]
    plan = plan_of(capsys)
    reason = "generative.learning_rate is 0.002, was 0.001"
    assert plan["train_generative"] == f"2 toy AE to train: {reason}"
    assert plan["train_discriminative"] == "done" and plan["embed"] == "after the trainings"
    assert (toy_workdir / "fan/segments.npz").stat().st_mtime_ns > segments


def test_test_clips_added_or_removed_re_embed_just_those(
    factory, toy_workdir, toy_config, tmp_path, monkeypatch, embedded
):
    root = shutil.copytree(factory, tmp_path / "root")
    for path in root.rglob("*.wav"):  # new dates, same sound: nothing to train
        os.utime(path)
    toy_config.data.root = str(root)
    no_training(monkeypatch)
    old, _ = read_segments(toy_workdir / "fan/segments.npz")
    name = "section_00_source_test_normal_0001.wav"
    (root / "dev_data/fan/source_test" / name).unlink()
    run(toy_config, toy_workdir)
    assert embedded == []
    gone, _ = read_segments(toy_workdir / "fan/segments.npz")
    assert set(old.clip) - set(gone.clip) == {name}
    shutil.copy(factory / "dev_data/fan/source_test" / name, root / "dev_data/fan/source_test")
    run(toy_config, toy_workdir)
    assert embedded == [1]
    back, _ = read_segments(toy_workdir / "fan/segments.npz")
    assert back.clip.tolist() == old.clip.tolist()
    np.testing.assert_allclose(back.score, old.score, rtol=1e-5)
    np.testing.assert_allclose(back.feature, old.feature, rtol=1e-4, atol=1e-5)


def test_interrupted_and_rerun_is_bit_identical(finished, plain_config, tmp_path, monkeypatch):
    """Stopped in the extractor's second epoch, then resumed by the same command; one machine."""
    plain_config.data.machines, plain_config.discriminative.save_every = "fan", 1
    real, steps = trainers.train_loop, []

    def breaking(create, epoch, **options):
        def counting(state, numbers, advance):
            left = iter(numbers)

            def count(n):
                steps.append((options["title"], next(left)))
                if steps[-1] == ("fan SerialOE, seed 0", 6) and steps.count(steps[-1]) == 1:
                    raise KeyboardInterrupt
                return advance(n)

            return epoch(state, numbers, count)

        return real(create, counting, **options)

    monkeypatch.setattr(trainers, "train_loop", breaking)
    with pytest.raises(KeyboardInterrupt):
        run(plain_config, tmp_path / "w")
    run(plain_config, tmp_path / "w")
    assert steps.count(("fan SerialOE, seed 0", 4)) == 1  # not a second time
    for name in ("segments.npz", "smoothed.npz", "scores.csv", "selection.json"):
        assert (tmp_path / "w/fan" / name).read_bytes() == (finished / "fan" / name).read_bytes(), (
            name
        )


def test_some_machines_and_several_seeds(toy_config, tmp_path, monkeypatch):
    toy_config.data.machines = "fan"
    toy_config.seeds = (0, 1)
    toy_config.generative.epochs = toy_config.discriminative.epochs = 1
    toy_config.evaluation.fixed_ks = (4,)
    run(toy_config, tmp_path)
    scores = [rows_of(tmp_path / f"seed_{s}/fan/scores.csv") for s in (0, 1)]
    assert scores[0] != scores[1]
    assert not (tmp_path / "seed_0/valve").exists()
    text = (tmp_path / "results.txt").read_text()
    assert "±" in text and "Proposed, K=4 source" in text and "00 source" in text


def test_embedding_without_training_and_with_other_settings(workdir, small_config, tmp_path):
    with pytest.raises(InputError, match=r"fan/generative: not trained"):
        run(small_config, tmp_path / "empty", stages=("embed",))
    small_config.discriminative.n_mels = 48
    with pytest.raises(InputError, match="fan/discriminative: trained with other settings"):
        run(small_config, workdir, stages=("embed", "smooth"))


def test_bad_fields_leave_a_finished_training_alone(workdir, small_config, factory):
    before = contents(workdir / "fan/discriminative")
    for field, value in (("checkpoint", "bset"), ("batch_size", 5), ("dtype", "float31")):
        changed = small_config.copy_and_resolve_references()
        changed.discriminative[field] = value
        with pytest.raises(InputError):
            run(changed, workdir)
    small_config.data.root, small_config.data.outliers = str(factory), "fan"
    with pytest.raises(InputError, match="fan SerialOE, seed 0: no outlier clips"):
        run(small_config, workdir, stages=("train_discriminative",))
    assert contents(workdir / "fan/discriminative") == before


def test_a_strangers_segments_need_no_sound(workdir, plain_config, tmp_path):
    (tmp_path / "s/saw").mkdir(parents=True)
    shutil.copy(workdir / "fan/segments.npz", tmp_path / "s/saw")
    plain_config.data.root = ""
    run(plain_config, tmp_path / "s", stages=("fit", "smooth", "select", "evaluate"))
    ours, theirs = (
        json.loads((folder / "results.json").read_text())["readings"]["pooled"]
        for folder in (tmp_path / "s", workdir)
    )
    assert ours["saw"] == theirs["fan"]


def test_nothing_to_train_on(factory, small_config, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(factory / "dev_data/fan/source_test", root / "fan/source_test")
    small_config.data.root, small_config.data.eval_sections = str(root), (0,)
    with pytest.raises(InputError, match="fan has no training clips, nothing to train on"):
        run(small_config, tmp_path / "w")
    shutil.copytree(factory / "dev_data/fan/train", root / "fan/train")
    with pytest.raises(InputError, match="no outlier clips"):
        run(small_config, tmp_path / "w", stages=("train_discriminative",))

"""Tables I and II from finished workdirs, made from fabricated segments."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import table2
from paper import published
from sklearn.metrics import roc_auc_score

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline.method_results import load_results
from jax_dns.segments_file import Segments, read_segments, write_segments


def segments(seed, machine, *, clips=5, per_clip=2, labelled=True, sections=(0, 3, 5)):
    """Training and test segments of some sections and both domains, two per clip."""
    rng = np.random.default_rng([seed, *machine.encode()])
    rows = [
        (section, domain, split, label, f"{section}_{domain}_{split}_{label}_{number}.wav")
        for section in sections
        for domain in ("source", "target")
        for split, label in (("train", 0), ("valid", 0), ("test", 0), ("test", 1))
        for number in range(clips)
    ]
    section, domain, split, label, clip = (np.repeat(column, per_clip) for column in zip(*rows))
    n, anomalous = len(clip), label.astype(float)
    feature = rng.normal(size=(n, 4)) + anomalous[:, None]
    return Segments(
        clip,
        np.tile(np.arange(per_clip), len(rows)).astype(np.int32),
        section.astype(np.int32),
        domain,
        split,
        label.astype(np.int8) if labelled else np.full(n, -1, np.int8),
        (rng.normal(size=n) + anomalous).astype(np.float32),
        feature.astype(np.float32),
    )


def make(root, machines=("ToyCar", "fan"), seeds=(0, 1), stages=("fit", "smooth"), **options):
    """Makes a workdir that has everything the script reads."""
    c = config.get_config()
    c.seeds = seeds
    c.inlier.n_components = (1,)
    c.smoothing.ks = (1, 4)
    c.data.root = str(root / "recordings")
    c.evaluation.figures = c.evaluation.report = False
    c.evaluation.baselines = ()  # with them a table takes twice as long; one test has them
    for change, value in options.pop("change", {}).items():
        part, name = change.split(".")
        c[part][name] = value
    for seed in seeds:
        for machine in machines:
            folder = root if len(seeds) == 1 else root / f"seed_{seed}"
            write_segments(folder / machine / "segments.npz", segments(seed, machine, **options))
    run(c, root, stages)
    return root


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Two seeds of two of the paper's machine types; not to be changed."""
    stages = ("fit", "smooth", "select", "evaluate")
    return make(tmp_path_factory.mktemp("finished"), stages=stages)


@pytest.fixture
def tables(tmp_path, capsys):
    """Runs the script; returns second rows of CSV by reading, alternative, method and column."""

    def call(*workdirs, options=()):
        arguments = [f"--workdir={workdir}" for workdir in workdirs]
        table2.main([*arguments, "--resamples=50", f"--out={tmp_path / 'out'}", *options])
        with (tmp_path / "out/table2.csv").open() as file:
            rows = list(csv.DictReader(file))
        call.printed = capsys.readouterr().out
        return {(r["reading"], r["alternative"], r["method"], r["column"]): r for r in rows}

    return call


def test_figures_are_those_of_the_run_beside_the_papers(workdir, tables):
    rows = tables(workdir)
    readings = json.loads((workdir / "results.json").read_text())["readings"]
    for reading in ("pooled", "by_domain"):
        for machine in ("fan", "ToyCar"):
            for method in published.TABLE_TWO:
                values = [
                    100 * row["evaluation"]
                    for seed in ("0", "1")
                    for row in readings[reading][machine][seed]
                    if row["method"] == method
                ]
                row = rows[reading, "", method, machine]
                mean, theirs = np.mean(values), published.TABLE_TWO[method][machine]
                assert float(row["mean"]) == pytest.approx(mean, abs=1e-4)
                assert float(row["deviation"]) == pytest.approx(np.std(values, ddof=1), abs=1e-4)
                assert float(row["low"]) < mean < float(row["high"])
                assert float(row["paper"]) == theirs
                assert float(row["difference"]) == pytest.approx(mean - theirs, abs=1e-4)
    every = rows["pooled", "", "AE", "All-hmean"]
    assert float(every["paper"]) == pytest.approx(2 / (1 / 57.11 + 1 / 58.61), abs=1e-3)
    text = (workdir / "results.txt").read_text()
    assert f"{float(every['mean']):.2f}±{float(every['deviation']):.2f}" in text


def test_toycar_5_has_its_own_oracle(workdir, tables):
    rows = tables(workdir)

    def auc(clips, scores):
        mask = (clips.section == 5) & (clips.label >= 0)
        return 100 * roc_auc_score(clips.label[mask], scores[mask])

    best = []
    for seed in (0, 1):
        clips, results = load_results(workdir / f"seed_{seed}/ToyCar")
        best.append(max(auc(clips, r.scores) for r in results if r.method == "Proposed"))
    oracle = rows["pooled", "", "Proposed (Oracle)", "ToyCar-5"]
    assert float(oracle["mean"]) == pytest.approx(np.mean(best), abs=1e-4)
    assert float(oracle["paper"]) == 77.29
    ae = [load_results(workdir / f"seed_{seed}/ToyCar") for seed in (0, 1)]
    expected = np.mean([auc(c, r.scores) for c, results in ae for r in results if r.method == "AE"])
    row = rows["pooled", "", "AE", "ToyCar-5"]
    assert float(row["mean"]) == pytest.approx(expected, abs=1e-4) and row["paper"] == "72.8700"
    assert "K=128 all" in tables.printed  # the paper's setting of it


def test_differences_are_paired(workdir, tables):
    rows = tables(workdir)
    for other in ("AE", "SerialOE"):
        row = rows["pooled", "", f"Proposed − {other}", "fan"]
        first, second = (float(rows["pooled", "", m, "fan"]["mean"]) for m in ("Proposed", other))
        assert float(row["mean"]) == pytest.approx(first - second, abs=2e-4)
        assert float(row["low"]) <= float(row["mean"]) <= float(row["high"]) and row["paper"] == ""


def test_other_readings_are_what_a_run_with_them_gives(tmp_path, tables):
    workdir = make(tmp_path / "run", seeds=(0,))
    rows = tables(workdir, options=["--readings"])
    other = tables(make(tmp_path / "other", seeds=(0,), change={"smoothing.same_clip": False}))
    names = {name for _, name, _, _ in rows}
    assert names == {
        "",
        "smoothing.unit=clip",
        "smoothing.groups=machine, smoothing.history=split",
        "smoothing.groups=machine, smoothing.history=all",
        "smoothing.outside_pool=keep",
        "smoothing.metric=cosine",
        "smoothing.same_clip=False",
        "inlier.split=valid",
    }
    for (reading, name, method, column), row in rows.items():
        if name == "smoothing.same_clip=False":
            expected = other[reading, "", method, column]
            assert (row["mean"], row["settings"]) == (expected["mean"], expected["settings"])
    assert {m for _, n, m, _ in rows if n == "inlier.split=valid"} == {"SerialOE"}
    assert sum(n == "smoothing.same_clip=False" for _, n, _, _ in rows) == 2 * 2 * 4


def test_workdirs_of_other_machine_types_and_seeds_are_put_together(tmp_path, workdir, tables):
    whole = tables(workdir)
    parts = [
        make(tmp_path / f"{machine}_{seed}", (machine,), (seed,))
        for machine in ("fan", "ToyCar")
        for seed in (0, 1)
    ]
    assert tables(*parts) == whole
    with pytest.raises(InputError, match=r"fan of seed 0 is in .* too"):
        tables(workdir, parts[0])
    with pytest.raises(InputError, match="ToyCar: no run with seed 1"):
        tables(*parts[:3])


def test_a_manifest_makes_recordings_the_unit(tmp_path, workdir, tables):
    plain = tables(workdir)["pooled", "", "AE", "fan"]
    assert "resamples of clips" in tables.printed
    test, _ = read_segments(workdir / "seed_0/fan/segments.npz")
    manifest = tmp_path / "manifest.csv"
    lines = [f"{name},{number % 9}" for number, name in enumerate(sorted(set(test.clip)))]
    manifest.write_text("\n".join(["clip,recording", *lines]))
    option = f"--manifest=fan={manifest}"
    row = tables(workdir, options=[option])["pooled", "", "AE", "fan"]
    assert (row["mean"], row["low"]) != (plain["mean"], plain["low"])
    assert row["mean"] == plain["mean"] and "of recordings for fan" in tables.printed
    manifest.write_text("\n".join(["clip,recording", *lines[1:]]).replace("_test_", "_t_"))
    with pytest.raises(InputError, match=r"fan: the manifest names no recording of .*_test_.*more"):
        tables(workdir, options=[option])
    with pytest.raises(InputError, match="--manifest: 'pump', expected one of fan, ToyCar"):
        tables(workdir, options=[f"--manifest=pump={manifest}"])


def test_what_is_not_the_papers_stands_alone(tmp_path, tables):
    rows = tables(make(tmp_path / "uav", ("uav",), (3,)))
    assert all(row["paper"] == row["deviation"] == "" for row in rows.values())
    assert "± deviation" not in tables.printed and "| paper" not in tables.printed
    change = {"data.dev_sections": (0,), "data.eval_sections": (3, 5)}
    rows = tables(make(tmp_path / "fan", ("fan",), (0,), change=change))
    assert all(row["paper"] == "" for row in rows.values())
    # The choice has seen the answer.
    change = {"data.eval_sections": (0, 3), "evaluation.baselines": ("knn", "mahalanobis")}
    rows = tables(make(tmp_path / "overlap", ("fan",), (0,), change=change))
    ours = {"Proposed (adaptive)", "AE + SerialOE ranks", "k-NN", "k-NN, smoothed"}
    ours |= {"Mahalanobis", "Mahalanobis, smoothed", "SerialOE, smoothed"}
    assert {method for _, _, method, _ in rows} == {"SerialOE", "AE", "Proposed (Oracle)", *ours}


def test_no_paper_and_no_resamples(workdir, tables):
    rows = tables(workdir, options=["--no-paper", "--resamples=0"])
    assert all(row["paper"] == row["low"] == "" for row in rows.values())
    assert "95 %" not in tables.printed


def test_what_is_missing_is_said_with_the_command(tmp_path, workdir, tables):
    copy = shutil.copytree(workdir, tmp_path / "copy")
    (copy / "seed_1/fan/smoothed.npz").unlink()
    expected = rf"no smoothed.npz .*; run jax-dns run --config=FILE --workdir={copy} --stages=fit"
    with pytest.raises(InputError, match=expected):
        tables(copy)
    (copy / "seed_1/fan/segments.npz").unlink()
    with pytest.raises(InputError, match=r"no .*segments.npz"):
        tables(copy)
    with pytest.raises(InputError, match=r"config.json: .*workdir of a jax-dns run"):
        tables(tmp_path / "nothing")


def test_workdirs_that_do_not_fit_together(tmp_path, workdir, tables):
    other = make(tmp_path / "other", ("pump",), change={"smoothing.metric": "cosine"})
    with pytest.raises(InputError, match=r"smoothing differs from that of"):
        tables(workdir, other)
    fewer = make(tmp_path / "fewer", ("fan",), (2,), clips=3)
    first = make(tmp_path / "first", ("fan",), (0,))
    with pytest.raises(InputError, match=r"fan: the test clips of seed 2 differ .* seed 0: 0_so"):
        tables(first, fewer)
    unlabelled = make(tmp_path / "unlabelled", ("fan",), (0,), labelled=False)
    with pytest.raises(InputError, match="no labelled test clips of both classes in sections 3"):
        tables(unlabelled)


def test_the_script_itself(tmp_path):
    command = [sys.executable, table2.__file__, f"--workdir={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.startswith("table2: error: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("wrong", ["--manifest=x", "--resamples=-1", "--reading"])
def test_a_wrong_command_line(wrong):
    with pytest.raises(SystemExit) as stop:
        table2.parse(["--workdir=w", wrong])
    assert stop.value.code == 2

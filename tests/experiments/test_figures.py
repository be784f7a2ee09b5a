"""Figures 3, 4 and 5 and the sweep over shifts, from workdirs as a run leaves them."""

import csv
import json
import subprocess
import sys
from types import SimpleNamespace

import figure3_4
import figure5
import numpy as np
import pytest
import shift_sweep
from paper.figure_files import save_figure

from jax_dns import cli, config, smooth
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import section_metrics, summary
from jax_dns.files import write_json, write_text
from jax_dns.pipeline.smooth import smoothing_results
from jax_dns.pipeline.workdir import FORMAT_VERSION, read_config
from jax_dns.segments_file import Segments, clip_mean, clips_of, read_segments, write_segments

pytest.importorskip("matplotlib", reason="extra viz")
KS = (1, 2, 4, 8, 16)


def fabricated(seed: int, *, sections=(0, 1), shift: float = 0.0) -> Segments:
    """Training and test segments, two per clip; anomalies differ a little in score and feature."""
    rng = np.random.default_rng(seed)
    kinds = [("train", "source", 0, 12), ("train", "target", 0, 2), ("valid", "source", 0, 2)]
    kinds += [("test", domain, label, 6) for domain in ("source", "target") for label in (0, 1)]
    rows = [
        (f"{section}_{split}_{domain}_{label}_{i}", segment, section, domain, split, label)
        for section in sections
        for split, domain, label, n in kinds
        for i in range(n)
        for segment in range(2)
    ]
    clip, segment, section, domain, split, label = map(np.asarray, zip(*rows))
    feature = rng.normal(size=(len(rows), 6)) + 2 * label[:, None] * (np.arange(6) == 0)
    return Segments(
        clip,
        segment.astype(np.int32),
        section.astype(np.int32),
        domain,
        split,
        label.astype(np.int8),
        (rng.normal(size=len(rows)) + label + shift * (domain == "target")).astype(np.float32),
        feature.astype(np.float32),
    )


def make_workdir(path, machines=("fan", "slider"), **changes):
    """Makes the files of a finished workdir that the figures read."""
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.smoothing.ks = KS
    c.update_from_flattened_dict(changes)
    write_text(path / "config.json", c.to_json())
    write_json(path / "versions.json", {"format_version": FORMAT_VERSION})
    for seed in c.seeds:
        folder = path if len(c.seeds) == 1 else path / f"seed_{seed}"
        for i, machine in enumerate(machines):
            write_segments(folder / machine / "segments.npz", fabricated(10 * seed + i))
            selected = {"value": 4, "data": "source"}, {"value": 8, "data": "all"}
            chosen = dict(zip(("Proposed", "Proposed (Oracle)"), selected))
            write_json(folder / machine / "selection.json", {"format_version": 1, "pooled": chosen})
    return path


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return make_workdir(tmp_path_factory.mktemp("finished"))


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figures that scripts write."""
    figures = []

    def keep(figure, path):
        figures.append(figure)
        save_figure(figure, path)

    for script in (figure3_4, figure5, shift_sweep):
        monkeypatch.setattr(script, "save_figure", keep)
    return figures


def read_csv(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def points_of(axes):
    return np.concatenate([np.asarray(c.get_offsets()) for c in axes.collections])


def colours_of(axes):
    values = [c.get_array() for c in axes.collections if c.get_array() is not None]
    return np.sort(np.concatenate(values))


@pytest.fixture
def quick_umap(monkeypatch):
    """UMAP compiles for ten seconds; its own test is in test_plots.py."""
    monkeypatch.setattr(figure3_4, "umap_places", lambda features, *, seed: features[:, :2])


def test_maps_share_places_and_colours(finished, tmp_path, drawn, quick_umap):
    out = str(tmp_path)
    arguments = ["--workdir", str(finished), "--machine=fan", "--section=1", "--fraction=1"]
    figure3_4.main([*arguments, "--out", out])
    assert (tmp_path / "fan_section_01_all.png").read_bytes().startswith(b"\x89PNG")
    axes = [a for a in drawn[0].axes if a.get_title()]
    assert [a.get_title() for a in axes] == [
        "labels and domains",
        "$a_G$, K = 1",
        "K = 4, source pool (selected)",
        "K = 8, all pool (oracle)",
        "K = 16, source pool (largest)",
    ]
    segments, _ = read_segments(finished / "fan/segments.npz")
    in_section = segments.section == 1
    assert len(points_of(axes[0])) == in_section.sum()
    for panel in axes[1:]:
        assert len(points_of(panel)) == in_section.sum()
        np.testing.assert_array_equal(
            np.sort(points_of(panel)[:, 0]), np.sort(segments.feature[in_section, 0])
        )
    limits = {c.get_clim() for a in axes[1:] for c in a.collections if c.get_array() is not None}
    assert len(limits) == 1
    test = segments.where(segments.split == "test")
    pool = test.domain == "source"
    expected = smooth(test.score, test.feature, 4, groups=test.section, pool=pool)
    np.testing.assert_allclose(colours_of(axes[2]), np.sort(expected[test.section == 1]), rtol=1e-6)
    np.testing.assert_array_equal(colours_of(axes[1]), np.sort(test.score[test.section == 1]))


def test_maps_of_one_domain_and_some_ks(finished, tmp_path, drawn, quick_umap):
    out = ["--out", str(tmp_path), "--format=pdf"]
    arguments = ["--workdir", str(finished), "--machine=slider", "--section=0", "--fraction=1"]
    figure3_4.main([*arguments, "--domain=source", "--ks=1,2", "--data=all", *out])
    figure3_4.main([*arguments[:-1], "--fraction=0.3", *out])
    assert (tmp_path / "slider_section_00_source.pdf").read_bytes().startswith(b"%PDF")
    axes = [a for a in drawn[0].axes if a.get_title()]
    assert [a.get_title() for a in axes[1:]] == ["$a_G$, K = 1", "K = 2, all pool"]
    segments, _ = read_segments(finished / "slider/segments.npz")
    in_section = (segments.section == 0) & (segments.domain == "source")
    assert len(points_of(axes[0])) == in_section.sum()
    # Smoothing sees both domains, whatever is drawn.
    test = segments.where(segments.split == "test")
    expected = smooth(test.score, test.feature, 2, groups=test.section)
    expected = np.sort(expected[(test.section == 0) & (test.domain == "source")])
    np.testing.assert_allclose(colours_of(axes[2]), expected, rtol=1e-6)
    whole = (segments.section == 0).sum()
    assert len(points_of(drawn[1].axes[0])) == int(np.ceil(0.3 * whole))


def test_maps_of_the_paper(tmp_path, drawn, quick_umap, capsys):
    """The slider's section 4, the source domain; other machine types must be asked for."""
    workdir = make_workdir(tmp_path / "run", **{"data.eval_sections": (4,)})
    segments = fabricated(3, sections=(0, 4))
    write_segments(workdir / "slider/segments.npz", segments)
    figure3_4.main(["--workdir", str(workdir), "--ks=1"])
    assert [p.name for p in (workdir / "figure3_4").iterdir()] == ["slider_section_04_source.png"]
    for arguments, text in (
        (["--machine=valve", "--section=1"], "no segments.npz of valve.*one of fan, slider"),
        (["--machine=fan", "--section=7"], "section 7, expected one of 0, 1"),
        (["--seed=4"], "--seed: 4, the run has 0"),
        (["--fraction=0"], "fraction: 0"),
        (["--ks=999"], "K: 999"),
    ):
        with pytest.raises(InputError, match=text):
            figure3_4.main(["--workdir", str(workdir), *arguments])
    for arguments in (["--machine=fan"], ["--ks=0,1"], ["--ks=x"]):
        with pytest.raises(SystemExit):
            figure3_4.main(["--workdir", str(workdir), *arguments])


def test_umap_itself(finished, tmp_path):
    pytest.importorskip("umap", reason="extra viz")
    arguments = ["--workdir", str(finished), "--machine=fan", "--section=1", "--ks=1"]
    for out in ("one", "two"):
        figure3_4.main([*arguments, "--out", str(tmp_path / out)])
    one, two = (tmp_path / out / "fan_section_01_all.png" for out in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_growing_fraction(tmp_path, drawn, capsys):
    """Two seeds, of which the second is asked for; 100 % are Table II's AE and oracle."""
    workdir = make_workdir(tmp_path / "run", seeds=(0, 1))
    figure5.main(["--workdir", str(workdir), "--seed=1", "--draws=3", "--step=25"])
    rows = read_csv(workdir / "figure5/figure5.csv")
    assert len(rows) == 2 * 3 * 4 * 2 * 2  # machine types, draws, fractions, readings, methods
    for machine in ("fan", "slider"):
        segments, _ = read_segments(workdir / "seed_1" / machine / "segments.npz")
        test = segments.where((segments.split == "test") & (segments.section == 1))
        scored = smoothing_results(read_config(workdir), test)
        for reading in ("pooled", "by_domain"):
            values = [
                summary(
                    section_metrics(clips_of(test), s.scores),
                    sections=(1,),
                    pooled=reading == "pooled",
                )
                for s in scored
            ]
            for method, expected in (("AE", values[0]), ("Proposed (Oracle)", max(values[1:]))):
                in_csv = [
                    float(r["value"])
                    for r in rows
                    if (r["machine"], r["reading"], r["method"], r["fraction"])
                    == (machine, reading, method, "1.0")
                ]
                assert in_csv == [pytest.approx(expected, abs=1e-9)] * 3
    assert [a.get_title() for a in drawn[0].axes] == ["fan", "slider", "All-hmean"]
    x, y = drawn[0].axes[0].lines[0].get_data()
    np.testing.assert_allclose(x, (25, 50, 75, 100))
    chosen = [
        float(r["value"])
        for r in rows
        if (r["machine"], r["reading"], r["method"], r["fraction"])
        == ("fan", "pooled", "AE", "0.25")
    ]
    assert y[0] == pytest.approx(100 * np.mean(chosen))
    text = capsys.readouterr().out
    assert "All-hmean, Proposed (Oracle)" in text and "100 %" in text


def test_growing_fraction_refuses(tmp_path):
    for changes, text in (
        ({"smoothing.same_clip": False}, "same_clip"),
        ({"smoothing.groups": "machine", "smoothing.history": "all"}, "history"),
        ({"data.eval_sections": (5,)}, "no test segments of sections 5"),
    ):
        workdir = make_workdir(tmp_path / text[:4], **changes)
        with pytest.raises(InputError, match=text):
            figure5.main(["--workdir", str(workdir), "--draws=1", "--step=50"])
    with pytest.raises(InputError, match="--seed: 7"):
        figure5.main(["--workdir", str(workdir), "--seed=7"])
    with pytest.raises(InputError, match=r"config\.json"):
        figure5.main(["--workdir", str(tmp_path)])
    for wrong in ("--draws=0", "--step=0", "--step=101"):
        with pytest.raises(SystemExit):
            figure5.main(["--workdir", str(workdir), wrong])


def test_sweep_runs_and_collects(tmp_path, monkeypatch, drawn, capsys):
    """The real command on fabricated segments, in place of what it would train."""
    commands = []

    def run(command, check):
        assert command[:4] == [sys.executable, "-m", "jax_dns", "run"]
        commands.append(command)
        options = dict(part.partition("=")[::2] for part in command[4:])
        shift = float(options["--config.synthetic.shift"])
        for seed in (0, 1):
            folder = tmp_path / f"sweep/shift_{shift:g}/seed_{seed}/fan"
            write_segments(folder / "segments.npz", fabricated(seed, shift=3 * shift))
        late = ["--stages=fit,smooth,select,evaluate", "--config.synthetic.make=False"]
        return subprocess.CompletedProcess(command, cli.main([*command[3:], *late]))

    monkeypatch.setattr(shift_sweep, "subprocess", SimpleNamespace(run=run))
    changes = ["--config.data.dev_sections=(0,)", "--config.data.eval_sections=(1,)"]
    changes += ["--config.evaluation.figures=False", "--config.evaluation.report=False"]
    arguments = ["--out", str(tmp_path / "sweep"), "--machines=fan", "--seeds=0,1", *changes]
    shift_sweep.main([*arguments, "--shifts=1,0"])
    rows = read_csv(tmp_path / "sweep/shift_sweep.csv")
    runs = {(r["shift"], r["seed"]) for r in rows}
    assert runs == {(shift, seed) for shift in ("0.0", "1.0") for seed in "01"}
    for method in ("SerialOE", "AE", "Proposed", "Proposed (Oracle)", "Proposed (adaptive)"):
        assert sum(r["method"] == method for r in rows) == 4
    results = json.loads((tmp_path / "sweep/shift_1/results.json").read_text())
    for row in rows:
        path = tmp_path / f"sweep/shift_{float(row['shift']):g}/seed_{row['seed']}/fan/segments.npz"
        segments, _ = read_segments(path)
        test = segments.where(segments.split == "test")
        if row["method"] == "AE":
            clips = clips_of(test)
            metrics = section_metrics(clips, clip_mean(clips, test.score))
            by_domain = {m.domain: m.auc for m in metrics if m.section == 1}
            assert float(row["auc_source"]) == pytest.approx(by_domain["source"])
            assert float(row["auc_target"]) == pytest.approx(by_domain["target"])
        if row["shift"] == "1.0":
            listed = results["readings"]["by_domain"]["fan"][row["seed"]]
            chosen = next(c for c in listed if c["method"] == row["method"])
            assert (int(row["value"]), row["data"]) == (chosen["value"], chosen["data"])
            assert float(row["hmean"]) == pytest.approx(chosen["evaluation"])
    titles = [a.get_title() for a in drawn[0].axes]
    assert titles == list(shift_sweep.PANELS.values())
    assert "Proposed (Oracle)" in capsys.readouterr().out
    assert f"--config.synthetic.test_normal={shift_sweep.TEST_CLIPS}" in commands[0]


def test_sweep_stops_at_a_failure(tmp_path, monkeypatch):
    def run(command, check):
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(shift_sweep, "subprocess", SimpleNamespace(run=run))
    with pytest.raises(InputError, match=r"shift 0\.5: jax-dns ended with exit code 1"):
        shift_sweep.main(["--out", str(tmp_path), "--shifts=0.5"])
    with pytest.raises(InputError, match="no results to read"):
        write_text(tmp_path / "config.json", config.get_config().to_json())
        shift_sweep.collect(tmp_path, 0.5)
    with pytest.raises(SystemExit):
        shift_sweep.main(["--epochs=3"])

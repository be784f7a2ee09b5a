"""The report: what it shows is what the workdir holds, and it needs nothing but itself."""

import base64
import csv
import io
import json
import shutil
import tomllib
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import soundfile
from pipeline import report_workdirs

from jax_dns import cli
from jax_dns.evaluation.umap_plot import UmapPoints, write_umap
from jax_dns.pipeline.workdir import open_run
from jax_dns.report import build, page
from jax_dns.report.build import add_report

pytest.importorskip("matplotlib", reason="extra viz")
pytest.importorskip("jinja2", reason="extra viz")
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements with their attributes, and the text of each table's cells."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.rows, self.text = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == [], "elements left open"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def make(workdir, capsys, *arguments):
    assert cli.main(["report", "--workdir", str(workdir), *map(str, arguments)]) == 0
    return Page((workdir / "report.html").read_text()), capsys.readouterr().out


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    root = tmp_path_factory.mktemp("report")
    return report_workdirs.make(root, machines=(report_workdirs.MACHINE, "fan"))


@pytest.fixture(scope="module")
def whole(finished):
    """The page of two machine types, one of them with a UMAP, all with hostile names."""
    rng = np.random.default_rng(0)
    label, domain = np.arange(9) % 2, np.repeat(["source", "target", "source"], 3)
    scores = {"a_G": rng.normal(size=9), "smoothed": rng.normal(size=9)}
    points = UmapPoints(rng.normal(size=(9, 2)), label, domain, scores, rng.normal(size=9))
    write_umap(finished / "fan", points, title="fan")
    assert cli.main(["report", "--workdir", str(finished)]) == 0
    return Page((finished / "report.html").read_text())


def test_tables_are_those_of_results_json(finished, whole):
    readings = json.loads((finished / "results.json").read_text())["readings"]
    rows = [[" ".join(field.split()) for field in row] for row in whole.rows]
    notes = {"pooled": "domains pooled", "by_domain": "each domain"}
    for name, reading in readings.items():
        for method in ("AE", "Proposed", "Proposed (Oracle)"):
            values = [
                next(
                    100 * row["evaluation"]
                    for row in reading[machine]["0"]
                    if row["method"] == method
                )
                for machine in (report_workdirs.MACHINE, "fan")
            ]
            hmean = 2 / (1 / values[0] + 1 / values[1])
            (row,) = (row for row in rows if row[0] == f"{method} {notes[name]}")
            assert [cell[: len(f"{v:.2f}")] for cell, v in zip(row[1:], (hmean, *values))] == [
                f"{v:.2f}" for v in (hmean, *values)
            ]
            settings = [cell.partition("K=")[2] for cell in row[1:]]
            expected = [
                next(r for r in reading[machine]["0"] if r["method"] == method)
                for machine in (report_workdirs.MACHINE, "fan")
            ]
            texts = [f"{r['value']} {r['data']}" if r["value"] else "" for r in expected]
            assert settings == ["", *texts]
    with (finished / "results.csv").open() as file:
        cells = [
            row for row in csv.DictReader(file) if (row["method"], row["machine"]) == ("AE", "fan")
        ]
    for cell in cells:
        place = "pooled" if cell["domain"] == "all" else cell["domain"]
        kind = ("development", "evaluation")[int(cell["section"])]
        expected = [f"{100 * float(cell[name]):.2f}" for name in ("auc", "pauc")]
        assert any(
            row[0] == f"{int(cell['section']):02d} {place} {kind}" and row[1:3] == expected
            for row in rows
        )


def test_every_clip_has_a_picture_and_a_player(whole):
    images, players = whole.all("img"), whole.all("audio")
    assert len(images) == len(players) == 2 * 10
    # K curves of two sets of sections and histograms of two domains, for both; three UMAP panels.
    assert len(whole.all("svg")) == 2 * (2 + 2) + 3
    assert all(image["alt"] and image["loading"] == "lazy" for image in images)
    assert all(player["preload"] == "none" and player["aria-label"] for player in players)
    for image in images:
        assert base64.b64decode(image["src"].removeprefix("data:image/png;base64,"))[1:4] == b"PNG"
    for player in players:
        sound = base64.b64decode(player["src"].removeprefix("data:audio/mpeg;base64,"))
        samples, rate = soundfile.read(io.BytesIO(sound))
        assert rate == 16_000 and 2 <= len(samples) / rate < 2.2


def test_nothing_is_fetched_and_nothing_runs(whole):
    for tag, attributes in whole.elements:
        for name in ("src", "href", "srcset", "action", "data", "poster", "xlink:href"):
            link = attributes.get(name, "")
            assert link.startswith(("data:", "#")) or not link, (tag, name, link[:80])
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert not {"script", "iframe", "object", "link", "base"} & {t for t, _ in whole.elements}
    assert any("default-src 'none'" in meta.get("content", "") for meta in whole.all("meta"))
    text = resources.files("jax_dns.report").joinpath("report.css").read_text()
    assert "url(" not in text and "@import" not in text


def test_hostile_names_are_text(whole):
    names = [text for text in whole.text if report_workdirs.HOSTILE[:20] in text]
    assert len(names) >= 20 and any(report_workdirs.MACHINE in text for text in whole.text)
    assert not any(image["src"] == "x" for image in whole.all("img"))
    assert "jax-dns run --config=<i>.py" in whole.text and len(whole.all("b")) == 2 * 10


def test_the_answer_comes_first_and_machine_types_are_folded(finished, whole, tmp_path, capsys):
    ids = [a["id"] for _, a in whole.elements if a.get("id", "")[:1] not in ("m", "")]
    order = ["answer", "results", "notes", "run"]
    assert [i for i in ids if i in order] == order
    (heading,) = [i for i, (tag, _) in enumerate(whole.elements) if tag == "h1"]
    tables = [i for i, (tag, _) in enumerate(whole.elements) if tag == "table"]
    parts = [i for i, (tag, _) in enumerate(whole.elements) if tag == "details"]
    assert heading < tables[0] < parts[0] < parts[1] < tables[-1] and len(parts) == 2
    assert not any("open" in whole.elements[i][1] for i in parts)
    sentence = next(text for text in whole.text if text.startswith("Proposed is "))
    assert "AE, 95\u00a0% interval" in sentence
    alone = report_workdirs.make(tmp_path, sound=False)
    (part,) = make(alone, capsys)[0].all("details")
    assert "open" in part


def test_links_lead_somewhere_and_ids_are_unique(whole):
    ids = [attributes["id"] for _, attributes in whole.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for link in whole.all("a"):
        assert link["href"][1:] in ids


def test_clips_are_those_that_moved_most(finished):
    config, folders, found = open_run(finished)
    made = build.write_report(config, finished, folders, found, out=finished / "other.html")
    results = {(c.method, c.value, c.data): c.scores for c in found[0]["fan"].results}
    names, sections = found[0]["fan"].clips.name, found[0]["fan"].clips.section
    machine = next(m for m in made.machines if m.name == "fan")
    after = results["Proposed", 4, machine.setting.split(",")[0].split()[-1]]
    before = results["AE", 0, ""]
    ranks = np.zeros((2, len(names)), int)
    for row in range(len(names)):
        here = sections == sections[row]
        ranks[:, row] = [1 + (s[here] > s[row]).sum() for s in (before, after)]
    moved = np.abs(ranks[0] - ranks[1])
    assert [abs(c.ranks[0] - c.ranks[1]) for c in machine.moved] == sorted(moved)[::-1][:10]
    for clip in machine.moved:
        row = list(names).index(clip.name)
        assert clip.scores == (before[row], after[row]) and clip.ranks == tuple(ranks[:, row])
        up = ranks[1, row] < ranks[0, row]
        towards = up == ("anomaly" in clip.name[:36])
        assert clip.verdict == ("towards its label" if towards else "away from its label")
    assert [clip.scores[1] for clip in machine.top] == sorted(after)[::-1][:10]
    assert all(clip.spectrogram == "" for clip in machine.top)


def test_recordings_that_are_gone_are_said(finished, tmp_path, capsys):
    workdir = shutil.copytree(finished, tmp_path / "work")
    root = tmp_path / "elsewhere"
    shutil.copytree(finished.parent / "sound", root)
    found, out = make(workdir, capsys, "--data-root", root)
    assert len(found.all("audio")) == 20 and "20 clips, 20 with" in out
    for path in [*(root / "fan/source_test").iterdir(), *(root / "fan/target_test").iterdir()]:
        path.write_bytes(b"RIFF, but not for long")
    found, out = make(workdir, capsys, "--data-root", root)
    assert len(found.all("audio")) == 10 and "20 clips, 10 with" in out
    assert sum("not a readable wav or flac file" in text for text in found.text) == 10
    assert sum("Recordings of 10 of these 10 clips" in text for text in found.text) == 1
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["root"] = str(tmp_path / "nowhere")
    (workdir / "config.json").write_text(json.dumps(config))
    found, out = make(workdir, capsys)
    assert found.all("audio") == [] and "20 clips, 0 with" in out
    assert sum("is not a folder" in text for text in found.text) == 2


def test_several_seeds(tmp_path, capsys):
    workdir = report_workdirs.make(tmp_path, seeds=(3, 5), sound=False)
    found, _ = make(workdir, capsys)
    readings = json.loads((workdir / "results.json").read_text())["readings"]
    values = [
        100 * next(r["evaluation"] for r in rows if r["method"] == "AE")
        for rows in readings["pooled"]["fan"].values()
    ]
    assert f"{np.mean(values):.2f}±{np.std(values, ddof=1):.2f}" in found.text
    assert any("pictures and clips are those of seed 3" in " ".join(t.split()) for t in found.text)


def test_labels_may_be_lacking(tmp_path, capsys, monkeypatch):
    original = report_workdirs.Segments

    def unlabelled(*columns):
        return original(*columns)._replace(label=np.full(len(columns[0]), -1, np.int8))

    monkeypatch.setattr(report_workdirs, "Segments", unlabelled)
    workdir = report_workdirs.make(tmp_path, sound=False)
    found, out = make(workdir, capsys)
    assert "0 clips" in out and any("no tables" in text for text in found.text)
    (workdir / "fan/selection.json").write_text(
        json.dumps({"format_version": 1, "pooled": {"Proposed": {"value": 4, "data": "all"}}})
    )
    found, out = make(workdir, capsys)
    assert "10 clips" in out and any("K=4 all, selected earlier" in text for text in found.text)
    # Ten that moved, and the ten most anomalous.
    assert len([a for a in found.all("span") if a.get("class") == "badge unknown"]) == 20
    assert any("the scores can't be evaluated" in text for text in found.text)


def test_a_run_ends_with_its_report_and_survives_without(finished, tmp_path, monkeypatch, capsys):
    workdir = shutil.copytree(finished, tmp_path / "work")
    config, _, _ = open_run(workdir)
    config.evaluation.figures = False
    (workdir / "report.html").unlink(missing_ok=True)
    assert str(workdir / "report.html") in add_report(workdir)
    written = (workdir / "report.html").stat()
    assert written.st_size > 100_000
    add_report(workdir)  # nothing has changed
    assert (workdir / "report.html").stat().st_mtime_ns == written.st_mtime_ns
    (workdir / "report.html").write_text("damaged")
    monkeypatch.setattr(page, "missing_packages", lambda: ["jinja2"])
    assert "Left out, for lack of jinja2" in add_report(workdir)
    assert not (workdir / "report.html").exists()  # it would be of other results
    assert cli.main(["report", "--workdir", str(workdir)]) == 1
    assert "lacks jinja2" in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr(build, "REPORT", "fan")  # a folder, which can't be written over
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    assert "Left out: fan" in add_report(workdir)
    monkeypatch.undo()
    with config.unlocked():
        config.evaluation.report = False
    (workdir / "config.json").write_text(config.to_json())
    assert add_report(workdir) == ""


def test_a_wheel_holds_what_the_page_is_made_of():
    project = Path(__file__).parents[2]
    setup = tomllib.loads((project / "pyproject.toml").read_text())["tool"]["setuptools"]
    folder = project / "jax_dns/report"
    others = {path.name for path in folder.iterdir() if path.suffix in (".jinja", ".css")}
    assert others == set(setup["package-data"]["jax_dns.report"])

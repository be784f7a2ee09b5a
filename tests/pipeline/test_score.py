"""New recordings are scored without a change to the run that trained."""

import csv
import shutil

import pytest

from jax_dns import cli
from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline.score import score
from jax_dns.training import trainers

pytestmark = pytest.mark.slow


def contents(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def rows_of(path):
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture
def new(factory, tmp_path):
    """The unlabelled test clips of fan's evaluation section, in a folder of their own."""
    for path in (factory / "eval_data/fan").glob("*_test/*.wav"):
        (tmp_path / "new/fan" / path.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "new/fan" / path.parent.name)
    return tmp_path / "new"


def test_the_run_is_only_read(finished, new, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "train_loop", lambda *_, **__: pytest.fail("trained"))
    before = contents(finished)
    score(finished, new, tmp_path / "out")
    assert contents(finished) == before
    rows = rows_of(tmp_path / "out/fan/scores.csv")
    assert [r["clip"] for r in rows] == sorted(path.name for path in new.rglob("*.wav"))
    old = {r["clip"]: r for r in rows_of(finished / "fan/scores.csv")}
    for row in rows:  # section 1 is as it was, and so are its scores
        assert row["label"] == "-1"
        for method in ("AE", "SerialOE", "Proposed"):
            assert float(row[method]) == pytest.approx(float(old[row["clip"]][method]), rel=1e-5)
    assert "no tables" in (tmp_path / "out/results.txt").read_text()


def test_more_of_them_later_and_earlier_ones_as_neighbours(toy_finished, new, tmp_path):
    few = shutil.copytree(new, tmp_path / "few")
    gone = sorted(few.rglob("*.wav"))[0]
    gone.unlink()
    score(toy_finished, few, tmp_path / "out", with_history=True)
    first = {r["clip"]: r for r in rows_of(tmp_path / "out/fan/scores.csv")}
    assert len(first) == 16  # the run's own test clips too
    score(toy_finished, new, tmp_path / "out", with_history=True)
    assert {r["clip"] for r in rows_of(tmp_path / "out/fan/scores.csv")} == set(first)


def test_what_cannot_be_scored(finished, new, workdir, small_config, tmp_path, capsys):
    (new / "fan").rename(new / "saw")
    with pytest.raises(InputError, match="saw, expected a machine type of fan, valve"):
        score(finished, new, tmp_path / "out")
    with pytest.raises(InputError, match="is the trained run, expected another folder"):
        score(finished, new, finished)
    arguments = [f"--workdir={finished}", f"--data={tmp_path / 'nowhere'}", "--out=x"]
    assert cli.main(["score", *arguments]) == 1
    assert "--data: " in capsys.readouterr().err
    (new / "saw").rename(new / "fan")
    small_config.data.root, small_config.data.machines = str(new), "fan"
    before = contents(workdir / "fan")
    with pytest.raises(InputError, match=r"would be lost \(expected: jax-dns score --workdir="):
        run(small_config, workdir, stages=("embed", "smooth"))
    assert contents(workdir / "fan") == before

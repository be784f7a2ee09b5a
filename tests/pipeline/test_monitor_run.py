"""`jax-dns monitor` with a trained run's own components."""

import json
import shutil

import pytest
from child_processes import environment

from jax_dns import cli
from jax_dns.segments_file import clip_scores, clips_of, read_segments

pytestmark = pytest.mark.slow


def test_a_trained_run_scores_what_arrives(finished, factory, tmp_path, capsys):
    """The events' scores are those that the run itself gave to the same recordings."""
    inbox = tmp_path / "inbox/fan"
    inbox.mkdir(parents=True)
    for path in (factory / "dev_data/fan").glob("source_test/*.wav"):
        shutil.copy(path, inbox)
    arguments = [f"--workdir={finished}", f"--inbox={inbox.parent}", f"--history={tmp_path / 'h'}"]
    assert cli.main(["monitor", *arguments, "--once", "--settle=0.1", "--k=3"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {e["event"] for e in events} == {"no_alarms", "clip"}  # few held-out clips
    segments, _ = read_segments(finished / "fan/segments.npz")
    clips = clips_of(segments)
    expected = dict(zip(clips.name, clip_scores(clips, segments.score)))
    scored = {e["name"]: e["score"] for e in events if e["event"] == "clip"}
    assert len(scored) == 4
    for name, score in scored.items():
        assert score == pytest.approx(expected[name], rel=1e-4)
    assert cli.main(["monitor", "check", f"--history={tmp_path / 'h'}"]) == 0
    assert "fan section 00" in capsys.readouterr().out


def test_a_process_for_each_machine_type(toy_finished, factory, tmp_path, capsys, monkeypatch):
    for machine in ("fan", "valve"):
        (tmp_path / "inbox" / machine).mkdir(parents=True)
        path = next((factory / f"dev_data/{machine}").glob("source_test/*.wav"))
        shutil.copy(path, tmp_path / "inbox" / machine)
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    arguments = [f"--workdir={toy_finished}", f"--inbox={tmp_path / 'inbox'}", "--once"]
    arguments += [f"--history={tmp_path / 'h'}", "--per-machine", "--settle=0.1", "--serve=0"]
    assert cli.main(["monitor", *arguments]) == 0
    output = capsys.readouterr()
    events = [json.loads(line) for line in output.out.splitlines()]
    clips = [(e["shard"], e["machine"]) for e in events if e["event"] == "clip"]
    assert sorted(clips) == [("fan", "fan"), ("valve", "valve")]
    assert "page: http://127.0.0.1:" in output.err
    assert (tmp_path / "h/valve/history.sqlite3").is_file()
    assert cli.main(["monitor", *arguments, "--keep-days=x"]) == 2
    (tmp_path / "h/fan/history.sqlite3").write_bytes(b"no database" * 99)
    assert cli.main(["monitor", *arguments, "--machines=fan"]) == 1
    assert "monitors that ended early: fan (exit code 1)" in capsys.readouterr().err

"""`jax-dns monitor`: its options, and the commands on a history."""

import contextlib
import json

import numpy as np
import pytest

from jax_dns import cli, config
from jax_dns.commands.monitor_command import followed_metric
from jax_dns.errors import InputError
from jax_dns.monitor.history import ClipRecord, History


@pytest.fixture
def history(tmp_path):
    with contextlib.closing(History.open(tmp_path / "history", k=2)) as history:
        for i in range(3):
            record = ClipRecord(str(i), str(i), 60.0 * i, p=0.5, p_score=0.5, p_distance=0.5)
            history.append("fan", 0, record, np.ones(2) * i, np.eye(2) * i)
    return tmp_path / "history"


def test_commands_on_a_history(history, tmp_path, capsys):
    here = f"--history={history}"
    assert cli.main(["monitor", "export", here, f"--out={tmp_path / 'a.csv'}"]) == 0
    assert "6 items" in capsys.readouterr().out
    assert cli.main(["monitor", "check", here]) == 0
    assert "fan section 00: largest difference" in capsys.readouterr().out
    assert cli.main(["monitor", "replay", here, "--hits=1", "--window=1"]) == 0
    assert "false alarms" in capsys.readouterr().out
    assert cli.main(["monitor", "acknowledge", here, "--clip=2", "--as=fault"]) == 0
    with contextlib.closing(History.open(history)) as opened:
        ((content,),) = opened.connection.execute("SELECT content FROM request").fetchall()
    assert json.loads(content) == {"clip": 2, "kind": "fault"}


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--inbox=x"], 2, "--workdir, --history; see jax-dns monitor --help"),
        (["--workdir=x", "--inbox=x", "--history=x"], 1, "--workdir: x is not a folder"),
        (["--workdir=x", "--inbox=x", "--history=x", "--hits=9"], 1, "hits: 9 of the last 5"),
        (["export", "--history=x", "--out=a.csv"], 1, "--history: x/history.sqlite3 does not"),
        (["replay", "--history=x"], 1, "--history: x/history.sqlite3 does not exist"),
        (["acknowledge", "--history=x", "--clip=1", "--as=normal"], 1, "no such file"),
        (["acknowledge", "--history=x", "--clip=1", "--as=good"], 2, "invalid choice"),
    ],
)
def test_wrong_options(arguments, code, message, capsys):
    assert cli.main(["monitor", *arguments]) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    "rule, field, value",
    [
        ("uniform", "unit", "clip"),
        ("uniform", "groups", "machine"),
        ("uniform", "transform", "rank"),
        ("uniform", "same_clip", False),
        ("uniform", "outside_pool", "keep"),
        ("mutual", "name", "mutual"),
    ],
)
def test_a_run_that_smooths_otherwise_is_refused(tmp_path, rule, field, value):
    c = config.get_config()
    assert followed_metric(c, tmp_path) == "euclidean"
    c.smoothing.metric = "cosine"
    assert followed_metric(c, tmp_path) == "cosine"
    with c.unlocked():
        c.smoothing = config.smoothing(rule, **({} if field == "name" else {field: value}))
    with pytest.raises(InputError, match=f"smoothing.{field} is {value!r}, expected"):
        followed_metric(c, tmp_path)

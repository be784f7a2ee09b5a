"""SIGKILL at random moments while files arrive: nothing is lost, nothing is done twice."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from monitor.test_service import put, work

from jax_dns.monitor.history import History

SCRIPT = Path(__file__).with_name("toy_monitor.py")
PROJECT = Path(__file__).parents[2]
LEVELS = {7: 30.0, 8: 30.0, 20: 5.0}


def start(inbox, folder, log):
    paths = os.pathsep.join(map(str, (PROJECT, PROJECT / "tests")))
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, SCRIPT, inbox, folder],
            stdout=output,
            stderr=output,
            env=os.environ | {"PYTHONPATH": paths},
        )


def items(folder):
    history = History.open(folder)
    try:
        history.export(folder / "items.csv")
        return (folder / "items.csv").read_text()
    finally:
        history.close()


def disturbed_equals_undisturbed(tmp_path, kills, files, seed):
    rng = random.Random(seed)
    inbox, folder, log = tmp_path / "inbox", tmp_path / "history", tmp_path / "log"
    inbox.mkdir()
    sent = 0
    for number in range(kills):
        process = start(inbox, folder, log)
        size, end = log.stat().st_size, time.monotonic() + 5  # no event comes, if all are done
        while log.stat().st_size == size and time.monotonic() < end and number % 3:
            if sent < files:  # arrive from the start on
                put(inbox, sent, level=LEVELS.get(sent, 1.0), section=sent % 2)
                sent += 1
            time.sleep(0.05)
        for _ in range(rng.randint(1, 2 + files // kills)):
            if sent < files:
                put(inbox, sent, level=LEVELS.get(sent, 1.0), section=sent % 2)
                sent += 1
                time.sleep(rng.uniform(0, 0.05))
        time.sleep(rng.uniform(0, 0.1))
        assert process.poll() is None, log.read_text()
        process.kill()
        process.wait()
    for number in range(sent, files):
        put(inbox, number, level=LEVELS.get(number, 1.0), section=number % 2)
    work(inbox, folder)
    work(inbox, tmp_path / "undisturbed")
    assert items(folder) == items(tmp_path / "undisturbed")
    assert len(items(folder).splitlines()) == 1 + 2 * files
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    numbers = {line["id"]: line for line in lines}
    names = [line["name"] for line in numbers.values() if line["event"] == "clip"]
    assert len(names) == len(set(names))  # lines may come again, with the same number
    assert all(numbers[line["id"]] == line for line in lines)
    return len(names)


def test_three_kills(tmp_path):
    assert disturbed_equals_undisturbed(tmp_path, kills=3, files=30, seed=0) > 3


@pytest.mark.soak
def test_thirty_kills(tmp_path):
    disturbed_equals_undisturbed(tmp_path, kills=30, files=300, seed=1)


def test_two_monitors_on_one_history(tmp_path):
    inbox, folder, log = tmp_path / "inbox", tmp_path / "history", tmp_path / "log"
    inbox.mkdir()
    put(inbox, 0)
    first = start(inbox, folder, log)
    try:
        while not log.exists() or not log.stat().st_size:
            assert first.poll() is None
            time.sleep(0.05)
        second = start(inbox, folder, tmp_path / "second")
        assert second.wait(60) == 1
        assert f"in use by process {first.pid}" in (tmp_path / "second").read_text()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()

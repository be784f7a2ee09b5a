"""SIGKILL at random moments while files arrive: nothing is lost, nothing is done twice."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from monitor.test_service import put, work

from jax_dns.monitor.history import History

SCRIPT = Path(__file__).with_name("toy_monitor.py")
PROJECT = Path(__file__).parents[2]
LEVELS = {7: 30.0, 8: 30.0, 20: 5.0}


@pytest.fixture(scope="module")
def start():
    """A function of inbox, history and log that starts a service; returns its process."""
    paths = os.pathsep.join(map(str, (PROJECT, PROJECT / "tests")))
    pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    environment = os.environ | {"PYTHONPATH": paths}
    forks = subprocess.Popen([sys.executable, SCRIPT], env=environment, **pipes)

    def start(inbox, folder, log):
        log.touch()
        print(json.dumps([str(inbox), str(folder), str(log)]), file=forks.stdin, flush=True)
        return psutil.Process(int(forks.stdout.readline()))

    yield start
    forks.communicate()


def items(folder):
    history = History.open(folder)
    try:
        history.export(folder / "items.csv")
        return (folder / "items.csv").read_text()
    finally:
        history.close()


def disturbed_equals_undisturbed(start, tmp_path, kills, files, seed):
    rng = random.Random(seed)
    inbox, folder, log = tmp_path / "inbox", tmp_path / "history", tmp_path / "log"
    inbox.mkdir()
    sent = 0
    for number in range(kills):
        process = start(inbox, folder, log)
        size, end = log.stat().st_size, time.monotonic() + 20
        while number % 3 and sent < files and log.stat().st_size == size:
            assert time.monotonic() < end, log.read_text()
            put(inbox, sent, level=LEVELS.get(sent, 1.0), section=sent % 2)
            sent += 1  # arrive from the start on
            time.sleep(0.05)
        for _ in range(rng.randint(1, 2 + files // kills)):
            if sent < files:
                put(inbox, sent, level=LEVELS.get(sent, 1.0), section=sent % 2)
                sent += 1
                time.sleep(rng.uniform(0, 0.05))
        time.sleep(rng.uniform(0, 0.1))
        assert process.is_running(), log.read_text()
        process.kill()
        process.wait(20)
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


def test_three_kills(start, tmp_path):
    assert disturbed_equals_undisturbed(start, tmp_path, kills=3, files=30, seed=0) > 3


@pytest.mark.soak
def test_thirty_kills(start, tmp_path):
    assert disturbed_equals_undisturbed(start, tmp_path, kills=30, files=300, seed=1) > 30


def test_two_monitors_on_one_history(start, tmp_path):
    inbox, folder, log = tmp_path / "inbox", tmp_path / "history", tmp_path / "log"
    inbox.mkdir()
    put(inbox, 0)
    first = start(inbox, folder, log)
    try:
        while not log.stat().st_size:
            assert first.is_running()
            time.sleep(0.05)
        start(inbox, folder, tmp_path / "second").wait(60)
        assert f"in use by process {first.pid}" in (tmp_path / "second").read_text()
        assert first.is_running()
    finally:
        first.kill()
        first.wait(20)

"""Several monitors at once: their events are forwarded, none is lost, SIGTERM ends all."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from jax_dns.monitor.shards import run_shards, shard_command

PROJECT = Path(__file__).parents[2]
CHILD = """
import json, sys, time
for i in range(int(sys.argv[1])):
    print(json.dumps({"event": "clip", "name": f"扇 {i}"}), flush=True)
time.sleep(float(sys.argv[2]))
sys.exit(int(sys.argv[3]))
"""
PARENT = """
import json, sys
from jax_dns import preemption
from jax_dns.monitor.shards import run_shards
def log(event):
    print(json.dumps(event), flush=True)
preemption.raise_on_signal(lambda: run_shards(json.loads(sys.argv[1]), log))
"""


def child(lines, seconds=0.0, code=0):
    return [sys.executable, "-c", CHILD, str(lines), str(seconds), str(code)]


def test_events_are_forwarded_and_an_early_end_is_one():
    events = []
    codes = run_shards({"fan": child(50), "pump": child(3, code=4)}, events.append)
    assert codes == {"fan": 0, "pump": 4}
    fan = [event["name"] for event in events if event["shard"] == "fan"]
    assert fan == [f"扇 {i}" for i in range(50)]
    (end,) = [event for event in events if event["event"] == "process_ended"]
    assert end == {"shard": "pump", "event": "process_ended", "code": 4}
    assert len(events) == 54


def test_an_error_of_the_listener_ends_all():
    started = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        run_shards({"fan": child(1, 60), "pump": child(0, 60)}, lambda event: 1 / 0)
    assert time.monotonic() - started < 30
    assert not [p for p in psutil.Process().children() if CHILD in p.cmdline()]


def test_sigterm_ends_all_and_no_event_is_lost():
    commands = {"fan": child(5, 60), "pump": child(7, 60)}
    environment = os.environ | {"PYTHONPATH": str(PROJECT)}
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, json.dumps(commands)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    first = parent.stdout.readline()
    children = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGTERM)
    rest, _ = parent.communicate(timeout=60)
    assert parent.returncode == 143
    events = [json.loads(line) for line in (first + rest).splitlines()]
    ended = [event for event in events if event["event"] == "process_ended"]
    assert {event["code"] for event in ended} == {-signal.SIGTERM} and len(ended) == len(children)
    psutil.wait_procs(children, timeout=20)
    assert not any(process.is_running() for process in children)


def test_a_shards_command():
    arguments = ["--workdir=w", "--inbox=i", "--history=h", "--per-machine", "--serve", "--once"]
    arguments += ["--host", "0.0.0.0", "--token=secret", "--serve", "80", "--hits", "2"]
    command = shard_command(arguments, "fan", Path("/i"), Path("/h"), without="--per-machine")
    assert command[1:4] == ["-m", "jax_dns", "monitor"] and "--per-machine" not in command
    assert command[4:-3] == ["--workdir=w", "--inbox=i", "--history=h", "--once", "--hits", "2"]
    assert command[-3:] == ["--machines=fan", "--inbox=/i/fan", "--history=/h/fan"]

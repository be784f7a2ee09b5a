"""Files around the code: the audit's exit codes, and a workflow of make targets that exist."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
FAKE = """
import json, os, sys
answer = json.loads(os.environ["ANSWER"])
if answer is None:
    sys.exit("ConnectionError: no route to the database")
with open(sys.argv[sys.argv.index("--output") + 1], "w") as file:
    json.dump({"dependencies": answer}, file)
sys.exit(any(entry.get("vulns") for entry in answer))
"""
CLEAN = {"name": "jax", "version": "1", "vulns": []}
SKIPPED = {"name": "jax", "skip_reason": "not found"}
BAD = {"name": "jax", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ([CLEAN, SKIPPED], 0, "1 of 2 versions looked up with pypi, 0 findings"),
        ([CLEAN, BAD], 1, "jax 1: CVE-1, fixed in 2"),
        ([SKIPPED], 0, "NOT AUDITED"),
        (None, 0, "osv's database can't be reached (ConnectionError: no route"),
    ],
)
def test_audit(tmp_path, answer, code, said):
    (tmp_path / "pip_audit.py").write_text(FAKE)
    done = subprocess.run(
        [sys.executable, PROJECT / "constraints/audit.py", "pins.txt"],
        env=os.environ | {"PYTHONPATH": str(tmp_path), "ANSWER": json.dumps(answer)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == code and said in done.stdout, done.stdout + done.stderr


def test_the_workflow_calls_targets_that_there_are():
    makefile = (PROJECT / "Makefile").read_text()
    workflow = (PROJECT / ".github/workflows/ci.yml").read_text()
    commands = re.findall(r"- run: (.*)", workflow)
    assert {"make lint", "make test", "make soak", "make audit"} <= set(commands)
    for command in commands:
        make, target, *_ = command.split()
        assert make == "make" and re.search(rf"^{target}:", makefile, re.MULTILINE), command
    for version in ("311", "312"):
        assert (PROJECT / f"constraints/py{version}.txt").is_file()
        assert f'"3.{version[1:]}"' in workflow

"""Known vulnerabilities of the versions pinned here, by pip-audit; `make audit` runs it.

    python constraints/audit.py constraints/py311.txt constraints/py312.txt

Exit code 1 on findings alone. A version that the database doesn't know, and a database that can't
be reached, are said and exit with 0: nothing was found because nothing was looked at.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SERVICES = ("pypi", "osv")  # the second where the first can't be reached or knows nothing


def audit(path: Path, service: str) -> list[dict] | str:
    """pip-audit's entry for each pinned version, or why it has none."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip_audit",
                "--requirement",
                str(path),
                "--no-deps",
                "--disable-pip",
                "--vulnerability-service",
                service,
                "--format",
                "json",
                "--output",
                str(found),
                "--progress-spinner",
                "off",
            ],
            capture_output=True,
            text=True,
        )
        try:
            return json.loads(found.read_text())["dependencies"]
        except (OSError, ValueError, KeyError):
            return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]


def report(path: Path) -> int:
    """Prints what is known of one file; the number of findings."""
    for service in SERVICES:
        entries = audit(path, service)
        if isinstance(entries, str):
            print(f"{path}: {service}'s database can't be reached ({entries[:200]})")
            continue
        known = [entry for entry in entries if "skip_reason" not in entry]
        if not known:
            print(f"{path}: {service}'s database knows none of the {len(entries)} versions")
            continue
        findings = [(entry, v) for entry in known for v in entry.get("vulns", [])]
        for entry, v in findings:
            fixed = ", ".join(v.get("fix_versions", [])) or "no version yet"
            print(f"{path}: {entry['name']} {entry['version']}: {v['id']}, fixed in {fixed}")
        print(
            f"{path}: {len(known)} of {len(entries)} versions looked up with {service}, "
            f"{len(findings)} findings"
        )
        return len(findings)
    print(f"{path}: NOT AUDITED")
    return 0


if __name__ == "__main__":
    sys.exit(1 if sum([report(Path(name)) for name in sys.argv[1:]]) else 0)

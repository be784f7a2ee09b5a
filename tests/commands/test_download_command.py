"""`jax-dns download` as typed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from zenodo_server.server import Faults, serve

from jax_dns import cli
from jax_dns.data.layouts import index_clips

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "NO_PROXY": "127.0.0.1"}
FAN, PUMP = "dev_data_fan.zip", "dev_data_pump.zip"


@pytest.fixture
def server(download_factory, monkeypatch):
    """URL, faults and log of a server that plays Zenodo."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    faults, log = Faults(), []
    with serve(download_factory, faults=faults, log=log) as url:
        yield url, faults, log


def call(capsys, *arguments):
    """Exit code, and lines of standard output and error."""
    code = cli.main(["download", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_all_of_it_then_nothing(server, download_factory, tmp_path, capsys):
    url, _, log = server
    code, out, err = call(capsys, "--root", tmp_path, f"--base-url={url}/")
    assert code == 0 and err == []
    assert out[0].startswith(
        "7 files to fetch, 1.55MB of 1.55MB to go, about 2.01MB when unpacked;"
    )
    assert [line.split()[:4] for line in out[-5:-1]] == [
        ["dev", "2", "2", "24"],
        ["eval_train", "2", "2", "8"],
        ["eval_test", "2", "2", "16"],
        ["ground_truth", "1", "1", "4"],
    ]
    assert out[-1].endswith(f"--config.data.root={tmp_path}")
    assert {m: len(c) for m, c in index_clips(tmp_path).items()} == {"fan": 24, "pump": 24}
    log.clear()
    code, out, err = call(capsys, "--root", tmp_path, f"--base-url={url}")
    assert code == 0 and err == [] and log == []
    assert [line.split()[1] for line in out[-5:-1]] == ["0"] * 4


def test_options(server, tmp_path, capsys):
    url, _, log = server
    options = ["--machines", "fan", "--parts=eval_test,dev", "--jobs=1", "--keep-zips"]
    code, out, _ = call(capsys, "--root", tmp_path, "--base-url", url, *options)
    assert code == 0
    assert [line.split()[0] for line in out[-3:-1]] == ["eval_test", "dev"]
    kept = sorted(path.name for path in tmp_path.glob("zips/*"))
    assert kept == [FAN, "eval_data_fan_test.zip"] and len(log) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--jobs=0"], 2, "--jobs: 0, expected 1 or more"),
        (["--jobs=few"], 2, "invalid int value: 'few'"),
        (["--base-url=ftp://x"], 2, "--base-url: 'ftp://x', expected http://"),
        (["--parts=test"], 2, "'test', expected some of dev,eval_train,eval_test,ground_truth"),
        (["--machines=fan,saw"], 2, "'saw' is not in record 4562016, which has fan, pump"),
        (["--quick"], 2, "--quick"),
        (["--root=/proc/none"], 1, "/proc/none: can't be written"),
    ],
)
def test_what_cannot_be_done_is_one_line(server, tmp_path, capsys, arguments, code, message):
    got, _, err = call(capsys, f"--root={tmp_path}", f"--base-url={server[0]}", *arguments)
    assert got == code and len(err) == 1
    assert err[0].startswith("jax-dns: error: ") and message in err[0]


def test_root_is_needed(capsys):
    code, _, err = call(capsys)
    assert code == 2 and len(err) == 1 and "--root" in err[0]


def test_a_wrong_checksum_is_one_line_and_a_failure(server, tmp_path, capsys):
    server[1].wrong_md5 = {FAN, PUMP}
    code, _, err = call(capsys, f"--root={tmp_path}", f"--base-url={server[0]}", "--parts=dev")
    assert code == 1 and len(err) == 1
    assert "removed, the same command fetches it again" in err[0] and "(also failed: " in err[0]


def test_jax_is_not_waited_for(server, tmp_path):
    code = (
        "import sys; from jax_dns import cli; code = cli.main(sys.argv[1:]); "
        "slow = {'jax', 'librosa', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules); "
        "sys.exit(str(slow) if slow else code)"
    )
    arguments = ["download", f"--root={tmp_path}", f"--base-url={server[0]}", "--parts=dev"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted; run the same command again to resume"),
        (signal.SIGTERM, 143, "terminated; run the same command again to resume"),
        (signal.SIGKILL, -signal.SIGKILL, None),
    ],
)
def test_an_interrupted_call_is_taken_up(
    server, download_factory, tmp_path, capsys, kind, code, said
):
    url, faults, log = server
    faults.silent = {FAN, PUMP}  # half of it comes, and then nothing for a minute
    command = [sys.executable, "-m", "jax_dns", "download", "--parts=dev"]
    process = subprocess.Popen(
        [*command, f"--root={tmp_path}", f"--base-url={url}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    half = [tmp_path / f"zips/{key}.partial" for key in (FAN, PUMP)]
    deadline = time.monotonic() + 20
    while not all(p.exists() and p.stat().st_size > 100_000 for p in half):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(kind)
    start = time.monotonic()
    stderr = process.communicate(timeout=120)[1]
    assert time.monotonic() - start < 8
    assert process.returncode == code
    assert stderr.splitlines() == ([f"jax-dns: error: {said}"] if said else [])
    faults.silent = set()
    log.clear()
    sizes = [path.stat().st_size for path in half]
    assert call(capsys, f"--root={tmp_path}", f"--base-url={url}", "--parts=dev")[0] == 0
    ranges = [[r.range for r in log if key in r.path] for key in (FAN, PUMP)]
    assert ranges == [[f"bytes={size}-"] for size in sizes]
    for path in tmp_path.glob("dev_data/*/*/*"):
        assert path.read_bytes() == (download_factory / path.relative_to(tmp_path)).read_bytes()

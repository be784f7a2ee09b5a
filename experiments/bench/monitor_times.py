"""The monitor's times: from a file to its event, against the size of the history; clips a minute.

    python experiments/bench/monitor_times.py [--sizes 1000 10000 100000] [--clips 20]
    python experiments/bench/monitor_times.py --sustained 300
    python experiments/bench/monitor_times.py --sustained 10000 --no-networks

The history is of one section: clusters of 1000 items of d = 128 features, far from each other, so
that its exact neighbour lists can be computed cluster by cluster however many items there are. K is
128. A clip of ten seconds, 16 kHz, has seven segments of four; a_G and f_D are the default config's
autoencoder and EfficientNet-B0 with random weights, whose time is the same as a trained one's, and
each clip's features are replaced by an item's near a cluster. The time is from the moment that the
file is moved into the inbox to the moment that its event is printed, and includes the system's
notice, decoding, both networks, p-values, the history and its synchronisation with the disk. The
CPU columns are the process's time on all cores together, which other processes hardly change.

--sustained counts clips a minute and memory, with files waiting in the inbox and a window of 20,000
items. With --no-networks the clips have two short segments whose a_G and f_D take no time: what the
monitor itself costs, and its memory over many clips. Prints CSV.
"""

import argparse
import csv
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import jax
import numpy as np
import psutil
import soundfile
from machine import cpu_name

from jax_dns import config as defaults
from jax_dns.components import build
from jax_dns.data.decode import Format
from jax_dns.monitor import service
from jax_dns.monitor.database import ROWS, write_lists
from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.inbox import FileSettings
from jax_dns.monitor.judge import HistorySettings
from jax_dns.monitor.neighbor_lists import search, shift_rows, smoothed_scores
from jax_dns.pipeline.clip_scorer import ClipScorer, scorer
from jax_dns.pipeline.embed import MACHINE, Applied
from jax_dns.segments_file import Segments
from jax_dns.training.steps import create_state, jitted_apply
from jax_dns.types import Facts

D, K, CLUSTER, SEGMENTS = 128, 128, 1000, 7
RATE, SECONDS = 16_000, 10
KINDS = ("generative", "discriminative")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--clips", type=int, default=20, help="timed for each size")
    parser.add_argument("--sustained", type=int, default=0, help="clips; instead of the sizes")
    parser.add_argument(
        "--no-networks", action="store_true", help="short clips whose scores take no time"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="for the files, which a later call uses; default: a temporary one",
    )
    parser.add_argument("--fill", action="store_true", help="only fill the histories")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measures and prints."""
    options = parse(arguments)
    print(f"# {cpu_name()}; load {os.getloadavg()[0]:.1f}")
    out = csv.writer(sys.stdout, lineterminator="\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for n in options.sizes if not options.sustained else ():
            fill_folder(folder / str(n), n)
        if options.fill:
            return
        if options.sustained:
            out.writerow(["clips", "seconds", "clips a minute", "resident MiB"])
            sustained(folder, options.sustained, out, networks=not options.no_networks)
            return
        score = paper_networks()
        names = ["items", "median s", "largest s", "networks s", "CPU s", "networks CPU s"]
        out.writerow([*names, "resident MiB", "database MiB", "features MiB"])
        for n in options.sizes:
            out.writerow(latency(folder / str(n), n, score, options.clips))
            sys.stdout.flush()


def fill_folder(folder: Path, n: int) -> None:
    """Makes a history of n items, unless an earlier call has."""
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    if not (folder / "filled").exists():
        history = History.open(folder / "history", k=K)
        fill(history, n, np.random.default_rng(n))
        history.close()
        (folder / "filled").touch()


def centre(number: int) -> np.ndarray:
    """Returns the middle of a cluster."""
    return 10 * np.random.default_rng(number).normal(size=D)


def fill(history: History, n: int, rng: np.random.Generator) -> None:
    """Fills a new history with n items, their lists computed cluster by cluster."""
    width, connection = history._width, history.connection
    first = History.append(
        history, "fan", 0, ClipRecord("first", "first", 0.0), rng.normal(size=1), centre(0)[None, :]
    )
    (number,) = connection.execute("SELECT section FROM clip WHERE id = ?", (first[0],)).fetchone()
    connection.execute("DELETE FROM item")
    connection.execute("DELETE FROM list")
    connection.execute("DELETE FROM clip")
    with (history.folder / f"features-{number}.f32").open("wb") as file:
        for start in range(0, n, CLUSTER):
            size = min(CLUSTER, n - start)
            features = (centre(start // CLUSTER) + rng.normal(size=(size, D))).astype(np.float32)
            scores = rng.normal(size=size).astype(np.float32)
            file.write(features.tobytes())
            lists = search(np.arange(size), features, np.ones(size, bool), features.mean(0), width)
            smoothed = smoothed_scores(scores, lists, scores, K)
            connection.execute("BEGIN")
            clip = connection.execute(
                "INSERT INTO clip (section, name, digest, time, p, evidence, level) "
                "VALUES (?, ?, ?, ?, 1, 1, 'normal')",
                (number, f"{start}", f"{start}", float(start)),
            ).lastrowid
            connection.executemany(
                "INSERT INTO item VALUES (?, ?, ?, ?, ?)",
                (
                    (number * ROWS + start + i, clip, i, *values)
                    for i, values in enumerate(zip(scores.tolist(), smoothed.tolist()))
                ),
            )
            write_lists(connection, number, np.arange(size) + start, shift_rows(lists, start))
            connection.execute("COMMIT")
    history._sections.clear()


def paper_networks():
    """Returns the default config's components as a function of samples; random weights."""
    config = defaults.get_config()
    facts = Facts(RATE, 4 * RATE, 6)
    components = []
    for kind in KINDS:
        model = build(config, kind, facts)
        variables = create_state(model, jax.random.key(0)).variables
        components.append(Applied(kind, {MACHINE: _bind(jitted_apply(model), variables)}))
    return scorer("fan", *components, segment=4 * RATE, hop=RATE)


def _bind(apply, variables):
    return lambda audio: apply(variables, audio)


def clip_scorer(score, segment: int) -> ClipScorer:
    """Returns a scorer with 60 known normals of near the first cluster."""
    rng = np.random.default_rng(1)
    n = 60 * SEGMENTS
    clip = np.repeat([f"{i}" for i in range(60)], SEGMENTS)
    split = np.repeat(["train"] * 20 + ["valid"] * 40, SEGMENTS)
    zero = np.zeros(n, np.int32)
    segments = Segments(
        clip,
        np.tile(np.arange(SEGMENTS, dtype=np.int32), 60),
        zero,
        np.full(n, "source"),
        split,
        zero.astype(np.int8),
        rng.normal(size=n).astype(np.float32),
        (centre(0) + rng.normal(size=(n, D))).astype(np.float32),
    )
    return ClipScorer("fan", "bench", segments, Format(RATE), "mean", segment, score)


def latency(folder: Path, n: int, score, clips: int) -> list:
    """Fills a history of n items and times clips from file to event; returns a row."""
    rng = np.random.default_rng(time.time_ns())  # new clips in each call
    network_seconds = []

    def timed(samples, section):
        start, cpu = time.perf_counter(), time.process_time()
        scores, _ = score(samples, section)
        network_seconds.append((time.perf_counter() - start, time.process_time() - cpu))
        middle = centre(int(rng.integers(max(1, n // CLUSTER))))
        return scores, (middle + rng.normal(size=(len(scores), D))).astype(np.float32)

    inbox, printed, moved = folder / "inbox", {}, {}
    for path in inbox.iterdir():  # of an earlier call that was stopped
        path.unlink()
    model = service.model_digest({"fan": clip_scorer(timed, SECONDS * RATE)})
    history = History.open(folder / "history")
    history.connection.execute("UPDATE meta SET value = ? WHERE name = 'model'", (model,))
    history.close()

    def log(event):
        if event["event"] == "clip" and event["name"] in moved:  # not an earlier call's last one
            printed[event["name"]] = time.perf_counter(), time.process_time()
            if len(printed) == clips + 2:
                raise KeyboardInterrupt

    monitor = service.open_monitor(
        {"fan": clip_scorer(timed, SECONDS * RATE)}, inbox, folder / "history"
    )

    def send():
        time.sleep(1)
        stamp = time.time_ns()
        for i in range(clips + 2):
            noise = (1000 * rng.normal(size=SECONDS * RATE)).astype(np.int16)
            soundfile.write(folder / "part.wav", noise, RATE)
            name = f"{stamp}_{i}.wav"
            moved[name] = time.perf_counter(), time.process_time()
            (folder / "part.wav").rename(inbox / name)
            while name not in printed:
                time.sleep(0.01)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    try:
        service.run(monitor, log)
    except KeyboardInterrupt:
        sender.join()
    seconds, cpu = np.asarray([np.subtract(printed[name], moved[name]) for name in moved][2:]).T
    difference = monitor.history.check("fan", 0) if n <= 10_000 else 0.0
    assert difference < 1e-4, difference
    monitor.history.close()
    sizes = [
        sum(path.stat().st_size for path in (folder / "history").glob(pattern)) / 2**20
        for pattern in ("history*", "features*")
    ]
    resident = psutil.Process().memory_info().rss / 2**20
    networks, networks_cpu = np.median(network_seconds[1:], axis=0)  # but for the warm-up
    figures = np.median(seconds), seconds.max(), networks, np.median(cpu), networks_cpu
    figures = [f"{x:.3f}" for x in figures]
    return [n, *figures, *(f"{x:.0f}" for x in (resident, *sizes))]


def sustained(folder: Path, clips: int, out, *, networks: bool) -> None:
    """Sends many clips and prints the rate and the memory ten times."""
    rng = np.random.default_rng(0)
    segments, length = (SEGMENTS, SECONDS * RATE) if networks else (2, 1600)
    random_networks = paper_networks() if networks else None

    def score(samples, section):
        scores = rng.normal(size=segments)
        if networks:
            scores, _ = random_networks(samples, section)
        features = centre(0) + rng.normal(size=(segments, D))
        return scores.astype(np.float32), features.astype(np.float32)

    folder = folder / ("sustained" if networks else "sustained-no-networks")
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier call
    inbox = folder / "inbox"
    inbox.mkdir(parents=True)
    monitor = service.open_monitor(
        {"fan": clip_scorer(score, length)},
        inbox,
        folder / "history",
        k=K,
        files=FileSettings(take=True, settle=0.0),
        history_settings=HistorySettings(keep_items=20_000),
    )
    batch = max(1, clips // 10)
    for number in range(10):
        for i in range(batch):
            noise = (1000 * rng.normal(size=length)).astype(np.int16)
            soundfile.write(inbox / f"{number * batch + i:06d}.wav", noise, RATE)
        start = time.perf_counter()
        service.run(monitor, lambda event: None, once=True)
        seconds = time.perf_counter() - start
        resident = psutil.Process().memory_info().rss / 2**20
        rate = 60 * batch / seconds
        out.writerow([(number + 1) * batch, f"{seconds:.1f}", f"{rate:.0f}", f"{resident:.0f}"])
        sys.stdout.flush()
    monitor.history.close()


if __name__ == "__main__":
    main()

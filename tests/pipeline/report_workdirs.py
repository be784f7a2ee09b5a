"""A small finished workdir with recordings, made without any network, for tests of the report."""

import json

import numpy as np
from conftest import write_clip

from jax_dns import config
from jax_dns.fingerprints import write_stamp
from jax_dns.pipeline.evaluate import select_and_evaluate
from jax_dns.pipeline.method_results import segments_digest, write_method_results
from jax_dns.pipeline.smooth import smoothing_results
from jax_dns.pipeline.workdir import FORMAT_VERSION
from jax_dns.segments_file import Segments, write_segments

HOSTILE = """<img src=x onerror=alert(1)>"' & </script>"""  # no slash may be in a file's name
MACHINE = """<b>"fan" & 'co'"""


def file_name(section, domain, label, index):
    kind = ("normal", "anomaly")[label]
    return f"section_{section:02d}_{domain}_test_{kind}_{index:04d}_{HOSTILE[:-9]}.wav"


def make(root, *, seeds=(0,), machines=("fan",), sound=True, seconds=2.0):
    """Writes a workdir as a run leaves it, and the recordings of its clips beside it."""
    c = config.get_config()
    c.seeds = seeds
    c.data.root = str(root / "sound")
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.evaluation.figures = c.evaluation.report = False
    workdir = root / "work"
    folders = {
        seed: {m: (workdir if len(seeds) == 1 else workdir / f"seed_{seed}") / m for m in machines}
        for seed in seeds
    }
    for seed in seeds:
        for number, machine in enumerate(machines):
            rng = np.random.default_rng([seed, number])
            _machine(folders[seed][machine], rng)
    if sound:
        for machine in machines:
            for row, (section, domain, label, index) in enumerate(_clips()):
                path = root / "sound" / machine / f"{domain}_test"
                write_clip(path / file_name(section, domain, label, index), seconds, seed=row)
    select_and_evaluate(c, workdir, folders, ("smooth", "select", "evaluate"))
    c.evaluation.figures = c.evaluation.report = True
    (workdir / "config.json").write_text(c.to_json())
    versions = {
        "format_version": FORMAT_VERSION,
        "jax": "9.9.9",
        "device": "abacus",
        "command": "jax-dns run --config=<i>.py",
    }
    (workdir / "versions.json").write_text(json.dumps(versions))
    return workdir


def _clips():
    return [
        (section, domain, label, index)
        for section in (0, 1)
        for domain in ("source", "target")
        for label in (0, 1)
        for index in range(4)
    ]


def _machine(folder, rng):
    """32 clips; anomalies are apart in feature space, hardly in score."""
    section, domain, label, _ = (np.asarray(column) for column in zip(*_clips()))
    n = len(label)
    test = Segments(
        np.asarray([file_name(*clip) for clip in _clips()]),
        np.zeros(n, np.int32),
        section.astype(np.int32),
        domain,
        np.full(n, "test"),
        label.astype(np.int8),
        (rng.normal(size=n) + label).astype(np.float32),
        (rng.normal(size=(n, 4)) + 6 * label[:, None]).astype(np.float32),
    )
    write_segments(folder / "segments.npz", test)
    write_stamp(folder, "segments", "s")
    c = config.get_config()
    c.smoothing.ks = (1, 4)
    write_method_results(folder / "smoothed.npz", smoothing_results(c, test), test)
    write_stamp(folder, "smoothed", "s", segments=segments_digest(folder))

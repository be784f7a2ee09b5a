"""Two runs side by side: their fields, and differences that a direct computation gives too."""

import json
import re
import shutil

import numpy as np
import pytest
from pipeline.report_workdirs import make

from jax_dns import cli
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import harmonic_mean
from jax_dns.fingerprints import write_stamp
from jax_dns.pipeline.compare import compare
from jax_dns.pipeline.method_results import segments_digest
from jax_dns.pipeline.workdir import open_run
from jax_dns.segments_file import read_segments, write_segments


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two machine types and seeds; B's scores are A's of another draw."""
    root = tmp_path_factory.mktemp("runs")
    a = make(root / "a", seeds=(0, 1), machines=("fan", "pump"), sound=False)
    b = make(root / "b", seeds=(2, 3), machines=("fan", "pump"), sound=False)
    fields = json.loads((b / "config.json").read_text())
    fields["smoothing"]["aggregate"] = "max"
    (b / "config.json").write_text(json.dumps(fields))
    return a, b


def all_hmean(workdir, method):
    """Mean over the seeds of the harmonic mean over machine types, in percent, from results.json.

    The harmonic mean of the machine types' values, each of as many figures.
    """
    rows = json.loads((workdir / "results.json").read_text())["readings"]["pooled"]
    seeds = next(iter(rows.values()))
    means = []
    for seed in seeds:
        values = [
            next(row["evaluation"] for row in by_seed[seed] if row["method"] == method)
            for by_seed in rows.values()
        ]
        means.append(harmonic_mean(values))
    return 100 * float(np.mean(means))


def test_differences_and_fields(runs):
    a, b = runs
    text = compare(a, b)
    assert re.search(r"^seeds +\(0, 1\) +\(2, 3\)", text, re.MULTILINE)
    assert re.search(r"smoothing.aggregate +'mean' +'max'", text)
    pooled = text.partition("domains of a section pooled")[2]
    for method in ("AE", "Proposed"):
        row = re.search(rf"^{method} +(\S+) +(\S+) +(\S+) +(\S+) to (\S+)$", pooled, re.MULTILINE)
        before, after, gap, low, high = map(float, row.groups())
        assert before == pytest.approx(all_hmean(a, method), abs=6e-3)
        assert after == pytest.approx(all_hmean(b, method), abs=6e-3)
        assert gap == pytest.approx(after - before, abs=1.1e-2) and low <= gap <= high
    by_machine = pooled.partition("B - A by machine type")[2]
    assert by_machine.splitlines()[1].split() == ["Method", "fan", "pump"]


def test_the_order_of_clips_and_the_run_itself(runs, tmp_path, capsys):
    a, _ = runs
    assert cli.main(["compare", str(a), str(a)]) == 0
    out = capsys.readouterr().out
    assert "The configs are equal." in out and "+0.00 to +0.00" in out
    assert not re.search(r"[+-](?!0\.00)\d\.\d\d", out)


def test_runs_that_cannot_be_compared(runs, tmp_path):
    a, b = runs
    other = shutil.copytree(b, tmp_path / "other")
    for seed in (2, 3):
        path = other / f"seed_{seed}/pump/segments.npz"
        segments, _ = read_segments(path)
        clip = np.where(segments.clip == segments.clip[0], "section_00_x.wav", segments.clip)
        write_segments(path, segments._replace(clip=clip))
        write_stamp(path.parent, "smoothed", "s", segments=segments_digest(path.parent))
    with pytest.raises(InputError, match="pump: clips of one run only: section_00_"):
        compare(a, other)
    with pytest.raises(InputError, match=r"config.json: No such file"):
        compare(a, tmp_path)
    one = make(tmp_path / "one", machines=("fan",), sound=False)
    with pytest.raises(InputError, match="1 seeds, expected 2"):
        compare(a, one)
    saw = make(tmp_path / "saw", machines=("saw",), sound=False)
    with pytest.raises(InputError, match="saw, expected a machine type of fan, pump"):
        compare(a, saw)
    assert open_run(a).config.data.eval_sections == (1,)

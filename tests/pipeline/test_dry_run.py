"""What a dry run counts is what the run then takes; it writes nothing."""

import json
import re
import runpy
from pathlib import Path

import pytest

from jax_dns.errors import InputError
from jax_dns.pipeline import run
from jax_dns.pipeline.dry_run import dry_run
from jax_dns.segments_file import read_segments

CONFIG = Path(__file__).parents[1] / "toy_config.py"


@pytest.fixture
def toy():
    return runpy.run_path(str(CONFIG))["get_config"]()


def numbers(pattern, text):
    return [float(number.replace(",", "")) for number in re.search(pattern, text).groups()]


def test_counts_are_those_of_the_run(toy, tmp_path, capsys):
    dry_run(toy, tmp_path / "w")
    out = capsys.readouterr().out
    assert not (tmp_path / "w").exists()
    run(toy, tmp_path / "w", ("index", "train_generative", "train_discriminative", "embed"))
    for kind in ("generative", "discriminative"):
        (steps,) = numbers(rf"train_{kind}: 2 .* of 3 epochs, (\d+) steps", out)
        logs = [tmp_path / "w" / m / kind / "metrics.jsonl" for m in ("fan", "valve")]
        last = [json.loads(log.read_text().splitlines()[-1])["step"] for log in logs]
        assert steps == sum(last)
    segments = [read_segments(tmp_path / "w" / m / "segments.npz")[0] for m in ("fan", "valve")]
    assert numbers(r"embed: (\d+) segments", out) == [sum(len(s.clip) for s in segments)]
    decoded = sum(path.stat().st_size for path in (tmp_path / "w/audio").glob("*.pcm"))
    assert numbers(r"disk: ([\d.]+) MB of decoded", out) == [pytest.approx(decoded / 1e6, abs=6e-2)]
    assert re.search(r"time: about \d+ s \(fitting", out)
    assert min(numbers(r"memory: ([\d.]+) MB .*, ([\d.]+) GB are free", out)) > 0


def test_bad_headers_and_fields_are_found(toy, tmp_path):
    run(toy, tmp_path / "w", ("index",))
    toy.data.root = str(tmp_path / "w/synthetic")
    path = sorted((tmp_path / "w/synthetic").rglob("*.wav"))[5]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=rf"{path.name}: cut short"):
        dry_run(toy, tmp_path / "v")
    toy.data.skip_corrupt = True
    dry_run(toy, tmp_path / "v")
    toy.generative.epochs = 0
    with pytest.raises(InputError, match=r"generative\.epochs: 0"):
        dry_run(toy, tmp_path / "v")
    assert not (tmp_path / "v").exists()

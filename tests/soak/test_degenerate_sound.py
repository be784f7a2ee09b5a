"""Silence, clipping, constants and single samples through a whole run: finite to the end."""

import csv

import numpy as np
import pytest
from soak.fuzzing import CONFIG, command
from soak.sounds import wav

from jax_dns.segments_file import read_segments

SOUNDS = {
    "silence": lambda rng: np.zeros(24_000),
    "constant": lambda rng: np.full(24_000, 9_999),
    "clipping": lambda rng: np.sign(rng.normal(size=24_000)) * 32_767,
    "one sample": lambda rng: np.ones(1),
    "one blip": lambda rng: np.arange(24_000) == 12_000,
    "noise": lambda rng: rng.normal(size=24_000) * 1_000,
}


@pytest.mark.soak
@pytest.mark.parametrize(
    ("only", "standardise"),
    [(None, "recording"), (None, "machine"), ("silence", "recording")],
)
def test_odd_sound(tmp_path, standardise, only):
    """Clips of every kind in both machines and splits, or nothing but silence."""
    rng = np.random.default_rng(0)
    kinds = [only] if only else list(SOUNDS)
    for machine in ("fan", "valve"):
        for section in (0, 1):
            for domain in ("source", "target"):
                for i in range(6):
                    stem = f"section_{section:02d}_{domain}"
                    names = [("train", "train_normal")]
                    names += [(f"{domain}_test", f"test_{x}") for x in ("normal", "anomaly")]
                    for split, name in names:
                        path = tmp_path / "root" / machine / split / f"{stem}_{name}_{i:04d}.wav"
                        path.parent.mkdir(parents=True, exist_ok=True)
                        pcm = SOUNDS[kinds[i % len(kinds)]](rng)
                        path.write_bytes(wav(pcm.astype("<i2").tobytes()))
    code, message = command(
        f"--config={CONFIG}",
        f"--workdir={tmp_path / 'w'}",
        "--config.synthetic.make=False",
        f"--config.data.root={tmp_path / 'root'}",
        f"--config.data.standardise={standardise}",
    )
    if only:
        assert code == 1 and "root: all 72 recordings of fan are silent" in message
        return
    assert code == 0, message
    segments, _ = read_segments(tmp_path / "w/fan/segments.npz")
    assert np.isfinite(segments.score).all() and np.isfinite(segments.feature).all()
    with (tmp_path / "w/results.csv").open() as file:
        assert all(0 <= float(row["auc"]) <= 1 for row in csv.DictReader(file))

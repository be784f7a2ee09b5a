"""What ran, as the report says it, and its explanations."""

import datetime
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jax_dns import config as defaults
from jax_dns.pipeline.workdir import read_provenance

TICKS = (500, 1000, 2000, 4000, 8000, 16_000)  # Hz
NOTES = (
    (
        "AE",
        "The autoencoder's reconstruction error a_G, higher for the more anomalous: the score "
        "before smoothing.",
    ),
    (
        "SerialOE",
        "A Gaussian mixture on the features f_D of normal sound; its negative log likelihood.",
    ),
    (
        "Proposed",
        "a_G averaged over each item and its nearest neighbours by f_D, K in all (Eq. 7). "
        "K and the domains that neighbours come from are those with the best result on the "
        "development sections; (Oracle): on the evaluation sections, which no one knows "
        "beforehand. K = 1 is a_G itself.",
    ),
    (
        "AUC, pAUC",
        "Area under the ROC curve; pAUC up to a false-positive rate of 0.1, "
        "standardised. 50 % is guessing. Harmonic means are over sections, and All-hmean over "
        "machine types. Bold: the best of its column, or of its row by section; (Oracle) does not "
        "compete. Several seeds: mean ± sample standard deviation.",
    ),
    (
        "Rank",
        "A clip's place among all test clips of its section, both domains together: 1 has the "
        "highest score. The clips shown are those whose rank changed most as a share of "
        "their section, whatever their label; equal moves go by the change of score.",
    ),
    ("Right way", "An anomaly that rose, or a normal clip that fell."),
    (
        "Spectrogram",
        "What the autoencoder sees: mel bands of the recording, standardised "
        "by itself, in dB; its first 10 s. The colours are the same for all clips of a machine "
        "type.",
    ),
    (
        "Sound",
        "The first 10 s, each clip raised to the same peak. Up to 5 MB of samples go "
        "in without loss (FLAC), more as MP3 of 80 kbit/s.",
    ),
)


def facts(
    config: ConfigDict, workdir: Path, seeds: Sequence[int], machines: Sequence[str]
) -> list[tuple[str, str]]:
    """Name and value of what a reader asks first; what isn't known is left out."""
    versions = read_provenance(workdir)
    packages = ("jax-dns", "jax", "flax", "optax", "scikit-learn", "python")
    found = [
        ("Workdir", workdir.name),
        ("Results of", _written(workdir / "results.csv")),
        ("Machine types", ", ".join(machines)),
        ("Seeds" if len(seeds) > 1 else "Seed", ", ".join(map(str, seeds))),
        ("Sections that choose", ", ".join(map(str, config.data.dev_sections))),
        ("Sections reported", ", ".join(map(str, config.data.eval_sections))),
        ("Device", str(versions.get("device", ""))),
        ("Versions", ", ".join(f"{p} {versions[p]}" for p in packages if p in versions)),
    ]
    return [(name, value) for name, value in found if value]


def changed_fields(config: ConfigDict) -> list[tuple[str, str, str]]:
    """Fields that differ from the paper's settings: name, value, the paper's value."""
    usual = dict(_flat(defaults.get_config().to_dict()))
    return [
        (name, _text(value), _text(usual.get(name, "")))
        for name, value in _flat(config.to_dict())
        if name not in usual or _text(value) != _text(usual[name])
    ]


def mel_ticks(fmin: float, fmax: float) -> list[tuple[str, float]]:
    """Round frequencies on the Slaney mel scale: text and position from the bottom in percent."""
    import librosa

    low, high, *places = librosa.hz_to_mel([fmin, fmax, *TICKS]).tolist()
    return [
        (f"{hertz / 1000:g} kHz" if hertz >= 1000 else f"{hertz} Hz", 100 * share)
        for hertz, place in zip(TICKS, places)
        if 0.02 < (share := (place - low) / (high - low)) < 0.98
    ]


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _text(value: Any) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)


def _written(path: Path) -> str:
    """When the file was last written, in UTC."""
    if not path.is_file():
        return ""
    when = datetime.datetime.fromtimestamp(path.stat().st_mtime, datetime.UTC)
    return f"{when:%Y-%m-%d %H:%M} UTC"

"""The embedded data set: a small synthesised factory in the layout of DCASE 2021 Task 2.

`machine_sounds` makes the sound; this file makes recordings of it, names them and writes them.
"""

import io
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import soundfile
from tqdm import tqdm

from jax_dns.datasets.machine_sounds import MACHINES, parts, stream
from jax_dns.errors import InputError
from jax_dns.files import write_bytes, write_json, write_text

FORMAT_VERSION = 1  # raise it whenever a clip of the same name would sound different
LEVEL = 0.01  # rms of a recording re full scale, -40 dBFS: fast fans and valve clicks rise 30 dB


def clip(
    machine: str,
    section: int,
    domain: str,
    label: int,
    index: int,
    split: str,
    *,
    seed: int = 0,
    seconds: float = 10.0,
    sample_rate: int = 16000,
    shift: float = 1.0,
    snr_db: float = 0.0,
) -> np.ndarray:
    """Synthesises one recording; no other recording has a part in it.

    Args:
      machine: a key of MACHINES.
      section: the product, 0 to 99.
      domain: "source" or "target".
      label: 0 normal, 1 anomaly.
      index: number of the recording among those of the same section, domain, split and label.
      split: "train" or "test".
      seed: the factory's seed, 0 or more.
      seconds: length, s; 1 or more.
      sample_rate: Hz; 16,000 or more, for bearings ring at up to 6 kHz.
      shift: size of the domain shift, 0 (none) to 1.5.
      snr_db: mean SNR of healthy machine and background in dB, -20 to 60; MIMII's are -6, 0, 6.

    Returns:
      float32 [seconds * sample_rate], under full scale by one gain for every clip of a factory.

    Raises:
      InputError: an argument is out of the range above.
    """
    sound = dict(seed=seed, seconds=seconds, sample_rate=sample_rate, shift=shift, snr_db=snr_db)
    _check(machine, section, domain, label, split, **sound)
    made = parts(machine, int(section), domain, int(label), int(index), split, **sound)
    gain = LEVEL / np.sqrt(1 + 10 ** (-snr_db / 10))
    out = (gain * (made.healthy + made.fault + made.noise)).astype(np.float32)
    if np.abs(out).max() >= 1:
        raise InputError(f"{machine} {section} {domain} {split} {label} {index}: over full scale")
    return out


def _check(machine, section, domain, label, split, *, seed, seconds, sample_rate, shift, snr_db):
    for name, value, good in (
        ("machine", machine, machine in MACHINES),
        ("section", section, 0 <= section <= 99),
        ("domain", domain, domain in ("source", "target")),
        ("label", label, label in (0, 1)),
        ("split", split, split in ("train", "test")),
        ("seed", seed, seed >= 0),
        ("seconds", seconds, seconds >= 1),
        ("sample_rate", sample_rate, sample_rate >= 16000),
        ("shift", shift, 0 <= shift <= 1.5),
        ("snr_db", snr_db, -20 <= snr_db <= 60),
    ):
        if not good:
            raise InputError(f"synthetic.{name}: {value!r} is out of range, see `clip`")


def make_factory(
    root: str | Path,
    *,
    seed: int = 0,
    machines: Iterable[str] = ("fan", "gearbox", "pump"),
    sections: Iterable[int] = range(6),
    dev_sections: Iterable[int] = (0, 1, 2),
    train_source: int = 30,
    train_target: int = 3,
    test_normal: int = 10,
    test_anomaly: int = 10,
    test_counts: Mapping[tuple[str, int, str], tuple[int, int]] | None = None,
    seconds: float = 10.0,
    sample_rate: int = 16000,
    shift: float = 1.0,
    snr_db: float = 0.0,
    eval_labels: bool = True,
    progress: bool = True,
) -> Path:
    """Writes a factory's recordings, 16-bit wav; those that are there already are kept.

    Args:
      root: folder to write; factory.json in it states the arguments and whether all is written.
      seed, seconds (s), sample_rate (Hz), shift, snr_db (dB): as for `clip`.
      machines: keys of MACHINES.
      sections: products of each machine, 0 to 99.
      dev_sections: those of `sections` that go to dev_data; the rest go to eval_data.
      train_source, train_target: normal training clips of each section and domain.
      test_normal, test_anomaly: test clips of each section and domain.
      test_counts: the two numbers for a (machine, section, domain) that differs from that.
      eval_labels: False leaves the label out of the names of eval_data's test clips, shuffles
        them and writes it to ground_truth/ instead, as DCASE did.
      progress: show a bar.

    Returns:
      `root`.

    Raises:
      InputError: a value out of range; or `root` holds another factory, or recordings of others.
    """
    root = Path(root)
    machines, sections = sorted(set(machines)), sorted(set(sections))
    wanted = {
        "format_version": FORMAT_VERSION,
        "seed": seed,
        "machines": machines,
        "sections": sections,
        "dev_sections": sorted(set(dev_sections) & set(sections)),
        "train_source": train_source,
        "train_target": train_target,
        "test_normal": test_normal,
        "test_anomaly": test_anomaly,
        "test_counts": {f"{m}/{s}/{d}": list(n) for (m, s, d), n in (test_counts or {}).items()},
        "seconds": float(seconds),
        "sample_rate": sample_rate,
        "shift": float(shift),
        "snr_db": float(snr_db),
        "eval_labels": eval_labels,
    }
    sound = {k: wanted[k] for k in ("seed", "seconds", "sample_rate", "shift", "snr_db")}
    for machine, section in itertools.product(machines, sections):
        _check(machine, section, "source", 0, "train", **sound)
    recordings, truths = _plan(root, wanted)
    _claim(root, wanted)
    missing = {path: which for path, which in recordings.items() if not path.exists()}
    for path, which in tqdm(
        missing.items(),
        "synthesising",
        unit="clip",
        disable=None if progress else True,
        leave=False,
    ):
        pcm, file = np.round(clip(*which, **sound) * 32767).astype(np.int16), io.BytesIO()
        soundfile.write(file, pcm, sample_rate, format="WAV", subtype="PCM_16")
        write_bytes(path, file.getvalue())
    for path, lines in truths.items():
        write_text(path, "".join(lines))
    write_json(root / "factory.json", wanted | {"complete": True})
    return root


def _plan(root: Path, wanted: dict) -> tuple[dict[Path, tuple], dict[Path, list[str]]]:
    """Each recording's first six arguments of `clip`, and each ground-truth file's lines."""
    recordings, truths, counts = {}, {}, dict(wanted["test_counts"])
    for machine, section, domain in itertools.product(
        wanted["machines"], wanted["sections"], ("source", "target")
    ):
        developed = section in wanted["dev_sections"]
        folder = root / ("dev_data" if developed else "eval_data") / machine
        stem, key = f"section_{section:02d}_{domain}", (machine, section, domain)
        for i in range(wanted[f"train_{domain}"]):
            name = f"{stem}_train_normal_{i:04d}.wav"
            recordings[folder / "train" / name] = (*key, 0, i, "train")
        default = (wanted["test_normal"], wanted["test_anomaly"])
        normal, anomaly = counts.pop(f"{machine}/{section}/{domain}", default)
        tests = [(0, i) for i in range(normal)] + [(1, i) for i in range(anomaly)]
        hidden = not (developed or wanted["eval_labels"])
        if hidden:  # the order must not tell the label
            order = stream("order", wanted["seed"], *key).permutation(len(tests))
            tests = [tests[j] for j in order]
            path = root / "ground_truth" / f"ground_truth_{machine}_{stem}_test.csv"
            truths[path] = [
                f"{stem}_test_{j:04d}.wav,{label}\n" for j, (label, _) in enumerate(tests)
            ]
        for j, (label, i) in enumerate(tests):
            name = f"{j:04d}" if hidden else f"{('normal', 'anomaly')[label]}_{i:04d}"
            path = folder / f"{domain}_test" / f"{stem}_test_{name}.wav"
            recordings[path] = (*key, label, i, "test")
    if counts:
        raise InputError(f"synthetic.test_counts: {min(counts)} is not a part of this factory")
    return recordings, truths


def _claim(root: Path, wanted: dict) -> None:
    """Makes sure that what lies in `root` is this factory or nothing, and states the arguments."""
    path = root / "factory.json"
    if not path.exists():
        if any((root / half).exists() for half in ("dev_data", "eval_data")):
            raise InputError(f"{root}: holds recordings, but no factory.json that says whose")
        return write_json(path, wanted | {"complete": False})
    try:
        found = dict(json.loads(path.read_text()))
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable JSON object ({error}); remove {root} to make the factory anew"
        ) from error
    for field, value in json.loads(json.dumps(wanted)).items():
        if found.get(field) != value:
            raise InputError(
                f"{path}: {field} is {found.get(field)!r} there, {value!r} is asked for "
                "(another root, or the same arguments)"
            )

"""Writes the embedded data set: a small synthetic factory in the layout of DCASE 2021 Task 2.

`clip_parts` synthesises the sound; this file makes, names and writes the recordings.
"""

import io
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from tqdm import tqdm

from jax_dns.datasets.clip_parts import Sound, parts
from jax_dns.datasets.machine_types import MACHINES, random_stream
from jax_dns.errors import InputError
from jax_dns.files import write_bytes, write_json, write_text

FORMAT_VERSION = 1  # raise it whenever a clip of the same name would sound different
THREADS = min(os.cpu_count() or 1, 8)  # NumPy's transforms run beside each other
LEVEL = 0.01  # rms of a recording re full scale, -40 dBFS: fast fans and valve clicks rise 30 dB


def clip(
    machine: str, section: int, domain: str, label: int, index: int, split: str, **sound: Any
) -> np.ndarray:
    """Synthesises one recording, independently of all others.

    Args:
      machine: a key of MACHINES.
      section: the product, 0 to 99.
      domain: "source" or "target".
      label: 0 normal, 1 anomaly.
      index: number of the recording within its section, domain, split and label.
      split: "train" or "test".
      **sound: fields of `clip_parts.Sound`.

    Returns:
      float32 [seconds * sample_rate], below full scale; the gain is the same for every clip of a
      factory.

    Raises:
      InputError: an argument is out of range.
    """
    settings = Sound(**sound)
    _check(machine, section, domain, label, split, settings)
    p = parts(machine, int(section), domain, int(label), int(index), split, settings)
    gain = LEVEL / np.sqrt(1 + 10 ** (-settings.snr_db / 10))
    samples = (gain * (p.healthy + p.fault + p.noise)).astype(np.float32)
    if np.abs(samples).max() >= 1:
        raise InputError(f"{machine} {section} {domain} {split} {label} {index}: over full scale")
    return samples


def _check(machine: str, section: int, domain: str, label: int, split: str, sound: Sound) -> None:
    """Checks the arguments of `clip`."""
    values = dict(machine=machine, section=section, domain=domain, label=label, split=split)
    good = dict(
        machine=machine in MACHINES,
        section=0 <= section <= 99,
        domain=domain in ("source", "target"),
        label=label in (0, 1),
        split=split in ("train", "test"),
        seed=sound.seed >= 0,
        seconds=sound.seconds >= 1,
        sample_rate=sound.sample_rate >= 16000,
        shift=0 <= sound.shift <= 2,
        snr_db=-20 <= sound.snr_db <= 60,
        background=sound.background in ("steady", "shop"),
    )
    for name, value in (values | sound._asdict()).items():
        if not good[name]:
            raise InputError(
                f"synthetic.{name}: {value!r} is out of range (see datasets.synthetic.clip)"
            )


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
    tested: Iterable[str] = (),
    test_counts: Mapping[tuple[str, int, str], tuple[int, int]] | None = None,
    seconds: float = 10.0,
    sample_rate: int = 16000,
    shift: float = 1.0,
    snr_db: float = 0.0,
    background: str = "steady",
    eval_labels: bool = True,
    progress: bool = True,
) -> Path:
    """Writes a factory's recordings as 16-bit wav; those that exist already are kept.

    Args:
      root: folder to write; factory.json in it holds the arguments and whether all is written.
      seed, seconds (s), sample_rate (Hz), shift, snr_db (dB), background: see
        `clip_parts.Sound`.
      machines: keys of MACHINES.
      sections: products of each machine, 0 to 99.
      dev_sections: the sections that go to dev_data; the rest go to eval_data.
      train_source, train_target: normal training clips of each section, in either domain.
      test_normal, test_anomaly: test clips of each section and domain.
      tested: machines that get test clips; empty for all. Another call can add the others.
      test_counts: other numbers of normal and anomalous test clips, by (machine, section, domain).
      eval_labels: False shuffles eval_data's test clips, leaves the label out of their names and
        writes it to ground_truth/ instead, as DCASE did.
      progress: show a bar.

    Returns:
      `root`.

    Raises:
      InputError: a value out of range; or `root` holds another factory or other recordings.
    """
    root = Path(root)
    machines, sections = sorted(set(machines)), sorted(set(sections))
    arguments = {
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
        "background": background,
        "eval_labels": eval_labels,
    }
    sound = {name: arguments[name] for name in Sound._fields}
    for machine, section in itertools.product(machines, sections):
        _check(machine, section, "source", 0, "train", Sound(**sound))
    recordings, truths = _plan(root, arguments, set(tested) or set(machines))
    _claim(root, arguments)
    missing = {path: key for path, key in recordings.items() if not path.exists()}

    def write(path: Path) -> None:
        pcm = np.round(clip(*missing[path], **sound) * 32767).astype(np.int16)
        file = io.BytesIO()
        soundfile.write(file, pcm, sample_rate, format="WAV", subtype="PCM_16")
        write_bytes(path, file.getvalue())

    with ThreadPoolExecutor(THREADS) as threads:
        bar = dict(total=len(missing), unit="clip", disable=None if progress else True, leave=False)
        for _ in tqdm(threads.map(write, missing), "synthesising", **bar):
            pass
    for path, lines in truths.items():
        write_text(path, "".join(lines))
    write_json(root / "factory.json", arguments | {"complete": True})
    return root


def _plan(
    root: Path, arguments: dict, tested: set[str]
) -> tuple[dict[Path, tuple], dict[Path, list[str]]]:
    """Returns each recording's positional arguments of `clip`, and each ground truth's lines."""
    recordings, truths, counts = {}, {}, dict(arguments["test_counts"])
    for machine, section, domain in itertools.product(
        arguments["machines"], arguments["sections"], ("source", "target")
    ):
        in_dev = section in arguments["dev_sections"]
        folder = root / ("dev_data" if in_dev else "eval_data") / machine
        stem, key = f"section_{section:02d}_{domain}", (machine, section, domain)
        for i in range(arguments[f"train_{domain}"]):
            name = f"{stem}_train_normal_{i:04d}.wav"
            recordings[folder / "train" / name] = (*key, 0, i, "train")
        default = (arguments["test_normal"], arguments["test_anomaly"])
        if machine not in tested:
            default = (0, 0)
        normal, anomaly = counts.pop(f"{machine}/{section}/{domain}", default)
        tests = [(0, i) for i in range(normal)] + [(1, i) for i in range(anomaly)]
        hidden = not (in_dev or arguments["eval_labels"])
        if hidden:  # the order must not reveal the label
            order = random_stream("order", arguments["seed"], *key).permutation(len(tests))
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


def _claim(root: Path, arguments: dict) -> None:
    """Checks that `root` holds this factory or none, and writes the arguments.

    Raises:
      InputError: it holds another factory or other recordings.
    """
    path = root / "factory.json"
    if not path.exists():
        if any((root / half).exists() for half in ("dev_data", "eval_data")):
            raise InputError(
                f"{root}: holds recordings but no factory.json (expected an empty folder)"
            )
        return write_json(path, arguments | {"complete": False})
    try:
        existing = {"background": "steady"} | json.loads(path.read_text())
    except (OSError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: not a readable JSON object ({error}); remove {root} to make the factory again"
        ) from error
    for field, value in json.loads(json.dumps(arguments)).items():
        if existing.get(field) != value:
            raise InputError(
                f"{path}: {field} is {existing.get(field)!r} there, expected {value!r} "
                "(choose another root, or the same arguments)"
            )

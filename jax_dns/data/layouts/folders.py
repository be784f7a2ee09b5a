"""A folder for each machine type, with folders of normal and anomalous recordings below.

    root/<machine>/[<section>/]{normal,anomaly}/**/*.wav
    root/<machine>/[<section>/]{train,test}/{normal,anomaly}/**/*.wav
    root/<machine>/[<section>/]{train,test}/*.wav     training clips; test clips without a label

Folders named source or target give the domain. The names of the folders of normal and anomalous
recordings are options; folders below them, such as kinds of faults, become attributes.
"""

import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import ANOMALY, NORMAL, UNKNOWN, Clip
from jax_dns.data.layouts.random_split import random_test
from jax_dns.data.layouts.split_folders import choose_machines
from jax_dns.data.layouts.walk import walk_audio
from jax_dns.errors import first_three

EXAMPLE = "press/normal/0001.wav"


def index_folders(
    root: Path,
    *,
    machines: Collection[str] = (),
    normal: Collection[str] = ("normal",),
    anomaly: Collection[str] = ("anomaly", "abnormal"),
    test_fraction: float = 0.3,
    seed: int = 0,
    log: Callable[[str], object] = print,
) -> Iterator[Clip]:
    """Yields the clips of a tree of folders.

    Where train and test aren't apart, all anomalous clips and `test_fraction` of each section's
    and domain's normal ones (at least one, if there are two) are test clips. A clip's name is its
    path below the machine's folder. Sections are numbered as their folders' names end, or else in
    the order of the names.

    Args:
      root: folder of recordings.
      machines: machine types; none means all.
      normal: names of folders of normal recordings.
      anomaly: names of folders of anomalous recordings.
      test_fraction: share of normal clips that are test clips, where they aren't apart.
      seed: chooses the normal test clips.
      log: called with lines on recordings that are left out and on the numbers of sections.
    """
    labels = dict.fromkeys(normal, NORMAL) | dict.fromkeys(anomaly, ANOMALY)
    paths: dict[str, list[Path]] = {}
    for path in walk_audio(root):
        if len(path.relative_to(root).parts) > 1:
            paths.setdefault(path.relative_to(root).parts[0], []).append(path)
    for machine in choose_machines(paths, machines, root):
        places = {path: _place(path.relative_to(root / machine), labels) for path in paths[machine]}
        lost = [path for path, place in places.items() if place is None]
        if lost:
            names = first_three([str(path.relative_to(root)) for path in lost])
            log(
                f"{machine}: {len(lost)} recordings are left out: {names} (expected below a folder "
                f"{', '.join(labels)}, train or test)"
            )
        clips = {path: place for path, place in places.items() if place is not None}
        numbers = _section_numbers({section for section, *_ in clips.values()})
        if list(numbers) != [""]:
            named = ", ".join(f"{number} is {name or '.'}" for name, number in numbers.items())
            log(f"{machine}: section {named}")
        test = _choose_test(machine, root, clips, test_fraction, seed)
        for path, (section, domain, split, label, attributes) in clips.items():
            name = path.relative_to(root / machine).as_posix()
            split = split or ("test" if label == ANOMALY or name in test else "train")
            yield Clip(path, name, machine, numbers[section], domain, split, label, attributes)


Place = tuple[str, str, str, int, str]  # section's name, domain, split or "", label, attributes


def _place(path: Path, labels: dict[str, int]) -> Place | None:
    """Reads a path below its machine's folder; None for one that says neither label nor split."""
    label, domain, split = None, "source", ""
    section, attributes = [], []
    for folder in path.parts[:-1]:
        if folder in ("train", "test"):
            split = folder
        elif folder in ("source", "target"):
            domain = folder
        elif label is not None:
            attributes.append(folder)
        elif folder in labels:
            label = labels[folder]
        else:
            section.append(folder)
    if label is None and not split:
        return None
    if label is None:
        label = NORMAL if split == "train" else UNKNOWN
    return "/".join(section), domain, split, label, "/".join(attributes)


def _choose_test(
    machine: str, root: Path, clips: dict[Path, Place], test_fraction: float, seed: int
) -> set[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for path, (section, domain, split, label, _) in clips.items():
        if not split and label == NORMAL:
            name = path.relative_to(root / machine).as_posix()
            groups.setdefault((section, domain), []).append(name)
    chosen: set[str] = set()
    for names in groups.values():
        n_test = max(test_fraction > 0, round(test_fraction * len(names)))
        chosen |= random_test(names, min(n_test, len(names) - 1), seed=seed)
    return chosen


def _section_numbers(names: Collection[str]) -> dict[str, int]:
    """Numbers sections as their names end, if all names end in different numbers."""
    endings = [re.search(r"(\d{1,9})$", name) for name in sorted(names)]
    numbers = [int(match[1]) for match in endings if match]
    if len(set(numbers)) != len(names):
        numbers = list(range(len(names)))
    return dict(zip(sorted(names), numbers))

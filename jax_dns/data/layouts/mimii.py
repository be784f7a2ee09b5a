"""The layout of the MIMII data set as published; IDs become sections, all of one domain.

    root/[<snr>_dB_<machine>/]<machine>/id_NN/{normal,abnormal}/NNNNNNNN.wav

Where there is an outer folder, such as 6_dB_fan, it names the machine type, so that several SNRs
don't mix. Recordings have eight channels, of which `data.channel` chooses one.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import ANOMALY, NORMAL, Clip
from jax_dns.data.layouts.random_split import random_test
from jax_dns.data.layouts.split_folders import audio_files, choose_machines

EXAMPLE = "6_dB_fan/fan/id_00/normal/00000000.wav"


def index_mimii(root: Path, *, machines: Collection[str] = (), seed: int = 0) -> Iterator[Clip]:
    """Yields the clips of a tree in the layout of MIMII.

    The set has no split. As in its authors' baseline, each ID's test clips are the abnormal ones
    and as many normal ones (at most half of them), which `seed` chooses. A clip's name is its path
    below the machine's folder, such as id_00/normal/00000000.wav.

    Args:
      root: folder of recordings.
      machines: machine types, such as "6_dB_fan" or "fan"; none means all.
      seed: chooses the normal test clips.
    """
    ids: dict[str, list[Path]] = {}
    for folder in sorted([*root.glob("*/id_*/"), *root.glob("*/*/id_*/")]):
        if (folder / "normal").is_dir() and folder.name[3:].isdecimal():
            ids.setdefault(folder.relative_to(root).parts[0], []).append(folder)
    for machine in choose_machines(ids, machines, root):
        for folder in ids[machine]:
            names = {path: path.relative_to(folder.parent).as_posix() for path in _files(folder)}
            normal = [name for path, name in names.items() if path.parent.name == "normal"]
            n_test = min(len(names) - len(normal), len(normal) // 2)
            test = random_test(normal, n_test, seed=seed)
            for path, name in names.items():
                label = NORMAL if path.parent.name == "normal" else ANOMALY
                split = "test" if label == ANOMALY or name in test else "train"
                yield Clip(path, name, machine, int(folder.name[3:]), "source", split, label)


def _files(folder: Path) -> list[Path]:
    return sorted(audio_files(f for n in ("normal", "abnormal") if (f := folder / n).is_dir()))

"""The layout of DCASE 2020 Task 2; machine IDs become sections, all of one domain.

root[/dev_data|/eval_data][/raw]/<machine>/{train,test}/<normal|anomaly>_id_NN_NNNNNNNN.wav
.../test/id_NN_NNNNNNNN.wav     evaluation clips: no label
"""

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import LABELS, Clip
from jax_dns.data.layouts.split_folders import audio_files, choose_machines, machine_folders
from jax_dns.errors import InputError

EXAMPLE = "fan/test/normal_id_00_00000000.wav"
NAME = re.compile(
    r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>\d+)_\d+\.(?:wav|flac)", re.IGNORECASE
)


def index_dcase2020(root: Path, *, machines: Collection[str] = ()) -> Iterator[Clip]:
    """Yields the clips of a tree in the layout of DCASE 2020.

    train/ and test/ have files of the same names, so a training clip is named "train/<file>".

    Args:
      root: folder of recordings.
      machines: machine types; none means all.

    Raises:
      InputError: a file has another name.
    """
    folders = machine_folders(root, ("train", "test", "test_rename"))
    for machine in choose_machines(folders, machines, root):
        for path in audio_files(folders[machine]):
            match = NAME.fullmatch(path.name)
            if match is None:
                raise InputError(
                    f"{path}: name does not parse (expected [<normal|anomaly>_]id_NN_NNNNNNNN.wav)"
                )
            label = LABELS[match["label"] and match["label"].lower()]
            split = "train" if path.parent.name == "train" else "test"
            name = f"train/{path.name}" if split == "train" else path.name
            yield Clip(path, name, machine, int(match["section"]), "source", split, label)

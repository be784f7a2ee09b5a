"""The layout of DCASE 2021 Task 2.

    root[/dev_data|/eval_data][/raw]/<machine>/{train,source_test,target_test}/
        section_SS_<source|target>_<train|test>[_<normal|anomaly>]_NNNN[_attributes].wav

Evaluation clips have no label in their names; `ground_truth` joins it.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import Clip
from jax_dns.data.layouts.split_folders import section_clips

EXAMPLE = "fan/source_test/section_00_source_test_normal_0000.wav"


def index_dcase2021(root: Path, *, machines: Collection[str] = ()) -> Iterator[Clip]:
    """Yields the clips of a tree in the layout of DCASE 2021.

    Args:
      root: folder of recordings.
      machines: machine types; none means all.
    """
    folders = ("train", "source_test", "target_test", "test", "test_rename")
    return section_clips(root, machines, folders, unlabelled=False)

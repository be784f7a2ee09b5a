"""The layout of DCASE 2022 Task 2.

root[/dev_data|/eval_data][/raw]/<machine>/{train,test}/
    section_SS_<source|target>_<train|test>_<normal|anomaly>_NNNN_<attributes>.wav
    section_SS[_test]_NNNN.wav     evaluation clips: neither domain nor label
.../<machine>/attributes_SS.csv
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import Clip
from jax_dns.data.layouts.split_folders import section_clips

EXAMPLE = "fan/test/section_00_source_test_normal_0000_m-n_W.wav"


def index_dcase2022(root: Path, *, machines: Collection[str] = ()) -> Iterator[Clip]:
    """Yields the clips of a tree in the layout of DCASE 2022.

    Args:
      root: folder of recordings.
      machines: machine types; none means all.
    """
    return section_clips(root, machines, ("train", "test", "test_rename"), unlabelled=True)

"""The layout of DCASE 2023 Task 2 and of the years after it.

    root[/dev_data|/eval_data][/raw]/<machine>/{train,test,supplemental}/
        section_00_<source|target>_<train|test>_<normal|anomaly>_NNNN_<attributes>.wav
        section_00_NNNN.wav     evaluation clips: neither domain nor label
    .../<machine>/attributes_00.csv

It differs from that of 2022 in having one section, other machine types in the evaluation set, and
from 2025 on supplemental/ with recordings of the machine or the noise alone, which are left out.
Some machine types have "noAttribute" since 2024. Recordings have two channels in 2026, of which
`data.channel` chooses one.
"""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from jax_dns.data.clips import Clip
from jax_dns.data.layouts.split_folders import machine_folders, section_clips

EXAMPLE = "fan/test/section_00_source_test_normal_0000_m-n_W.wav"


def index_dcase2023(
    root: Path, *, machines: Collection[str] = (), log: Callable[[str], object] = print
) -> Iterator[Clip]:
    """Yields the clips of a tree in the layout of DCASE 2023 to 2026.

    Args:
      root: folder of recordings.
      machines: machine types; none means all.
      log: called with a line on supplemental recordings.
    """
    yield from section_clips(root, machines, ("train", "test", "test_rename"), unlabelled=True)
    supplemental = machine_folders(root, ("supplemental",))
    names = sorted(name for name in supplemental if not machines or name in machines)
    if names:
        log(f"{', '.join(names)}: recordings in supplemental/ are left out")

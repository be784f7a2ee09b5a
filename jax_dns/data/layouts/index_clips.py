"""Indexes a folder of recordings, whatever its layout."""

import inspect
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

from tqdm import tqdm

from jax_dns.data.clips import NORMAL, UNKNOWN, Clip, check_clip
from jax_dns.data.ground_truth import join_ground_truth
from jax_dns.data.layouts.dcase2020 import index_dcase2020
from jax_dns.data.layouts.dcase2021 import index_dcase2021
from jax_dns.data.layouts.dcase2022 import index_dcase2022
from jax_dns.data.layouts.dcase2023 import index_dcase2023
from jax_dns.data.layouts.detect import detect
from jax_dns.data.layouts.folders import index_folders
from jax_dns.data.layouts.mimii import index_mimii
from jax_dns.errors import InputError
from jax_dns.files import local_path

# A layout is a function of the root folder and of those options of `index_clips` that it names as
# keyword parameters; it returns the clips in any order.
Layout = Callable[..., Iterable[Clip]]
LAYOUTS: dict[str, Layout] = {
    "dcase2020": index_dcase2020,
    "dcase2021": index_dcase2021,
    "dcase2022": index_dcase2022,
    "dcase2023": index_dcase2023,
    "mimii": index_mimii,
    "folders": index_folders,
}


def index_clips(
    root: str | Path,
    *,
    layout: str | Layout = "auto",
    machines: Iterable[str] = (),
    ground_truth: str | Path | None = None,
    normal: Collection[str] = ("normal",),
    anomaly: Collection[str] = ("anomaly", "abnormal"),
    test_fraction: float = 0.3,
    seed: int = 0,
    log: Callable[[str], object] = tqdm.write,
) -> dict[str, list[Clip]]:
    """Indexes every recording below a folder.

    Args:
      root: folder of recordings.
      layout: a key of LAYOUTS, a function, or "auto" to recognise it.
      machines: the machine types to index; none means all that are there.
      ground_truth: folder of the evaluator's files, see `join_ground_truth`; by default they are
        searched for below `root`.
      normal, anomaly: for "folders", names of folders of normal and of anomalous recordings.
      test_fraction: for "folders", share of normal clips that test where no split is given.
      seed: for "folders" and "mimii", chooses the normal test clips.
      log: called with each line for the user: the layout, the joins, what is left out.

    Returns:
      Clips by machine type, both in the order of their names. A test clip of unknown domain is
      counted as source.

    Raises:
      InputError: no such folder or machine type; recordings that fit no layout; a name that doesn't
        parse; two clips of one name; a ground truth that contradicts a name or another file.
    """
    root = local_path(root, "data.root")
    ground_truth = ground_truth and local_path(ground_truth, "data.ground_truth")
    if not root.is_dir():
        raise InputError(f"data.root: {root} is not a folder (expected a folder of recordings)")
    if layout == "auto":
        layout = detect(root, normal=normal)
        log(f"layout of {root}: {layout} (data.layout names another)")
    if isinstance(layout, str):
        if layout not in LAYOUTS:
            raise InputError(
                f"data.layout: {layout!r}, expected auto or one of {', '.join(LAYOUTS)}"
            )
        layout = LAYOUTS[layout]
    machines = tuple(machines)
    options = dict(
        machines=machines,
        normal=normal,
        anomaly=anomaly,
        test_fraction=test_fraction,
        seed=seed,
        log=log,
    )
    clips: dict[str, dict[str, Clip]] = {}
    for clip in layout(root, **_taken(layout, options)):
        if not machines or clip.machine in machines:
            _add(clips.setdefault(clip.machine, {}), clip)
    for machine in machines or [""]:
        if machine not in clips and (machine or not clips):
            raise InputError(f"data.root: no recordings of {machine or 'any machine'} in {root}")
    ordered = {m: [clips[m][name] for name in sorted(clips[m])] for m in sorted(clips)}
    joined = join_ground_truth(ordered, root, ground_truth, log=log)
    return {machine: _with_domains(machine, rows, log) for machine, rows in joined.items()}


def _taken(layout: Layout, options: dict[str, Any]) -> dict[str, Any]:
    """Returns the options that a layout takes."""
    parameters = inspect.signature(layout).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return options
    return {p.name: options[p.name] for p in parameters if p.name in options}


def _add(by_name: dict[str, Clip], clip: Clip) -> None:
    check_clip(clip)
    if clip.name in by_name:
        raise InputError(
            f"{clip.path}: a clip of this name is also at {by_name[clip.name].path} "
            "(expected unique names within a machine)"
        )
    if clip.split == "train" and clip.label == UNKNOWN:
        clip = clip._replace(label=NORMAL)
    by_name[clip.name] = clip


def _with_domains(machine: str, clips: list[Clip], log: Callable[[str], object]) -> list[Clip]:
    unknown = sum(not clip.domain for clip in clips)
    if unknown:
        log(
            f"{machine}: {unknown} clips of unknown domain are counted as source (the evaluator's "
            "ground_truth_domain or ground_truth_attributes tells it)"
        )
    return [clip if clip.domain else clip._replace(domain="source") for clip in clips]

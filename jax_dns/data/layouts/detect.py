"""Recognises a folder's layout by the paths of its recordings."""

import difflib
import itertools
import re
from collections.abc import Collection
from pathlib import Path

from jax_dns.data.clips import NAME
from jax_dns.data.layouts import dcase2020, dcase2021, dcase2022, dcase2023, folders, mimii
from jax_dns.data.layouts.split_folders import UNLABELLED
from jax_dns.data.layouts.walk import walk_audio
from jax_dns.errors import InputError

EXAMPLES = {
    "dcase2020": dcase2020.EXAMPLE,
    "dcase2021": dcase2021.EXAMPLE,
    "dcase2022": dcase2022.EXAMPLE,
    "dcase2023": dcase2023.EXAMPLE,
    "mimii": mimii.EXAMPLE,
    "folders": folders.EXAMPLE,
}
PREFIX = re.compile(r"(?:(?:dev_data|eval_data)/)?(?:raw/)?(?=[^/]+/)")
FOLDER = re.compile(r"[^/]+/(train|test|test_rename|source_test|target_test|supplemental)/[^/]+")
MIMII = re.compile(r"(?:[^/]+/)?[^/]+/id_\d+/(?:normal|abnormal)/[^/]+")
MOST = 50_000  # recordings looked at


def detect(root: Path, *, normal: Collection[str] = ("normal",)) -> str:
    """Recognises the layout of a folder of recordings.

    Args:
      root: folder of recordings.
      normal: names of folders of normal recordings, by which the layout "folders" is recognised.

    Returns:
      The name of the layout that most of the recordings fit.

    Raises:
      InputError: there are no recordings, or they fit no layout. Names one of them, the nearest
        layout, and the folder above or below `root` that does fit.
    """
    paths = [path.relative_to(root).as_posix() for path in itertools.islice(walk_audio(root), MOST)]
    if not paths:
        raise InputError(
            f"data.root: no .wav or .flac files below {root} (expected such as {root}/"
            f"{dcase2021.EXAMPLE})"
        )
    if name := _fitting(paths, normal):
        return name
    example = paths[len(paths) // 2]
    nearest = max(EXAMPLES, key=lambda name: _similarity(example, EXAMPLES[name]))
    hint = ""
    if _fitting([f"{root.name}/{path}" for path in paths], normal):
        hint = f"; {root.parent} would fit"
    elif below := {path.partition("/")[0] for path in paths}:
        inner = [path.partition("/")[2] for path in paths]
        if len(below) == 1 and _fitting(inner, normal):
            hint = f"; {root / below.pop()} would fit"
    raise InputError(
        f"data.root: the recordings below {root} fit no layout: {example} (expected one of "
        f"{', '.join(EXAMPLES)}; the nearest is {nearest}, such as {EXAMPLES[nearest]}{hint})"
    )


def _fitting(paths: list[str], normal: Collection[str]) -> str | None:
    """Returns the layout that most of the paths fit; None if no path fits any."""
    split = [match for path in paths if (match := FOLDER.fullmatch(PREFIX.sub("", path, count=1)))]
    names = [(match[1], match[0].rpartition("/")[2]) for match in split]
    sections = [
        (folder, match["section"])
        for folder, name in names
        if (match := NAME.fullmatch(name) or UNLABELLED.fullmatch(name))
    ]
    counts = {
        "sections": len(sections),
        "dcase2020": sum(dcase2020.NAME.fullmatch(name) is not None for _, name in names),
        "mimii": sum(MIMII.fullmatch(path) is not None for path in paths),
        "folders": sum(_has_folder(path, normal) for path in paths),
    }
    name = max(counts, key=counts.get)
    if counts[name] == 0:
        return None
    return _year(sections) if name == "sections" else name


def _year(sections: list[tuple[str, str]]) -> str:
    """Returns the layout of recordings named by section, from their folders and sections."""
    folders = {folder for folder, _ in sections}
    if folders & {"source_test", "target_test"} or folders == {"train"}:
        return "dcase2021"
    return "dcase2022" if any(int(section) for _, section in sections) else "dcase2023"


def _has_folder(path: str, names: Collection[str]) -> bool:
    return not set(path.split("/")[1:-1]).isdisjoint(names)


def _similarity(path: str, example: str) -> float:
    """Compares two paths by their shape: numbers count as equal, and so do splits."""
    splits = r"source_test|target_test|train"
    shapes = [re.sub(splits, "test", re.sub(r"\d+", "0", text)) for text in (path, example)]
    return difflib.SequenceMatcher(None, *shapes).ratio()

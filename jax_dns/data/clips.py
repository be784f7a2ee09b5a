"""The record of one recording, and the file names of DCASE Task 2 since 2021.

section_SS_<source|target>_<train|test>[_<normal|anomaly>]_NNNN[_attributes].wav
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from jax_dns.errors import InputError

NORMAL, ANOMALY, UNKNOWN = 0, 1, -1
SPLIT_FOLDERS = ("train", "source_test", "target_test", "test", "test_rename", "supplemental")
AUDIO_SUFFIXES = (".wav", ".flac")
NAME = re.compile(
    r"section_(?P<section>\d+)_(?P<domain>source|target)_(?P<split>train|test)"
    r"(?:_(?P<label>normal|anomaly))?_(?P<index>\d+)(?:_(?P<attributes>.*))?\.(?:wav|flac)",
    re.IGNORECASE,
)
EXPECTED_NAME = "section_SS_<source|target>_<train|test>[_<normal|anomaly>]_NNNN[_attributes].wav"
LAST_SECTION = 2**31 - 1  # the largest that segments.npz holds
LABELS = {"normal": NORMAL, "anomaly": ANOMALY, None: UNKNOWN}


class Clip(NamedTuple):
    """One recording: its file, and what its name, its folder and the ground truth tell of it."""

    path: Path
    name: str  # unique within its machine; the file's name where that is unique
    machine: str
    section: int  # the product ID
    domain: str  # "source" or "target"; a layout may return "", unknown
    split: str  # "train" or "test"
    label: int  # 0 normal, 1 anomaly, -1 unknown
    attributes: str = ""  # such as "car_C2_spd_31V_mic_1"; "" where they aren't known


def parse_name(path: Path, machine: str) -> Clip:
    """Reads section, domain, split, label and attributes from a file's name.

    Raises:
      InputError: the name is not in the DCASE 2021 scheme.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        raise InputError(f"{path}: name does not parse (expected {EXPECTED_NAME})")
    label = match["label"] and match["label"].lower()
    split = match["split"].lower()
    return Clip(
        path,
        path.name,
        machine,
        int(match["section"]),
        match["domain"].lower(),
        split,
        NORMAL if split == "train" and label is None else LABELS[label],
        known_attributes(match["attributes"]),
    )


def known_attributes(text: str | None) -> str:
    """Returns attributes as named, "" for none and for DCASE 2024's "noAttribute"."""
    return "" if text is None or text.lower() == "noattribute" else text


def check_clip(clip: Clip) -> None:
    """Checks the values of a clip that a layout returned.

    Raises:
      InputError: a value that the later stages can't use; names the file.
    """
    try:
        str(clip.path).encode()
        clip.name.encode()
    except UnicodeEncodeError as error:
        path = os.fsencode(clip.path).decode(errors="backslashreplace")
        raise InputError(f"{path}: not a name in UTF-8") from error
    if not 0 <= clip.section <= LAST_SECTION:
        raise InputError(f"{clip.path}: section {clip.section}, expected 0 to {LAST_SECTION}")
    for field, values in (
        ("domain", ("source", "target", "")),
        ("split", ("train", "test")),
        ("label", (NORMAL, ANOMALY, UNKNOWN)),
    ):
        if getattr(clip, field) not in values:
            raise InputError(
                f"{clip.path}: {field} is {getattr(clip, field)!r}, expected one of "
                f"{', '.join(map(repr, values))}"
            )
    if clip.split == "train" and clip.label == ANOMALY:
        raise InputError(
            f"{clip.path}: a training clip is named anomaly (expected normal sound only)"
        )

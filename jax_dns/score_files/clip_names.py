"""What the names of clips and of official files say, and how two sets of names are matched."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from jax_dns.data.clips import LABELS, NAME, UNKNOWN
from jax_dns.errors import first_three

OFFICIAL = re.compile(
    r"(?P<kind>anomaly_score|ground_truth)_(?:DCASE\d{4}T2)?(?P<machine>.+)"
    r"_(?P<unit>section|id)_(?P<section>\d+)(?:_(?P<domain>source|target))?(?P<test>_test)?"
    r"(?:_seed.*)?\.csv"
)
EXPECTED_FILE = "anomaly_score_<machine>_section_SS[_<source|target>][_test].csv"
NAME_2020 = re.compile(r"(?:(?P<label>normal|anomaly)_)?id_(?P<section>\d{1,9})_\d+(?:\.\w+)?")
NAME_2022 = re.compile(
    r"section_(?P<section>\d{1,9})_"
)  # of evaluation clips, which name no domain


class ClipName(NamedTuple):
    """What a clip's name says of it."""

    section: int  # -1 if it says nothing
    domain: str  # "source", "target" or ""
    label: int  # 0 normal, 1 anomaly, -1 unknown


def parse_clip_name(name: str) -> ClipName:
    """Reads section, domain and label from a clip's name, with or without folder and suffix."""
    base = base_name(name)
    if match := NAME.fullmatch(base) or NAME.fullmatch(f"{base}.wav"):
        label = match["label"] and match["label"].lower()
        return ClipName(int(match["section"]), match["domain"].lower(), LABELS[label])
    if match := NAME_2020.fullmatch(base):
        return ClipName(int(match["section"]), "", LABELS[match["label"]])
    match = NAME_2022.match(base)
    return ClipName(int(match["section"]) if match else UNKNOWN, "", UNKNOWN)


def naming_year(match: re.Match) -> int:
    """Returns the first year in which official files were named as this one is."""
    if match["unit"] == "id":
        return 2020
    if match["domain"]:
        return 2021
    return 2023 if match["test"] else 2022


def file_name(kind: str, machine: str, section: int, domain: str, year: int = 2021) -> str:
    """Returns the official name of a file of scores ("anomaly_score") or labels ("ground_truth").

    Args:
      kind: the first part of the name.
      machine: machine type.
      section: in 2020 the machine's ID.
      domain: "source" or "target"; "" leaves it out.
      year: whose naming to follow, 2020 to 2025.
    """
    stem = f"{kind}_{machine}_{'id' if year == 2020 else 'section'}_{section:02d}"
    if year == 2021:
        return f"{stem}{domain and f'_{domain}'}_test.csv"
    return f"{stem}_test.csv" if year > 2022 else f"{stem}.csv"


def base_name(name: str) -> str:
    """Returns a name without its folders."""
    return name.replace("\\", "/").rsplit("/", 1)[-1]


def stem(name: str) -> str:
    """Returns a name without its folders and its suffix."""
    return re.sub(r"(?<=.)\.\w{1,8}$", "", base_name(name))


class Match(NamedTuple):
    """How two sets of names are compared, and how many of the first the second holds."""

    key: Callable[[str], str]  # names are the same if their keys are
    how: str  # "", or what of the names is compared
    matched: int
    total: int

    def describe(self, noun: str) -> str:
        """Returns such as "200 of 200 clips, by base name"."""
        return f"{self.matched} of {self.total} {noun}{self.how and f', by {self.how}'}"


def match_names(names: Iterable[str], others: Iterable[str]) -> Match:
    """Compares names as they are, else by base name, else by base name without suffix.

    The comparison that matches most names is taken, of several the strictest. One that would make
    two names of a set equal is not considered.

    Args:
      names: those to be matched.
      others: those that they are looked up in.
    """
    names, others = set(names), set(others)
    best = Match(str, "", len(names & others), len(names))
    for key, how in ((base_name, "base name"), (stem, "base name without suffix")):
        keys, other_keys = set(map(key, names)), set(map(key, others))
        matched = len(keys & other_keys)
        unique = len(keys) == len(names) and len(other_keys) == len(others)
        if unique and matched > best.matched:
            best = Match(key, how, matched, len(names))
    return best


def no_match(names: Iterable[str], others: Iterable[str], what: str) -> str:
    """Returns the error for two sets of names that have none in common."""
    return (
        f"none of {len(set(names))} names matches: the scores have "
        f"{first_three(sorted(set(names)))}; {what} {first_three(sorted(set(others)))}"
    )

"""The report as one HTML file: what it shows, and the page made of it (jinja2, extra viz)."""

from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

from jax_dns.report.html_tables import Table


class Tile(NamedTuple):
    """One figure in large type."""

    name: str
    value: str
    note: str = ""


class Excerpt(NamedTuple):
    """One clip: where it stood and stands, how it looks and sounds."""

    name: str
    section: int
    domain: str
    label: str  # "normal", "anomaly" or "unknown"
    scores: tuple[float, float]  # before and after smoothing
    ranks: tuple[int, int]  # in its section, 1 the highest score
    n: int  # clips in its section
    spectrogram: str = ""  # a data URI; empty where the recording can't be had
    sound: str = ""  # a data URI
    seconds: float = 0.0
    missing: str = ""  # why there is no recording

    @property
    def verdict(self) -> str:
        """Whether the move was towards the label: anomalies up, normal clips down."""
        before, after = self.ranks
        if before == after or self.label == "unknown":
            return ""
        return "right way" if (after < before) == (self.label == "anomaly") else "wrong way"

    def place(self, rank: int) -> float:
        """A rank as a position from left (0, least anomalous) to right (100)."""
        return 100 * (self.n - rank) / max(self.n - 1, 1)


class MachinePage(NamedTuple):
    """A machine type's part of the page; pictures are empty where there are none."""

    name: str
    setting: str  # what is compared with a_G, in words
    k_curve: str = ""  # an <svg> element
    histograms: str = ""  # an <svg> element
    umap: str = ""  # a data URI
    details: Sequence[Table] = ()
    clips: Sequence[Excerpt] = ()
    decibels: tuple[float, float] = (0.0, 0.0)  # the spectrograms' range of colours
    note: str = ""  # where recordings are gone


class Report(NamedTuple):
    """All that the page shows."""

    title: str
    facts: Sequence[tuple[str, str]]
    command: str
    tiles: Sequence[Tile]
    tables: Sequence[Table]
    machines: Sequence[MachinePage]
    changed: Sequence[tuple[str, str, str]]  # field, value, the paper's value
    notes: Sequence[tuple[str, str]]  # term, explanation
    detail_note: str = ""
    colour_bar: str = ""  # a CSS gradient's stops
    mel_ticks: Sequence[tuple[str, float]] = ()  # text, position from the bottom in percent


def missing_packages() -> list[str]:
    """Packages of the extra `viz` that a report needs and that aren't installed."""
    from importlib.util import find_spec

    return [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]


def render(report: Report) -> str:
    """The page: one file that needs nothing else, with every text in it escaped.

    Its content security policy lets a browser load nothing but what the file itself holds, and run
    no script, whatever names the clips have.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    page = environment.get_template("report.html.jinja").render(report=report)
    # Names from file systems can hold lone surrogates, which UTF-8 has no place for.
    return page.encode("utf-8", "replace").decode()


def _source(name: str) -> str:
    return resources.files("jax_dns.report").joinpath(name).read_text(encoding="utf-8")

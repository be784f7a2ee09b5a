"""The report as one HTML file: what it shows, and the page made of it (jinja2, extra viz)."""

from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

from jax_dns.report.answer import Answer
from jax_dns.report.html_tables import HtmlTable
from jax_dns.report.score_strips import ScoreStrip


class ClipCard(NamedTuple):
    """One clip: its scores and ranks before and after smoothing, its picture and sound."""

    name: str
    section: int
    domain: str
    label: str  # "normal", "anomaly" or "unknown"
    scores: tuple[float, float]  # before and after smoothing
    ranks: tuple[int, int]  # in its section, 1 the highest score
    n: int  # clips in its section
    spectrogram: str = ""  # a data URI; empty without a recording
    sound: str = ""  # a data URI
    seconds: float = 0.0  # of the sound
    missing: str = ""  # why there is no recording
    strip: ScoreStrip | None = None  # for clips longer than the sound

    @property
    def verdict(self) -> str:
        """Returns whether the rank moved towards the label: anomalies up, normal clips down."""
        before, after = self.ranks
        if before == after or self.label == "unknown":
            return ""
        towards = (after < before) == (self.label == "anomaly")
        return "towards its label" if towards else "away from its label"

    def place(self, rank: int) -> float:
        """Returns a rank as a position from left (0, least anomalous) to right (100)."""
        return 100 * (self.n - rank) / max(self.n - 1, 1)


class Picture(NamedTuple):
    """A figure of one or several panels, which stand side by side where there is room."""

    panels: Sequence[str]  # <svg> elements
    description: str  # for those who can't see it
    caption: str


class MachinePart(NamedTuple):
    """A machine type's part of the page."""

    name: str
    summary: str  # its figures, for the folded part's heading
    setting: str  # the smoothing that is shown, and how it was chosen
    pictures: Sequence[Picture] = ()
    details: Sequence[HtmlTable] = ()
    moved: Sequence[ClipCard] = ()  # the clips whose rank changed most
    top: Sequence[ClipCard] = ()  # the most anomalous clips after smoothing, without pictures
    decibels: tuple[float, float] = (0.0, 0.0)  # the range of the spectrograms' colours
    note: str = ""  # which recordings are missing


class Report(NamedTuple):
    """All that the page shows."""

    title: str
    answer: Answer
    results: HtmlTable | None
    machines: Sequence[MachinePart]
    facts: Sequence[tuple[str, str]]
    command: str
    changed: Sequence[tuple[str, str, str]]  # field, value, the paper's value
    notes: Sequence[tuple[str, str]]  # term, explanation
    detail_note: str = ""
    colour_bar: str = ""  # a CSS gradient's stops
    mel_ticks: Sequence[tuple[str, float]] = ()  # text, position from the bottom in percent


def missing_packages() -> list[str]:
    """Returns the packages of the extra `viz` that a report needs and that aren't installed."""
    from importlib.util import find_spec

    return [name for name in ("matplotlib", "jinja2") if find_spec(name) is None]


def render(report: Report) -> str:
    """Returns the page: one file that needs nothing else, with every text in it escaped.

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

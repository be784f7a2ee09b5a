"""The progress of a training: a bar on a terminal, lines elsewhere."""

import sys
import time
from types import TracebackType
from typing import Any

from tqdm import tqdm

LINE_EVERY = 30.0  # s between lines where there is no terminal


class Progress:
    """Shows how far a training is.

    On a terminal it is a tqdm bar. Elsewhere it prints when the first step is compiled, a line
    every LINE_EVERY seconds, and one at the end.
    """

    def __init__(self, title: str, *, epochs: int, steps_per_epoch: int, done: int = 0):
        self._title, self._epochs = title, epochs
        self._total, self._done, self._first = epochs * steps_per_epoch, done, done
        self._started = self._last_line = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._record: dict[str, Any] = {}
        self._bar = tqdm(
            total=self._total,
            initial=done,
            desc=f"{title}, compiling",
            unit="step",
            mininterval=0.5,
            disable=not self._terminal,
            leave=False,
        )

    def __enter__(self) -> "Progress":
        if self._done:
            tqdm.write(f"{self._title}: resumes at step {self._done} of {self._total}")
        if not self._terminal and self._done < self._total:
            tqdm.write(f"{self._title}: compiling")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()
        if kind is None and self._done > self._first:
            seconds = time.monotonic() - self._started
            tqdm.write(f"{self._title}: trained in {seconds:.1f} s, {self._losses()}")

    def advance(self, n: int) -> None:
        """Counts n more steps."""
        if self._done == self._first:
            self._bar.set_description(self._title)
            if not self._terminal:
                seconds = time.monotonic() - self._started
                tqdm.write(f"{self._title}: first step or epoch after {seconds:.1f} s")
        self._done += n
        self._bar.update(n)

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Shows an epoch's entries in the log."""
        self._record = record
        self._bar.set_postfix(
            {"loss": f"{record['loss']:.4g}", "clips/s": record["clips_per_second"]}
        )
        now = time.monotonic()
        if not self._terminal and now - self._last_line > LINE_EVERY:
            self._last_line = now
            left = (now - self._started) * (self._total - self._done) / (self._done - self._first)
            tqdm.write(
                f"{self._title}: epoch {record['epoch']} of {self._epochs}, {self._losses()}, "
                f"{record['clips_per_second']:.0f} clips/s, about {left:.0f} s left"
            )

    def _losses(self) -> str:
        valid = self._record.get("valid_loss")
        text = f"loss {self._record['loss']:.4g}" if self._record else "no epoch"
        return text if not isinstance(valid, float) else f"{text}, validation loss {valid:.4g}"

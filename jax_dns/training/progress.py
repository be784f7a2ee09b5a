"""The progress of a training: a bar on a terminal, lines elsewhere."""

import contextlib
import sys
import time
from types import TracebackType
from typing import Any

from tqdm import tqdm

from jax_dns.heartbeat import heartbeat
from jax_dns.wording import duration


class Progress:
    """Shows how far a training is.

    Everywhere: a line where it resumes, one with the time of compiling, and one at the end. On a
    terminal a tqdm bar shows the steps; elsewhere a line is printed every 30 s.
    """

    def __init__(self, title: str, *, epochs: int, steps_per_epoch: int, done: int = 0):
        self._title, self._epochs, self._steps_per_epoch = title, epochs, steps_per_epoch
        self._total, self._done, self._first = epochs * steps_per_epoch, done, done
        self._started = self._compiled = time.monotonic()
        self._record: dict[str, Any] = {}
        self._bar = tqdm(
            total=self._total,
            initial=done,
            desc=f"{title}, compiling",
            unit="step",
            mininterval=0.5,
            disable=not sys.stderr.isatty(),
            leave=False,
        )
        self._lines = contextlib.ExitStack()

    def __enter__(self) -> "Progress":
        if self._done:
            epoch = self._done // self._steps_per_epoch
            tqdm.write(
                f"{self._title}: resumes at epoch {epoch} of {self._epochs}, step {self._done} of "
                f"{self._total}"
            )
        if self._done < self._total:
            tqdm.write(f"{self._title}: compiling ...")
            self._lines.enter_context(heartbeat(self._line))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._bar.close()
        if kind is None and self._done > self._first:
            seconds = duration(time.monotonic() - self._started)
            tqdm.write(f"{self._title}: trained in {seconds}, {self._losses()}")

    def advance(self, n: int) -> bool:
        """Counts n more steps; returns whether they are the first, which were compiled."""
        is_first = self._done == self._first
        if is_first:
            self._compiled = time.monotonic()
            seconds = duration(self._compiled - self._started)
            steps = "first step" if n == 1 else f"first {n} steps, one program,"
            self._bar.set_description(self._title)
            tqdm.write(f"{self._title}: compiled, {steps} done, in {seconds}")
        self._done += n
        self._bar.update(n)
        return is_first

    def end_epoch(self, record: dict[str, Any]) -> None:
        """Shows an epoch's entries in the log."""
        self._record = record
        self._bar.set_postfix(
            {"loss": f"{record['loss']:.4g}", "clips/s": record["clips_per_second"]}
        )

    def _line(self) -> str:
        """Returns the line of a training at work."""
        now = time.monotonic()
        if self._done == self._first:
            return f"{self._title}: compiling for {duration(now - self._started)}"
        epoch = min(self._done // self._steps_per_epoch + 1, self._epochs)
        parts = [f"epoch {epoch} of {self._epochs}, step {self._done} of {self._total}"]
        if self._record:
            parts += [self._losses(), f"{self._record['clips_per_second']:.0f} clips/s"]
        taken = self._done - self._first - 1
        if taken > 0:
            left = (now - self._compiled) * (self._total - self._done) / taken
            parts.append(f"about {duration(left)} left")
        return f"{self._title}: {', '.join(parts)}"

    def _losses(self) -> str:
        valid = self._record.get("valid_loss")
        text = f"loss {self._record['loss']:.4g}" if self._record else "no epoch"
        return text if not isinstance(valid, float) else f"{text}, validation loss {valid:.4g}"

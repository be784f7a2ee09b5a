"""How many of a run's trainings are done, and how long the others will take."""

import time
from collections.abc import Mapping

from tqdm import tqdm

from jax_dns.wording import duration


class TrainingClock:
    """Prints a run's progress after each training.

    Args:
      left: kind -> its name in messages and the number of trainings to do.
    """

    def __init__(self, left: Mapping[str, tuple[str, int]]):
        self._names = {kind: name for kind, (name, _) in left.items()}
        self._left = {kind: n for kind, (_, n) in left.items()}
        self._total, self._done = sum(self._left.values()), 0
        self._seconds: dict[str, list[float]] = {kind: [] for kind in left}
        self._started = time.monotonic()

    def finish(self, kind: str, n: int = 1) -> None:
        """Counts n trainings as done since the last call, and prints what is left."""
        now = time.monotonic()
        self._seconds[kind].append((now - self._started) / n)
        self._started = now
        self._left[kind] -= n
        self._done += n
        if sum(self._left.values()):
            parts = [self._estimate(kind, n) for kind, n in self._left.items() if n]
            percent = 100 * self._done / self._total
            tqdm.write(
                f"trainings: {self._done} of {self._total} done ({percent:.0f} %); left: "
                f"{', '.join(parts)}"
            )

    def restart(self) -> None:
        """Starts timing the next training now."""
        self._started = time.monotonic()

    def _estimate(self, kind: str, n: int) -> str:
        name, seconds = f"{n} {self._names[kind]}", self._seconds[kind]
        if not seconds:
            return f"{name}, not timed yet"
        return f"{name}, about {duration(n * sum(seconds) / len(seconds))}"

"""Chooses test clips by a seed where a data set has no split of its own."""

from collections.abc import Iterable

from jax_dns.files import bytes_digest


def random_test(names: Iterable[str], n_test: int, *, seed: int) -> set[str]:
    """Chooses test clips: those whose seeded digests come first.

    The choice for one machine type or section doesn't depend on the others, and adding recordings
    moves few of the old ones.

    Args:
      names: the clips to choose from.
      n_test: number of clips to choose.
      seed: seed of the choice.

    Returns:
      The chosen names.
    """
    return set(sorted(names, key=lambda name: bytes_digest(f"{seed} {name}".encode()))[:n_test])

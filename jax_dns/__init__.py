"""Discriminative neighbourhood smoothing for anomalous sound detection, in JAX."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jax_dns.smoothing.adaptive import smooth_adaptively
    from jax_dns.smoothing.api import neighbors, smooth, smooth_grid, smooth_queries
    from jax_dns.smoothing.dose import smooth_dose

__all__ = [
    "neighbors",
    "smooth",
    "smooth_adaptively",
    "smooth_dose",
    "smooth_grid",
    "smooth_queries",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports JAX with the first use of a name, so that `jax-dns evaluate` does without."""
    if name in __all__:
        from jax_dns.smoothing import adaptive, api, dose

        homes = {"smooth_adaptively": adaptive, "smooth_dose": dose}
        return getattr(homes.get(name, api), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

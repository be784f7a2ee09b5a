"""Discriminative neighbourhood smoothing for anomalous sound detection, in JAX."""

from jax_dns.scoring.smoothing import smooth, smooth_grid, smooth_queries

__all__ = ["smooth", "smooth_grid", "smooth_queries"]
__version__ = "0.1.0"

"""The paper's Fig. 2 in order; the rooms that know a config."""

from jax_dns.pipeline.run import STAGES, run

__all__ = ["STAGES", "run"]

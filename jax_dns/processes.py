"""Several processes that share a run, on one host or several.

Each sees the same files. The first process reads the recordings and writes all results; the others
help it to train, and leave.
"""

import sys

WAIT = 7 * 24 * 3600  # s; decoding a data set and a whole evaluation are shorter


def join(coordinator: str | None, n_processes: int | None, index: int | None) -> None:
    """Joins the processes of a run.

    Args:
      coordinator: HOST:PORT of the first process; None: from the cluster's environment, as are the
        others (SLURM, Open MPI, a TPU pod slice).
      n_processes: how many there are.
      index: this process's number.

    Raises:
      RuntimeError, ValueError: the environment doesn't tell, or the processes don't meet.
    """
    import jax

    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, n_processes, index, shutdown_timeout_seconds=WAIT)


def is_first() -> bool:
    """Returns whether this is the process that writes."""
    return not are_several() or sys.modules["jax"].process_index() == 0


def of_first(value: bool) -> bool:
    """Returns the first process's value, to all; each calls it equally often."""
    if not are_several():
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(value))


def are_several() -> bool:
    """Returns whether this is one of several processes."""
    jax = sys.modules.get("jax")  # commands that do without JAX need not import it for this
    return bool(jax and jax.distributed.is_initialized() and jax.process_count() > 1)

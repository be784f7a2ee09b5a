"""Writes a small checkpoint with the versions installed: checkpoint_<Python>_jax_<version>.tar.xz.

    python tests/golden/make_checkpoint.py

Once in each of the environments of constraints/py311.txt and constraints/py312.txt; the tests of
either read both.
"""

import platform
import sys
import tarfile
import tempfile
from pathlib import Path

import jax
import numpy as np
import optax

from jax_dns.training import checkpoints
from jax_dns.training.optimizers import adamw
from jax_dns.training.steps import TrainState

GOLDEN = Path(__file__).parent


def golden_state() -> TrainState:
    """A training state of a network with two layers, every leaf another number."""
    params = {"dense": {"kernel": np.zeros((3, 2), np.float32), "bias": np.zeros(2, np.float32)}}
    stats = {"norm": {"mean": np.zeros(2, np.float32), "var": np.zeros(2, np.float32)}}
    optimiser = (adamw(weight_decay=0.0).init(params), optax.adam(1e-3).init(params))
    state = TrainState(np.int32(7), params, stats, optimiser)
    leaves, tree = jax.tree.flatten(state)
    rng = np.random.default_rng(0)
    filled = [rng.normal(size=np.shape(x)).astype(np.asarray(x).dtype) for x in leaves[1:]]
    return jax.tree.map(jax.numpy.asarray, jax.tree.unflatten(tree, [leaves[0], *filled]))


def main() -> None:
    """Writes the file for the interpreter that runs this."""
    python = platform.python_version_tuple()
    name = f"checkpoint_py{python[0]}{python[1]}_jax_{jax.__version__}.tar.xz"
    with tempfile.TemporaryDirectory() as folder:
        checkpoints.save(Path(folder) / "last", 7, golden_state())
        with tarfile.open(GOLDEN / name, "w:xz") as archive:
            archive.add(Path(folder) / "last", "last", filter=_anonymous)
    print(name, (GOLDEN / name).stat().st_size, "bytes", file=sys.stderr)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    return member


if __name__ == "__main__":
    main()

"""The paper's Fig. 2 as a pipeline: `run(config, workdir)`.

    index                 recordings, decoded and cached
    train_generative      f_G on normal sound                   (training clips only)
    train_discriminative  f_D on normal against other machines  (training clips only)
    embed                 a_G and f_D of every segment          -> segments.npz
    fit                   h on f_D, for every setting           -> inlier.npz
    smooth                Eq. 7, for every K and pool           -> smoothed.npz
    select                hyperparameters on development sections
    evaluate              tables, CSV files, figures

Each stage leaves its result and a fingerprint of all that it depends on. It is not run again while
the fingerprint stays the same.
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import use_factories
from jax_dns.errors import InputError
from jax_dns.pipeline.embed import embed
from jax_dns.pipeline.evaluate import select_and_evaluate
from jax_dns.pipeline.fit import fit
from jax_dns.pipeline.index import Machines, index, make_synthetic, split_commas, targets
from jax_dns.pipeline.lock import workdir_lock
from jax_dns.pipeline.smooth import smooth
from jax_dns.pipeline.train import make_source, train
from jax_dns.pipeline.validate_config import check
from jax_dns.pipeline.workdir import (
    check_format,
    machine_folders,
    machines_with_segments,
    make_workdir,
    write_provenance,
)
from jax_dns.types import Factory

ON_SOUND = ("index", "train_generative", "train_discriminative", "embed")
STAGES = (*ON_SOUND, "fit", "smooth", "select", "evaluate")  # these read segments.npz


def run(
    config: ConfigDict,
    workdir: str | Path,
    stages: Iterable[str] = STAGES,
    *,
    components: Mapping[str, Factory] | None = None,
    command: str = "",
) -> None:
    """Runs the stages in order for every machine type and seed.

    Args:
      config: see `jax_dns.config`.
      workdir: folder for everything that is made.
      stages: names from STAGES; of those left out the earlier results are used.
      components: factories by kind ("generative", "discriminative", "inlier", "smoothing"), in
        place of those that the config names.
      command: the command line, for versions.json.

    Raises:
      InputError: anything in the config, the recordings, a component or the workdir that can't be
        used; another run at work in the workdir.
    """
    stages = tuple(stages)
    for stage in stages:
        if stage not in STAGES:
            raise InputError(f"stages: {stage!r}, expected some of {','.join(STAGES)}")
    config = use_factories(config, components or {})
    check(config)
    path = make_workdir(workdir)
    check_format(path)
    with workdir_lock(path):
        write_provenance(config, path, command)
        if config.synthetic.make and not config.data.root:
            make_synthetic(config, path)
        _run(config, path, stages)


def _run(config: ConfigDict, workdir: Path, stages: tuple[str, ...]) -> None:
    machines: Machines = {}
    if set(stages) & set(ON_SOUND):
        machines = index(config, workdir, outliers="train_discriminative" in stages)
        names = targets(config, machines)
        for name in names:
            tqdm.write(f"{name}: {len(machines[name].clips)} clips")
    else:
        names = split_commas(config.data.machines) or machines_with_segments(config, workdir)
    folders = machine_folders(config, workdir, names)
    source = functools.cache(lambda: make_source(config, machines))
    for kind in ("generative", "discriminative"):
        if f"train_{kind}" in stages:
            train(config, kind, machines, folders, workdir, source)
    for seed, by_machine in folders.items():
        for name, folder in by_machine.items():
            if "embed" in stages:
                embed(config, machines[name], name, folder, seed)
            if "fit" in stages:
                fit(config, name, folder, seed)
            if "smooth" in stages:
                smooth(config, name, folder)
    select_and_evaluate(config, workdir, folders, stages)

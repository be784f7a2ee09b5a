"""What a step of the paper's own settings costs on this machine: seconds and peak memory.

    python experiments/full_size_steps.py [--config=configs/dcase2021.py] [--steps=2]

Takes steps of both networks as the config has them (batch 128 of 224 x 251 for the extractor) on
noise, prints the first step's seconds (compilation included), the others', the process's peak
memory, and the hours that the config's whole training of one machine type would take at that pace
(1,003 clips in each of six sections, 85 % of them training).
"""

import argparse
import importlib.util
import resource
import time
from pathlib import Path

import jax
import numpy as np

from jax_dns.data.sampler import steps_per_epoch
from jax_dns.pipeline import networks
from jax_dns.training.optimizers import one_cycle

CLIPS = 6 * round(0.85 * 1003)
SECTIONS = 6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--config", default="configs/dcase2021.py")
    parser.add_argument("--steps", type=int, default=2, help="of each network (default 2)")
    arguments = parser.parse_args()
    spec = importlib.util.spec_from_file_location("config", Path(arguments.config))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config()
    rng = np.random.default_rng(0)

    def noise(batch: int) -> np.ndarray:
        return rng.normal(size=(batch, networks.segment_samples(config))).astype(np.float32)

    ae = networks.autoencoder(config).steps
    audio = noise(config.ae.batch_size)
    report(
        "autoencoder", lambda state, _: ae.train(state, audio), ae.create, arguments.steps,
        config.ae.epochs * steps_per_epoch(CLIPS, batch_size=config.ae.batch_size),
    )  # fmt: skip

    e = config.extractor
    extractor = networks.extractor(config, n_sections=SECTIONS)
    batch, half = noise(e.batch_size), e.batch_size // 2
    machine = np.repeat(np.float32([1, 0]), half)
    section = np.eye(SECTIONS, dtype=np.float32)[np.arange(e.batch_size) % SECTIONS]
    section *= machine[:, None]
    n_steps = e.epochs * steps_per_epoch(CLIPS, batch_size=e.batch_size, outliers=True)

    def step(state, number):
        cycle = one_cycle(number, n_steps, max_lr=e.learning_rate)
        return extractor.train(state, batch, 0, machine, section, cycle)

    report("extractor", step, extractor.create, arguments.steps, n_steps)


def report(name: str, step, create, count: int, whole: int) -> None:
    """Takes `count` steps and prints what they cost."""
    state = create(jax.random.key(0))
    seconds, losses = [], []
    for number in range(count):
        start = time.perf_counter()
        state, loss = step(state, number)
        losses.append(float(loss))
        seconds.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    pace = float(np.median(seconds[1:])) if count > 1 else seconds[0]
    print(
        f"{name}: first step {seconds[0]:.1f} s, then {pace:.2f} s; "
        f"losses {', '.join(f'{x:.4g}' for x in losses)}; peak memory so far {peak:.1f} GiB; "
        f"{whole} steps of one machine type: {whole * pace / 3600:.1f} h on {jax.devices()[0]}"
    )


if __name__ == "__main__":
    main()

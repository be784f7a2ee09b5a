"""Compares the extractor's training losses between our layers and plain JAX.

    python experiments/bench/fast_and_plain.py [--batch 8] [--shape 224 251] [--steps 20]

Our layers lower depthwise convolutions for the backend and have three derivatives written by hand;
`plain_networks.py` has the same layers in plain JAX. Since training amplifies rounding errors, a
third run shows the effect of changing the input by one unit in the last place. All three train in
float32 from the same seed. Prints a table and writes <out>.csv; the result stands in
experiments/bench/README.md.
"""

import argparse
import contextlib
import csv
from pathlib import Path

import numpy as np
from inputs import N_SECTIONS, labels, noise
from models_without_features import extractor
from plain_networks import plain_path

from jax_dns.training.optimizers import one_cycle
from jax_dns.training.steps import initial_state, train_step

COLUMNS = ("step", "fast", "plain", "nudged", "plain_error", "nudged_error")


def train_losses(
    spectrograms: np.ndarray, *, steps: int, plain: bool = False, seed: int = 0
) -> np.ndarray:
    """Trains on one batch with SerialOE's schedule.

    Args:
      spectrograms: [b, n_mels, frames].
      steps: training steps.
      plain: whether to use the plain layers.
      seed: of the weights, dropout and mixup.

    Returns:
      The losses [steps].
    """
    batch, n_mels, n_frames = spectrograms.shape
    model = extractor(n_sections=N_SECTIONS, n_mels=n_mels, n_frames=n_frames)
    step, losses = train_step(model), []
    arguments = spectrograms.reshape(batch, -1), np.uint32(seed), *labels(batch), {}
    with plain_path() if plain else contextlib.nullcontext():
        state = initial_state(model, seed)
        for number in range(steps):
            cycle = one_cycle(number, 10 * steps, max_lr=1e-3)._asdict()
            hyperparameters = {name: np.float32(value) for name, value in cycle.items()}
            state, loss = step(state, *arguments, hyperparameters)
            losses.append(float(loss))
    return np.asarray(losses)


def main(arguments: list[str] | None = None) -> None:
    """Trains three times, prints and writes the losses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--shape", type=int, nargs=2, default=(224, 251), help="bands, frames")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument(
        "--out", type=Path, default=Path("fast_and_plain"), help="prefix of the CSV"
    )
    options = parser.parse_args(arguments)
    inputs = noise(options.batch, *options.shape)
    nudged_inputs = np.nextafter(inputs, np.inf, dtype=np.float32)
    fast = train_losses(inputs, steps=options.steps)
    plain = train_losses(inputs, steps=options.steps, plain=True)
    nudged = train_losses(nudged_inputs, steps=options.steps)
    rows = [
        (number, f, p, n, abs(p / f - 1), abs(n / f - 1))
        for number, (f, p, n) in enumerate(zip(fast, plain, nudged, strict=True), 1)
    ]
    print("{:>4} {:>10} {:>10} {:>10} {:>12} {:>12}".format(*COLUMNS))
    for row in rows:
        print("{:4d} {:10.6f} {:10.6f} {:10.6f} {:12.1e} {:12.1e}".format(*row))
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()

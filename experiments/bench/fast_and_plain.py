"""The extractor's first losses by the fast path, by the plain path, and by nudged inputs.

    python experiments/bench/fast_and_plain.py [--batch 8] [--shape 224 251] [--steps 20]

Fast is the net as it trains: depthwise convolutions lowered for the backend and three derivatives
written by hand. Plain is the same net on `lax.conv_general_dilated`, a matrix product and JAX's own
derivatives. Training amplifies rounding, so a third run shows what a change of the input by one
unit in its last place does to the fast path. From one seed, in float32; prints a table, writes
<out>.csv.
"""

import argparse
import contextlib
import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest import mock

import jax
import numpy as np
from sizes import SECTIONS, labels, noise

from jax_dns.discriminative import depthwise, efficientnet
from jax_dns.discriminative.serial_oe import Extractor
from jax_dns.training.optimizers import OneCycle, one_cycle
from jax_dns.training.steps import extractor_steps


@contextlib.contextmanager
def plain_path() -> Iterator[None]:
    """While this lasts, nets are traced without special lowerings and hand-written derivatives."""

    def depthwise_conv(x, kernel, stride=1):
        return depthwise._grouped(x, kernel, stride=stride)

    def batch_norm(x, scale, bias, silu):
        return efficientnet._batch_norm_forward(x, scale, bias, silu)[0]

    def pointwise_conv(x, kernel):
        return efficientnet._pointwise_forward(x, kernel)[0]

    plain = (depthwise_conv, batch_norm, pointwise_conv)
    with contextlib.ExitStack() as stack:
        for function in plain:
            stack.enter_context(mock.patch.object(efficientnet, function.__name__, function))
        yield


def losses(
    spectrograms: np.ndarray, *, steps: int, plain: bool = False, seed: int = 0
) -> np.ndarray:
    """Losses [steps] of a training on one batch [b, n_mels, frames], by SerialOE's schedule."""
    batch, *shape = spectrograms.shape
    # Dropout, mixup and the cycle of the learning rate are the training's own, from the seed.
    functions = extractor_steps(
        Extractor(SECTIONS), lambda x: x.reshape(len(x), *shape), n_samples=int(np.prod(shape))
    )
    state = functions.create(jax.random.key(seed))
    given = spectrograms.reshape(batch, -1), np.uint32(seed), *labels(batch)
    out = []
    with plain_path() if plain else contextlib.nullcontext():
        for step in range(steps):
            cycle = OneCycle(*map(np.float32, one_cycle(step, 10 * steps, max_lr=1e-3)))
            state, loss = functions.train(state, *given, cycle)
            out.append(float(loss))
    return np.asarray(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--shape", type=int, nargs=2, default=(224, 251), help="bands, frames")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("fast_and_plain"))
    options = parser.parse_args()
    given = noise(options.batch, *options.shape)
    run = partial(losses, steps=options.steps)
    fast, plain = run(given), run(given, plain=True)
    nudged = run(np.nextafter(given, np.inf, dtype=np.float32))
    columns = ("step", "fast", "plain", "nudged", "plain_off", "nudged_off")
    rows = [
        (step, f, p, n, abs(p / f - 1), abs(n / f - 1))
        for step, (f, p, n) in enumerate(zip(fast, plain, nudged, strict=True), 1)
    ]
    print("{:>4} {:>10} {:>10} {:>10} {:>10} {:>10}".format(*columns))
    for row in rows:
        print("{:4d} {:10.6f} {:10.6f} {:10.6f} {:10.1e} {:10.1e}".format(*row))
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


if __name__ == "__main__":
    main()

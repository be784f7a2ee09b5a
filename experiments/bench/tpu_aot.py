"""The project compiled for TPUs that are not here: does it fit, and what would it take?

    pip install -c constraints/py311.txt '.[tpu]'
    python experiments/bench/tpu_aot.py [--n 100000 1000000 10000000] [--training ae] --out tpu_aot

Needs the libtpu wheel (the extra `tpu`) and no TPU: the compiler describes the chips. Compiles the
smoothing for one chip and for slices, and with --training the autoencoder's epoch and the
extractor's step; writes <out>.csv. One chip is a mesh over one device of v5e:2x2.

Seconds are computed, not measured. Float32 products go at a sixth of the vendor's peak for bfloat16
(six passes of it make one float32 product). To their time is added, as if nothing overlapped, the
greater of two: the bytes that the compiler counts at the vendor's memory bandwidth (of the features
alone, where it keeps the blocks on the chip), and all other FLOPs at what the vector units do,
lanes by clock, about. Sums between chips are left out: 4 d + 300 bytes a segment, and some ten sums
of 10 us a block.

`cost_analysis` counts a loop's body once and for one device; a body's cost is multiplied by the
loop's trips here. The passes of a block's selection are known only from data: --passes, four to
seven on clustered features of 10^4 to 10^6 segments, K from 16 to 2,048; the body's cost holds one
for each of its two places, and the rest is added.
"""

import argparse
import csv
import importlib.util
import os
import time
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # this process has no TPU; libtpu only compiles
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # several may compile at once

import aot_programs
import jax
import numpy as np
from jax.sharding import Mesh

from jax_dns.data.sampler import steps_per_epoch
from jax_dns.smoothing.engine.grouped import block_rows
from jax_dns.smoothing.memory_estimate import needed_bytes
from jax_dns.smoothing.sharded.arrays import ROWS

CLIPS = 6 * round(0.85 * 1003)  # training clips of a machine type of DCASE 2021
SAMPLE_PASSES = 4 / 16  # of a block, that a body's loops take beyond the two it counts


class Chip(NamedTuple):
    """A vendor's figures for one of JAX's devices: a chip, and of v4 one of a chip's two cores."""

    flops: float  # per second, bfloat16 for TPUs
    products: int  # passes at that rate that make a float32 product
    vector: float  # operations per second outside the matrix unit: lanes by clock, about
    bandwidth: float  # bytes per second of its memory
    memory: float  # bytes


# cloud.google.com/tpu/docs (pages v4, v5e, v5p, v6e: peak compute, HBM capacity and bandwidth);
# NVIDIA's data sheet of the H200 SXM (FP32 without tensor cores).
CHIPS = {
    "v4": Chip(275e12 / 2, 6, 4e12, 1.2e12 / 2, 16 * 2**30),
    "v5e": Chip(197e12, 6, 6e12, 0.819e12, 16 * 2**30),
    "v5p": Chip(459e12, 6, 14e12, 2.765e12, 95 * 2**30),
    "v6e": Chip(918e12, 6, 6e12, 1.64e12, 32 * 2**30),
}
H200 = Chip(67e12, 1, 67e12, 4.8e12, 141e9)
SLICES = ("v5e:2x2/1", "v5e:2x2", "v5e:4x4", "v4:2x2x1/2", "v4:2x2x1", "v6e:4x4")


def slice_mesh(name: str, axis: str = ROWS) -> Mesh:
    """A mesh over a slice's chips; "v5e:2x2/1" is one chip of it.

    Raises:
      ImportError, RuntimeError: there is no libtpu.
    """
    import libtpu  # noqa: F401
    from jax.experimental import topologies

    topology, _, count = name.partition("/")
    devices = topologies.get_topology_desc(topology, "tpu").devices
    return Mesh(np.asarray(devices[: int(count) if count else None]), (axis,))


def costs(compiled: jax.stages.Compiled) -> tuple[float, float]:
    """FLOPs and bytes on each device, loops once."""
    found = compiled.cost_analysis()
    return found.get("flops", 0.0), found.get("bytes accessed", 0.0)


def compiled_if_it_fits(lowered: jax.stages.Lowered) -> jax.stages.Compiled | None:
    """A program, or None where the compiler says that it exceeds the device's memory."""
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return None


def gibibytes(compiled: jax.stages.Compiled | None) -> float:
    """What a program holds at most on a device, arguments included."""
    if compiled is None:
        return float("inf")
    m = compiled.memory_analysis()
    held = m.argument_size_in_bytes + m.temp_size_in_bytes + m.output_size_in_bytes
    return (held - m.alias_size_in_bytes) / 2**30


def smoothing_row(name: str, mesh: Mesh, chip: Chip, n: int, d: int, passes: int) -> dict:
    """What smoothing n segments takes."""
    p, (rows, columns) = mesh.size, aot_programs.sizes(mesh, n)
    kind = "H200" if chip is H200 else mesh.devices.flat[0].device_kind
    block = block_rows(columns, kind=kind, memory=int(chip.memory)) // p * p or p
    begin, note = time.perf_counter(), ""
    if chip is H200:
        held = (needed_bytes(n, d, block_size=block) + 4 * n * d) / 2**30
        note = "a model: bytes as compiled for v5e"
    else:
        held = gibibytes(compiled_if_it_fits(aot_programs.smoothing(mesh, n, d, block=block)))
    body = aot_programs.smoothing_body(mesh, n, d, block=block).compile()
    flops, moved = costs(body)
    pass_flops, pass_moved = costs(aot_programs.counting_pass(mesh, n, block=block).compile())
    trips, more = -(-rows // (block // p)), passes - 2 + SAMPLE_PASSES
    flops, moved = trips * (flops + more * pass_flops), trips * (moved + more * pass_moved)
    if body.memory_analysis().temp_size_in_bytes < 4 * block * columns:
        moved, note = trips * 4 * columns * d, "blocks stay on the chip"
    product = 2 * n * n * d / p
    floor = product * chip.products / chip.flops
    return {
        "program": "smoothing",
        "slice": name,
        "n": n,
        "block": block,
        "trips": trips,
        "gib": held,
        "memory": chip.memory / 2**30,
        "flops": flops * p,
        "to_product": flops / product,
        "bytes": moved * p,
        "floor_s": floor,
        "estimated_s": floor + max(moved / chip.bandwidth, (flops - product) / chip.vector),
        "compile_s": time.perf_counter() - begin,
        "note": note,
    }


def training_row(program: str, name: str, chip: Chip, lowered: Any, trips: int) -> dict:
    """What a step, or an epoch of `trips` of them, takes."""
    begin, compiled = time.perf_counter(), compiled_if_it_fits(lowered)
    row = {
        "program": program,
        "slice": name,
        "trips": trips,
        "gib": gibibytes(compiled),
        "memory": chip.memory / 2**30,
    }
    if compiled is None:
        return row
    flops, moved = costs(compiled)
    text = compiled.as_text()
    hosts = [x for x in ("infeed", "outfeed", "send(", "recv(", "host_compute") if x in text]
    return row | {
        "flops": flops * trips,
        "bytes": moved * trips,
        "floor_s": trips * flops / chip.flops,
        "estimated_s": trips * (flops / chip.flops + moved / chip.bandwidth),
        "compile_s": time.perf_counter() - begin,
        "note": f"to or from the host: {', '.join(hosts) or 'nothing'}",
    }


def show(row: dict) -> None:
    """One line, and what doesn't fit."""
    row = {"note": ""} | row
    if row["gib"] > row["memory"]:
        row["note"] += " does not fit"
    size = f"N={row['n']:<10,}" if "n" in row else f"x {row['trips']:<10}"
    numbers = ("flops", "bytes", "floor_s", "estimated_s", "compile_s")
    flops, moved, floor, estimated, compiled = (row.get(x, float("nan")) for x in numbers)
    print(
        f"{row['program']:10s} {row['slice']:11s} {size} {row['gib']:6.2f} of {row['memory']:3.0f} "
        f"GiB {flops:9.3g} FLOP {moved:9.3g} B  floor {floor:9.3g} s  estimated {estimated:9.3g} s"
        f"  (compiled in {compiled:.0f} s) {row['note']}",
        flush=True,
    )


def training(what: str, config_path: str, name: str, chip: Chip, batch: int) -> dict:
    """The autoencoder's epoch or the extractor's step."""
    spec = importlib.util.spec_from_file_location("config", Path(config_path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config, mesh = module.get_config(), slice_mesh(name, "batch")
    if what == "extractor":
        lowered, steps = aot_programs.extractor_step(mesh, config, batch=batch), 1
    else:
        steps = steps_per_epoch(CLIPS, batch_size=config.ae.batch_size)
        lowered = aot_programs.autoencoder_epoch(mesh, config, clips=CLIPS, steps=steps)
    return training_row(what, name, chip, lowered, steps)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--slices", nargs="+", default=list(SLICES))
    parser.add_argument("--n", type=int, nargs="*", default=[10**5, 10**6, 10**7])
    parser.add_argument("--d", type=int, default=128)
    parser.add_argument("--passes", type=int, default=6, help="of a block's selection")
    parser.add_argument(
        "--training",
        nargs="+",
        default=[],
        choices=["ae", "extractor"],
        help="also the AE's epoch, or the extractor's step, which compiles for many minutes",
    )
    parser.add_argument("--config", default="configs/dcase2021.py")
    parser.add_argument("--batch", type=int, default=128, help="of the extractor")
    parser.add_argument("--out", type=Path, default=Path("tpu_aot"))
    options = parser.parse_args()
    rows = []
    for name in options.slices:
        chip = CHIPS[name.partition(":")[0]]
        mesh = slice_mesh(name)
        for n in options.n:
            rows.append(smoothing_row(name, mesh, chip, n, options.d, options.passes))
            show(rows[-1])
            if name == "v5e:2x2/1":
                rows.append(smoothing_row("one H200", mesh, H200, n, options.d, options.passes))
                show(rows[-1])
        for what in options.training:
            rows.append(training(what, options.config, name, chip, options.batch))
            show(rows[-1])
    columns = dict.fromkeys(key for row in rows for key in row)
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

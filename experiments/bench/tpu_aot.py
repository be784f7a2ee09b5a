"""Compiles the project for TPUs that are not present: does it fit, and how long would it take?

    pip install -c constraints/py311.txt '.[tpu]'
    python experiments/bench/tpu_aot.py [--n 100000 1000000 10000000] [--training ae] --out tpu_aot

Needs the libtpu wheel (the extra `tpu`) and no TPU: the compiler describes the chips. Compiles the
smoothing for one chip and for slices, and with --training the autoencoder's epoch and the
extractor's step. Prints a row for each program and writes <out>.csv; the tables stand in
experiments/bench/README.md. One chip is a mesh over one device of v5e:2x2. A smoothing compiles in
seconds, the extractor's step in two to three minutes.

Seconds are computed, not measured. Float32 products are counted at a sixth of the vendor's peak for
bfloat16, six passes of which make one float32 product. Two further times are computed, and the
greater one is added as if nothing overlapped: the bytes that the compiler counts at the vendor's
memory bandwidth (of the features alone, where it keeps the blocks on the chip), and all other FLOPs
at the speed of the vector units, about lanes times clock. Sums between chips are left out: 4 d +
300 bytes a segment, and some ten sums of 10 us a block.

`cost_analysis` counts a loop's body once and for one device, so a body's cost is multiplied by the
loop's trips. The passes of a block's selection depend on the data: --passes, four to seven on
clustered features of 10^4 to 10^6 segments, K from 16 to 2,048. The body's cost holds one for each
of its two loops; the rest is added. Where the kernel of `tpu_bins` is used, the compiler takes its
cost from the source (`cost_of_bins`), the passes are over what it keeps, and rows that are done
again are counted once a block.
"""

import argparse
import csv
import os
import time
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # this process has no TPU; libtpu only compiles
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # several may compile at once

import aot_programs
import jax
import numpy as np
from inputs import load_config
from jax.sharding import Mesh

from jax_dns.data.sampler import steps_per_epoch
from jax_dns.smoothing.engine.grouped import block_rows
from jax_dns.smoothing.engine.tpu_bins import redone_rows
from jax_dns.smoothing.sharded.arrays import ROWS

N_CLIPS = 6 * round(0.85 * 1003)  # training clips of a machine type of DCASE 2021
PRODUCT_PASSES = 6  # of bfloat16 that make one float32 product
SAMPLE_PASSES = 4 / 16  # passes over a block that a body makes beyond the two counted ones


class Chip(NamedTuple):
    """The vendor's figures for one of JAX's devices: a chip, or one of a v4 chip's two cores."""

    flops: float  # per second, bfloat16
    vector: float  # operations per second outside the matrix unit: about lanes times clock
    bandwidth: float  # bytes per second of its memory
    memory: float  # bytes


# cloud.google.com/tpu/docs: pages v4, v5e, v5p, v6e, peak compute, HBM capacity and bandwidth.
CHIPS = {
    "v4": Chip(275e12 / 2, 4e12, 1.2e12 / 2, 16 * 2**30),
    "v5e": Chip(197e12, 6e12, 0.819e12, 16 * 2**30),
    "v5p": Chip(459e12, 14e12, 2.765e12, 95 * 2**30),
    "v6e": Chip(918e12, 6e12, 1.64e12, 32 * 2**30),
}
SLICES = ("v5e:2x2/1", "v5e:2x2", "v5e:4x4", "v4:2x2x1/2", "v4:2x2x1", "v6e:4x4")


def slice_mesh(name: str, axis: str = ROWS) -> Mesh:
    """Makes a mesh over a slice's chips; "v5e:2x2/1" is one chip of it.

    Raises:
      ImportError, RuntimeError: there is no libtpu.
    """
    import libtpu  # noqa: F401
    from jax.experimental import topologies

    topology, _, count = name.partition("/")
    devices = topologies.get_topology_desc(topology, "tpu").devices
    return Mesh(np.asarray(devices[: int(count) if count else None]), (axis,))


def read_costs(compiled: jax.stages.Compiled) -> tuple[float, float]:
    """Returns FLOPs and bytes on each device, loops counted once."""
    analysis = compiled.cost_analysis()
    return analysis.get("flops", 0.0), analysis.get("bytes accessed", 0.0)


def compile_if_it_fits(lowered: jax.stages.Lowered) -> jax.stages.Compiled | None:
    """Compiles a program; None where the compiler finds that it exceeds the device's memory."""
    try:
        return lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return None


def peak_gib(compiled: jax.stages.Compiled | None) -> float:
    """Returns the most memory that a program holds on a device, arguments included, in GiB."""
    if compiled is None:
        return float("inf")
    m = compiled.memory_analysis()
    peak = m.argument_size_in_bytes + m.temp_size_in_bytes + m.output_size_in_bytes
    return (peak - m.alias_size_in_bytes) / 2**30


def smoothing_row(name: str, mesh: Mesh, chip: Chip, n: int, d: int, passes: int) -> dict:
    """Estimates the smoothing of n segments."""
    p, (rows, columns, plan) = mesh.size, aot_programs.sizes(mesh, n)
    kind, width = mesh.devices.flat[0].device_kind, columns if plan is None else plan.kept
    block = block_rows(columns, kind=kind, memory=int(chip.memory), plan=plan) // p * p or p
    start, note = time.perf_counter(), ""
    gib = peak_gib(compile_if_it_fits(aot_programs.smoothing(mesh, n, d, block=block)))
    body = aot_programs.smoothing_body(mesh, n, d, block=block).compile()
    trips, more = -(-rows // (block // p)), passes - 2 + SAMPLE_PASSES
    passed = [(block, width)] + ([] if plan is None else [(redone_rows(block), columns)])
    costs = [read_costs(body)]
    for m, over in passed:
        count = aot_programs.counting_pass(mesh, rows=m, columns=over).compile()
        costs.append(tuple(more * x for x in read_costs(count)))
    flops, moved = (trips * sum(x) for x in zip(*costs))
    if plan is not None:
        note = f"{plan.bins} bins, {plan.rows} queries"
    elif body.memory_analysis().temp_size_in_bytes < 4 * block * columns:
        moved, note = trips * 4 * columns * d, "blocks stay on the chip"
    product = 2 * n * n * d / p
    floor = product * PRODUCT_PASSES / chip.flops
    return {
        "program": "smoothing",
        "slice": name,
        "n": n,
        "block": block,
        "trips": trips,
        "gib": gib,
        "memory": chip.memory / 2**30,
        "flops": flops * p,
        "to_product": flops / product,
        "bytes": moved * p,
        "floor_s": floor,
        "estimated_s": floor + max(moved / chip.bandwidth, (flops - product) / chip.vector),
        "compile_s": time.perf_counter() - start,
        "note": note,
    }


def training_row(program: str, name: str, config_path: str, chip: Chip, batch: int) -> dict:
    """Estimates the autoencoder's epoch ("ae") or the extractor's step ("extractor")."""
    config, mesh = load_config(config_path), slice_mesh(name, "batch")
    if program == "extractor":
        lowered, n_steps = aot_programs.extractor_step(mesh, config, batch=batch), 1
    else:
        n_steps = steps_per_epoch(N_CLIPS, batch_size=config.generative.batch_size)
        lowered = aot_programs.autoencoder_epoch(mesh, config, n_clips=N_CLIPS, n_steps=n_steps)
    start, compiled = time.perf_counter(), compile_if_it_fits(lowered)
    row = {
        "program": program,
        "slice": name,
        "trips": n_steps,
        "gib": peak_gib(compiled),
        "memory": chip.memory / 2**30,
    }
    if compiled is None:
        return row
    flops, moved = read_costs(compiled)
    text = compiled.as_text()
    transfers = [x for x in ("infeed", "outfeed", "send(", "recv(", "host_compute") if x in text]
    return row | {
        "flops": flops * n_steps,
        "bytes": moved * n_steps,
        "floor_s": n_steps * flops / chip.flops,
        "estimated_s": n_steps * (flops / chip.flops + moved / chip.bandwidth),
        "compile_s": time.perf_counter() - start,
        "note": f"transfers to or from the host: {', '.join(transfers) or 'none'}",
    }


def format_row(row: dict) -> str:
    """Formats a row as a line of text, and says where the program does not fit."""
    row = {"note": ""} | row
    if row["gib"] > row["memory"]:
        row["note"] += " does not fit"
    size = f"N={row['n']:<10,}" if "n" in row else f"x {row['trips']:<10}"
    numbers = ("flops", "bytes", "floor_s", "estimated_s", "compile_s")
    flops, moved, floor, estimated, compiled = (row.get(x, float("nan")) for x in numbers)
    return (
        f"{row['program']:10s} {row['slice']:11s} {size} {row['gib']:6.2f} of {row['memory']:3.0f} "
        f"GiB {flops:9.3g} FLOP {moved:9.3g} B  floor {floor:9.3g} s  estimated {estimated:9.3g} s"
        f"  (compiled in {compiled:.0f} s) {row['note']}"
    )


def main(arguments: list[str] | None = None) -> None:
    """Compiles every program for every slice, prints and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--slices", nargs="+", default=list(SLICES), help=f"(default: {' '.join(SLICES)})")
    add("--n", type=int, nargs="*", default=[10**5, 10**6, 10**7], help="numbers of segments")
    add("--d", type=int, default=128, help="feature size (default: 128)")
    add("--passes", type=int, default=6, help="over a block, to select (default: 6)")
    add(
        "--training",
        nargs="+",
        default=[],
        choices=["ae", "extractor"],
        help="also the AE's epoch, or the extractor's step, which compiles for minutes",
    )
    add("--config", default="configs/dcase2021.py", help="of the trainings")
    add("--batch", type=int, default=128, help="of the extractor (default: 128)")
    add("--out", type=Path, default=Path("tpu_aot"), help="prefix of the CSV")
    options = parser.parse_args(arguments)
    rows = []
    for name in options.slices:
        chip, mesh = CHIPS[name.partition(":")[0]], slice_mesh(name)
        for n in options.n:
            rows.append(smoothing_row(name, mesh, chip, n, options.d, options.passes))
            print(format_row(rows[-1]), flush=True)
        for program in options.training:
            rows.append(training_row(program, name, options.config, chip, options.batch))
            print(format_row(rows[-1]), flush=True)
    columns = dict.fromkeys(key for row in rows for key in row)
    with options.out.with_suffix(".csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()

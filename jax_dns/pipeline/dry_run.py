"""`jax-dns run --dry-run`: config and recordings checked, and a run's cost from one timed step."""

import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import build
from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.clips import Clip
from jax_dns.data.crops import segment_table
from jax_dns.data.decode import Format, Header, read_header
from jax_dns.errors import InputError
from jax_dns.files import local_path
from jax_dns.memory import available_on
from jax_dns.pipeline.field_ranges import check_sections
from jax_dns.pipeline.index import (
    Machine,
    Machines,
    data_root,
    hop_samples,
    make_synthetic,
    needed_clips,
    sections_tested,
    segment_samples,
    targets,
)
from jax_dns.pipeline.training_tasks import Task, list_tasks, schedule
from jax_dns.pipeline.validate_config import TRAINED, check, check_network
from jax_dns.training.batches import check_outliers, epoch_steps
from jax_dns.training.steps import initial_state, jitted_apply, train_step
from jax_dns.types import Facts, GradientModel
from jax_dns.wording import counted, duration

MB, GB = 1e6, 1e9
TIMED = 2  # executions; the shortest counts
FLOAT = 4  # bytes
NOTE = "fitting, smoothing, evaluation and the report not counted"


class Cost(NamedTuple):
    """What a compiled function takes."""

    compile_seconds: float
    seconds: float  # of one execution
    memory: int  # bytes of arguments, results and what is between


def dry_run(config: ConfigDict, workdir: str | Path) -> None:
    """Checks a config and its recordings, and prints what a whole run would take.

    Nothing is written; synthetic recordings that aren't there are made in a temporary folder.
    Times are those of one step, on noise and one device.

    Args:
      config: of the run.
      workdir: where the run would be.

    Raises:
      InputError: anything in the config or the recordings' headers that can't be used.
    """
    check(config)
    place = local_path(workdir, "workdir").absolute()
    tqdm.write("dry run: nothing is written")
    with tempfile.TemporaryDirectory(prefix="jax-dns-") as temporary:
        root = data_root(config, place)
        if config.synthetic.make and not config.data.root and not root.is_dir():
            make_synthetic(config, Path(temporary))
            root = data_root(config, Path(temporary))
        machines, decoded = _read_headers(config, needed_clips(config, root))
    names = targets(config, machines)
    for line in check_sections(config, {n: sections_tested(machines[n].clips) for n in names}):
        tqdm.write(line)
    seconds, checkpoints, memory = 0.0, 0, 0
    for kind in TRAINED:
        parts = [
            task
            for seed in config.seeds
            for task in list_tasks(config, kind, machines, {n: place / n for n in names}, seed)
        ]
        for cost in _trainings(config, kind, parts):
            seconds, checkpoints = seconds + cost[0], checkpoints + cost[1]
            memory = max(memory, cost[2])
    embedding, segments = _embedding(config, machines, names)
    tqdm.write(f"time: about {duration(seconds + embedding)} ({NOTE})")
    _print_space(place, decoded, checkpoints, segments)
    free = available_on(jax.local_devices()[0])
    known = "" if free is None else f", {_size(free)} are free"
    device = jax.devices()[0].device_kind
    tqdm.write(f"memory: {_size(memory)} for the largest step on {device}{known}")


def _read_headers(config: ConfigDict, clips: dict[str, list[Clip]]) -> tuple[Machines, int]:
    """Reads all headers; returns machine types without samples, and the bytes once decoded."""
    d = config.data
    audio_format = Format(d.sample_rate, d.channel, d.resample)

    def read(clip: Clip) -> Header | InputError:
        try:
            return read_header(clip.path, audio_format)
        except InputError as error:
            if not d.skip_corrupt:
                raise
            return error

    machines, decoded = {}, 0
    for name, some in clips.items():
        with ThreadPoolExecutor() as threads:
            headers = list(threads.map(read, some))
        usable = [(clip, h) for clip, h in zip(some, headers) if isinstance(h, Header)]
        length = np.asarray([header.length for _, header in usable], np.int64)
        size = int(length.sum()) * max((h.sample_bytes for _, h in usable), default=2)
        zeros, decoded = np.zeros(len(usable)), decoded + size
        blank = AudioStore(
            np.zeros(0, np.int16), zeros.astype(np.int64), length, zeros, zeros, ("",) * len(usable)
        )
        machines[name] = Machine([clip for clip, _ in usable], blank)
        left_out = f", {len(some) - len(usable)} unusable" if len(some) > len(usable) else ""
        time_of = duration(float(length.sum() / d.sample_rate))
        tqdm.write(f"{name}: {counted(len(usable), 'clip')}{left_out}, {time_of} of sound")
    return machines, decoded


def _trainings(config: ConfigDict, kind: str, tasks: list[Task]) -> list[tuple[float, int, int]]:
    """Times one kind's step, and prints it; returns seconds, bytes of checkpoints and of memory."""
    costs = []
    for facts in dict.fromkeys(task.facts for task in tasks):
        same = [task for task in tasks if task.facts == facts]
        check_network(config, kind, facts)
        model = build(config, kind, facts)
        title = f"train_{kind}: {len(same)} {model.name}"
        if not isinstance(model, GradientModel):
            tqdm.write(f"{title}, without gradients, not timed")
            continue
        for task in same:
            check_outliers(model, task.data, task.title)
        plan = schedule(config, kind)
        steps = [epoch_steps(model, task.data, plan) * plan.epochs for task in same]
        state = initial_state(model, same[0].seed)
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        cost = _cost(train_step(model), state, *_noise(model, facts, plan.batch_size, sum(steps)))
        seconds = cost.compile_seconds + sum(steps) * cost.seconds
        copies = 2 if plan.checkpoint == "best" else 1
        costs.append((seconds, copies * len(same) * size, cost.memory))
        tqdm.write(
            f"{title} of {counted(plan.epochs, 'epoch')}, {counted(sum(steps), 'step')}: compiling "
            f"{duration(cost.compile_seconds)}, {cost.seconds:.3g} s a step, about "
            f"{duration(seconds)}"
        )
    return costs


def _noise(model: GradientModel, facts: Facts, batch: int, n_steps: int) -> tuple[Any, ...]:
    """Returns a training step's arguments beside the state."""
    audio = np.random.default_rng(0).normal(size=(batch, facts.segment_samples))
    section = np.eye(facts.n_sections, dtype=np.float32)[np.arange(batch) % facts.n_sections]
    labels = {name: np.zeros(batch, np.int32) for name, _ in facts.n_labels}
    values = model.schedule(0, n_steps) if model.schedule else {}
    rates = {name: np.float32(value) for name, value in values.items()}
    is_target = np.ones(batch, np.float32)
    return audio.astype(np.float32), np.uint32(0), is_target, section, labels, rates


def _embedding(config: ConfigDict, machines: Machines, names: list[str]) -> tuple[float, int]:
    """Times a batch of the stage embed, and prints it; returns seconds and bytes of the result."""
    segment, hop, batch = segment_samples(config), hop_samples(config), _batch(config)
    n = sum(
        len(segment_table(machines[name].store.length, segment=segment, hop=hop)[0])
        for name in names
    ) * len(config.seeds)
    audio = np.random.default_rng(0).normal(size=(batch, segment)).astype(np.float32)
    facts, seconds, width = Facts(config.data.sample_rate, segment, n_sections=1), 0.0, 1
    for kind in TRAINED:
        model = build(config, kind, facts, trained=True)
        if isinstance(model, GradientModel):
            cost = _cost(jitted_apply(model), initial_state(model, 0).variables, audio)
            seconds += cost.compile_seconds + -(-n // batch) * cost.seconds
            if kind == "discriminative":
                shape = jax.eval_shape(model.apply, initial_state(model, 0).variables, audio)
                width = shape.shape[1]
    tqdm.write(f"embed: {counted(n, 'segment')}, about {duration(seconds)}")
    return seconds, n * (width + 1) * FLOAT


def _batch(config: ConfigDict) -> int:
    return config.discriminative.eval_batch_size


def _cost(function: Callable[..., Any], first: Any, *arguments: Any) -> Cost:
    """Compiles a jitted function of a pytree that it may donate, and times it."""
    started = time.perf_counter()
    compiled = function.lower(first, *arguments).compile()
    compile_seconds = time.perf_counter() - started
    kept, seconds = jax.tree.map(np.asarray, first), []
    for _ in range(TIMED):
        copy = jax.device_put(kept)
        started = time.perf_counter()
        jax.block_until_ready(compiled(copy, *arguments))
        seconds.append(time.perf_counter() - started)
    sizes = compiled.memory_analysis()
    memory = sizes.argument_size_in_bytes + sizes.temp_size_in_bytes if sizes else 0
    return Cost(compile_seconds, min(seconds), int(memory))


def _print_space(place: Path, decoded: int, checkpoints: int, segments: int) -> None:
    existing = next(folder for folder in (place, *place.parents) if folder.is_dir())
    parts = {"decoded recordings": decoded, "checkpoints": checkpoints, "segments": segments}
    sizes = ", ".join(f"{_size(size)} of {what}" for what, size in parts.items())
    free = shutil.disk_usage(existing).free
    warning = "" if sum(parts.values()) < free else "; NOT ENOUGH"
    tqdm.write(f"disk: {sizes}; {_size(free)} are free{warning}")


def _size(n: int) -> str:
    return f"{n / GB:.1f} GB" if n >= GB else f"{n / MB:.1f} MB"

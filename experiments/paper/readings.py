"""Evaluates other readings of the paper from a finished run's segments, without training."""

from collections.abc import Iterator, Mapping

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.evaluation.metrics import section_metrics
from jax_dns.pipeline.fit import inlier_results
from jax_dns.pipeline.method_results import Folders, MachineResults, RunResults
from jax_dns.pipeline.smooth import smoothing_results
from jax_dns.segments_file import clips_of, read_segments

# The config fields that answer one question which the paper leaves open, and every answer.
QUESTIONS = (
    (("smoothing.unit",), (("segment",), ("clip",))),
    (
        ("smoothing.groups", "smoothing.history"),
        (("section", "split"), ("machine", "split"), ("machine", "all")),
    ),
    (("smoothing.outside_pool",), (("smooth",), ("keep",))),
    (("smoothing.metric",), (("euclidean",), ("cosine",))),
    (("smoothing.same_clip",), ((True,), (False,))),
    (("inlier.split",), (("train",), ("valid",))),
)


def other_readings(config: ConfigDict) -> dict[str, ConfigDict]:
    """Returns configs that each answer one question differently from the run.

    Args:
      config: of the run. Questions about fields that its components lack are left out.

    Returns:
      The changed fields, as one would type them -> the config.
    """
    readings = {}
    for fields, answers in QUESTIONS:
        names = [field.split(".") for field in fields]
        if any(name not in config[part] for part, name in names):
            continue
        current = tuple(config[part][name] for part, name in names)
        for answer in answers:
            # Within a section the history makes no difference.
            if answer == current or answer[0] == current[0] == "section":
                continue
            changed = config.copy_and_resolve_references()
            for (part, name), value in zip(names, answer):
                changed[part][name] = value
            n_named = 1 if answer[0] == "section" else len(answer)
            text = ", ".join(f"{f}={v}" for f, v in zip(fields[:n_named], answer))
            readings[text] = changed
    return readings


def evaluate_readings(
    readings: Mapping[str, ConfigDict], folders: Folders, *, progress: bool = True
) -> Iterator[tuple[str, RunResults]]:
    """Evaluates the rows that each reading changes: the inlier model's or the smoothing's.

    Args:
      readings: of `other_readings`.
      folders: of each seed's machine types, with their segments.npz.
      progress: whether to show a bar.

    Yields:
      Name and results of one reading at a time.
    """
    total = sum(map(len, folders.values())) * len(readings)
    with tqdm(total=total, desc="readings", disable=None if progress else True) as bar:
        for name, config in readings.items():
            results: dict[int, dict[str, MachineResults]] = {}
            for seed, by_machine in folders.items():
                results[seed] = {}
                for machine, folder in by_machine.items():
                    segments, _ = read_segments(folder / "segments.npz")
                    test = segments.where(segments.split == "test")
                    if name.startswith("inlier."):
                        scored = inlier_results(config, segments, seed)
                    else:
                        every = smoothing_results(config, test)
                        scored = [r for r in every if r.parameter]  # a_G stays the same
                    clips = clips_of(test)
                    results[seed][machine] = MachineResults(
                        clips,
                        [r._replace(metrics=section_metrics(clips, r.scores)) for r in scored],
                    )
                    bar.update()
            yield name, results

"""Other readings of the paper, from a finished run's segments: nothing is trained again."""

from collections.abc import Iterator

from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.evaluation.metrics import section_metrics
from jax_dns.pipeline.smooth import Folders, MachineResults, RunResults, proposed, serial_oe
from jax_dns.segments_file import clips_of, read_segments

# Fields of the config that one question of the paper sets, and every answer to it.
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


def alternatives(config: ConfigDict) -> dict[str, ConfigDict]:
    """Configs that each answer one question of the paper in another way than the run's.

    Returns:
      The fields changed, as one would type them -> the config.
    """
    out = {}
    for fields, answers in QUESTIONS:
        names = [field.split(".") for field in fields]
        now = tuple(config[part][name] for part, name in names)
        for answer in answers:
            # The history is of no consequence within a section.
            if answer == now or answer[0] == now[0] == "section":
                continue
            changed = config.copy_and_resolve_references()
            for (part, name), value in zip(names, answer):
                changed[part][name] = value
            shown = 1 if answer[0] == "section" else len(answer)
            out[", ".join(f"{f}={v}" for f, v in zip(fields[:shown], answer))] = changed
    return out


def rated(
    configs: dict[str, ConfigDict], folders: Folders, *, progress: bool = True
) -> Iterator[tuple[str, RunResults]]:
    """Scores and rates what each config changes: SerialOE for `inlier`, else Proposed.

    Args:
      configs: of `alternatives`.
      folders: of the segments.
      progress: whether a bar is shown.

    Yields:
      Name and results, one alternative at a time.
    """
    total = sum(map(len, folders.values())) * len(configs)
    with tqdm(total=total, desc="readings", disable=None if progress else True) as bar:
        for name, config in configs.items():
            found: dict[int, dict[str, MachineResults]] = {}
            for seed, machines in folders.items():
                found[seed] = {}
                for machine, folder in machines.items():
                    segments, _ = read_segments(folder / "segments.npz")
                    test = segments.where(segments.split == "test")
                    of_inlier = name.startswith("inlier.")
                    results = (
                        serial_oe(config, segments, seed) if of_inlier else proposed(config, test)
                    )
                    clips = clips_of(test)
                    rows = [r._replace(metrics=section_metrics(clips, r.scores)) for r in results]
                    found[seed][machine] = MachineResults(clips, rows)
                    bar.update()
            yield name, found

"""The smooth stage: Eq. 7, for every K and pool."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import build, code_digest, component_key
from jax_dns.errors import InputError
from jax_dns.evaluation.results import MethodResult
from jax_dns.fingerprints import fingerprint, is_done, write_stamp
from jax_dns.pipeline.index import segment_samples, split_commas
from jax_dns.pipeline.method_results import (
    DOMAINS,
    check_scores,
    segments_digest,
    write_method_results,
)
from jax_dns.pipeline.training_tasks import describe
from jax_dns.segments_file import (
    Clips,
    Segments,
    clip_mean,
    clip_scores,
    clips_of,
    read_segments,
)
from jax_dns.smoothing.adaptive import (
    METHOD,
    exchange_within,
    smooth_adaptively,
    smooth_groups_adaptively,
)
from jax_dns.smoothing.transforms import transform_scores
from jax_dns.types import Facts, Setting, SmoothingRule

STAMP = "smoothed"


def smooth_key(config: ConfigDict, segments: str) -> str:
    """Fingerprints the stage's result, of segments with this digest."""
    c, d = config.smoothing, config.data
    readings = [c.data, c.unit, c.groups, c.history, c.outside_pool, c.transform, c.aggregate]
    method = describe(config, "generative").name
    return fingerprint(
        component_key(config, "smoothing"),
        readings,
        [code_digest(smooth_adaptively), c.adaptive_gate] if c.adaptive else [],
        list(d.dev_sections),
        list(d.eval_sections),
        method,
        segments,
    )


def smooth(config: ConfigDict, title: str, folder: Path) -> None:
    """Smooths the scores of one machine type, as far as that isn't done.

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      folder: of its results, with segments.npz.
    """
    c, current = config.smoothing, segments_digest(folder)
    key = smooth_key(config, current)
    if is_done(folder, STAMP, key):
        return
    segments, _ = read_segments(folder / "segments.npz")
    test = segments.where(segments.split == "test")
    results = smoothing_results(config, test)
    rule = smoothing_rule(config)
    for data in split_commas(c.data):
        usable = [r.value for r in results if r.data == data]
        if len(usable) < len(rule.settings):
            tqdm.write(
                f"{title}: {rule.parameter} up to {max(usable, default=0)} of {max(rule.settings)} "
                f"fits every section's pool, {data}"
            )
    if c.adaptive:
        results += adaptive_results(config, title, segments)
    path = folder / f"{STAMP}.npz"
    write_method_results(path, results, test)
    write_stamp(folder, STAMP, key, files=[path], segments=current)


def smoothing_results(config: ConfigDict, test: Segments) -> list[MethodResult]:
    """Computes the generative score and every setting of its smoothing.

    Args:
      config: of the run.
      test: test segments of one machine type.

    Returns:
      Clip scores: a_G's, then those of each pool and setting.
    """
    method, rule = describe(config, "generative").name, smoothing_rule(config)
    generative = clip_scores(clips_of(test), test.score, config.smoothing.aggregate)
    results = [MethodResult(method, "", 0, "", generative)]
    for data in split_commas(config.smoothing.data):
        for setting, scores in smoothed_clips(config, test, data).items():
            results.append(
                MethodResult(rule.name, rule.parameter, setting, data, scores, oracle=True)
            )
    return results


def adaptive_results(config: ConfigDict, title: str, segments: Segments) -> list[MethodResult]:
    """Smooths each section and domain by the amount that its known normals choose, and prints it.

    The known normals are the training clips that were held out, split "valid", and nothing else;
    those of one domain don't choose for the other. The clips of a section and domain exchange their
    a_G, so that domains stay in relation to each other. Items are clips, whose segments' scores and
    features are averaged: the rule's standard error takes items as independent, which overlapping
    segments of a recording are not.

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      segments: of one machine type, held-out and test.

    Returns:
      One result with nothing to choose; none where no training clips are held out.
    """
    known = segments.where((segments.split == "valid") & np.isfinite(segments.score))
    if not len(known.clip):
        tqdm.write(f"{title}: no {METHOD} row, no training clips are held out (split valid)")
        return []
    c, items, parts = config.smoothing, [], []
    for part in (segments.where(segments.split == "test"), known):
        clips = clips_of(part)
        features = clip_mean(clips, part.feature).astype(np.float32)
        parts.append(2 * clips.section + (clips.domain == "target"))
        items += [clip_scores(clips, part.score, c.aggregate), features, parts[-1]]
    scores, choices = smooth_groups_adaptively(
        *items, gate=float(c.adaptive_gate), metric=c.get("metric", "euclidean")
    )
    scores = exchange_within(items[0], scores, parts[0])
    for part, choice in choices.items():
        place = f"section {part // 2:02d} {('source', 'target')[part % 2]}"
        tqdm.write(f"{title}, {place}, {METHOD}: {choice.description}")
    return [MethodResult(METHOD, "", 0, "", scores)]


def smoothing_rule(config: ConfigDict) -> SmoothingRule:
    """Builds the rule that a config names."""
    facts = Facts(config.data.sample_rate, segment_samples(config), n_sections=1)
    return build(config, "smoothing", facts)


def smoothed_clips(
    config: ConfigDict, test: Segments, data: str
) -> dict[Setting, Float[np.ndarray, " c"]]:
    """Smooths for every setting, and averages over each clip's segments (Sec. IV.A).

    Args:
      config: of the run.
      test: test segments of one machine type.
      data: the pool, a key of DOMAINS.

    Returns:
      Setting -> clip scores; settings that some item has too few candidates for are left out.
    """
    clips = clips_of(test)
    smoothed = _smoothed_units(config, test, clips, data)
    if config.smoothing.unit == "segment":
        how = config.smoothing.aggregate
        smoothed = {setting: clip_scores(clips, row, how) for setting, row in smoothed.items()}
    return {setting: np.asarray(scores, np.float64) for setting, scores in smoothed.items()}


def smoothed_segments(
    config: ConfigDict, test: Segments, setting: Setting, data: str
) -> Float[np.ndarray, " n"]:
    """Smooths segment scores in one setting, as a run of this config does.

    Args:
      config: of the run.
      test: test segments of one machine type.
      setting: of the smoothing rule.
      data: the pool, a key of DOMAINS.

    Returns:
      [n] scores.

    Raises:
      InputError: a setting that doesn't fit every section's pool, or a config that smooths clips.
    """
    if config.smoothing.unit != "segment":
        raise InputError(
            f"smoothing.unit: {config.smoothing.unit!r}, expected segment to show segments' scores"
        )
    smoothed = _smoothed_units(config, test, clips_of(test), data, only=setting)
    if setting not in smoothed:
        rule = smoothing_rule(config)
        raise InputError(
            f"{rule.parameter}: {setting}, expected a value that fits every section's pool, {data}"
        )
    return smoothed[setting]


def largest_setting(config: ConfigDict, test: Segments, data: str) -> Setting:
    """Returns the largest of the rule's settings that fits every section's pool; 1 for none."""
    return max(_smoothed_units(config, test, clips_of(test), data), default=1)


def smoothing_groups(config: ConfigDict, test: Segments) -> Int[np.ndarray, " n"]:
    """Numbers the groups whose members may be neighbours, as `config.smoothing` reads the paper."""
    c = config.smoothing
    if c.groups == "section":
        return test.section
    if c.history == "all":
        return np.zeros_like(test.section)
    return np.isin(test.section, config.data.eval_sections).astype(np.int32)


def in_pool(test: Segments, data: str) -> Bool[np.ndarray, " n"]:
    """Returns which segments may be neighbours: those of the pool's domains."""
    return np.isin(test.domain, DOMAINS[data])


def _smoothed_units(
    config: ConfigDict,
    test: Segments,
    clips: Clips,
    data: str,
    *,
    only: Setting | None = None,
) -> Mapping[Setting, Float[np.ndarray, " n"]]:
    """Smooths segments, or clips, as `config.smoothing.unit` says; checks the rule's output."""
    c = config.smoothing
    if only and "ks" in c:
        c = c.copy_and_resolve_references()
        c.ks = (only,)
        config = config.copy_and_resolve_references()
        config.smoothing = c
    rule = smoothing_rule(config)
    pool, groups = in_pool(test, data), smoothing_groups(config, test)
    scores, features, clip = test.score, test.feature, clips.row
    if c.unit == "clip":
        first = np.unique(clips.row, return_index=True)[1]
        scores, features = clip_scores(clips, scores, c.aggregate), clip_mean(clips, features)
        pool, groups, clip = pool[first], groups[first], clip[first]
    try:
        scores = transform_scores(scores, groups, c.transform)
    except InputError as error:
        raise InputError(f"smoothing.{error}") from error
    smoothed = rule.smooth(scores, features, groups=groups, pool=pool, clip=clip)
    if not isinstance(smoothed, Mapping):
        raise InputError(
            f"component {rule.name}: returned {type(smoothed).__name__}, "
            "expected a dict of a setting's scores"
        )
    smoothed = {
        setting: check_scores(rule.name, values, len(scores))
        for setting, values in smoothed.items()
    }
    if c.outside_pool == "keep":
        smoothed = {setting: np.where(pool, row, scores) for setting, row in smoothed.items()}
    return smoothed

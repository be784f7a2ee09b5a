"""The fit stage: the inlier model h on f_D, for every setting."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import build, component_key
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
from jax_dns.segments_file import Segments, clip_scores, clips_of, read_segments
from jax_dns.types import Facts, InlierModel, Setting

STAMP = "inlier"


def fit_key(config: ConfigDict, seed: int, segments: str) -> str:
    """Fingerprints the stage's result, of segments with this digest."""
    c = config.inlier
    method = describe(config, "discriminative").name
    readings = [c.data, c.split, seed, method, config.smoothing.aggregate]
    return fingerprint(component_key(config, "inlier"), readings, segments)


def fit(config: ConfigDict, title: str, folder: Path, seed: int) -> None:
    """Fits the inlier models of one machine type, as far as that isn't done.

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      folder: of its results, with segments.npz.
      seed: of the models' initialisation.
    """
    c, current = config.inlier, segments_digest(folder)
    method = describe(config, "discriminative").name
    key = fit_key(config, seed, current)
    if is_done(folder, STAMP, key):
        return
    segments, _ = read_segments(folder / "segments.npz")
    train = segments.where(segments.split == c.split)
    test = segments.where(segments.split == "test")
    lacking = sorted({int(s) for s in test.section} - {int(s) for s in train.section})
    if lacking:
        tqdm.write(f"{title}: no {method} row, no {c.split} segments of section {lacking[0]}")
    path = folder / f"{STAMP}.npz"
    write_method_results(path, inlier_results(config, segments, seed), test)
    write_stamp(folder, STAMP, key, files=[path], segments=current)


def inlier_results(config: ConfigDict, segments: Segments, seed: int) -> list[MethodResult]:
    """Computes the discriminative method's clip scores for every setting.

    One inlier model is fitted to each section; a clip's score is the mean over its segments
    (Sec. IV.A).

    Args:
      config: of the run.
      segments: of one machine type, training and test.
      seed: of the models' initialisation.

    Returns:
      One result for each setting and training domain. A setting that some section has too few
      segments for is left out; all are, where a section of the test segments has no training
      segments.
    """
    model, method = inlier_model(config), describe(config, "discriminative").name
    clips = clips_of(segments.where(segments.split == "test"))
    results = []
    for data in split_commas(config.inlier.data):
        for setting in model.settings:
            scores = segment_scores(config, segments, setting, data, seed)
            if scores is not None:
                score = clip_scores(clips, scores, config.smoothing.aggregate)
                results.append(MethodResult(method, model.parameter, setting, data, score))
    return results


def inlier_model(config: ConfigDict) -> InlierModel:
    """Builds the inlier model that a config names."""
    facts = Facts(config.data.sample_rate, segment_samples(config), n_sections=1)
    return build(config, "inlier", facts)


def segment_scores(
    config: ConfigDict, segments: Segments, setting: Setting, data: str, seed: int
) -> Float[np.ndarray, " n"] | None:
    """Fits one model a section and scores the section's test segments.

    Args:
      config: of the run.
      segments: of one machine type, training and test.
      setting: of the inlier model.
      data: the domains to fit on, a key of DOMAINS.
      seed: of the models' initialisation.

    Returns:
      [n] scores of the test segments; None where a section has too few training segments.
    """
    model, name = inlier_model(config), config.inlier.name
    train = segments.where(segments.split == config.inlier.split)
    test = segments.where(segments.split == "test")
    allowed = np.isin(train.domain, DOMAINS[data])
    rows = {s: allowed & (train.section == s) for s in np.unique(test.section).tolist()}
    fewest = min(int(mask.sum()) for mask in rows.values())
    if fewest < max(1, model.fewest(setting)):
        return None
    scores = np.empty(len(test.score), np.float32)
    for section, mask in rows.items():
        is_target = train.domain[mask] == "target"
        try:
            variables = model.fit(train.feature[mask], is_target, setting, seed)
        except InputError as error:
            raise InputError(f"section {section:02d}: {error}") from error
        of_section = test.section == section
        output = model.apply(variables, test.feature[of_section])
        scores[of_section] = check_scores(name, output, int(of_section.sum()))
    return scores

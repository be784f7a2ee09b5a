"""Baselines on f_D for the tables: other inlier models, and each score smoothed as a_G is."""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from ml_collections import ConfigDict
from tqdm import tqdm

from jax_dns.components import code_digest, component_key
from jax_dns.config import inlier as inlier_fields
from jax_dns.errors import InputError
from jax_dns.evaluation.hyperparameters import select
from jax_dns.evaluation.metrics import section_metrics
from jax_dns.evaluation.results import BASELINES as TITLES
from jax_dns.evaluation.results import SMOOTHED_SUFFIX, MethodResult
from jax_dns.fingerprints import fingerprint, is_done, read_stamp, write_stamp
from jax_dns.pipeline import fit as fit_stage
from jax_dns.pipeline.index import split_commas
from jax_dns.pipeline.method_results import BASELINES as STAMP
from jax_dns.pipeline.method_results import (
    MachineResults,
    read_method_results,
    segments_digest,
    write_method_results,
)
from jax_dns.pipeline.select import largest_usable, read_selection
from jax_dns.pipeline.smooth import smooth_key, smoothed_clips, smoothing_rule
from jax_dns.segments_file import Segments, clip_scores, clips_of, read_segments


def baselines_key(config: ConfigDict, seed: int, segments: str, *, is_fitted: bool) -> str:
    """Fingerprints the baselines of segments with this digest; `is_fitted`: whether h is."""
    names = list(config.evaluation.baselines)
    code = [code_digest(add_baselines)]
    code += [component_key(_with_inlier(config, name), "inlier") for name in names]
    keys = [fit_stage.fit_key(config, seed, segments), smooth_key(config, segments)]
    return fingerprint(names, code, keys, is_fitted)


def is_fitted(config: ConfigDict, folder: Path, seed: int) -> bool:
    """Returns whether the inlier model h is fitted, with this config and these segments."""
    key = fit_stage.fit_key(config, seed, segments_digest(folder))
    return read_stamp(folder, fit_stage.STAMP).get("fingerprint") == key


def add_baselines(config: ConfigDict, title: str, folder: Path, seed: int) -> None:
    """Computes the baselines of one machine type, as far as that isn't done.

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      folder: of its results, with segments.npz, and inlier.npz where h is fitted.
      seed: of the models' initialisation.
    """
    current, fitted = segments_digest(folder), is_fitted(config, folder, seed)
    key = baselines_key(config, seed, current, is_fitted=fitted)
    if is_done(folder, STAMP, key):
        return
    segments, _ = read_segments(folder / "segments.npz")
    test, results = segments.where(segments.split == "test"), []
    if config.evaluation.baselines and fitted:
        inlier = read_method_results(folder / f"{fit_stage.STAMP}.npz")
        chosen = chosen_setting(config, inlier, test, folder)
        if chosen is not None:
            results += smoothed_results(
                config, title, test, chosen.method, _scores_of(config, segments, chosen, seed)
            )
    for name in config.evaluation.baselines:
        results += baseline_results(config, title, segments, name, seed)
    path = folder / f"{STAMP}.npz"
    write_method_results(path, results, test)
    write_stamp(folder, STAMP, key, files=[path], segments=current)


def chosen_setting(
    config: ConfigDict, inlier: list[MethodResult], test: Segments, folder: Path
) -> MethodResult | None:
    """Returns the setting of h chosen on the development sections, or earlier; None for neither.

    Both domains of a section are pooled for the choice.
    """
    clips = clips_of(test)
    rated = [result._replace(metrics=section_metrics(clips, result.scores)) for result in inlier]
    data = config.data
    rows = select(
        rated, dev_sections=data.dev_sections, eval_sections=data.eval_sections, pooled=True
    )
    if rows:
        return rows[0].result
    method = next((result.method for result in inlier), "")
    results = MachineResults(clips, inlier)
    return largest_usable(results, method, read_selection(folder, "pooled"))


def baseline_results(
    config: ConfigDict, title: str, segments: Segments, name: str, seed: int
) -> list[MethodResult]:
    """Computes the scores of an inlier model, in its default setting, and their smoothed form.

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      segments: of one machine type, training and test.
      name: a key of TITLES; it is fitted on all training clips of a section.
      seed: of its initialisation.

    Returns:
      Clip scores; none where a section of the test segments has too few training segments.
    """
    other = _with_inlier(config, name)
    # Features of one direction lie closer to each other than float32 tells from 0.
    precise = segments._replace(feature=segments.feature.astype(np.float64))
    model = fit_stage.inlier_model(other)
    everything = MethodResult(TITLES[name], model.parameter, model.settings[0], "all", np.zeros(0))
    try:
        scores = _scores_of(other, precise, everything, seed)
    except InputError as error:
        tqdm.write(f"{title}: no {TITLES[name]} row, {error}")
        return []
    test = segments.where(segments.split == "test")
    by_clip = clip_scores(clips_of(test), scores, config.smoothing.aggregate)
    raw = MethodResult(TITLES[name], "", 0, "", by_clip)
    return [raw, *smoothed_results(config, title, test, TITLES[name], scores)]


def smoothed_results(
    config: ConfigDict,
    title: str,
    test: Segments,
    method: str,
    scores: Float[np.ndarray, " n"],
) -> list[MethodResult]:
    """Smooths a baseline's segment scores by the run's rule, in every setting and pool (Eq. 7).

    Args:
      config: of the run.
      title: machine type and seed, for messages.
      test: test segments of one machine type.
      method: the baseline's name.
      scores: [n] its scores of these segments.

    Returns:
      Clip scores named "k-NN, smoothed" after the method; none where `smoothing.transform` doesn't
      take such scores.
    """
    rule, name = smoothing_rule(config), method + SMOOTHED_SUFFIX
    scored = test._replace(score=np.asarray(scores, np.float32))
    try:
        return [
            MethodResult(name, rule.parameter, setting, data, smoothed)
            for data in split_commas(config.smoothing.data)
            for setting, smoothed in smoothed_clips(config, scored, data).items()
        ]
    except InputError as error:
        tqdm.write(f"{title}: no row {name}, {error}")
        return []


def _with_inlier(config: ConfigDict, name: str) -> ConfigDict:
    """Returns the config with another inlier model in its default setting."""
    other = config.copy_and_resolve_references()
    with other.unlocked():
        other.inlier = inlier_fields(name, data=config.inlier.data, split=config.inlier.split)
    return other


def _scores_of(
    config: ConfigDict, segments: Segments, chosen: MethodResult, seed: int
) -> Float[np.ndarray, " n"]:
    """Returns the test segments' scores by the config's inlier model in one setting."""
    scores = fit_stage.segment_scores(config, segments, chosen.value, chosen.data, seed)
    if scores is None:
        raise InputError("a section has too few training segments")
    return scores

"""The fit stage: one inlier model a section."""

import numpy as np
import pytest
from pipeline.test_smooth import by_clip, segments

from jax_dns import config
from jax_dns.components import use_factories
from jax_dns.errors import InputError
from jax_dns.inlier.gmm import fit_mixture, negative_log_likelihood
from jax_dns.pipeline.fit import inlier_results
from jax_dns.segments_file import Segments
from jax_dns.types import InlierModel


def together(train, test):
    train = train._replace(split=np.full(len(train.clip), "train"))
    train = train._replace(clip=np.char.add("t", train.clip))
    return Segments(*(np.concatenate(columns) for columns in zip(train, test)))


def test_one_mixture_for_each_section(rng):
    train, test = segments(rng, 20), segments(rng)
    c = config.get_config()
    c.inlier.n_components = (1, 2, 64)
    results = inlier_results(c, together(train, test), 3)
    assert [(r.value, r.data) for r in results] == [
        (1, "source"),
        (2, "source"),
        (1, "all"),
        (2, "all"),
    ]
    assert {(r.method, r.parameter) for r in results} == {("SerialOE", "GMM")}
    expected = np.empty(len(test.score))
    for section in (0, 1):
        rows = (train.section == section) & (train.domain == "source")
        of_section = test.section == section
        mixture = fit_mixture(train.feature[rows], 2, seed=3)
        expected[of_section] = negative_log_likelihood(mixture, test.feature[of_section])
    np.testing.assert_allclose(results[1].scores, by_clip(expected), rtol=1e-5)


def test_every_section_needs_training_segments(rng):
    train, test = segments(rng), segments(rng)
    c = config.get_config()
    c.inlier.n_components = (1,)
    assert inlier_results(c, together(train.where(train.section == 0), test), 0) == []


def far(facts):
    """Distance to the mean of the source domain; nothing to choose."""

    def fit(features, is_target_domain, setting, seed):
        assert setting == 0
        return {"mean": features[~is_target_domain].mean(0)}

    return InlierModel(
        "", (0,), fit, lambda variables, x: np.linalg.norm(x - variables["mean"], axis=1)
    )


def test_another_model_without_settings(rng):
    train, test = segments(rng, 20), segments(rng)
    c = use_factories(config.get_config(), {"inlier": far})
    results = inlier_results(c, together(train, test), 0)
    assert [(r.parameter, r.value, r.data) for r in results] == [("", 0, "source"), ("", 0, "all")]


def test_a_model_that_returns_nonsense_is_named(rng):
    def broken(facts):
        return far(facts)._replace(apply=lambda variables, x: np.zeros(3))

    c = use_factories(config.get_config(), {"inlier": broken})
    with pytest.raises(InputError, match=r"broken: returned shape \[3\], expected \[18\] scores"):
        inlier_results(c, together(segments(rng, 20), segments(rng)), 0)

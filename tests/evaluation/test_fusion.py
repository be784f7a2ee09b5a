"""The mean of two scores' ranks."""

import numpy as np

from jax_dns.evaluation.fusion import rank_fusion, section_ranks
from jax_dns.evaluation.results import MethodResult
from jax_dns.segments_file import Clips

SECTION = np.asarray([0, 0, 0, 1, 1])
CLIPS = Clips(np.arange(5).astype(str), SECTION, np.full(5, "source"), SECTION, np.arange(5))


def test_ranks_are_taken_in_each_section():
    got = section_ranks(SECTION, np.asarray([5.0, 1, 5, 9, 8]))
    np.testing.assert_allclose(got, [2.5 / 3, 1 / 3, 2.5 / 3, 1, 0.5])


def test_the_row_in_each_setting_of_the_inlier_model():
    generative = MethodResult("IDNN", "", 0, "", np.asarray([1.0, 2, 3, 1, 2]))
    smoothed = MethodResult("Proposed", "K", 2, "all", np.zeros(5), oracle=True)
    others = [
        MethodResult("OE", "GMM", n, "all", n * np.asarray([-1.0, 2, -3, 4, -5])) for n in (1, -2)
    ]
    first, second = rank_fusion(CLIPS, [generative, smoothed], others)
    assert (first.method, first.setting, first.oracle) == ("IDNN + OE ranks", "GMM 1 all", False)
    np.testing.assert_allclose(first.scores, np.asarray([3, 5, 4, 4.5, 4.5]) / [6, 6, 6, 6, 6])
    assert second.value == -2 and not np.allclose(first.scores, second.scores)
    assert rank_fusion(CLIPS, [smoothed], others) == []

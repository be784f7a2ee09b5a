"""Segment scores over time."""

import numpy as np
import pytest

from jax_dns.report.score_strips import MOST, score_strip


def test_shades_span_the_range():
    strip = score_strip(
        np.asarray([0.0, 1.0, 2.0, 9.0]),
        np.asarray([-1.0, 0.0, 0.5, 1.0]),
        seconds=13.0,
        ranges=[(0.0, 2.0), (0.0, 1.0)],
    )
    assert strip == (13.0, [0, 50, 100, 100], [0, 0, 50, 100])
    alone = score_strip(np.zeros(2), None, seconds=12.0, ranges=[(0.0, 0.0), (0.0, 1.0)])
    assert alone == (12.0, [0, 0], [])


@pytest.mark.parametrize("at", [0, 311, 599])
def test_a_short_fault_in_a_long_clip_stays_visible(at):
    values = np.zeros(600)
    values[at] = 1.0
    strip = score_strip(values, None, seconds=603.0, ranges=[(0.0, 1.0), (0.0, 1.0)])
    assert len(strip.before) == MOST and max(strip.before) == 100
    assert strip.before.index(100) == at * MOST // 600

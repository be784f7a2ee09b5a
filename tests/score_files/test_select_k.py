"""K chosen by labels."""

import numpy as np
import pytest

from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import section_metrics, summary
from jax_dns.score_files.select_k import before_and_after, best_k, k_table
from jax_dns.segments_file import Clips


@pytest.fixture
def clips():
    n = 40
    section = np.repeat([0, 1], n // 2)
    domain = np.tile(["source", "source", "target", "target"], n // 4)
    name = np.asarray([str(i) for i in range(n)])
    return Clips(name, section, domain, np.tile([0, 1], n // 2).astype(np.int8), np.arange(n))


@pytest.mark.parametrize("pooled", [True, False])
@pytest.mark.parametrize("sections", [None, [0]])
def test_the_best_of_the_sections_that_choose(clips, rng, pooled, sections):
    ks = [1, 2, 4, 8]
    scores = rng.normal(size=(4, 40)) + clips.label
    selected = best_k(clips, ks, scores, sections=sections, pooled=pooled)
    choosing = sections or [0, 1]
    means = [summary(section_metrics(clips, s), sections=choosing, pooled=pooled) for s in scores]
    assert selected.k == ks[int(np.argmax(means))]
    assert [figure[1] for figure in selected.figures] == means
    assert selected.others == ([1] if sections else [])
    assert ("oracle" in selected.how) == (sections is None)
    lines = k_table(selected, title="fan", pooled=pooled).splitlines()
    assert [line.split()[-1] == "chosen" for line in lines[2:]] == [k == selected.k for k in ks]


def test_ties_go_to_the_smaller_k(clips):
    scores = np.tile(clips.label.astype(float), (3, 1))
    assert best_k(clips, [4, 2, 8], scores).k == 2


def test_labels_are_needed(clips):
    scores = np.zeros((1, 40))
    with pytest.raises(InputError, match=r"sections 03 without labels of both classes .label"):
        best_k(clips, [1], scores, sections=[0, 3])
    unlabelled = clips._replace(label=np.full(40, -1, np.int8))
    with pytest.raises(InputError, match="--k auto: no section has labelled clips of both"):
        best_k(unlabelled, [1], scores)
    assert before_and_after(unlabelled, scores[0], {1: scores[0]}) == ""


def test_before_and_after_has_a_column_for_each_k(clips):
    perfect, worst = clips.label.astype(float), -clips.label.astype(float)
    lines = before_and_after(clips, worst, {2: perfect, 4: worst}).splitlines()
    assert lines[0].split()[-7:] == ["before", "K", "=", "2", "K", "=", "4"]
    assert [line.split()[-3:] for line in lines[1:]] == [["0.00", "100.00", "0.00"]] * 2

"""Every entry's resamples equal the metrics of the resampled clips, repeated as drawn."""

import numpy as np
import pytest
from paper import bootstrap_table

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.evaluation.metrics import auc, harmonic_mean, section_metrics, summary
from jax_dns.evaluation.results import MethodResult
from jax_dns.pipeline.method_results import MachineResults
from jax_dns.segments_file import Clips


def make_results(rng, order):
    """Results of one machine type and seed, its clips in the given order."""
    section, domain, label = (
        x.ravel() for x in np.meshgrid((0, 5), ("source", "target"), (0, 1) * 12, indexing="ij")
    )
    name = np.asarray([f"{i:03d}" for i in range(len(section))])
    clips = Clips(name[order], section[order], domain[order], label[order], order)

    def result(*setting, oracle=False):
        scores = rng.normal(size=len(name)) + clips.label
        return MethodResult(*setting, scores, section_metrics(clips, scores), oracle)

    settings = [("Proposed", "K", k, data) for k in (1, 8) for data in ("source", "all")]
    return MachineResults(
        clips,
        [result("AE", "", 0, ""), *(result(*setting, oracle=True) for setting in settings)],
    )


@pytest.fixture
def runs(rng):
    """Two seeds, whose segments.npz list the clips in different orders."""
    n = 96
    return {
        seed: {machine: make_results(rng, rng.permutation(n)) for machine in ("ToyCar", "fan")}
        for seed in (0, 1)
    }


@pytest.fixture
def settings():
    c = config.get_config()
    c.data.dev_sections, c.data.eval_sections = (0,), (5,)
    return c


def drawn(clips, scores, counts, number):
    """The metrics of one resample, its clips written out."""
    times = [counts[name][number] for name in clips.name]
    rows = np.repeat(np.arange(len(times)), times)
    return section_metrics(Clips(*(column[rows] for column in clips)), scores[rows])


@pytest.mark.parametrize("reading", ["pooled", "by_domain"])
def test_the_same_clips_are_drawn_for_every_method_and_seed(runs, settings, reading):
    counts = bootstrap_table.draw_clips(runs, n_resamples=5, seed=3)
    chosen = bootstrap_table.choose_rows(settings, runs, reading)
    entries = bootstrap_table.make_entries(settings, runs, chosen, counts, reading)
    pooled = reading == "pooled"
    assert list(entries) == ["AE", "Proposed", "Proposed (Oracle)"]
    for method, row in entries.items():
        assert list(row) == ["ToyCar", "fan", "ToyCar-5", "All-hmean"]
        for number in range(5):
            values = {}
            for seed, machines in runs.items():
                for machine, one in machines.items():
                    (choice,) = (c for c in chosen[seed][machine] if c.label == method)
                    again = drawn(one.clips, choice.result.scores, counts[machine], number)
                    value = values[seed, machine] = summary(again, sections=(5,), pooled=pooled)
                    assert row[machine].resamples[seed, number] == pytest.approx(value)
                both = [values[seed, machine] for machine in machines]
                assert row["All-hmean"].resamples[seed, number] == pytest.approx(
                    harmonic_mean(both)
                )
                clips = runs[seed]["ToyCar"].clips
                (choice,) = (c for c in chosen[seed]["ToyCar-5"] if c.label == method)
                again = drawn(clips, choice.result.scores, counts["ToyCar"], number)
                five = [c.auc for c in again if c.section == 5 and (c.domain == "all") == pooled]
                assert row["ToyCar-5"].resamples[seed, number] == pytest.approx(harmonic_mean(five))
                assert row["All-hmean"].values[seed] == pytest.approx(
                    harmonic_mean(row[machine].values[seed] for machine in machines)
                )


def test_toycar_5_is_an_auc_with_an_oracle_of_its_own(runs, settings):
    chosen = bootstrap_table.choose_rows(settings, runs, "pooled")
    for seed, columns in chosen.items():
        one = runs[seed]["ToyCar"]
        mask = one.clips.section == 5
        aucs = {
            (c.value, c.data): auc(one.clips.label[mask], c.scores[mask])
            for c in one.results
            if c.method == "Proposed"
        }
        ae, proposed, oracle = columns["ToyCar-5"]
        assert oracle.evaluation == pytest.approx(max(aucs.values()))
        assert oracle.result[2:4] == max(aucs, key=aucs.get)
        of_toycar = {c.label: c.result for c in columns["ToyCar"]}
        assert proposed.result is of_toycar["Proposed"] and ae.result is of_toycar["AE"]
    settings.data.eval_sections = (4,)
    assert "ToyCar-5" not in bootstrap_table.choose_rows(settings, runs, "pooled")[0]


def test_a_machine_types_draw_is_its_own(rng):
    order = np.arange(96)
    runs = {0: {machine: make_results(rng, order) for machine in ("ToyCar", "fan")}}
    both = bootstrap_table.draw_clips(runs, n_resamples=9, seed=0)
    alone = bootstrap_table.draw_clips({0: {"fan": runs[0]["fan"]}}, n_resamples=9, seed=0)
    for clip, counts in alone["fan"].items():
        np.testing.assert_array_equal(counts, both["fan"][clip])
    assert any((counts != both["ToyCar"][clip]).any() for clip, counts in alone["fan"].items())


def test_seeds_with_other_clips_are_refused(runs):
    one = runs[1]["fan"]
    runs[1]["fan"] = one._replace(clips=one.clips._replace(name=np.char.add(one.clips.name, "x")))
    with pytest.raises(InputError, match=r"fan: the test clips of seed 1 differ .* 000, 000x, 001"):
        bootstrap_table.draw_clips(runs, n_resamples=2, seed=0)

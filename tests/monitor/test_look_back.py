"""Looking back finds a group of faults that a_G alone doesn't separate."""

import numpy as np

from jax_dns.monitor.history import ClipRecord, History
from jax_dns.monitor.known_normals import KnownNormals
from jax_dns.monitor.look_back import look_back


def test_a_group_of_faults_is_seen_and_normal_clips_are_left(tmp_path, rng):
    known = KnownNormals(
        np.zeros((1, 3), np.float32),
        rng.normal(size=60),
        np.ones(60),
        0.5 * rng.normal(size=(60, 3)),
    )
    history = History.open(tmp_path, k=4)
    for section, faults in ((0, 65), (1, 0)):
        for i in range(130):
            fault = i < faults
            feature = 0.5 * rng.normal(size=(2, 3)) + 1.5 * fault
            score = rng.normal() + 0.5 * rng.normal(size=2) + 0.8 * fault
            record = ClipRecord(f"{i}.wav", f"{i}", float(i))
            history.append("fan", section, record, score, feature)
    back = look_back(history, "fan", 0, known, "mean")
    assert len(back.number) == 128 and back.number[-1] == 130  # a power of two, the last ones
    assert back.choice.k > 1
    highest = np.argsort(-back.scores)[:20]
    assert (back.number[highest] <= 65).mean() > 0.8
    assert look_back(history, "fan", 1, known, "mean").choice.k == 1
    assert look_back(history, "fan", 2, known, "mean") is None
    history.close()

"""A machine type's part of the report."""

import numpy as np
import pytest
from pipeline import report_workdirs

from jax_dns.fingerprints import write_stamp
from jax_dns.pipeline.method_results import segments_digest, write_method_results
from jax_dns.pipeline.select import chosen_rows
from jax_dns.pipeline.smooth import smoothed_segments, smoothing_results
from jax_dns.pipeline.workdir import open_run
from jax_dns.report.machine_part import machine_part
from jax_dns.segments_file import Segments, read_segments, write_segments

pytest.importorskip("matplotlib", reason="extra viz")
TIMES = 12  # segments of a long clip: 4 s and 11 steps of 1 s


@pytest.fixture
def long_clips(tmp_path, rng):
    """A workdir whose first clip has 12 segments, in no order, and the others one."""
    workdir = report_workdirs.make(tmp_path, sound=False)
    folder = workdir / "fan"
    segments, _ = read_segments(folder / "segments.npz")
    rows = np.concatenate([np.zeros(TIMES - 1, int), np.arange(len(segments.clip))])
    order = rng.permutation(len(rows))
    longer = segments.where(rows[order])
    number = np.concatenate([np.arange(1, TIMES), np.zeros(len(segments.clip), int)])[order]
    noise = rng.normal(size=(2, len(rows))).astype(np.float32)
    longer = Segments(
        *longer._replace(
            segment=number.astype(np.int32),
            score=longer.score + noise[0],
            feature=longer.feature + noise[1][:, None],
        )
    )
    write_segments(folder / "segments.npz", longer)
    config = open_config(workdir)
    write_method_results(folder / "smoothed.npz", smoothing_results(config, longer), longer)
    write_stamp(folder, "smoothed", "s", segments=segments_digest(folder))
    return workdir, longer


def open_config(workdir):
    from jax_dns.pipeline.workdir import read_config

    config = read_config(workdir)
    with config.unlocked():
        config.smoothing.ks = (1, 4)
    return config


def test_long_clips_have_their_scores_over_time(long_clips):
    workdir, segments = long_clips
    _, folders, results = open_run(workdir)
    config = open_config(workdir)
    chosen = chosen_rows(config, results, "pooled")
    part = machine_part(config, results, chosen, "fan", folders[0]["fan"], root=no_recordings)
    strips = {clip.name: clip.strip for clip in (*part.moved, *part.top) if clip.strip}
    name = str(segments.clip[segments.segment == TIMES - 1][0])
    strip = strips.pop(name)
    assert strips == {} and strip.seconds == 15.0
    setting = part.setting.split(",")[0]  # such as "K=4 source"
    k, data = int(setting[2]), setting.split()[1]
    after = smoothed_segments(config, segments, k, data)
    rows = np.flatnonzero(segments.clip == name)
    rows = rows[np.argsort(segments.segment[rows])]
    for shades, scores in ((strip.before, segments.score), (strip.after, after)):
        low, high = np.percentile(scores, (2, 98))
        expected = np.clip(100 * (scores[rows] - low) / (high - low), 0, 100).round()
        np.testing.assert_array_equal(shades, expected)


def no_recordings():
    from jax_dns.errors import InputError

    raise InputError("no recordings here")


def test_pictures_and_summary(tmp_path):
    workdir = report_workdirs.make(tmp_path, sound=False)
    config, folders, results = open_run(workdir)
    chosen = chosen_rows(config, results, "pooled")
    part = machine_part(config, results, chosen, "fan", folders[0]["fan"], root=no_recordings)
    assert [len(picture.panels) for picture in part.pictures] == [2, 2]
    assert (
        part.summary.startswith("AE ") and ", Proposed 100.00, Proposed (Oracle) " in part.summary
    )
    assert "selected" in part.pictures[0].panels[0]
    assert part.note == "Recordings of 10 of these 10 clips are missing: no recordings here"

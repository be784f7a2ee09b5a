"""Cards of clips: which clips, which recordings, and what is written where one is missing."""

import numpy as np
import pytest
from conftest import write_clip

from jax_dns import config
from jax_dns.errors import InputError
from jax_dns.report.clip_cards import clip_cards, is_small
from jax_dns.segments_file import Clips

pytest.importorskip("matplotlib", reason="extra viz")
NAMES = [f"section_00_source_test_normal_{i:04d}.wav" for i in range(12)]


@pytest.fixture
def root(tmp_path):
    for seed, name in enumerate(NAMES):
        write_clip(tmp_path / "fan" / "source_test" / name, seed=seed)
    return tmp_path


def cards(before, after, root_of):
    clips = Clips(
        np.asarray(NAMES),
        np.zeros(12, np.int32),
        np.full(12, "source"),
        np.zeros(12, np.int8),
        np.arange(12),
    )
    return clip_cards(
        config.get_config(),
        clips,
        "fan",
        before=before,
        after=after,
        root=root_of,
        lossless=True,
        strips={},
    )


def test_moved_and_top_clips_with_sound(root, rng):
    before, after = rng.normal(size=12), rng.normal(size=12)
    made = cards(before, after, lambda: root)
    moves = np.abs(np.argsort(np.argsort(-before)) - np.argsort(np.argsort(-after)))
    shown = [abs(c.ranks[0] - c.ranks[1]) for c in made.moved]
    assert shown == sorted(moves, reverse=True)[:10]
    assert [c.name for c in made.top] == [NAMES[i] for i in np.argsort(-after)[:10]]
    assert all(c.spectrogram and c.sound and c.seconds == 1.0 for c in made.moved)
    assert made.note == "" and made.decibels[0] < made.decibels[1]


def test_a_missing_recording_and_a_missing_folder_are_named(root, rng):
    before, after = rng.normal(size=12), rng.normal(size=12)
    lost = cards(before, after, lambda: root).moved[0].name
    (root / "fan" / "source_test" / lost).unlink()
    made = cards(before, after, lambda: root)
    assert (made.moved[0].missing, made.moved[0].sound) == ("no recording of this name", "")
    assert made.note == "Recordings of 1 of these 10 clips are missing"

    def gone():
        raise InputError("data.root: /nowhere is no folder")

    made = cards(before, after, gone)
    assert {c.missing for c in made.moved} == {"no recording"}
    assert made.note.endswith("missing: data.root: /nowhere is no folder")


def test_lossless_sound_only_where_the_page_stays_small():
    c = config.get_config()
    assert is_small(c, 1) and not is_small(c, 7)
    c.data.sample_rate = 1_000
    assert is_small(c, 7)

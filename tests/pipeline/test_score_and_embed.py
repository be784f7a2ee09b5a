"""Every segment goes through both paths of Fig. 2, in batches of one size."""

import threading

import numpy as np
import pytest

from jax_dns.data.audio_cache import AudioStore
from jax_dns.data.crops import read_segments
from jax_dns.errors import InputError
from jax_dns.pipeline import score_and_embed as embedding
from jax_dns.pipeline.score_and_embed import score_and_embed


@pytest.fixture
def store(rng):
    lengths = np.asarray([50, 20, 30])
    return AudioStore(
        rng.normal(size=100).astype(np.float32),
        np.asarray([0, 50, 70]),
        lengths,
        np.zeros(3),
        np.ones(3),
        ("",) * 3,
    )


def test_all_segments_in_order_and_in_full_batches(store, capsys):
    sizes = []

    def generative(audio):
        sizes.append(len(audio))
        return audio.sum(1)

    which, number, score, feature = score_and_embed(
        [(store, 2), (store, 0), (store, 1)],
        generative,
        lambda audio: audio[:, :2],
        segment=20,
        hop=10,
        batch_size=4,
        title="fan",
    )
    assert which.tolist() == [0, 0, 1, 1, 1, 1, 2] and number.tolist() == [0, 1, 0, 1, 2, 3, 0]
    assert sizes == [4, 4]
    rows = np.asarray([2, 0, 1])[which]
    expected = read_segments([(store, int(r)) for r in rows], number * 10, segment=20)
    np.testing.assert_allclose(score, expected.sum(1), rtol=1e-6)
    np.testing.assert_array_equal(feature, expected[:, :2])
    assert capsys.readouterr().out.startswith("fan: embedded 3 clips in ")


def test_batches_are_cut_in_other_threads_and_ahead(store, monkeypatch):
    """The second batch is read before the first is scored: else this would wait for ever."""
    later, cutters = threading.Event(), set()

    def watched(recordings, starts, *, segment):
        cutters.add(threading.current_thread())
        if starts[0] > 0:
            later.set()
        return read_segments(recordings, starts, segment=segment)

    def generative(audio):
        assert later.wait(10)
        return audio[:, 0]

    monkeypatch.setattr(embedding, "read_segments", watched)
    _, number, score, _ = score_and_embed(
        [(store, 0)], generative, lambda audio: audio, segment=10, hop=10, batch_size=1, title="fan"
    )
    np.testing.assert_array_equal(score, store.samples[number * 10])
    assert threading.main_thread() not in cutters


def test_an_error_ends_the_stream(store):
    def generative(audio):
        raise ValueError("no network")

    before = threading.active_count()
    with pytest.raises(ValueError, match="no network"):
        score_and_embed(
            [(store, 0)],
            generative,
            lambda audio: audio,
            segment=10,
            hop=10,
            batch_size=1,
            title="fan",
        )
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("generative", "discriminative", "message"),
    [
        (lambda x: x, lambda x: x, r"component G: apply returned shape \[4, 20\] for 4 segments"),
        (lambda x: x[:, 0], lambda x: x[:, 0], r"component D: .* expected \[4, d\] features"),
        (lambda x: x[:3, 0], lambda x: x, r"component G: .* \[3\] .* expected \[4\] scores"),
        (lambda x: np.log(x[:, 0]), lambda x: x, "component G: .* isn't finite"),
        (lambda x: x[:, 0], lambda x: np.log(x), "component D: .* isn't finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_component_that_returns_nonsense_is_named(store, generative, discriminative, message):
    with pytest.raises(InputError, match=message):
        score_and_embed(
            [(store, 0)],
            generative,
            discriminative,
            segment=20,
            hop=10,
            batch_size=4,
            title="fan",
            names=("G", "D"),
        )

"""Every segment goes through both paths of Fig. 2, in batches of one size."""

import numpy as np

from jax_dns.data.audio import AudioStore
from jax_dns.data.segments import cut
from jax_dns.scoring.embedding import score_and_embed


def test_all_segments_in_order_and_in_full_batches(rng):
    lengths = np.asarray([50, 20, 30])
    store = AudioStore(
        rng.normal(size=100).astype(np.float32), np.asarray([0, 50, 70]), lengths, np.zeros(3),
        np.ones(3), ("",) * 3,
    )  # fmt: skip
    sizes = []

    def generative(audio):
        sizes.append(len(audio))
        return audio.sum(1)

    which, number, score, feature = score_and_embed(
        [(store, 2), (store, 0), (store, 1)], generative, lambda audio: audio[:, :2],
        segment=20, hop=10, batch_size=4,
    )  # fmt: skip
    assert which.tolist() == [0, 0, 1, 1, 1, 1, 2] and number.tolist() == [0, 1, 0, 1, 2, 3, 0]
    assert sizes == [4, 4]
    rows = np.asarray([2, 0, 1])[which]
    expected = cut([(store, int(r)) for r in rows], number * 10, segment=20)
    np.testing.assert_allclose(score, expected.sum(1), rtol=1e-6)
    np.testing.assert_array_equal(feature, expected[:, :2])

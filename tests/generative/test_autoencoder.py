"""The ten-layer autoencoder."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns.features import decibel, mel_spectrogram, stack_frames
from jax_dns.generative.autoencoder import Autoencoder, autoencoder, reconstruction_error
from jax_dns.generative.log_mel import LogMel
from jax_dns.types import Batch, Facts


def test_ten_layers_of_the_baselines_sizes(rng):
    model = Autoencoder()
    variables = model.init(jax.random.key(0), jnp.zeros((2, 640)), train=False)
    kernels = [variables["params"][f"Dense_{i}"]["kernel"].shape for i in range(10)]
    sizes = [640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640]
    assert kernels == list(itertools.pairwise(sizes))
    # Weights and biases, and scale and shift of nine BatchNorms.
    expected = sum(a * b + b for a, b in kernels) + 2 * sum(sizes[1:-1])
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == expected == 267_928


def test_equals_its_layers_in_numpy(rng):
    model = Autoencoder()
    windows = rng.normal(size=(4, 20)).astype(np.float32)
    variables = model.init(jax.random.key(0), windows, train=False)
    x = windows.astype(np.float64)
    for i in range(10):
        layer = variables["params"][f"Dense_{i}"]
        x = x @ np.asarray(layer["kernel"], np.float64) + np.asarray(layer["bias"])
        if i < 9:  # at first BatchNorm's mean is 0, its variance 1
            x = np.maximum(x / np.sqrt(1 + 1e-3), 0)
    np.testing.assert_allclose(model.apply(variables, windows, train=False), x, atol=1e-5)


def test_training_uses_and_updates_the_batchs_statistics(rng):
    model = Autoencoder(bn_momentum=0.9)
    windows = 5 + rng.normal(size=(64, 20)).astype(np.float32)
    variables = model.init(jax.random.key(0), windows, train=False)
    out, updated = model.apply(variables, windows, train=True, mutable=["batch_stats"])
    first = windows @ variables["params"]["Dense_0"]["kernel"]
    expected = 0.1 * np.asarray(first).mean(0)
    got = updated["batch_stats"]["BatchNorm_0"]["mean"]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(out, model.apply(variables, windows, train=False))


FACTS = Facts(16_000, segment_samples=4_096, n_sections=2)


def test_the_score_is_the_mean_error_of_a_segments_windows(rng):
    """Eq. 2 from the features on, window by window."""
    component = autoencoder(FACTS, mel=LogMel(n_mels=16))
    audio = rng.normal(size=(3, 4_096)).astype(np.float32)
    variables = component.init(jax.random.key(0))
    got = component.apply(variables, jnp.asarray(audio))
    options = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=16, fmin=50.0, fmax=7800.0)
    for segment, score in zip(audio, got):
        log_mel = np.asarray(decibel(mel_spectrogram(jnp.asarray(segment), **options)))
        windows = np.stack([log_mel[:, i : i + 5].T.ravel() for i in range(9 - 4)])
        out = np.asarray(Autoencoder().apply(variables, windows, train=False))
        np.testing.assert_allclose(score, np.mean((windows - out) ** 2), rtol=1e-4)


def test_the_loss_is_eq_1(rng):
    component = autoencoder(FACTS, mel=LogMel(n_mels=16))
    audio = jnp.asarray(rng.normal(size=(3, 4_096)), jnp.float32)
    variables = component.init(jax.random.key(0))
    zero = np.zeros(3, np.float32)
    loss, stats = component.loss(
        variables, Batch(audio, zero, zero[:, None], {}), jax.random.key(1)
    )
    options = dict(sample_rate=16_000, n_fft=1024, hop=512, n_mels=16, fmin=50.0, fmax=7800.0)
    windows = np.asarray(stack_frames(decibel(mel_spectrogram(audio, **options)), 5))
    windows = windows.reshape(-1, 80)
    out, updated = Autoencoder().apply(variables, windows, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(loss, np.mean((windows - np.asarray(out)) ** 2), rtol=1e-4)
    jax.tree.map(np.testing.assert_array_equal, stats, updated["batch_stats"])


def test_reconstruction_error_is_the_mean_square(rng):
    a, b = rng.normal(size=(2, 3, 8)).astype(np.float32)
    expected = [sum((x - y) ** 2 for x, y in zip(r, s)) / 8 for r, s in zip(a, b)]
    np.testing.assert_allclose(reconstruction_error(jnp.asarray(a), jnp.asarray(b)), expected, 1e-5)

"""The two-branch network: its inputs, sizes and loss."""

import itertools

import jax
import jax.numpy as jnp
import librosa
import numpy as np

from jax_dns.discriminative import spectra_net as module
from jax_dns.discriminative.angular_losses import adacos_loss, next_scale
from jax_dns.discriminative.spectra_net import (
    L2,
    SpectraNet,
    moving_spectrogram,
    spectra_net,
    spectrum,
    weight_penalty,
)
from jax_dns.types import Batch, Facts

FACTS = Facts(16_000, segment_samples=16_000, n_sections=3)


def test_inputs_equal_numpys_and_librosas(rng):
    audio = rng.normal(size=(2, 16_000)).astype(np.float32)
    expected = np.abs(np.fft.rfft(audio))
    assert spectrum(audio).shape == (2, 8_000)
    np.testing.assert_allclose(spectrum(audio), expected[:, :-1], rtol=1e-3, atol=1e-2)
    stft = np.abs(librosa.stft(audio, n_fft=1024, hop_length=512, pad_mode="reflect"))
    moving = np.swapaxes(stft - stft.mean(-1, keepdims=True), 1, 2)
    np.testing.assert_allclose(moving_spectrogram(audio), moving, atol=2e-3)


def test_parameters_for_the_originals_ten_seconds():
    """Counted by hand from the original's layers: no biases, BatchNorm's scales."""
    model = SpectraNet(n_classes=3, n_centers=2, bn_momentum=0.9)
    audio = jax.ShapeDtypeStruct((1, 160_000), jnp.float32)
    shapes = jax.eval_shape(lambda k, a: model.init(k, a, train=False), jax.random.key(0), audio)
    params = shapes["params"]
    flat = 10 * 128  # 80,000 bins / 64 / 32 / 4
    whole = 256 * 128 + 64 * 128 * 128 + 16 * 128 * 128 + flat * 128 + 4 * 128**2 + 4 * 128
    sizes = [16, 16, 32, 64, 128]
    blocks = sum(9 * (a * b + 3 * b * b) + 4 * b for a, b in itertools.pairwise(sizes))
    skips = sum(a * b for a, b in itertools.pairwise(sizes[1:]))
    dense = 17 * 128 * 128  # 513 bins halved five times, all of them kept
    parts = 1 + 49 * 16 + 16 + blocks + skips + dense
    count = {name: sum(x.size for x in jax.tree.leaves(part)) for name, part in params.items()}
    assert count == {"SpectrumBranch_0": whole, "SpectrogramBranch_0": parts}
    assert shapes["batch_stats"]["centers"].shape == (3, 2, 256)


def test_the_penalty_is_that_of_kernels_alone():
    params = {"a": {"kernel": jnp.asarray([[1.0, -2.0]])}, "b": {"scale": jnp.ones(5)}}
    np.testing.assert_allclose(weight_penalty(params), 5 * L2)


def test_loss_and_features(rng, monkeypatch):
    """A training step's loss from the network's own cosines; one compilation of a small net."""
    monkeypatch.setattr(module, "STAGES", (4, 8))
    monkeypatch.setattr(module, "WIDTH", 8)
    component = spectra_net(FACTS, n_centers=2, mixup_alpha=0.0)
    assert (component.name, component.scope) == ("Spectra AdaCos", "all")
    audio = jnp.asarray(rng.normal(size=(4, 16_000)), jnp.float32)
    variables = jax.jit(component.init)(jax.random.key(0))
    section = jnp.eye(3)[jnp.asarray([0, 1, 2, 0])]
    batch = Batch(audio, jnp.ones(4), section, {})
    value, stats = jax.jit(component.loss)(variables, batch, jax.random.key(1))
    model = SpectraNet(3, 2, 0.99)
    output, _ = jax.jit(lambda v, x: model.apply(v, x, train=True, mutable=["batch_stats"]))(
        variables, audio
    )
    scale = next_scale(output.scale, output.cosine, section)
    expected = adacos_loss(output.cosine, section, scale) + weight_penalty(variables["params"])
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(stats["scale"], scale, rtol=1e-5)
    assert jax.tree.structure(stats) == jax.tree.structure(variables["batch_stats"])
    feature = jax.jit(component.apply)(variables, audio)
    np.testing.assert_allclose(np.linalg.norm(feature, axis=1), 1, rtol=1e-5)


def test_the_spectrum_branch_ignores_where_in_the_segment_a_sound_is(rng):
    audio = rng.normal(size=(1, 16_000)).astype(np.float32)
    shifted = np.roll(audio, 3_000, axis=1)
    np.testing.assert_allclose(spectrum(audio), spectrum(shifted), rtol=1e-3, atol=1e-2)
    assert not np.allclose(moving_spectrogram(audio), moving_spectrogram(shifted), atol=1)

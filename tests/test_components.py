"""Networks as the config describes them."""

import contextlib

import jax
import jax.numpy as jnp
import numpy as np

from jax_dns import components, config
from jax_dns.features import decibel, mel_spectrogram


def test_segments_of_the_paper():
    c = config.get_config()
    assert components.segment_samples(c) == 64_000 and components.hop_samples(c) == 16_000


def test_the_papers_networks_have_their_sizes():
    """Traced, not run: 122 windows of 640, 224 x 251 images, 128-dimensional features."""
    c = config.get_config()
    ae = jax.eval_shape(components.autoencoder(c).steps.create, jax.random.key(0))
    assert ae.params["Dense_0"]["kernel"].shape == (640, 128)
    steps = components.extractor(c, n_sections=6)
    state = jax.eval_shape(steps.create, jax.random.key(0))
    trunk = sum(x.size for x in jax.tree.leaves(state.params["trunk"]))
    assert trunk == 4_006_972
    audio = jax.ShapeDtypeStruct((2, 64_000), jnp.float32)
    out = jax.eval_shape(steps.extract, state.variables, audio)
    assert out.feature.shape == (2, 128) and out.section_logit.shape == (2, 6)


def test_one_compilation_serves_all_machines():
    c = config.get_config()
    assert components.autoencoder(c) is components.autoencoder(config.get_config())
    assert components.extractor(c, n_sections=6) is components.extractor(c, n_sections=6)
    c.extractor.n_mels = 64
    assert components.extractor(c, n_sections=6) is not components.extractor(
        config.get_config(), n_sections=6
    )


def test_settings_leave_bookkeeping_out():
    c = config.get_config()
    before = components.network_settings(c, c.ae)
    c.ae.save_every = 3
    assert components.network_settings(c, c.ae) == before
    c.data.segment = 2.0
    assert components.network_settings(c, c.ae) != before


def test_log_spectrograms_are_an_option(rng, monkeypatch):
    seen = {}

    class Stop(Exception):
        pass

    def catch(self, spectrogram, **_):
        seen["x"] = spectrogram
        raise Stop

    audio = jnp.asarray(rng.normal(size=(1, 16_000)), jnp.float32)
    for log in (False, True):
        c = config.get_config()
        c.data.segment, c.extractor.log = 1.0, log
        monkeypatch.setattr(components.Extractor, "__call__", catch)
        with jax.disable_jit(), contextlib.suppress(Stop):
            components.extractor(c, n_sections=2).extract({}, audio)
        mel = mel_spectrogram(
            audio,
            sample_rate=16_000,
            n_fft=2048,
            hop=256,
            n_mels=224,
            fmin=50.0,
            fmax=7800.0,
            power=1.0,
            scale="htk",
            norm="none",
            divide_by_window=True,
        )
        np.testing.assert_allclose(seen["x"], decibel(mel) if log else mel, rtol=1e-4, atol=1e-4)

"""Both networks as a config describes them, compiled once for all machine types and seeds."""

import functools
import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array
from ml_collections import ConfigDict, FrozenConfigDict

from jax_dns.discriminative.serial_oe import Extractor
from jax_dns.errors import InputError
from jax_dns.features import decibel, mel_spectrogram, stack_frames
from jax_dns.fingerprints import fingerprint, without
from jax_dns.generative.autoencoder import Autoencoder
from jax_dns.generative.generative import Scorer, autoencoder_score
from jax_dns.training.steps import (
    AutoencoderSteps,
    ExtractorSteps,
    autoencoder_steps,
    extractor_steps,
)


class Generative(NamedTuple):
    """f_G's training and a_G."""

    steps: AutoencoderSteps
    score: Scorer


# Fields of a training that don't change what it ends with.
BOOKKEEPING = ("validate_every", "save_every", "embed_batch_size", "together")


def network_settings(config: ConfigDict, part: ConfigDict) -> str:
    """Fingerprint of what a network is and hears, apart from the recordings."""
    d = config.data
    heard = [d.sample_rate, d.channel, d.standardise, d.segment, d.train_fraction]
    aside = BOOKKEEPING if part.keep == "last" else BOOKKEEPING[1:]
    return fingerprint(without(part, *aside), heard)


def weights_digest(config: ConfigDict) -> str:
    """Digest of the file of first weights; empty where there is none."""
    path = Path(config.extractor.initial_weights)
    if not config.extractor.initial_weights:
        return ""
    if not path.is_file():
        raise InputError(f"extractor.initial_weights: no such file {str(path)!r}")
    return hashlib.blake2b(path.read_bytes(), digest_size=12).hexdigest()


def trace(config: ConfigDict) -> None:
    """Runs both networks on shapes alone: settings that don't fit fail here, in seconds.

    Raises:
      InputError: names the part of the config, and gives the reason of JAX or Flax.
    """
    makers = {
        "ae": lambda: autoencoder(config).steps.create,
        "extractor": lambda: extractor(config, n_sections=2).create,
    }
    for part, make in makers.items():
        try:
            jax.eval_shape(make(), jax.random.key(0))
        except InputError:
            raise
        except (ArithmeticError, MemoryError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise InputError(f"config.{part}: gives no network ({reason})") from error


def segment_samples(config: ConfigDict) -> int:
    """Length of a segment, samples."""
    return round(config.data.segment * config.data.sample_rate)


def hop_samples(config: ConfigDict) -> int:
    """Distance between test segments, samples."""
    return round(config.data.hop * config.data.sample_rate)


def autoencoder(config: ConfigDict) -> Generative:
    """The generative side."""
    return _autoencoder(
        FrozenConfigDict(config.ae), config.data.sample_rate, segment_samples(config)
    )


def extractor(config: ConfigDict, *, n_sections: int, trained: bool = False) -> ExtractorSteps:
    """The discriminative side, with as many product IDs as the machine type has sections.

    `trained`: its parameters come from a checkpoint, and a file of first weights isn't read.
    """
    part = config.extractor.copy_and_resolve_references()
    if trained:
        part.initial_weights = ""
    return _extractor(
        FrozenConfigDict(part),
        config.data.sample_rate,
        segment_samples(config),
        n_sections,
    )


@functools.lru_cache(maxsize=4)
def _autoencoder(c: FrozenConfigDict, sample_rate: int, n_samples: int) -> Generative:
    def psi(audio: Array) -> Array:
        mel = mel_spectrogram(
            audio,
            sample_rate=sample_rate,
            n_fft=c.n_fft,
            hop=c.window_hop,
            n_mels=c.n_mels,
            fmin=c.fmin,
            fmax=c.fmax,
        )
        return stack_frames(decibel(mel), c.frames)

    model = Autoencoder(bn_momentum=c.bn_momentum)
    steps = autoencoder_steps(model, psi, n_samples=n_samples, learning_rate=c.learning_rate)
    return Generative(steps, autoencoder_score(model, psi))


@functools.lru_cache(maxsize=8)
def _extractor(
    c: FrozenConfigDict, sample_rate: int, n_samples: int, n_sections: int
) -> ExtractorSteps:
    def psi(audio: Array) -> Array:
        mel = mel_spectrogram(
            audio,
            sample_rate=sample_rate,
            n_fft=c.n_fft,
            hop=c.window_hop,
            n_mels=c.n_mels,
            fmin=c.fmin,
            fmax=c.fmax,
            power=c.power,
            scale=c.mel_scale,
            norm=c.mel_norm,
            divide_by_window=c.divide_by_window,
        )
        return decibel(mel) if c.log else mel

    model = Extractor(
        n_sections=n_sections,
        feature_dim=c.feature_dim,
        dropout=c.dropout,
        head=c.head,
        n_channels=c.n_channels,
        bn_momentum=c.bn_momentum,
        drop_path=c.drop_path,
        dtype=jnp.dtype(c.dtype),
    )
    return extractor_steps(
        model,
        psi,
        n_samples=n_samples,
        weight_decay=c.weight_decay,
        lambda_id=c.lambda_id,
        mask_outliers=c.mask_outliers,
        mixup_alpha=c.mixup_alpha,
        mixup_probability=c.mixup_probability,
        initial=_initial(c),
    )


def _initial(c: FrozenConfigDict) -> Any:
    """The trunk's first variables, where a file of them is given."""
    if not c.initial_weights:
        return None
    from jax_dns.discriminative.timm_weights import load_timm

    return {"trunk": load_timm(c.initial_weights, in_channels=c.n_channels)}

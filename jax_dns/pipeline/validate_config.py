"""Fields of a config that can't be used, before anything is done with them."""

import math
from typing import Any

from ml_collections import ConfigDict

from jax_dns.config import get_config
from jax_dns.errors import InputError
from jax_dns.pipeline.index import names
from jax_dns.pipeline.methods import DOMAINS
from jax_dns.smoothing.reference import METRICS

CHOICES = {
    "data.standardise": ("recording", "machine"),
    "data.on_device": ("auto", "yes", "no"),
    "ae.together": ("auto", "yes", "no"),
    "ae.keep": ("last", "best"),
    "extractor.keep": ("last", "best"),
    "extractor.head": ("linear", "norm"),
    "extractor.dtype": ("float32", "bfloat16"),
    "extractor.mel_scale": ("slaney", "htk"),
    "extractor.mel_norm": ("slaney", "none"),
    "inlier.split": ("train", "valid"),
    "smoothing.unit": ("segment", "clip"),
    "smoothing.groups": ("section", "machine"),
    "smoothing.history": ("split", "all"),
    "smoothing.outside_pool": ("smooth", "keep"),
    "smoothing.metric": METRICS,
}
POSITIVE = (
    *(f"data.{name}" for name in ("sample_rate", "segment", "hop")),
    *(
        f"{part}.{name}"
        for part in ("ae", "extractor")
        for name in ("epochs", "batch_size", "validate_every", "save_every", "n_fft", "n_mels")
    ),
    "extractor.embed_batch_size",
)


def check(config: ConfigDict) -> None:
    """Looks at every field that has a range.

    Raises:
      InputError: names the field, its value and what was expected.
    """

    def field(name: str):
        part, _, rest = name.partition(".")
        return config[part][rest] if rest else config[part]

    def expect(name: str, good: bool, expected: str) -> None:
        if not good:
            raise InputError(f"{name}: {field(name)!r}, expected {expected}")

    for name, value in _fields(get_config()).items():
        if name not in _fields(config):
            raise InputError(f"config: {name} is missing, expected every field of jax_dns.config")
        if isinstance(value, float):
            expect(name, math.isfinite(field(name)), "a finite number")
    for name, allowed in CHOICES.items():
        expect(name, field(name) in allowed, " or ".join(allowed))
    for name in POSITIVE:
        expect(name, field(name) > 0, "more than 0")
    expect("extractor.batch_size", config.extractor.batch_size % 2 == 0, "even: half is outliers")
    for name in ("seeds", "smoothing.ks", "inlier.components"):
        least = 0 if name == "seeds" else 1
        whole = all(type(value) is int and value >= least for value in field(name))
        expect(name, len(field(name)) > 0 and whole, f"whole numbers, {least} or more")
    for name in ("smoothing.data", "inlier.data"):
        known = names(field(name)) and all(part in DOMAINS for part in names(field(name)))
        expect(name, bool(known), f"some of {','.join(DOMAINS)}")
    length = max(config.data.segment, config.data.hop) * config.data.sample_rate
    expect("data.segment", length < 2**31, "segments and hops of less than 2^31 samples")
    expect("data.hop", round(config.data.hop * config.data.sample_rate) > 0, "a sample or more")
    for part in ("ae", "extractor"):
        samples = config.data.segment * config.data.sample_rate
        expect(f"{part}.n_fft", field(f"{part}.n_fft") < 2 * samples, "less than two segments")
        divides = field(f"{part}.n_fft") % field(f"{part}.window_hop") == 0
        expect(f"{part}.window_hop", divides, f"a divisor of {part}.n_fft")


def _fields(config: ConfigDict) -> dict[str, Any]:
    """Every field by its name, those of parts with a dot."""
    found = {}
    for name, value in config.items():
        parts = {f"{name}.{n}": v for n, v in value.items()} if hasattr(value, "items") else {}
        found |= parts or {name: value}
    return found

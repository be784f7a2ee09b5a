"""The checks of a config, before anything is done with it."""

import difflib
import math
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from jax_dns.components import COMPONENTS, build
from jax_dns.config import COMMON_FIELDS, get_config, new_name
from jax_dns.errors import InputError
from jax_dns.evaluation.results import BASELINES
from jax_dns.pipeline.field_ranges import check_ranges, check_synthetic
from jax_dns.pipeline.index import segment_samples, split_commas
from jax_dns.pipeline.method_results import DOMAINS
from jax_dns.segments_file import AGGREGATES
from jax_dns.smoothing.transforms import TRANSFORMS
from jax_dns.training.steps import abstract_state
from jax_dns.types import Batch, Facts, GradientModel

CHOICES = {
    "data.standardise": ("recording", "machine"),
    "data.cache_on_device": ("auto", "yes", "no"),
    "generative.vmap_runs": ("auto", "yes", "no"),
    "generative.checkpoint": ("last", "best"),
    "discriminative.checkpoint": ("last", "best"),
    "inlier.split": ("train", "valid"),
    "smoothing.unit": ("segment", "clip"),
    "smoothing.aggregate": AGGREGATES,
    "smoothing.groups": ("section", "machine"),
    "smoothing.history": ("split", "all"),
    "smoothing.outside_pool": ("smooth", "keep"),
    "smoothing.transform": TRANSFORMS,
}
TRAINED = ("generative", "discriminative")


def check(config: ConfigDict) -> None:
    """Checks every field that has a range, and that each component takes its fields.

    Args:
      config: of the run.

    Raises:
      InputError: names the field, its value and what was expected; for a field of an earlier
        version, its new name.
    """

    def field(name: str) -> Any:
        section, _, rest = name.partition(".")
        return config[section][rest] if rest else config[section]

    def expect(name: str, good: bool, expected: str) -> None:
        if not good:
            raise InputError(f"{name}: {field(name)!r}, expected {expected}")

    _check_names(config)
    for name, value in fields_by_name(get_config()).items():
        if isinstance(value, float) and name in fields_by_name(config):
            number = field(name)
            expect(name, isinstance(number, int | float) and math.isfinite(number), "a number")
    for name, allowed in CHOICES.items():
        expect(name, field(name) in allowed, " or ".join(allowed))
    check_ranges(config)
    distinct = len(set(config.seeds)) == len(config.seeds)
    expect("seeds", _whole_numbers(config.seeds, 0) and distinct, "whole numbers, 0 or more, once")
    for name in ("data.dev_sections", "data.eval_sections"):
        expect(name, _whole_numbers(field(name), 0), "whole numbers, 0 or more")
    for name in ("evaluation.fixed_ks", "evaluation.fixed_components"):
        expect(name, not field(name) or _whole_numbers(field(name), 1), "whole numbers, 1 or more")
    known = all(name in BASELINES for name in config.evaluation.baselines)
    expect("evaluation.baselines", known, f"some of {', '.join(BASELINES)}")
    for name in ("data.normal", "data.anomaly"):
        good = bool(field(name)) and all(isinstance(folder, str) for folder in field(name))
        expect(name, good, "names of folders")
    for name in ("smoothing.data", "inlier.data"):
        domains = split_commas(field(name))
        known = domains and all(domain in DOMAINS for domain in domains)
        expect(name, bool(known), f"some of {','.join(DOMAINS)}")
    d = config.data
    length = max(d.segment_seconds, d.segment_hop_seconds) * d.sample_rate
    expect("data.segment_seconds", length < 2**31, "segments and hops of less than 2^31 samples")
    hop = round(d.segment_hop_seconds * d.sample_rate)
    expect("data.segment_hop_seconds", hop > 0, "a sample or more")
    if config.synthetic.make and not d.root:
        check_synthetic(config)
    for kind in ("inlier", "smoothing"):
        build(config, kind, Facts(d.sample_rate, segment_samples(config), n_sections=1))
    for kind in TRAINED:
        facts = Facts(d.sample_rate, segment_samples(config), n_sections=1)
        model = build(config, kind, facts, trained=True)
        if getattr(model, "scope", "") == "target+outliers":
            even = config[kind].batch_size % 2 == 0
            expect(f"{kind}.batch_size", even, "even: half is outliers")


def check_network(config: ConfigDict, kind: str, facts: Facts) -> None:
    """Runs a gradient model on shapes alone, so that bad settings fail in seconds.

    Args:
      config: of the run.
      kind: "generative" or "discriminative".
      facts: of the data.

    Raises:
      InputError: names the section of the config and the reason of JAX or Flax, or the shape that
        the model returned and the one expected.
    """
    model = build(config, kind, facts)
    if not isinstance(model, GradientModel):
        return
    n = 2
    audio = jax.ShapeDtypeStruct((n, facts.segment_samples), jnp.float32)
    labels = {name: jax.ShapeDtypeStruct((n,), jnp.int32) for name, _ in facts.n_labels}
    batch = Batch(
        audio,
        jax.ShapeDtypeStruct((n,), jnp.float32),
        jax.ShapeDtypeStruct((n, facts.n_sections), jnp.float32),
        labels,
    )
    try:
        state = abstract_state(model)
        loss, _ = jax.eval_shape(model.loss, state.variables, batch, jax.random.key(0))
        output = jax.eval_shape(model.apply, state.variables, audio)
    except InputError:
        raise
    except (ArithmeticError, MemoryError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"config.{kind}: gives no network ({reason})") from error
    if loss.shape != ():
        raise InputError(
            f"component {model.name}: loss has shape {list(loss.shape)}, expected a scalar"
        )
    rank, expected = (1, f"[{n}] scores") if kind == "generative" else (2, f"[{n}, d] features")
    if output.ndim != rank or output.shape[0] != n:
        raise InputError(
            f"component {model.name}: apply returned shape {list(output.shape)} for {n} segments, "
            f"expected {expected}"
        )


def _check_names(config: ConfigDict) -> None:
    """Checks that the config has every common field, and no unknown one."""
    known, fields = fields_by_name(get_config()), fields_by_name(config)
    for name in fields:
        section, _, field = name.partition(".")
        if name in known or (section in COMPONENTS and field):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        hint = new_name(name) or (f"did you mean {near[0]}?" if near else "no such field")
        raise InputError(f"config.{name}: {hint}")
    for name in known:
        section, _, field = name.partition(".")
        needed = section not in COMPONENTS or field in COMMON_FIELDS[section]
        if needed and name not in fields:
            raise InputError(f"config: {name} is missing, expected every field of jax_dns.config")


def _whole_numbers(values: Any, least: int) -> bool:
    return len(values) > 0 and all(type(v) is int and v >= least for v in values)


def fields_by_name(config: ConfigDict) -> dict[str, Any]:
    """Lists every field's value by its dotted name."""
    fields = {}
    for name, value in config.items():
        parts = {f"{name}.{n}": v for n, v in value.items()} if hasattr(value, "items") else {}
        fields |= parts or {name: value}
    return fields

"""The ranges of a config's numbers, and the sections and machine types that must be there."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from jax_dns.components import COMPONENTS, factory_of, fields_of
from jax_dns.errors import InputError
from jax_dns.pipeline.index import segment_samples, split_commas

Rule = tuple[Callable[[Any], bool], str]  # whether a value is in range, and what was expected
POSITIVE: Rule = (lambda x: x > 0, "more than 0")
NOT_NEGATIVE: Rule = (lambda x: x >= 0, "0 or more")
COUNT: Rule = (lambda x: type(x) is int and x >= 1, "a whole number, 1 or more")
FRACTION: Rule = (lambda x: 0 < x <= 1, "more than 0 and at most 1")
RATE: Rule = (lambda x: 0 <= x < 1, "0 or more and less than 1")
AT_LEAST_ONE: Rule = (lambda x: x >= 1, "1 or more")

FIELDS: dict[str, Rule] = {
    "data.sample_rate": POSITIVE,
    "data.segment_seconds": POSITIVE,
    "data.segment_hop_seconds": POSITIVE,
    "data.channel": (lambda x: x >= -1, "a channel's number, or -1 for mono recordings"),
    "data.layout_seed": NOT_NEGATIVE,
    "data.train_fraction": FRACTION,
    "data.test_fraction": FRACTION,
    "synthetic.sections": COUNT,
    **{
        f"synthetic.{name}": NOT_NEGATIVE
        for name in ("seed", "train_source", "train_target", "test_normal", "test_anomaly")
    },
    **{
        f"{kind}.{name}": POSITIVE
        for kind in ("generative", "discriminative")
        for name in ("epochs", "batch_size", "validate_every", "save_every")
    },
    "discriminative.eval_batch_size": POSITIVE,
    "smoothing.adaptive_gate": AT_LEAST_ONE,
    "evaluation.umap_fraction": FRACTION,
}
# Fields of components, whichever of them has one of this name.
COMPONENT_FIELDS: dict[str, Rule] = {
    "learning_rate": POSITIVE,
    "weight_decay": NOT_NEGATIVE,
    "mixup_alpha": NOT_NEGATIVE,
    "lambda_id": NOT_NEGATIVE,
    "dropout": RATE,
    "bn_momentum": RATE,
    "power": POSITIVE,
    "reg_covar": NOT_NEGATIVE,
    **{
        name: COUNT
        for name in ("n_mels", "frames", "feature_dim", "in_channels", "n_layers", "n_centers")
    },
}


def check_ranges(config: ConfigDict) -> None:
    """Checks every number of a config that has a range.

    Args:
      config: of the run.

    Raises:
      InputError: names the field, its value and what was expected.
    """
    for name, rule in FIELDS.items():
        section, _, field = name.partition(".")
        _expect(name, config[section][field], rule)
    for kind in COMPONENTS:
        fields = fields_of(config, kind, factory_of(config, kind))
        for field in COMPONENT_FIELDS.keys() & fields:
            _expect(f"{kind}.{field}", fields[field], COMPONENT_FIELDS[field])
        _check_spectrogram(config, kind, fields)


def check_sections(config: ConfigDict, sections: Mapping[str, Iterable[int]]) -> list[str]:
    """Checks that the sections of the config are some that the test clips have.

    Args:
      config: of the run.
      sections: machine type -> the sections of its labelled test clips; one without any is
        scored, and has no tables.

    Returns:
      Lines that name the sections which one machine type lacks.

    Raises:
      InputError: none of the development or of the evaluation sections is there.
    """
    lines = []
    for name in ("dev_sections", "eval_sections"):
        named = config.data[name]
        for machine, those in sections.items():
            present = sorted({*map(int, those)})
            lacking = [section for section in named if section not in present]
            if present and lacking and len(lacking) == len(named):
                raise InputError(
                    f"data.{name}: {tuple(named)!r}, expected some of the sections of {machine}, "
                    f"which are {', '.join(map(str, present))}"
                )
            if present and lacking:
                numbers = ", ".join(map(str, lacking))
                lines.append(f"{machine}: no section {numbers} (data.{name}), left out")
    return lines


def check_synthetic(config: ConfigDict) -> None:
    """Checks that the synthetic data set would have the sections and machine types of a config.

    Raises:
      InputError: names the field, its value and what was expected.
    """
    c, d = config.synthetic, config.data
    machines = split_commas(c.machines)
    for field in ("machines", "outliers"):
        for name in split_commas(d[field]):
            if name not in machines:
                known = ", ".join(machines)
                raise InputError(f"data.{field}: {name!r}, expected some of {known}")
    for field in ("dev_sections", "eval_sections"):
        if any(section >= c.sections for section in d[field]):
            raise InputError(
                f"data.{field}: {tuple(d[field])!r}, expected some of "
                f"{', '.join(map(str, range(c.sections)))} (synthetic.sections: {c.sections})"
            )


def _check_spectrogram(config: ConfigDict, kind: str, fields: Mapping[str, Any]) -> None:
    """Checks the fields of a (log-)mel spectrogram against each other and the recordings."""
    samples, half = segment_samples(config), config.data.sample_rate / 2
    if {"n_fft", "hop_length"} <= fields.keys():
        n_fft, hop = fields["n_fft"], fields["hop_length"]
        expected = "more than 0 and less than two segments"
        _expect(f"{kind}.n_fft", n_fft, (lambda n: 0 < n < 2 * samples, expected))
        divides = (lambda h: h > 0 and n_fft % h == 0, f"a divisor of {kind}.n_fft")
        _expect(f"{kind}.hop_length", hop, divides)
        if "frames" in fields:
            most = 1 + samples // hop
            expected = f"at most {most}, as many as a segment has"
            _expect(f"{kind}.frames", fields["frames"], (lambda n: n <= most, expected))
    if {"fmin", "fmax"} <= fields.keys():
        fmin, fmax = fields["fmin"], fields["fmax"]
        in_range = (lambda f: fmin < f <= half, f"more than fmin, {fmin:g}, at most {half:g} Hz")
        _expect(f"{kind}.fmin", fmin, NOT_NEGATIVE)
        _expect(f"{kind}.fmax", fmax, in_range)


def _expect(name: str, value: Any, rule: Rule) -> None:
    """Raises InputError where a value isn't a number in range."""
    in_range, expected = rule
    if not isinstance(value, int | float) or not in_range(value):
        raise InputError(f"{name}: {value!r}, expected {expected}")

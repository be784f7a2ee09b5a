"""The fields of a component: its factory's keyword arguments, flat as a config has them."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

from jax_dns.types import Factory


class Field(NamedTuple):
    """A field of a component."""

    parameter: str  # the factory's keyword argument that it is, or is a part of
    default: Any


def own_fields(factory: Factory) -> dict[str, Field]:
    """Lists the fields that a component has, from its factory's keyword arguments.

    An argument whose default is a NamedTuple, such as `LogMel`, stands for the tuple's fields.
    """
    fields: dict[str, Field] = {}
    for parameter in inspect.signature(factory).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            name, default = parameter.name, parameter.default
            parts = default._asdict() if hasattr(default, "_asdict") else {name: default}
            fields |= {part: Field(name, value) for part, value in parts.items()}
    return fields


def to_arguments(factory: Factory, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a factory's keyword arguments, with the fields of its NamedTuples put together."""
    parameters, known = inspect.signature(factory).parameters, own_fields(factory)
    arguments: dict[str, Any] = {}
    for name, value in fields.items():
        parameter = known[name].parameter if name in known else name
        if parameter != name:
            record = arguments.get(parameter, parameters[parameter].default)
            value = record._replace(**{name: value})
        arguments[parameter] = value
    return arguments

"""The switchboard: one dict for each kind of component, and `build`.

A component is a value made of functions (see `types`); a factory makes it from its config section's
fields. A config names one of the factories below, or a stranger's by import path:

    config.generative.name = "my_package.my_module:my_scorer"

What the factories return, and how to write one, is in configs/README.md.
"""

import ast
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from jax_dns.component_fields import own_fields, to_arguments
from jax_dns.config import COMMON_FIELDS, DEFAULTS, new_name
from jax_dns.data import layouts
from jax_dns.discriminative.angular import angular
from jax_dns.discriminative.augmentation_id import augmentation_id
from jax_dns.discriminative.outlier_exposure import outlier_exposure
from jax_dns.discriminative.precomputed import precomputed
from jax_dns.discriminative.serial_oe import serial_oe
from jax_dns.discriminative.spectra_net import spectra_net
from jax_dns.errors import InputError
from jax_dns.files import bytes_digest, file_digest
from jax_dns.fingerprints import fingerprint
from jax_dns.generative.autoencoder import autoencoder
from jax_dns.generative.flow import flow
from jax_dns.generative.frame_gmm import frame_gmm
from jax_dns.generative.frame_pca import frame_pca
from jax_dns.generative.idnn import idnn
from jax_dns.generative.twfr_gmm import twfr_gmm
from jax_dns.inlier.gmm import gmm
from jax_dns.inlier.kmeans import kmeans
from jax_dns.inlier.knn import knn
from jax_dns.inlier.local_density import local_density
from jax_dns.inlier.lof import lof
from jax_dns.inlier.mahalanobis import mahalanobis
from jax_dns.smoothing.attention import attention
from jax_dns.smoothing.diffusion import diffusion
from jax_dns.smoothing.grid_mean import grid_mean
from jax_dns.smoothing.mutual import mutual
from jax_dns.smoothing.rules import uniform
from jax_dns.smoothing.weighted import weighted
from jax_dns.types import (
    Component,
    Factory,
    Facts,
    FittedModel,
    GradientModel,
    InlierModel,
    SmoothingRule,
    StoredFeatures,
)

GENERATIVE: dict[str, Factory] = {
    "autoencoder": autoencoder,
    "idnn": idnn,
    "flow": flow,
    "twfr_gmm": twfr_gmm,
    "frame_gmm": frame_gmm,
    "frame_pca": frame_pca,
}
DISCRIMINATIVE: dict[str, Factory] = {
    "serial_oe": serial_oe,
    "outlier_exposure": outlier_exposure,
    "angular": angular,
    "spectra_net": spectra_net,
    "augmentation_id": augmentation_id,
    "precomputed": precomputed,
}
INLIER: dict[str, Factory] = {
    "gmm": gmm,
    "knn": knn,
    "mahalanobis": mahalanobis,
    "lof": lof,
    "kmeans": kmeans,
    "local_density": local_density,
}
SMOOTHING: dict[str, Factory] = {
    "uniform": uniform,
    "weighted": weighted,
    "mutual": mutual,
    "grid_mean": grid_mean,
    "attention": attention,
    "diffusion": diffusion,
}
LAYOUTS = layouts.LAYOUTS
COMPONENTS: dict[str, dict[str, Factory]] = {
    "generative": GENERATIVE,
    "discriminative": DISCRIMINATIVE,
    "inlier": INLIER,
    "smoothing": SMOOTHING,
}
EXPECTED = {
    "generative": (GradientModel, FittedModel),
    "discriminative": (GradientModel, FittedModel, StoredFeatures),
    "inlier": (InlierModel,),
    "smoothing": (SmoothingRule,),
}


def resolve(name: str, known: Mapping[str, Any], field: str) -> Any:
    """Finds a factory by its name or import path.

    Args:
      name: a key of `known`, or "package.module:function".
      known: the project's own.
      field: the config field, for messages.

    Returns:
      The factory.

    Raises:
      InputError: no such name, module or function.
    """
    if name in known:
        return known[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(
            f"{field}: {name!r}, expected one of {', '.join(known)}, or package.module:function"
        )
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"{field}: {name!r} can't be imported ({error})") from error


def layout_of(config: ConfigDict) -> str | Callable:
    """Returns the layout that a config names: "auto", or its function."""
    name = config.data.layout
    return name if name == "auto" else resolve(name, LAYOUTS, "data.layout")


def use_factories(config: ConfigDict, factories: Mapping[str, Factory]) -> ConfigDict:
    """Names factories that the caller gave in a copy of the config, by "module:function".

    One that can't be imported under its name, a function defined inside another for instance, is
    known for the rest of the process alone.

    Args:
      config: of the run.
      factories: kind -> factory.

    Raises:
      InputError: an unknown kind.
    """
    config = config.copy_and_resolve_references()
    for kind, factory in factories.items():
        if kind not in COMPONENTS:
            raise InputError(f"components: {kind!r}, expected some of {', '.join(COMPONENTS)}")
        name = f"{factory.__module__}:{factory.__qualname__}"
        if not _is_importable(name, factory):
            COMPONENTS[kind][name] = factory
        config[kind].name = name
    return config


def _is_importable(name: str, factory: Factory) -> bool:
    try:
        return resolve(name, {}, "components") is factory
    except InputError:
        return False


def factory_of(config: ConfigDict, kind: str) -> Factory:
    """Returns the factory that a config names."""
    return resolve(config[kind].name, COMPONENTS[kind], f"{kind}.name")


def fields_of(config: ConfigDict, kind: str, factory: Factory) -> dict[str, Any]:
    """Picks the fields of a config section that its component takes.

    Fields that all components of the kind share are left out. Where the section is the default
    component's under another name, so are the values that nobody changed: the other component has
    defaults of its own.

    Raises:
      InputError: a field that the component doesn't take; lists those that it does.
    """
    known = list(own_fields(factory))
    parameters = inspect.signature(factory).parameters.values()
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters)
    section, defaults = config[kind], DEFAULTS[kind]
    renamed = section.name != defaults["name"] and set(defaults) <= set(section)
    fields = {}
    for name, value in section.items():
        unchanged = renamed and name in defaults and value == defaults[name]
        if name in COMMON_FIELDS[kind] or unchanged:
            continue
        if not (name in known or takes_any):
            hint = new_name(f"{kind}.{name}") or (
                f"{section.name} takes no such field, expected some of {', '.join(known) or 'none'}"
            )
            raise InputError(f"{kind}.{name}: {hint}")
        fields[name] = value
    return fields


def build(
    config: ConfigDict,
    kind: str,
    facts: Facts,
    *,
    trained: bool = False,
) -> Any:
    """Makes a component from its section of the config.

    Args:
      config: of the run.
      kind: a key of COMPONENTS.
      facts: of the data.
      trained: its weights come from a checkpoint, so a file of first weights isn't read.

    Returns:
      The component; the same one for equal arguments, so that it is compiled once.

    Raises:
      InputError: a name that can't be resolved, a field that the component doesn't take or refuses,
        a factory that returns something else.
    """
    factory = factory_of(config, kind)
    fields = fields_of(config, kind, factory)
    if trained and "initial_weights" in fields:
        fields["initial_weights"] = ""
    frozen = tuple((name, _hashable(value)) for name, value in fields.items())
    return _build(factory, kind, facts, frozen)


@functools.lru_cache(maxsize=32)
def _build(factory: Factory, kind: str, facts: Facts, fields: tuple) -> Component:
    where = f"{kind} component {factory.__module__}:{factory.__qualname__}"
    try:
        component = factory(facts, **to_arguments(factory, dict(fields)))
    except InputError as error:
        raise InputError(f"{kind}.{error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: {' '.join(str(error).split())[:300]}") from error
    if not isinstance(component, EXPECTED[kind]):
        names = " or ".join(expected.__name__ for expected in EXPECTED[kind])
        raise InputError(f"{where}: returned {type(component).__name__}, expected {names}")
    return component


def component_key(config: ConfigDict, kind: str) -> str:
    """Fingerprints a component's code and fields, and the contents of its file of first weights."""
    factory = factory_of(config, kind)
    fields = fields_of(config, kind, factory)
    weights = fields.get("initial_weights")
    return fingerprint(
        f"{factory.__module__}:{factory.__qualname__}",
        code_digest(factory),
        {name: _plain(value) for name, value in fields.items()},
        _weights_digest(weights) if weights else "",
    )


def code_digest(factory: Callable) -> str:
    """Digests the module that defines a factory, without its comments and docstrings."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(factory)))
    except (OSError, TypeError, SyntaxError):  # defined in a shell or a notebook
        code = getattr(inspect.unwrap(factory), "__code__", None)
        return bytes_digest(code.co_code if code else b"")
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and _is_docstring(body[0]):
            body[:] = body[1:]
    return bytes_digest(ast.dump(tree).encode())


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _weights_digest(path: str) -> str:
    if not Path(path).is_file():
        raise InputError(f"discriminative.initial_weights: no such file {path!r}")
    return file_digest(Path(path))


def _plain(value: Any) -> Any:
    return value.to_dict() if isinstance(value, ConfigDict) else value


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value

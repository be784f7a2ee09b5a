"""Array types, and the contract of the components: values made of functions.

b segments, t samples in a segment, d feature size, n items, c classes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jax import Array

ArrayLike = np.ndarray | Array
Variables = Mapping[str, Any]  # a pytree of arrays; of a gradient model {"params", "batch_stats"}
Setting = int | float  # a value of a method's hyperparameter; 0 where it has none


class Facts(NamedTuple):
    """Facts about the data that a component's factory may use."""

    sample_rate: int  # Hz
    segment_samples: int  # t
    n_sections: int  # c, of the machine type; of all machine types for a model of scope "all"
    n_labels: tuple[tuple[str, int], ...] = ()  # classes of each entry of `Batch.labels`


class Batch(NamedTuple):
    """Training segments."""

    audio: ArrayLike  # float32 [b, t], each recording standardised
    is_target: ArrayLike  # [b] t^mac: 1 for the target machine type, 0 for outliers
    section: ArrayLike  # [b, c] t^id: one-hot; zero rows for outliers
    labels: dict[str, ArrayLike]  # int32 [b]: "machine", "section", "domain"; -1 for outliers


class GradientModel(NamedTuple):
    """A network that the training loop trains.

    Resume, checkpoints, recordings in device memory, and vmap over machine types come with it.

    Attributes:
      name: the method's name in tables, "AE" for instance.
      scope: what it trains on: "target", the normal clips of one machine type; "target+outliers",
        as many clips of other machine types with them; "all", all machine types in one training.
      init: key -> {"params": ..., "batch_stats": ...}, batch_stats empty where there are none.
      loss: (variables, batch, key) -> (loss, new batch_stats).
      apply: (variables, audio [b, t]) -> anomaly scores [b] of a generative component, higher for
        more anomalous; features [b, d] of a discriminative one.
      optimizer: of the parameters.
      schedule: (step, steps in all) -> values for an optimizer made by `optax.inject_hyperparams`;
        None for a fixed optimizer. Called on the host, so trainings of any length share a program.
      validation_loss: (variables, batch) -> [b]; None: the scores of a generative component, no
        validation for a discriminative one.
    """

    name: str
    scope: str
    init: Callable[[Array], Variables]
    loss: Callable[[Variables, Batch, Array], tuple[Array, Any]]
    apply: Callable[[Variables, ArrayLike], Array]
    optimizer: Any
    schedule: Callable[[int, int], dict[str, float]] | None = None
    validation_loss: Callable[[Variables, Batch], Array] | None = None


class FittedModel(NamedTuple):
    """A score or a feature space that is fitted once, without gradients.

    Attributes:
      name: the method's name in tables.
      fit: (batches of audio [b, t], seed) -> a flat dict of arrays, empty where nothing is fitted.
        The batches are the machine type's training segments; they can be iterated several times,
        and `batches.is_target_domain` [n] tells which of the segments are of the target domain.
      apply: (variables, audio [b, t]) -> anomaly scores [b] of a generative component, features
        [b, d] of a discriminative one.
      per_section: fit one model for each section rather than one for the machine type.
    """

    name: str
    fit: Callable[[Iterable[ArrayLike], int], Variables]
    apply: Callable[[Variables, ArrayLike], ArrayLike]
    per_section: bool = False


class StoredFeatures(NamedTuple):
    """A feature space that was computed elsewhere; nothing is trained or run on the sound.

    Attributes:
      name: the method's name in tables.
      lookup: (machine type, clip names [n], segment numbers [n]) -> features [n, d].
      digest: machine type -> a digest of its stored features; a new one is read again.
    """

    name: str
    lookup: Callable[[str, ArrayLike, ArrayLike], ArrayLike]
    digest: Callable[[str], str]


class InlierModel(NamedTuple):
    """h: a model of one section's normal features, fitted for each setting.

    Attributes:
      parameter: its hyperparameter's name in tables, "GMM" for instance; "" for none.
      settings: the hyperparameter's values to choose from, in order of preference; (0,) for none.
      fit: (features [n, d], is_target_domain [n], setting, seed) -> a pytree of arrays.
      apply: (variables, features [m, d]) -> anomaly scores [m].
      fewest: setting -> the fewest training segments that it can be fitted on.
    """

    parameter: str
    settings: tuple[Setting, ...]
    fit: Callable[[ArrayLike, ArrayLike, Setting, int], Variables]
    apply: Callable[[Variables, ArrayLike], ArrayLike]
    fewest: Callable[[Setting], int] = lambda setting: 1


class SmoothingRule(NamedTuple):
    """A rule that smooths anomaly scores over neighbours in feature space, Eq. 7 for instance.

    Attributes:
      name: the method's name in tables, "Proposed" for instance.
      parameter: its hyperparameter's name in tables, "K"; "" for none.
      settings: the values to choose from, in order of preference; (0,) for none.
      smooth: (scores [n], features [n, d], *, groups [n], pool [n], clip [n]) -> {setting: [n]}.
        Item i's candidates are the items j != i of its group with pool[j]; `clip` numbers each
        item's recording. Settings that some item has too few candidates for are left out.
    """

    name: str
    parameter: str
    settings: tuple[Setting, ...]
    smooth: Callable[..., Mapping[Setting, ArrayLike]]


Component = GradientModel | FittedModel | StoredFeatures | InlierModel | SmoothingRule
Factory = Callable[..., Component]  # (facts, **fields of its config section) -> component

"""The training state and the compiled training step of a gradient model."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax.sharding import Sharding, SingleDeviceSharding
from jaxtyping import Array, Integer, Key

from jax_dns.training.compiler_options import compiler_options
from jax_dns.types import ArrayLike, Batch, GradientModel


class TrainState(struct.PyTreeNode):
    """All that training changes."""

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """Returns parameters and BatchNorm statistics as a component's `apply` takes them."""
        return {"params": self.params, "batch_stats": self.batch_stats}


Step = Callable[..., tuple[TrainState, Array]]
# (state, audio [b, t], seed, is_target [b], section [b, c], labels, hyperparameters) -> state, loss


def create_state(model: GradientModel, key: Key[Array, ""]) -> TrainState:
    """Initialises a model and its optimizer.

    Args:
      model: the component.
      key: of the random weights.

    Returns:
      The state before the first step.
    """
    variables = model.init(key)
    params = dict(variables["params"])
    return TrainState(
        jnp.zeros((), jnp.int32),
        params,
        dict(variables.get("batch_stats", {})),
        model.optimizer.init(params),
    )


@functools.lru_cache(maxsize=8)
def _creation(model: GradientModel) -> Callable[[Key[Array, ""]], TrainState]:
    """Returns `create_state` of one model as one function, which JAX traces once."""
    return functools.partial(create_state, model)


@functools.lru_cache(maxsize=8)
def abstract_state(model: GradientModel) -> TrainState:
    """Returns the shapes and types of a model's state, as a tree of `jax.ShapeDtypeStruct`s.

    Tracing EfficientNet-B0 takes half a second; this traces the program that `jitted_create`
    compiles.
    """
    return jax.eval_shape(jax.jit(_creation(model)), jax.random.key(0))


@functools.lru_cache(maxsize=8)
def jitted_create(
    model: GradientModel, sharding: Sharding | None = None
) -> Callable[[Key[Array, ""]], TrainState]:
    """Returns `create_state` of one model, compiled once.

    Args:
      model: the component.
      sharding: of every array of the state; None: JAX's default device.
    """
    return jax.jit(_creation(model), out_shardings=sharding)


def initial_state(
    model: GradientModel, seed: int, *, sharding: Sharding | None = None
) -> TrainState:
    """Draws the first weights, on the host's processor where the model trains on an accelerator.

    XLA compiles programs of many small arrays slowly for a GPU: 41 s for EfficientNet-B0's when its
    kernels were drawn one by one (H100). On the host all of its first weights take 3.4 s.

    Args:
      model: the component.
      seed: of the weights.
      sharding: of every array of the state; None: JAX's default device.

    Returns:
      The state before the first step.
    """
    if jax.default_backend() == "cpu":
        # A restored state is bound to its device; so is this, or a resumed run compiles anew.
        sharding = sharding or SingleDeviceSharding(jax.local_devices()[0])
        return jitted_create(model, sharding)(jax.random.key(seed))
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        state = jax.tree.map(np.asarray, jitted_create(model)(jax.random.key(seed)))
    if sharding is None:
        return jax.device_put(state, jax.local_devices()[0])
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(x.shape, sharding, lambda index: x[index]), state
    )


@functools.lru_cache(maxsize=8)
def plain_step(model: GradientModel) -> Step:
    """Returns the training step of one model as a plain function, for use in other programs.

    The key of a step's randomness is `fold_in(fold_in(key(seed), 1), step)`, apart from the stream
    of the first weights, which `key(seed)` starts.

    Args:
      model: the component.

    Returns:
      (state, audio, seed, is_target, section, labels, hyperparameters) -> (state, loss).
      `hyperparameters` are `model.schedule`'s, {} without a schedule.
    """

    def step(
        state: TrainState,
        audio: ArrayLike,
        seed: Integer[ArrayLike, ""],
        is_target: ArrayLike,
        section: ArrayLike,
        labels: dict[str, ArrayLike],
        hyperparameters: dict[str, ArrayLike],
    ) -> tuple[TrainState, Array]:
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), state.step)
        batch = Batch(audio, is_target, section, labels)

        def loss(params: Any) -> tuple[Array, Any]:
            return model.loss({"params": params, "batch_stats": state.batch_stats}, batch, key)

        (value, batch_stats), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        opt_state = state.opt_state
        if hyperparameters:
            opt_state = opt_state._replace(hyperparams=opt_state.hyperparams | hyperparameters)
        updates, opt_state = model.optimizer.update(grads, opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, batch_stats, opt_state), value

    return step


@functools.lru_cache(maxsize=16)
def compile_step(step: Step) -> Step:
    """Returns a step as a program of its own, which donates the state."""
    return jax.jit(step, donate_argnums=0, compiler_options=compiler_options())


def train_step(model: GradientModel) -> Step:
    """Returns the training step of one model, compiled once; it donates the state."""
    return compile_step(plain_step(model))


@functools.lru_cache(maxsize=8)
def jitted_apply(model: Any) -> Callable[..., Array]:
    """Returns a component's `apply`, compiled once."""
    return jax.jit(model.apply, compiler_options=compiler_options())


@functools.lru_cache(maxsize=8)
def jitted_validation(model: GradientModel) -> Callable[[Any, Batch], Array]:
    """Returns a model's loss of each validation segment, compiled once.

    Args:
      model: a component with a validation loss, or whose scores serve as one.
    """
    if model.validation_loss is not None:
        loss = model.validation_loss
    else:

        def loss(variables: Any, batch: Batch) -> Array:
            return model.apply(variables, batch.audio)

    return jax.jit(loss, compiler_options=compiler_options())

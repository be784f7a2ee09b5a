"""Train state and the jitted steps of both networks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Float, Integer, Key

from jax_dns.discriminative.serial_oe import ExtractorOutput
from jax_dns.training.losses import reconstruction_error, serial_oe_loss
from jax_dns.training.mixup import mixup
from jax_dns.training.optimizers import OneCycle, adamw, with_one_cycle
from jax_dns.types import ArrayLike

Psi = Callable[[Array], Array]  # waveforms [b, t] -> what a network reads


class TrainState(struct.PyTreeNode):
    """All that training changes."""

    step: Any
    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        """Parameters and BatchNorm statistics, as `Module.apply` takes them."""
        return {"params": self.params, "batch_stats": self.batch_stats}


class AutoencoderSteps(NamedTuple):
    """Functions of the generative side."""

    create: Callable[[Key[Array, ""]], TrainState]
    train: Callable[..., tuple[TrainState, Array]]  # (state, audio) -> state, loss


class ExtractorSteps(NamedTuple):
    """Functions of the discriminative side."""

    create: Callable[[Key[Array, ""]], TrainState]
    train: Callable[..., tuple[TrainState, Array]]  # (state, audio, seed, machine, section, cycle)
    extract: Callable[..., ExtractorOutput]  # (variables, audio)


def autoencoder_steps(
    model: nn.Module, psi: Psi, *, n_samples: int, learning_rate: float = 1e-3
) -> AutoencoderSteps:
    """Compiled functions of the autoencoder.

    Args:
      model: maps windows [n, D] to windows.
      psi: maps waveforms [b, t] to windows [b, w, D].
      n_samples: t, samples in a segment.
      learning_rate: Adam's, fixed.

    Returns:
      create(key) and train(state, audio [b, t]), which minimises Eq. 1.
    """
    optimiser = optax.adam(learning_rate)

    @jax.jit
    def create(key: Key[Array, ""]) -> TrainState:
        windows = psi(jnp.zeros((1, n_samples)))
        return _create(model, optimiser, key, windows[0])

    def train(state: TrainState, audio: Float[Array, "b t"]) -> tuple[TrainState, Array]:
        windows = psi(audio)
        windows = windows.reshape(-1, windows.shape[-1])

        def loss(params: Any) -> tuple[Array, Any]:
            out, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                windows,
                train=True,
                mutable=["batch_stats"],
            )
            return jnp.mean(reconstruction_error(windows, out)), updated["batch_stats"]

        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return _update(state, optimiser, state.opt_state, grads, stats), value

    return AutoencoderSteps(create, jax.jit(train, donate_argnums=0))


def extractor_steps(
    model: nn.Module,
    psi: Psi,
    *,
    n_samples: int,
    weight_decay: float = 0.0,
    lambda_id: float = 5.0,
    mask_outliers: bool = False,
    mixup_alpha: float = 0.2,
    mixup_probability: float = 1.0,
    initial: dict[str, Any] | None = None,
) -> ExtractorSteps:
    """Compiled functions of the extractor.

    Args:
      model: maps spectrograms to `ExtractorOutput`.
      psi: maps waveforms [b, t] to spectrograms [b, n_mels, frames].
      n_samples: t, samples in a segment.
      weight_decay: AdamW's.
      lambda_id: Eq. 3.
      mask_outliers: see `serial_oe_loss`.
      mixup_alpha: Beta's parameter.
      mixup_probability: of mixing an item.
      initial: first variables of some submodules, {name: {"params": ..., "batch_stats": ...}}; the
        others start at random.

    Returns:
      create(key); train(state, audio [b, t], seed, machine [b], section [b, C], one_cycle);
      extract(variables, audio [b, t]).
    """
    optimiser = adamw(weight_decay=weight_decay)

    @jax.jit
    def create(key: Key[Array, ""]) -> TrainState:
        return _create(model, optimiser, key, psi(jnp.zeros((1, n_samples))), initial)

    def train(
        state: TrainState,
        audio: Float[Array, "b t"],
        seed: Integer[ArrayLike, ""],
        machine: Float[Array, " b"],
        section: Float[Array, "b c"],
        cycle: OneCycle,
    ) -> tuple[TrainState, Array]:
        # Apart from the stream of the first parameters, which `key(seed)` starts.
        key = jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), 1), state.step)
        key_mixup, key_dropout = jax.random.split(key)
        audio, machine, section = mixup(
            key_mixup, audio, machine, section, alpha=mixup_alpha, probability=mixup_probability
        )
        spectrogram = psi(audio)

        def loss(params: Any) -> tuple[Array, Any]:
            out, updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats},
                spectrogram,
                train=True,
                mutable=["batch_stats"],
                rngs={"dropout": key_dropout},
            )
            value, _, _ = serial_oe_loss(
                out.machine_logit,
                out.section_logit,
                machine,
                section,
                lambda_id=lambda_id,
                mask_outliers=mask_outliers,
            )
            return value, updated["batch_stats"]

        (value, stats), grads = jax.value_and_grad(loss, has_aux=True)(state.params)
        return _update(
            state, optimiser, with_one_cycle(state.opt_state, cycle), grads, stats
        ), value

    def extract(variables: Any, audio: Float[Array, "b t"]) -> ExtractorOutput:
        return model.apply(variables, psi(audio), train=False)

    return ExtractorSteps(create, jax.jit(train, donate_argnums=0), jax.jit(extract))


def _create(model, optimiser, key, example, initial=None) -> TrainState:
    variables = model.init(key, example, train=False)
    params, stats = dict(variables["params"]), dict(variables["batch_stats"])
    for name, given in (initial or {}).items():
        params[name], stats[name] = given["params"], given["batch_stats"]
    return TrainState(jnp.zeros((), jnp.int32), params, stats, optimiser.init(params))


def _update(state, optimiser, opt_state, grads, batch_stats) -> TrainState:
    updates, opt_state = optimiser.update(grads, opt_state, state.params)
    return TrainState(
        state.step + 1, optax.apply_updates(state.params, updates), batch_stats, opt_state
    )

"""How extractors are trained: mixup on waveforms, AdamW under OneCycle."""

from typing import Any, NamedTuple

from jax_dns.training.optimizers import adamw, one_cycle


class Recipe(NamedTuple):
    """Settings of an extractor's training."""

    learning_rate: float = 1e-3  # OneCycle's peak
    weight_decay: float = 0.0  # AdamW's
    mixup_alpha: float = 0.2  # parameter of mixup's Beta distribution; 0 for no mixup


PAPERS_RECIPE = Recipe()


def optimization(recipe: Recipe) -> dict[str, Any]:
    """Returns the fields `optimizer` and `schedule` of a `GradientModel`."""

    def schedule(step: int, n_steps: int) -> dict[str, float]:
        return one_cycle(step, n_steps, max_lr=recipe.learning_rate)._asdict()

    return dict(optimizer=adamw(weight_decay=recipe.weight_decay), schedule=schedule)

"""The toy models as components that a config names, for runs that needn't have the real ones."""

from toy_models import WINDOW, toy_autoencoder, toy_extractor


def scorer(facts, *, learning_rate=1e-3):
    """A generative component."""
    assert facts.segment_samples % WINDOW == 0
    return toy_autoencoder(facts.segment_samples, learning_rate=learning_rate)


def extractor(facts):
    """A discriminative component."""
    return toy_extractor(facts.segment_samples, sections=facts.n_sections)

"""The toy models as components that a config names, for runs in processes of their own."""

from toy_models import WINDOW, toy_autoencoder, toy_extractor


def scorer(facts):
    """A generative component."""
    assert facts.segment_samples % WINDOW == 0
    return toy_autoencoder(facts.segment_samples)


def extractor(facts):
    """A discriminative component for three sections."""
    return toy_extractor(facts.segment_samples)

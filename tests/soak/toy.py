"""The run of `tiny` with toy networks, which are traced and compiled in a second."""

from ml_collections import ConfigDict
from soak import tiny

from jax_dns import config


def get_config() -> ConfigDict:
    """Its factory and stages; f_D is trained for seconds, so that a kill falls within."""
    c = tiny.get_config()
    c.generative = config.generative("toy_components:scorer", epochs=3, batch_size=4, save_every=1)
    c.discriminative = config.discriminative(
        "toy_components:extractor", epochs=12, batch_size=4, eval_batch_size=8, save_every=1
    )
    return c

"""A run of every stage in seconds: toy networks on a handful of short clips, three sections."""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """Two machine types; f_D's batches are even, so that devices can share them."""
    c = config.get_config()
    c.synthetic.make = True
    c.synthetic.machines = "fan,valve"
    c.synthetic.sections = 3
    c.synthetic.train_source, c.synthetic.train_target = 5, 2
    c.synthetic.test_normal = c.synthetic.test_anomaly = 2
    c.synthetic.seconds = 1.5
    c.data.dev_sections, c.data.eval_sections = (0,), (1, 2)
    c.data.segment_seconds, c.data.segment_hop_seconds = 1.0, 0.5
    c.generative = config.generative("toy_components:scorer", epochs=3, batch_size=4)
    c.discriminative = config.discriminative(
        "toy_components:extractor", epochs=3, batch_size=8, eval_batch_size=8, save_every=2
    )
    c.inlier.n_components = (1, 2)
    c.smoothing.ks = (1, 2, 4)
    c.evaluation.figures = c.evaluation.report = False
    return c

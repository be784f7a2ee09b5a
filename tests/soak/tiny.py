"""A run of every stage on a handful of short clips: what the soak tests kill, starve and resume."""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """Two machine types, two sections; the real networks, in the shapes of the other tests."""
    c = config.get_config()
    c.synthetic.make = True
    c.synthetic.machines = "fan,valve"
    c.synthetic.sections = 2
    c.synthetic.train_source, c.synthetic.train_target = 5, 2
    c.synthetic.test_normal = c.synthetic.test_anomaly = 2
    c.synthetic.seconds = 1.5
    c.data.machines, c.data.outliers = "fan", "valve"
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.data.segment_seconds, c.data.segment_hop_seconds = 1.0, 0.5
    c.generative.epochs, c.generative.batch_size = 3, 4
    c.generative.save_every = 1
    c.discriminative.n_mels, c.discriminative.hop_length = 32, 1024
    c.discriminative.epochs, c.discriminative.batch_size, c.discriminative.eval_batch_size = 2, 4, 8
    c.discriminative.save_every = 1
    c.inlier.n_components = (1, 2)
    c.smoothing.ks = (1, 2, 4)
    c.evaluation.figures = c.evaluation.report = False
    return c

"""A run of every stage on a handful of short clips: what the soak tests kill, starve and resume."""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """Two machine types, two sections; the real networks, in the shapes of the other tests."""
    c = config.get_config()
    c.factory.make = True
    c.factory.machines = "fan,valve"
    c.factory.sections = 2
    c.factory.train_source, c.factory.train_target = 5, 2
    c.factory.test_normal = c.factory.test_anomaly = 2
    c.factory.seconds = 1.5
    c.data.machines, c.data.outliers = "fan", "valve"
    c.data.dev_sections, c.data.eval_sections = (0,), (1,)
    c.data.segment, c.data.hop = 1.0, 0.5
    c.ae.epochs, c.ae.batch_size = 3, 4
    c.ae.save_every = 1
    c.extractor.n_mels, c.extractor.window_hop = 32, 1024
    c.extractor.epochs, c.extractor.batch_size, c.extractor.embed_batch_size = 2, 4, 8
    c.extractor.save_every = 1
    c.inlier.components = (1, 2)
    c.smoothing.ks = (1, 2, 4)
    c.evaluation.figures = c.evaluation.report = False
    return c

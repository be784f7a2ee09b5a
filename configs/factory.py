"""Three machine types of a small synthetic factory, all trained and evaluated.

    jax-dns run --config=configs/factory.py --workdir=runs/factory

The demo before it was given a busy shop, and what `experiments/shift_sweep.py` starts from: steady
background, 100 steps of the extractor for each machine type. On two cores, nothing compiled before:
135 s and 2.8 GiB (AMD EPYC), 228 s (Intel Xeon). Harmonic mean of AUC and pAUC over machine types,
domains pooled, on the one and on the other: SerialOE 66.4, 66.0; AE 63.1, 62.9; Proposed 62.6,
61.6; Proposed (Oracle) 68.1, 67.5 %.
"""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """As the demo, without the shop, with clips and segments of the paper's length."""
    c = config.get_config()
    c.synthetic.make = True
    c.synthetic.background = "shop"
    c.synthetic.sections = 4
    c.synthetic.seconds = 5.0
    c.synthetic.train_source = 32
    c.synthetic.test_normal = 16
    c.synthetic.test_anomaly = 16
    c.data.machines = "fan"
    c.data.dev_sections = (0, 1)
    c.data.eval_sections = (2, 3)
    c.data.segment_seconds = 2.0
    c.data.segment_hop_seconds = 0.5
    c.generative.epochs = 60
    c.generative.bn_momentum = 0.9
    c.discriminative.n_mels = 32
    c.discriminative.epochs = 30
    c.discriminative.batch_size = 16
    c.discriminative.bn_momentum = 0.9
    c.discriminative.eval_batch_size = 16
    c.inlier.n_components = (1, 2, 4)
    return c

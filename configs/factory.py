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
    """Steady background, clips and segments of the paper's length."""
    c = config.get_config()
    c.synthetic.make = True
    c.synthetic.sections = 4
    c.synthetic.train_source = 24
    c.synthetic.test_normal = 8
    c.synthetic.test_anomaly = 8
    c.data.dev_sections = (0, 1)
    c.data.eval_sections = (2, 3)
    c.generative.epochs = 60
    c.generative.bn_momentum = 0.9
    c.discriminative.n_mels = 32
    c.discriminative.epochs = 8
    c.discriminative.batch_size = 16
    c.discriminative.bn_momentum = 0.9
    c.discriminative.eval_batch_size = 16
    c.inlier.n_components = (1, 2, 4)
    return c

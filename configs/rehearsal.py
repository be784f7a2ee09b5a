"""DCASE 2021's whole structure on synthetic sound: seven machine types, six sections, all files.

    make rehearsal
    jax-dns run --config=configs/rehearsal.py --workdir=rehearsal/run \\
        --config.data.root=rehearsal/data

The data set is served by a local stand-in for Zenodo, downloaded, trained on, and ends in Tables I
and II, Figures 3 to 5 and a report: every step that `configs/dcase2021.py` takes, at a size for two
cores (20 minutes on two overloaded ones, 13 of processor time). Same networks as the paper's; mel
bands, clips, segments and epochs are smaller. README.md has the table.
"""

from ml_collections import ConfigDict

from jax_dns import config

SECONDS = 5.0  # of a clip
# Clips of a section and domain, a tenth of DCASE 2021's, whose counts are not uniform either.
TEST_COUNTS = {
    ("gearbox", 3, "source"): (12, 11),
    ("gearbox", 4, "source"): (13, 12),
    ("gearbox", 5, "source"): (11, 10),
    ("gearbox", 3, "target"): (15, 14),
    ("gearbox", 4, "target"): (12, 11),
    ("gearbox", 5, "target"): (11, 10),
    ("slider", 5, "target"): (11, 10),
}
FACTORY = {
    "machines": ("fan", "gearbox", "pump", "slider", "ToyCar", "ToyTrain", "valve"),
    "train_source": 20,
    "train_target": 3,
    "test_normal": 10,
    "test_anomaly": 10,
    "test_counts": TEST_COUNTS,
    "seconds": SECONDS,
    "eval_labels": False,
}


def get_config() -> ConfigDict:
    """As the demo's, with segments of 2 s: seven in a clip, as in the paper."""
    c = config.get_config()
    c.data.segment_seconds = 2.0
    c.data.segment_hop_seconds = 0.5
    c.generative.epochs = 100
    c.generative.bn_momentum = 0.9
    c.discriminative.n_mels = 32
    c.discriminative.epochs = 20
    c.discriminative.batch_size = 16
    c.discriminative.bn_momentum = 0.9
    c.discriminative.eval_batch_size = 16
    c.inlier.n_components = (1, 2, 4, 8)
    return c

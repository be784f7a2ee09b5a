"""The small two-branch network of ref. [12] as the feature space, with its own score as h.

    jax-dns run --config=configs/spectra_net.py --workdir=runs/spectra --config.data.root=DIR

DIR as for configs/dcase2021.py. Whole clips, 10 epochs of batches of 64 over all machine types at
once, and the cosine distance to 16 k-means centres and every target feature. The original sums five
networks and has finer classes; with them it is published with 69.14 % (development) and 65.36 %
(evaluation), the harmonic mean over sections and domains. This project has not run it: it has had
no copy of the data set.
"""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """The paper's autoencoder and smoothing beside it, on whole clips."""
    c = config.get_config()
    c.data.segment_seconds = c.data.segment_hop_seconds = 10.0
    c.discriminative = config.discriminative("spectra_net", epochs=10, batch_size=64)
    c.inlier = config.inlier("kmeans", n_clusters=(16,))
    return c

"""The paper's autoencoder smoothed among features that another model has computed.

    jax-dns run --config=configs/precomputed.py --workdir=runs/beats --config.data.root=DIR

DIR as for configs/dcase2021.py; features/fan.npz and so on hold `name [n]` and `feature [n, d]` of
BEATs, EAT, OpenL3 or any other model, one row a clip. No extractor is trained. Several files
are concatenated: `--config.discriminative.path='beats/{machine}.npz,eat/{machine}.npz'`. Published
for BEATs as it is, with k-NN: 62.85 % (development) and 58.12 % (evaluation), the harmonic mean
over sections and domains. This project has had neither the weights nor the data set.
"""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """Cosine distances: such features are compared by their angle."""
    c = config.get_config()
    c.smoothing.metric = "cosine"
    c.discriminative = config.discriminative(
        "precomputed", path="features/{machine}.npz", label="BEATs"
    )
    c.inlier = config.inlier("knn", smote_ratio=0.2)
    return c

"""TWFR-GMM's scores smoothed: whole clips, ranking pooling, one mixture a section (ref. [7]).

    jax-dns run --config=configs/twfr_gmm.py --workdir=runs/twfr_gmm --config.data.root=DIR

DIR holds the recordings of DCASE 2022, which the published figures are of: AUC of the source and
the target domain and pAUC 84.19, 73.15 and 63.29 % on the development sections, without smoothing
and with each machine type's own r and components, searched on its labelled clips:
`--config.data.machines=slider --config.generative.r=0.88 --config.generative.n_components=1`. The
factory's docstring lists them. This project has not run it: it has had no copy of the data set.
"""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """The variant that oversamples the target domain."""
    c = config.get_config()
    c.data.segment_seconds = c.data.segment_hop_seconds = 10.0
    c.generative = config.generative("twfr_gmm", smote_ratio=0.2)
    return c

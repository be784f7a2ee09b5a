"""The paper in full: DCASE 2021 Task 2, seven machine types.

    jax-dns run --config=configs/dcase2021.py --workdir=runs/dcase2021 --config.data.root=DIR

DIR holds dev_data/ and eval_data/ (Zenodo records 4562016, 4660992, 4884786) and the ground truth
(record 5257674), about 18 GB. Other machine types, or fewer: `--config.data.machines=fan,pump`;
three seeds: `--config.seeds='(0,1,2)'`.

Table II's All-hmean to expect, with both domains of a section pooled: SerialOE 64.72, AE 56.38,
Proposed 63.52, Proposed (Oracle) 69.89. This project has not run it: it has had no copy of the data
set. README.md says what a step costs.
"""

from ml_collections import ConfigDict

from jax_dns import config


def get_config() -> ConfigDict:
    """The paper's settings, every field as `jax_dns.config` has it."""
    return config.get_config()

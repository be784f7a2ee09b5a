"""Where recordings come from: the synthetic factory and DCASE 2021 on Zenodo."""

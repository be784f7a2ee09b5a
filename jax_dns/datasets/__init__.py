"""Makes or fetches recordings: the synthetic factory, and the DCASE data sets on Zenodo."""

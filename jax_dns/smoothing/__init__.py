"""Eq. 7 and its kin: anomaly scores averaged over neighbours in feature space."""

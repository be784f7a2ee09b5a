"""a_G: generative anomaly scores, one file a component."""

"""h: inlier models on discriminative features, one file a component."""

"""f_D: discriminative feature extractors, one file a component, and the trunk they share."""

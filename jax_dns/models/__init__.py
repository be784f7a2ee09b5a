"""Pure Flax (Linen) modules."""

"""Losses, optimisers, jitted steps and the one loop."""

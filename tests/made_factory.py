"""Tiny synthetic factories."""

from jax_dns.datasets.synthetic import make_factory


def make_tiny(root, *, machines=("fan",), sections=(0, 1), **changed):
    """Two test clips of each kind, all of 1 s; the first section develops."""
    options = dict(
        dev_sections=sections[:1],
        train_source=4,
        train_target=2,
        test_normal=2,
        test_anomaly=2,
        seconds=1.0,
        progress=False,
    )
    return make_factory(root, machines=machines, sections=sections, **{**options, **changed})

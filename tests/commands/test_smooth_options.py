"""Options of `jax-dns smooth` that don't fit each other."""

import pytest

from jax_dns.commands.smooth_options import read_options
from jax_dns.errors import UsageError

FILES = ["--scores", "s.csv", "--features", "f.npz", "--out", "o.csv"]


def test_ks_are_read_once_each_in_order():
    assert read_options([*FILES, "--k", "4, 2,4"]).ks == [4, 2]
    assert read_options([*FILES, "--k", "auto"]).ks is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--k", "adaptive"], "--k adaptive and --known-normals need each other"),
        (["--k", "2", "--known-normals", "k.csv"], "--k adaptive and --known-normals need"),
        (["--k", "2", "--gate", "3"], "--gate: 3, expected 1 or more, and --k adaptive"),
        (["--k", "adaptive", "--known-normals", "k.csv", "--gate", "0.5"], "--gate: 0.5"),
        (["--k", "adaptive", "--known-normals", "k.csv", "--pool", "source"], "--pool: source"),
        (["--k", "auto", "--dose", "0.5"], "--dose: 0.5, expected 0 to 1, and --k N"),
        (["--k", "2", "--dose", "2"], "--dose: 2, expected 0 to 1"),
        (["--k", "adaptive", "--known-normals", "k", "--select-sections", "0"], "is for --k auto"),
    ],
)
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(UsageError, match=message):
        read_options([*FILES, *options])

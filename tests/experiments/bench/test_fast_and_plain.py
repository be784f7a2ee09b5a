"""The extractor trains with our layers as with plain ones, but for rounding."""

import csv

import fast_and_plain
import jax
import jax.numpy as jnp
import numpy as np
import plain_networks
import pytest
from inputs import noise

from jax_dns.discriminative import efficientnet

INPUTS = noise(2, 3, 4)


def test_relative_errors_are_tabulated(tmp_path, monkeypatch, capsys):
    """Without the network, which compiles for half a minute."""

    def train_losses(spectrograms, *, steps, plain=False):
        return np.full(steps, 2.0) + 0.5 * plain + (spectrograms != INPUTS).all()

    monkeypatch.setattr(fast_and_plain, "train_losses", train_losses)
    arguments = ["--batch", "2", "--shape", "3", "4", "--steps", "2"]
    fast_and_plain.main([*arguments, "--out", str(tmp_path / "losses")])
    rows = list(csv.DictReader((tmp_path / "losses.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["1", "2"]
    assert (float(rows[1]["plain_error"]), float(rows[1]["nudged_error"])) == (0.25, 0.5)
    assert "nudged_error" in capsys.readouterr().out


@pytest.mark.parametrize("stride", [1, 2])
def test_plain_layers_equal_ours(rng, stride):
    x = rng.normal(size=(2, 9, 8, 4)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, 4)).astype(np.float32)
    np.testing.assert_allclose(
        plain_networks.depthwise_conv(x, kernel, stride),
        efficientnet.depthwise_conv(x, kernel, stride),
        rtol=1e-4,
        atol=1e-5,
    )
    scale, bias = rng.normal(size=(2, 4)).astype(np.float32)
    for plain, ours in zip(
        plain_networks.batch_norm(x, scale, bias, True),
        efficientnet.batch_norm(x, scale, bias, True),
    ):
        np.testing.assert_allclose(plain, ours, rtol=1e-4, atol=1e-5)


def test_the_plain_path_replaces_the_layers_and_ends():
    ours = efficientnet.batch_norm
    with plain_networks.plain_path():
        assert efficientnet.batch_norm is plain_networks.batch_norm
    assert efficientnet.batch_norm is ours


def test_the_plain_path_has_no_derivatives_of_ours():
    def program():
        def network(x):
            model = efficientnet.EfficientNetB0()
            variables = model.init(jax.random.key(0), x, train=False)
            return model.apply(variables, x, train=True, mutable=["batch_stats"])[0]

        return str(jax.make_jaxpr(network)(jnp.zeros((2, 32, 32, 1))))

    with plain_networks.plain_path():
        plain = program()
    assert "custom_vjp" in program() and "custom_vjp" not in plain
    assert "feature_group_count=32" in plain


def test_a_dozen_losses_agree(monkeypatch):
    """On two of B0's stages, which have both kernels, strides and expansions between them."""
    monkeypatch.setattr(efficientnet, "B0", efficientnet.B0[0:3:2])
    spectrograms = noise(4, 16, 40)
    fast, plain = (
        fast_and_plain.train_losses(spectrograms, steps=12, plain=plain) for plain in (False, True)
    )
    assert np.ptp(fast) > 0.5
    np.testing.assert_allclose(fast, plain, rtol=1e-4)

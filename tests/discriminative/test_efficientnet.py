"""EfficientNet-B0 against PyTorch's numbers and against plain Flax layers."""

import itertools
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from golden.make_efficientnet import (
    EVALUATED,
    GOLDEN,
    GRADIENTS,
    MEANS,
    TRAINED,
    seeded_input,
    seeded_state,
)
from jax import lax

from jax_dns.discriminative.efficientnet import (
    B0,
    Block,
    EfficientNetB0,
    batch_norm,
    count_kernel_values,
    pointwise_conv,
)
from jax_dns.discriminative.timm_weights import from_timm


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as file:
        return dict(file)


def close(ours, expected, name="", tolerance=1e-4):
    """Within a share of the largest expected value."""
    expected = np.asarray(expected)
    np.testing.assert_allclose(
        ours, expected, rtol=0, atol=tolerance * np.abs(expected).max(), err_msg=name
    )


def initialised(channels, size=(32, 32), **fields):
    images = jnp.zeros((2, *size, channels))
    return lambda: EfficientNetB0(**fields).init(jax.random.key(0), images, train=False)


@pytest.mark.parametrize(("channels", "count"), [(1, 4_006_972), (3, 4_007_548)])
def test_parameter_count(channels, count):
    params = jax.eval_shape(initialised(channels))["params"]
    assert sum(p.size for p in jax.tree.leaves(params)) == count


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_parameters_and_statistics_are_float32(dtype):
    net = EfficientNetB0(dtype=dtype)
    variables = jax.eval_shape(initialised(2, dtype=dtype))
    images = jax.ShapeDtypeStruct((2, 33, 64, 2), jnp.float32)
    apply = partial(net.apply, train=True, mutable=["batch_stats"])
    y, stats = jax.eval_shape(apply, variables, images)
    assert (y.shape, y.dtype) == ((2, 2, 2, 1280), dtype)
    assert {a.dtype for a in jax.tree.leaves((variables, stats))} == {jnp.dtype("float32")}


@pytest.fixture(scope="module")
def first_weights():
    return jax.jit(initialised(1))()["params"]


def test_initial_kernels_have_timms_scale(first_weights):
    block = first_weights["block_5_1"]
    for kernel, fan_out in [
        (block["expand"]["kernel"], 1152),
        (block["project"]["kernel"], 192),
        (block["squeeze"]["kernel"], 48),
        (block["depthwise"], 25),
        (first_weights["head"]["kernel"], 1280),
        (first_weights["stem"]["kernel"], 9 * 32),
    ]:
        assert np.std(kernel) == pytest.approx(
            np.sqrt(2 / fan_out), rel=4 / np.sqrt(2 * kernel.size)
        )
        assert abs(np.mean(kernel)) < 4 * np.std(kernel) / np.sqrt(kernel.size)


def test_no_value_is_drawn_twice(first_weights):
    kernels = [a for a in jax.tree.leaves(first_weights) if a.ndim > 1]
    unit = np.concatenate([np.ravel(a / np.std(a)) for a in kernels])
    assert len(unit) == count_kernel_values(1)
    standard = np.sort(unit)
    # Of n normal values of float32 some are equal by chance; a slice taken twice would double all.
    assert np.mean(np.diff(standard) == 0) < 0.2
    for a, b in itertools.combinations(kernels, 2):
        n = min(a.size, b.size)
        assert not np.allclose(np.ravel(a)[:n] / np.std(a), np.ravel(b)[:n] / np.std(b), rtol=0.2)


@pytest.mark.parametrize("name", EVALUATED)
def test_evaluation_equals_pytorch(golden, name):
    shape, out = EVALUATED[name]
    variables = from_timm(seeded_state(0, 3), shape[-1])
    apply = jax.jit(partial(EfficientNetB0().apply, train=False))
    y = np.asarray(apply(variables, seeded_input(1, shape)))
    assert y.shape == out
    close(y.mean((1, 2)), golden[f"{name}/pooled"])
    close(y[..., ::16], golden[f"{name}/map"])


def test_training_equals_pytorch(golden):
    variables = from_timm(seeded_state(0, 3), 1)
    target = seeded_input(2, (TRAINED[0], 1280))

    def loss(params, stats, images):
        y, updated = EfficientNetB0().apply(
            {"params": params, "batch_stats": stats}, images, train=True, mutable=["batch_stats"]
        )
        return jnp.mean(y.mean((1, 2)) * target), updated

    step = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (value, updated), gradients = step(*variables.values(), seeded_input(1, TRAINED))
    assert float(value) == pytest.approx(float(golden["loss"]), rel=1e-4)

    # The golden gradients, laid out as the net's, by way of the converter.
    named = seeded_state(0, 1) | {key: golden[f"gradient/{key}"] for key in GRADIENTS}
    marked = seeded_state(0, 1) | {key: np.full_like(named[key], np.nan) for key in GRADIENTS}
    marked, expected = (from_timm(a, 1)["params"] for a in (marked, named))
    checked = 0
    for mark, ours, theirs in zip(
        *map(jax.tree.leaves, (marked, gradients, expected)), strict=True
    ):
        if np.isnan(mark).any():
            close(ours, theirs)
            checked += 1
    assert checked == len(GRADIENTS)

    stem, block = MEANS
    stats = updated["batch_stats"]
    close(stats["stem_norm"]["mean"], golden[f"mean/{stem}"])
    close(stats["block_4_0"]["project_norm"]["mean"], golden[f"mean/{block}"])


def plain_norm(x, params, stats, silu, train=True):
    """nn.BatchNorm and nn.silu; returns the activations and the new statistics."""
    norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, epsilon=1e-3)
    y, updated = norm.apply({"params": params, "batch_stats": stats}, x, mutable=["batch_stats"])
    return nn.silu(y) if silu else y, updated["batch_stats"]


def plain_block(variables, x, stride):
    """The block of `efficientnet.Block` from Flax's layers and XLA's convolutions."""
    params, stats, new, start = variables["params"], variables["batch_stats"], {}, x

    def conv(x, kernel, stride=1, groups=1):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(
            x, kernel, (stride,) * 2, "SAME", dimension_numbers=numbers, feature_group_count=groups
        )

    def norm(x, name, silu=True):
        y, new[name] = plain_norm(x, params[name], stats[name], silu)
        return y

    def dense(x, name):
        return x @ params[name]["kernel"] + params[name]["bias"][None]

    x = norm(conv(x, params["expand"]["kernel"][None, None]), "expand_norm")
    x = conv(x, params["depthwise"][:, :, None], stride, groups=x.shape[-1])
    x = norm(x, "depthwise_norm")
    gate = nn.sigmoid(dense(nn.silu(dense(x.mean((1, 2)), "squeeze")), "excite"))
    x = conv(x * gate[:, None, None], params["project"]["kernel"][None, None])
    x = norm(x, "project_norm", silu=False)
    return (x + start if x.shape == start.shape else x), new


@pytest.fixture(scope="module")
def weights():
    return from_timm(seeded_state(0, 3), 1)


def of_block(weights, name):
    return {collection: tree[name] for collection, tree in weights.items()}


@pytest.mark.parametrize(
    ("name", "stride", "channels"), [("block_1_1", 1, 24), ("block_2_0", 2, 24)]
)
def test_block_equals_plain_layers(rng, weights, name, stride, channels):
    variables = of_block(weights, name)
    x = jnp.asarray(rng.normal(size=(3, 9, 8, channels)), jnp.float32)
    block = Block(B0[int(name[6])], stride, 0.9, jnp.float32, nn.initializers.zeros)

    def ours(params, x):
        y, updated = block.apply(
            variables | {"params": params}, x, train=True, mutable="batch_stats"
        )
        return jnp.sum(jnp.sin(y)), (y, updated["batch_stats"])

    def plain(params, x):
        y, updated = plain_block(variables | {"params": params}, x, stride)
        return jnp.sum(jnp.sin(y)), (y, updated)

    results = (
        jax.jit(jax.value_and_grad(f, (0, 1), has_aux=True))(variables["params"], x)
        for f in (ours, plain)
    )
    pairs = zip(*(jax.tree.leaves_with_path(result) for result in results), strict=True)
    for (path, a), (other, b) in pairs:
        assert path == other
        close(a, b, jax.tree_util.keystr(path))


@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_batch_norm_equals_flax(rng, silu, offset):
    """Far from zero too, where E[x^2] - E[x]^2 has lost its digits."""
    x, up = (rng.normal(size=(4, 5, 6, 7)).astype(np.float32) for _ in range(2))
    params = {name: rng.normal(size=7).astype(np.float32) for name in ("scale", "bias")}
    stats = {"mean": np.zeros(7, np.float32), "var": np.ones(7, np.float32)}

    def plain(x, params):
        return jnp.sum(plain_norm(x, params, stats, silu)[0] * up)

    def ours(x, params):
        y, mean, var = batch_norm(x, params["scale"], params["bias"], silu)
        return jnp.sum(y * up), (mean, var)

    expected = jax.jit(jax.value_and_grad(plain, (0, 1)))(x, params)
    (value, (mean, var)), gradients = jax.jit(jax.value_and_grad(ours, (0, 1), has_aux=True))(
        x + offset, params
    )
    assert float(value) == pytest.approx(float(expected[0]), rel=1e-3)
    np.testing.assert_allclose(mean, x.mean((0, 1, 2)) + offset, atol=1e-4)
    np.testing.assert_allclose(var, x.var((0, 1, 2)), rtol=1e-3)
    for a, b in zip(*map(jax.tree.leaves, (gradients, expected[1])), strict=True):
        close(a, b, tolerance=1e-4 if offset == 0 else 1e-3)


def test_pointwise_conv_equals_a_product(rng):
    x, kernel = (rng.normal(size=s).astype(np.float32) for s in [(2, 3, 4, 5), (5, 7)])
    up = rng.normal(size=(2, 3, 4, 7)).astype(np.float32)
    for product in (pointwise_conv, lambda x, k: jnp.einsum("bhwc,cd->bhwd", x, k)):
        y, pull = jax.vjp(product, x, kernel)
        close(y, np.einsum("bhwc,cd->bhwd", x, kernel))
        close(pull(up)[0], np.einsum("bhwd,cd->bhwc", up, kernel))
        close(pull(up)[1], np.einsum("bhwc,bhwd->cd", x, up))

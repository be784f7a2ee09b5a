"""EfficientNet-B0 (Tan and Le, ICML 2019), as in timm's `tf_efficientnet_b0`."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jax_dns.models.depthwise import depthwise_conv


class Stage(NamedTuple):
    """One line of the paper's table 1: `blocks` inverted bottlenecks in a row."""

    expansion: int
    kernel: int
    stride: int
    features: int
    blocks: int


STEM_FEATURES = 32
B0 = (
    Stage(expansion=1, kernel=3, stride=1, features=16, blocks=1),
    Stage(expansion=6, kernel=3, stride=2, features=24, blocks=2),
    Stage(expansion=6, kernel=5, stride=2, features=40, blocks=2),
    Stage(expansion=6, kernel=3, stride=2, features=80, blocks=3),
    Stage(expansion=6, kernel=5, stride=1, features=112, blocks=3),
    Stage(expansion=6, kernel=5, stride=2, features=192, blocks=4),
    Stage(expansion=6, kernel=3, stride=1, features=320, blocks=1),
)
HEAD_FEATURES = 1280
SQUEEZE = 0.25  # of the channels that enter the block
EPSILON = 1e-3  # TensorFlow's; PyTorch's nets have 1e-5

# He et al.'s normal over the fan-out; of a depthwise filter that is kh * kw.
conv_init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def depthwise_init(key: jax.Array, shape: tuple[int, ...], dtype: Any = jnp.float32) -> jax.Array:
    """N(0, 2 / (kh * kw)) for a kernel [kh, kw, C]."""
    return jnp.sqrt(2.0 / (shape[0] * shape[1])) * jax.random.normal(key, shape, dtype)


class BatchNorm(nn.Module):
    """Batch normalisation over all but the last axis; variables as in `nn.BatchNorm`."""

    momentum: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        features = x.shape[-1]
        mean = self.variable("batch_stats", "mean", jnp.zeros, (features,))
        var = self.variable("batch_stats", "var", jnp.ones, (features,))
        scale = self.param("scale", nn.initializers.ones, (features,))
        bias = self.param("bias", nn.initializers.zeros, (features,))
        if train:
            axes = tuple(range(x.ndim - 1))
            batch_mean = jnp.mean(x, axes, dtype=jnp.float32)
            batch_var = jnp.mean(jnp.square(x - batch_mean), axes, dtype=jnp.float32)
            if not self.is_initializing():
                mean.value += (1 - self.momentum) * (batch_mean - mean.value)
                var.value += (1 - self.momentum) * (batch_var - var.value)
        else:
            batch_mean, batch_var = mean.value, var.value
        gain = scale * jax.lax.rsqrt(batch_var + EPSILON)
        return (x * gain + (bias - batch_mean * gain)).astype(x.dtype)


class Block(nn.Module):
    """An inverted bottleneck with squeeze and excitation (MBConv).

    The last 1x1 convolution is followed by no activation. The residual connection is there where
    the block keeps the shape.
    """

    expansion: int
    kernel: int
    stride: int
    features: int
    bn_momentum: float
    dtype: Any
    drop_path: float

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        entered, width = x, x.shape[-1] * self.expansion
        if self.expansion > 1:
            x = self.pointwise(width, "expand")(x)
            x = nn.silu(self.norm("expand_norm")(x, train=train))
        kernel = self.param("depthwise", depthwise_init, (self.kernel, self.kernel, width))
        x = depthwise_conv(x, kernel.astype(self.dtype), self.stride)
        x = nn.silu(self.norm("depthwise_norm")(x, train=train))
        x = x * self.excitation(x, int(entered.shape[-1] * SQUEEZE))
        x = self.pointwise(self.features, "project")(x)
        x = self.norm("project_norm")(x, train=train)
        if x.shape != entered.shape:
            return x
        x = nn.Dropout(self.drop_path, (1, 2, 3), deterministic=not train)(x)
        return x + entered

    def norm(self, name: str) -> BatchNorm:
        return BatchNorm(self.bn_momentum, name=name)

    def pointwise(self, features: int, name: str, bias: bool = False) -> nn.Dense:
        """A 1x1 convolution: for XLA:CPU a matrix product, and so are its gradients."""
        return nn.Dense(features, use_bias=bias, dtype=self.dtype, kernel_init=conv_init, name=name)

    def excitation(self, x: jax.Array, features: int) -> jax.Array:
        """The gate of each channel, in (0, 1): [B, 1, 1, C]."""
        pooled = jnp.mean(x, (1, 2), keepdims=True)
        pooled = nn.silu(self.pointwise(features, "squeeze", bias=True)(pooled))
        return nn.sigmoid(self.pointwise(x.shape[-1], "excite", bias=True)(pooled))


class EfficientNetB0(nn.Module):
    """EfficientNet-B0 without pooling and classifier.

    Attributes:
        bn_momentum: share of the old running mean and variance kept at each step.
        dtype: dtype of the computation; parameters and batch statistics stay float32.
        drop_path: highest rate of stochastic depth (Huang et al. 2016), reached linearly over the
            blocks; needs the rng "dropout" where above 0.
    """

    bn_momentum: float = 0.99
    dtype: Any = jnp.float32
    drop_path: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Computes the last feature map.

        Args:
            x: images or spectrograms [B, H, W, C_in], any number of channels.
            train: normalise by the batch's statistics and update the running ones.

        Returns:
            [B, ceil(H / 32), ceil(W / 32), 1280] in `dtype`.
        """
        x = nn.Conv(
            STEM_FEATURES,
            (3, 3),
            (2, 2),
            use_bias=False,
            dtype=self.dtype,
            kernel_init=conv_init,
            name="stem",
        )(x.astype(self.dtype))
        x = nn.silu(BatchNorm(self.bn_momentum, name="stem_norm")(x, train=train))
        total, index = sum(stage.blocks for stage in B0), 0
        for i, stage in enumerate(B0):
            for j in range(stage.blocks):
                x = Block(
                    stage.expansion,
                    stage.kernel,
                    stage.stride if j == 0 else 1,
                    stage.features,
                    self.bn_momentum,
                    self.dtype,
                    self.drop_path * index / total,
                    name=f"block_{i}_{j}",
                )(x, train=train)
                index += 1
        x = nn.Dense(
            HEAD_FEATURES, use_bias=False, dtype=self.dtype, kernel_init=conv_init, name="head"
        )(x)
        return nn.silu(BatchNorm(self.bn_momentum, name="head_norm")(x, train=train))

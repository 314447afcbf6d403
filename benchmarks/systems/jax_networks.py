"""JAX on the networks: plain functions over a tree of weights, the whole step under jit with its state donated."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from workloads import layers as data
from workloads.layers import Layer
from workloads.network_work import NetworkInference, NetworkTraining

from systems import Prepared, mean_magnitude
from systems.jax_worker import adam_update, initial_state

VERSION = jax.__version__
IMAGES = ("NHWC", "HWIO", "NHWC")
ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}


def initial_statistics(network: data.Network) -> dict:
    """Moving mean and variance of every batch normalisation."""
    return {
        path: (jnp.zeros(shape[-1]), jnp.ones(shape[-1]))
        for path, layer, shape in data.walk(network.layers, network.input)
        if isinstance(layer, data.BatchNorm)
    }


def convolution(x, kernel, stride: int, border: int, groups: int = 1):
    return lax.conv_general_dilated(
        x, kernel, (stride, stride), [(border, border)] * 2, dimension_numbers=IMAGES, feature_group_count=groups
    )


def transposed(layer: data.ConvTranspose, x, kernel):
    """The input between zeros, convolved with the turned kernel."""
    low = layer.kernel - 1 - layer.border
    return lax.conv_general_dilated(
        x,
        kernel[::-1, ::-1].swapaxes(2, 3),
        (1, 1),
        [(low, low + layer.extra)] * 2,
        lhs_dilation=(layer.stride, layer.stride),
        dimension_numbers=IMAGES,
    )


def batch_norm(layer: data.BatchNorm, path: str, x, w, statistics: dict, training: bool):
    if training:
        axes = tuple(range(x.ndim - 1))
        mean, variance = jnp.mean(x, axes), jnp.var(x, axes)
        kept, m = statistics[path], layer.momentum
        statistics[path] = (m * kept[0] + (1 - m) * mean, m * kept[1] + (1 - m) * variance)
    else:
        mean, variance = statistics[path]
    return (x - mean) * (lax.rsqrt(variance + layer.epsilon) * w["gamma"]) + w["beta"]


def layer_norm(x, gamma, beta, epsilon: float):
    mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
    return (x - mean) * lax.rsqrt(variance + epsilon) * gamma + beta


def lstm(layer: data.Lstm, x, w):
    def step(carry, projected):
        hidden, cell = carry
        i, f, c, o = jnp.split(projected + hidden @ w["recurrent_kernel"], 4, -1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
        return (jax.nn.sigmoid(o) * jnp.tanh(cell), cell), None

    projected = (x @ w["kernel"] + w["bias"]).swapaxes(0, 1)
    zeros = jnp.zeros((x.shape[0], layer.units))
    return lax.scan(step, (zeros, zeros), projected)[0][0]


def gru(layer: data.Gru, x, w):
    def step(hidden, projected):
        own = hidden @ w["recurrent_kernel"] + w["bias"][1]
        update, reset, candidate = jnp.split(projected, 3, -1)
        own_update, own_reset, own_candidate = jnp.split(own, 3, -1)
        z, r = jax.nn.sigmoid(update + own_update), jax.nn.sigmoid(reset + own_reset)
        return z * hidden + (1 - z) * jnp.tanh(candidate + r * own_candidate), None

    projected = (x @ w["kernel"] + w["bias"][0]).swapaxes(0, 1)
    return lax.scan(step, jnp.zeros((x.shape[0], layer.units)), projected)[0]


def encoder(layer: data.Encoder, x, w):
    def heads(name: str):
        return (x @ w[f"{name}_kernel"] + w[f"{name}_bias"]).reshape(*x.shape[:2], layer.heads, -1)

    seen = jax.nn.dot_product_attention(heads("query"), heads("key"), heads("value")).reshape(x.shape)
    seen = seen @ w["output_kernel"] + w["output_bias"]
    x = layer_norm(x + seen, w["attention_gamma"], w["attention_beta"], layer.epsilon)
    inner = jax.nn.relu(x @ w["up_kernel"] + w["up_bias"]) @ w["down_kernel"] + w["down_bias"]
    return layer_norm(x + inner, w["hidden_gamma"], w["hidden_beta"], layer.epsilon)


def apply(layer: Layer, path: str, x, weights, statistics: dict, training: bool):
    """What one layer makes of x; batch normalisation also changes `statistics`."""
    w = weights.get(path, {})
    match layer:
        case data.Dense():
            return x @ w["kernel"] + w.get("bias", 0.0)
        case data.Conv():
            return convolution(x, w["kernel"], layer.stride, layer.border) + w.get("bias", 0.0)
        case data.Depthwise():
            return convolution(x, w["kernel"].swapaxes(2, 3), layer.stride, layer.border, x.shape[-1])
        case data.ConvTranspose():
            return transposed(layer, x, w["kernel"]) + w.get("bias", 0.0)
        case data.BatchNorm():
            return batch_norm(layer, path, x, w, statistics, training)
        case data.Activation(function):
            return ACTIVATIONS[function](x)
        case data.MaxPool():
            return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        case data.Mean():
            return jnp.mean(x, tuple(range(1, x.ndim - 1)))
        case data.Flatten():
            return x.reshape(x.shape[0], -1)
        case data.Reshape(shape):
            return x.reshape(x.shape[0], *shape)
        case data.Residual(inside, shortcut):
            past = sequence(shortcut, f"{path}.shortcut.", x, weights, statistics, training)
            return past + sequence(inside, f"{path}.inside.", x, weights, statistics, training)
        case data.Gru():
            return gru(layer, x, w)
        case data.Lstm():
            return lstm(layer, x, w)
        case data.Encoder():
            return encoder(layer, x, w)


def sequence(layers: tuple[Layer, ...], path: str, x, weights, statistics: dict, training: bool):
    for name, layer in data.named(layers, path):
        x = apply(layer, name, x, weights, statistics, training)
    return x


def network_training(work: NetworkTraining, mode: str, threads: int) -> Prepared:
    xs, ys = work.data()

    def loss_of(weights, statistics, x, y):
        changed = dict(statistics)
        made = sequence(work.network.layers, "", x, weights, changed, training=True)
        if work.target != "classes":
            return jnp.mean((made - y) ** 2), changed
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(made), y[:, None], axis=-1)), changed

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(state, statistics, x, y):
        (loss, statistics), gradients = jax.value_and_grad(loss_of, has_aux=True)(state[0], statistics, x, y)
        return adam_update(work.adam, state, gradients), statistics, loss

    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(xs, ys, strict=True)]
    state, statistics, done, last = initial_state(work.weights()), initial_statistics(work.network), 0, jnp.zeros(())

    def run(n: int) -> None:
        nonlocal state, statistics, last, done
        for i in range(done, done + n):
            state, statistics, last = step(state, statistics, *batches[i % len(batches)])
        done += n
        jax.block_until_ready((state, last))

    return Prepared(run, lambda: float(last))


def network_inference(work: NetworkInference, mode: str, threads: int) -> Prepared:
    weights, statistics = jax.tree.map(jnp.asarray, work.weights()), initial_statistics(work.network)
    call = jax.jit(lambda weights, x: sequence(work.network.layers, "", x, weights, dict(statistics), training=False))
    x, last = work.inputs(), np.zeros(1)

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = np.asarray(call(weights, x))

    return Prepared(run, lambda: mean_magnitude(last))

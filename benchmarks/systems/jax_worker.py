"""JAX under jit with its state donated; "scan" loops over the batches inside one call."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from workloads.base import Adam, Chain, Epoch, Prediction, Training, Weights

from systems import Prepared, mean_magnitude

VERSION = jax.__version__


def logits(weights, x):
    """Dense layers with relu between them."""
    for kernel, bias in weights[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = weights[-1]
    return x @ kernel + bias


def cross_entropy(weights, x, y):
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits(weights, x)), y[:, None], axis=-1))


def initial_state(weights: Weights):
    """Weights, both moments, and the number of steps done."""
    weights = jax.tree.map(jnp.array, weights)
    first, second = jax.tree.map(jnp.zeros_like, weights), jax.tree.map(jnp.zeros_like, weights)
    return weights, first, second, jnp.zeros((), jnp.int32)


def adam_update(settings: Adam, state, gradients):
    """One update of every weight."""
    weights, first, second, steps = state
    b1, b2, steps = settings.beta_1, settings.beta_2, steps + 1
    first = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, first, gradients)
    second = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, second, gradients)
    time = steps.astype(jnp.float32)
    rate, root = settings.learning_rate / (1 - b1**time), jnp.sqrt(1 - b2**time)
    weights = jax.tree.map(
        lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + settings.epsilon), weights, first, second
    )
    return weights, first, second, steps


def make_step(settings: Adam):
    def step(state, x, y):
        loss, gradients = jax.value_and_grad(cross_entropy)(state[0], x, y)
        return adam_update(settings, state, gradients), loss

    return step


def training(work: Training, mode: str, threads: int) -> Prepared:
    xs, ys = work.data()
    state, step, done, last = initial_state(work.weights()), make_step(work.adam), 0, jnp.zeros(())
    if mode == "scan":
        x, y = jnp.asarray(xs), jnp.asarray(ys)
        over_batches = lambda state, x, y: jax.lax.scan(lambda s, batch: step(s, *batch), state, (x, y))  # noqa: E731
        loop = jax.jit(over_batches, donate_argnums=0)

        def run(n: int) -> None:
            nonlocal state, last
            for _ in range(0, n, work.batches):
                state, losses = loop(state, x, y)
            last = losses.block_until_ready()[-1]

        return Prepared(run, lambda: float(last), per_call=work.batches)

    batches = [(jnp.asarray(x), jnp.asarray(y)) for x, y in zip(xs, ys, strict=True)]
    call = jax.jit(step, donate_argnums=0)
    if mode == "ahead of time":
        call = call.lower(state, *batches[0]).compile()

    def run(n: int) -> None:
        nonlocal state, last, done
        for i in range(done, done + n):
            state, last = call(state, *batches[i % len(batches)])
        done += n
        jax.block_until_ready((state, last))

    return Prepared(run, lambda: float(last))


def epoch(work: Epoch, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    call = jax.jit(make_step(work.adam), donate_argnums=0)
    generator, mean_loss = np.random.default_rng(0), 0.0

    def one_epoch(state, order):
        losses = []
        for start in range(0, work.samples, work.batch):
            chosen = order[start : start + work.batch]
            state, loss = call(state, x[chosen], y[chosen])
            losses.append((loss, len(chosen)))
        return state, sum(float(loss) * count for loss, count in losses) / work.samples

    state = initial_state(work.weights())

    def run(n: int) -> None:
        nonlocal state, mean_loss
        for _ in range(n):
            state, mean_loss = one_epoch(state, generator.permutation(work.samples))
        jax.block_until_ready(state)

    def check() -> list[tuple[int, float]]:
        return [(1, one_epoch(initial_state(work.weights()), np.arange(work.samples))[1])]

    return Prepared(run, lambda: mean_loss, check)


def prediction(work: Prediction, mode: str, threads: int) -> Prepared:
    weights, row, last = jax.tree.map(jnp.asarray, work.weights()), work.row(), np.zeros(1)
    call = jax.jit(logits)

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = np.asarray(call(weights, row))

    return Prepared(run, lambda: mean_magnitude(last))


def chain(work: Chain, mode: str, threads: int) -> Prepared:
    values = jnp.asarray(work.array())
    if work.operation == "adam":
        return adam_chain(work, values)
    scale, shift = (jnp.asarray(a) for a in work.scale_and_shift())

    def layer_norm(x):
        mean, variance = jnp.mean(x, -1, keepdims=True), jnp.var(x, -1, keepdims=True)
        return (x - mean) * jax.lax.rsqrt(variance + work.epsilon) * scale + shift

    functions = {
        "gelu": lambda x: jax.nn.gelu(x, approximate=False),
        "softmax": lambda x: jax.nn.softmax(x, -1),
        "layer_norm": layer_norm,
    }
    call, result = jax.jit(functions[work.operation]), values

    def run(n: int) -> None:
        nonlocal result
        for _ in range(n):
            result = call(values).block_until_ready()

    return Prepared(run, lambda: mean_magnitude(result))


def adam_chain(work: Chain, values) -> Prepared:
    """Updates of `values` in place (the state is donated), with the same gradient each time."""
    gradient = jnp.asarray(work.array(offset=1))
    state = (values, jnp.zeros_like(values), jnp.zeros_like(values), jnp.zeros((), jnp.int32))
    call = jax.jit(lambda state, gradient: adam_update(work.adam, state, gradient), donate_argnums=0)

    def run(n: int) -> None:
        nonlocal state
        for _ in range(n):
            state = jax.block_until_ready(call(state, gradient))

    return Prepared(run, lambda: mean_magnitude(state[0]))

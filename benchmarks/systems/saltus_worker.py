"""saltus by its public names: functions under jit with donated state, `scan` over batches, and `fit`."""

from __future__ import annotations

import numpy as np
from workloads.base import Adam, Chain, Epoch, Prediction, Product, Training, Weights

import saltus as sl
from systems import Prepared, mean_magnitude

VERSION = sl.__version__


def logits(weights, x):
    """Dense layers with relu between them."""
    for kernel, bias in weights[:-1]:
        x = sl.relu(x @ kernel + bias)
    kernel, bias = weights[-1]
    return x @ kernel + bias


def cross_entropy(weights, x, y):
    return -sl.mean(sl.take_along_axis(sl.log_softmax(logits(weights, x)), y[:, None], axis=-1))


def initial_state(weights: Weights):
    """Weights, both moments, and the number of steps done."""
    values = [(sl.asarray(kernel), sl.asarray(bias)) for kernel, bias in weights]
    first, second = ([(sl.zeros_like(k), sl.zeros_like(b)) for k, b in values] for _ in range(2))
    return values, first, second, sl.asarray(0, dtype="int32")


def adam_update(settings: Adam, state, gradients):
    """One update of every weight."""
    weights, first, second, steps = state
    b1, b2, steps = settings.beta_1, settings.beta_2, steps + 1
    time = steps.astype("float32")
    rate, root = settings.learning_rate / (1 - b1**time), sl.sqrt(1 - b2**time)

    def one(w, m, v, g):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        return w - rate * m / (sl.sqrt(v) / root + settings.epsilon), m, v

    layers = zip(weights, first, second, gradients, strict=True)
    updated = [[one(*four) for four in zip(*layer, strict=True)] for layer in layers]
    return *([tuple(parts[i] for parts in layer) for layer in updated] for i in range(3)), steps


def make_step(settings: Adam):
    def step(state, x, y):
        loss, gradients = sl.value_and_grad(cross_entropy)(state[0], x, y)
        return adam_update(settings, state, gradients), loss

    return step


def training(work: Training, mode: str, threads: int) -> Prepared:
    if mode == "fit":
        return training_by_fit(work)
    xs, ys = work.data()
    state, step, done, last = initial_state(work.weights()), make_step(work.adam), 0, sl.asarray(0.0)
    if mode == "scan":
        x, y = sl.asarray(xs), sl.asarray(ys)
        loop = sl.jit(lambda state, x, y: sl.scan(lambda s, batch: step(s, *batch), state, (x, y)), donate=0)

        def run(n: int) -> None:
            nonlocal state, last
            for _ in range(0, n, work.batches):
                state, losses = loop(state, x, y)
            last = losses[-1]

        return Prepared(run, lambda: float(last), per_call=work.batches)

    batches = [(sl.asarray(x), sl.asarray(y)) for x, y in zip(xs, ys, strict=True)]
    call = sl.jit(step, donate=0)

    def run(n: int) -> None:
        nonlocal state, last, done
        for i in range(done, done + n):
            state, last = call(state, *batches[i % len(batches)])
        done += n

    return Prepared(run, lambda: float(last))


def model(weights: Weights, adam: Adam, features: int):
    """The network as `sl.Model`, holding the given weights."""
    *hidden, last = [len(bias) for _, bias in weights]
    layers = [sl.nn.Dense(units, activation="relu") for units in hidden]
    network = sl.nn.Sequential([*layers, sl.nn.Dense(last)])
    optimizer = sl.optim.Adam(
        adam.learning_rate, beta_1=adam.beta_1, beta_2=adam.beta_2, epsilon=adam.epsilon
    )
    made = sl.Model(network, loss="sparse_categorical_crossentropy", optimizer=optimizer)
    made.build((features,))
    made.set_weights([array for layer in weights for array in layer])
    return made


def training_by_fit(work: Training) -> Prepared:
    xs, ys = work.data()
    x, y = xs.reshape(-1, work.sizes[0]), ys.reshape(-1)
    net, last = model(work.weights(), work.adam, work.sizes[0]), 0.0

    def run(n: int) -> None:
        nonlocal last
        fitted = net.fit(x, y, epochs=n // work.batches, batch_size=work.batch, shuffle=False, verbose=0)
        last = fitted.history["loss"][-1]

    return Prepared(run, lambda: last, per_call=work.batches)


def epoch(work: Epoch, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    net, mean_loss = model(work.weights(), work.adam, work.sizes[0]), 0.0

    def run(n: int) -> None:
        nonlocal mean_loss
        mean_loss = net.fit(x, y, epochs=n, batch_size=work.batch, verbose=0).history["loss"][-1]

    def check() -> list[float]:
        fresh = model(work.weights(), work.adam, work.sizes[0])
        fitted = fresh.fit(x, y, epochs=1, batch_size=work.batch, shuffle=False, verbose=0)
        return [fitted.history["loss"][-1]]

    return Prepared(run, lambda: mean_loss, check)


def prediction(work: Prediction, mode: str, threads: int) -> Prepared:
    weights, row, last = initial_state(work.weights())[0], work.row(), np.zeros(1)
    call = sl.jit(logits)

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = np.asarray(call(weights, row))

    return Prepared(run, lambda: mean_magnitude(last))


def product(work: Product, mode: str, threads: int) -> Prepared:
    pairs = [(sl.asarray(a), sl.asarray(b)) for a, b in work.pairs()]
    call, results = sl.jit(lambda pairs: [a @ b for a, b in pairs]), []

    def run(n: int) -> None:
        nonlocal results
        for _ in range(n):
            results = call(pairs)

    return Prepared(run, lambda: mean_magnitude(results[-1]))


def chain(work: Chain, mode: str, threads: int) -> Prepared:
    values = sl.asarray(work.array())
    if work.operation == "adam":
        return adam_chain(work, values)
    scale, shift = (sl.asarray(a) for a in work.scale_and_shift())

    def layer_norm(x):
        mean, variance = sl.mean(x, axis=-1, keepdims=True), sl.var(x, axis=-1, keepdims=True)
        return (x - mean) * sl.rsqrt(variance + work.epsilon) * scale + shift

    functions = {"gelu": sl.gelu, "softmax": sl.softmax, "layer_norm": layer_norm}
    call, result = sl.jit(functions[work.operation]), values

    def run(n: int) -> None:
        nonlocal result
        for _ in range(n):
            result = call(values)

    return Prepared(run, lambda: mean_magnitude(result))


def adam_chain(work: Chain, values) -> Prepared:
    """Updates of `values` in place (the state is donated), with the same gradient each time."""
    gradients = [(sl.asarray(work.array(offset=1)),)]
    state = (
        [(values,)],
        [(sl.zeros_like(values),)],
        [(sl.zeros_like(values),)],
        sl.asarray(0, dtype="int32"),
    )
    call = sl.jit(lambda state, gradients: adam_update(work.adam, state, gradients), donate=0)

    def run(n: int) -> None:
        nonlocal state
        for _ in range(n):
            state = call(state, gradients)

    return Prepared(run, lambda: mean_magnitude(state[0][0][0]))

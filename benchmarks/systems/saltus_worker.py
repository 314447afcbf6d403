"""saltus by its public names: functions under jit with donated state, `scan` over batches, and `fit`."""

from __future__ import annotations

from dataclasses import asdict

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
    by_model = {"fit": training_by_fit, "train_on_batch": training_on_batches}
    if mode in by_model:
        return by_model[mode](work)
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


def model(weights: Weights, adam: Adam, x: np.ndarray) -> sl.Model:
    """The network as `sl.Model`, built for inputs like x and holding the given weights."""
    *hidden, last = [len(bias) for _, bias in weights]
    layers = [sl.nn.Dense(units, activation="relu") for units in hidden]
    made = sl.Model(
        sl.nn.Sequential([*layers, sl.nn.Dense(last)]),
        loss=sl.nn.losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=sl.optim.Adam(**asdict(adam)),
    )
    made.build(x)
    built = made.snapshot()
    named = zip(built["params"], weights, strict=True)
    made.restore(
        built | {"params": {name: {"kernel": kernel, "bias": bias} for name, (kernel, bias) in named}}
    )
    return made


def training_on_batches(work: Training) -> Prepared:
    """`train_on_batch`, which also returns the loss as a number each time."""
    xs, ys = work.data()
    net, done, last = model(work.weights(), work.adam, xs[0]), 0, 0.0
    batches = list(zip(xs, ys, strict=True))

    def run(n: int) -> None:
        nonlocal last, done
        for i in range(done, done + n):
            last = net.train_on_batch(*batches[i % len(batches)])["loss"]
        done += n

    return Prepared(run, lambda: last)


def training_by_fit(work: Training) -> Prepared:
    """`fit` on the batches in their order."""
    xs, ys = work.data()
    x, y = xs.reshape(-1, work.sizes[0]), ys.reshape(-1)
    net = model(work.weights(), work.adam, x)

    def run(n: int) -> None:
        net.fit(x, y, epochs=n // work.batches, batch_size=work.batch, shuffle=False, verbose=0)

    def check() -> list[tuple[int, float]]:
        """The loss of the step after a pass: that of the first batch with the weights the pass ended with."""
        fresh, found = model(work.weights(), work.adam, x), []
        for done in (1, 2):
            fresh.fit(x, y, batch_size=work.batch, shuffle=False, verbose=0)
            found.append((done * work.batches + 1, fresh.test_on_batch(xs[0], ys[0])["loss"]))
        return found

    return Prepared(run, lambda: 0.0, check, per_call=work.batches)


def epoch(work: Epoch, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    net, mean_loss = model(work.weights(), work.adam, x), 0.0

    def run(n: int) -> None:
        nonlocal mean_loss
        mean_loss = net.fit(x, y, epochs=n, batch_size=work.batch, verbose=0)["loss"][-1]

    def check() -> list[tuple[int, float]]:
        fresh = model(work.weights(), work.adam, x)
        fitted = fresh.fit(x, y, batch_size=work.batch, shuffle=False, verbose=0)
        return [(1, fitted["loss"][-1])]

    return Prepared(run, lambda: mean_loss, check)


def prediction(work: Prediction, mode: str, threads: int) -> Prepared:
    row, last = work.row(), np.zeros(1)
    if mode == "predict_on_batch":
        call = model(work.weights(), Adam(), row).predict_on_batch
    else:
        weights, compiled = initial_state(work.weights())[0], sl.jit(logits)
        call = lambda row: np.asarray(compiled(weights, row))  # noqa: E731

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = call(row)

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

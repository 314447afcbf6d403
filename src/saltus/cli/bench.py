"""`saltus bench`: what this machine does, in a few seconds. Comparisons with other systems are in the repository (`make bench`)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import click
import numpy as np

import saltus as sl
from saltus import nn
from saltus.base import settings
from saltus.cli.text import table


def run(seconds: float, *, as_json: bool) -> None:
    """See the help of `saltus bench`."""
    made: dict[str, float] = {}
    for name, sizes, batch in (
        ("MLP 16-32-32-3, batch 32", (16, 32, 32, 3), 32),
        ("MLP 784-256-256-10, batch 128", (784, 256, 256, 10), 128),
    ):
        first, step = training(sizes, batch, seconds)
        made[f"{name}: first epoch with compiling, s"] = first
        made[f"{name}: training step, microseconds"] = step * 1e6
    made["matrix product 1024 x 1024 x 1024, GFLOP/s"] = 2 * 1024**3 / matrix_product(1024, seconds) / 1e9
    made["x * 2 + 1 on 10 million values, GB/s"] = 8e7 / stream(10_000_000, seconds) / 1e9
    if as_json:
        click.echo(json.dumps({"threads": settings.threads(), **made}))
        return
    click.echo(f"{settings.threads()} threads")
    click.echo(table([["", "median"], *[[k, f"{v:,.3g}"] for k, v in made.items()]]))


def _median(call: Callable[[], object], seconds: float) -> float:
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def training(sizes: tuple[int, ...], batch: int, seconds: float) -> tuple[float, float]:
    """Seconds of the first epoch, and of a training step in later ones."""
    rng = np.random.default_rng(0)
    rows = batch * 100
    x, y = rng.normal(size=(rows, sizes[0])).astype("f4"), rng.integers(0, sizes[-1], rows)
    network = nn.Sequential([*[nn.Dense(n, activation="relu") for n in sizes[1:-1]], nn.Dense(sizes[-1])])
    model = sl.Model(network, loss=nn.losses.SparseCategoricalCrossentropy(from_logits=True), optimizer="adam")
    begin = time.perf_counter()
    model.fit(x, y, batch_size=batch, verbose=0)
    first = time.perf_counter() - begin
    return first, _median(lambda: model.fit(x, y, batch_size=batch, verbose=0), seconds) / 100


def matrix_product(n: int, seconds: float) -> float:
    """Seconds of a square product."""
    a = sl.random.normal(sl.random.key(0), (n, n))
    product = sl.jit(sl.matmul)
    return _median(lambda: product(a, a), seconds)


def stream(n: int, seconds: float) -> float:
    """Seconds of a pass over a large array."""
    x = sl.ones((n,), dtype="float32")
    scale = sl.jit(lambda v: v * 2.0 + 1.0)
    return _median(lambda: scale(x), seconds)

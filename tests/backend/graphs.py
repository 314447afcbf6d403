"""Graphs that several tests of engines share."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np

import saltus.ops  # noqa: F401  registers the ops
from saltus.base import dtypes as dt
from saltus.ir.differentiate import backward
from saltus.ir.node import Node, broadcast, full, placeholder
from saltus.ir.spec import OPS
from saltus.ops import composite
from saltus.ops.gather import take
from saltus.ops.loop import scan_nodes
from saltus.ops.movement import concat, flip, pad, permute, reshape, slice_


def dense(x: Node, w: Node, b: Node) -> Node:
    product = OPS["matmul"](x, w, ta=False, tb=False)
    return product + broadcast(b, product.shape)


def training_step(batch: int) -> tuple[list[Node], list[Node]]:
    """Momentum descent on a small network: (parameters, velocities, x, y) -> (parameters, velocities, loss)."""
    sizes = (37, 50, 20, 3)
    shapes = [s for i, o in itertools.pairwise(sizes) for s in ((i, o), (o,))]
    parameters = [placeholder(s, dt.float32) for s in shapes]
    velocities = [placeholder(s, dt.float32) for s in shapes]
    x, y = placeholder((batch, 37), dt.float32), placeholder((batch, 3), dt.float32)
    h = x
    for k in range(0, 6, 2):
        h = dense(h, parameters[k], parameters[k + 1])
        h = OPS["relu"](h) if k < 4 else h
    error = OPS["sum"](OPS["square"](h - y), axes=(1,))
    loss = OPS["sum"](error, axes=(0,)) * (1 / batch)
    gradients = backward([loss], [full((1, 1), 1, dt.float32)], parameters)
    new_v = [v * 0.9 + g for v, g in zip(velocities, gradients, strict=True)]
    new_p = [p - v * 0.01 for p, v in zip(parameters, new_v, strict=True)]
    return [*parameters, *velocities, x, y], [*new_p, *new_v, loss]


def random_arrays(inputs: list[Node]) -> list[np.ndarray]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=n.shape).astype(n.dtype.numpy) * np.float32(0.3) for n in inputs]


def recurrent(length: int) -> tuple[list[Node], list[Node]]:
    h, w, xs = placeholder((4, 9), dt.float32), placeholder((9, 9), dt.float32), placeholder((length, 4, 9), dt.float32)

    def step(h: Node, x: Node) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        new = OPS["relu"](OPS["matmul"](h, w, ta=False, tb=False) + x)
        return (new,), (h, OPS["sum"](new, axes=(1,)))

    (last,), (before, sums) = scan_nodes(step, (h,), (xs,))
    loss = OPS["sum"](OPS["square"](before), axes=(0, 1, 2)) + reshape(OPS["sum"](last, axes=(0, 1)), (1, 1, 1))
    gradients = backward([loss], [full((1, 1, 1), 1, dt.float32)], [h, w, xs])
    return [h, w, xs], [last, before, sums, *gradients]


class Maker:
    """Grows a random graph; every value stays of moderate size, so that errors do not grow with depth."""

    def __init__(self, seed: int) -> None:
        self.r = random.Random(seed)
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Node] = []
        self.arrays: list[np.ndarray] = []
        self.nodes: list[Node] = []

    def leaf(self, shape: tuple[int, ...], dtype: dt.DType = dt.float32) -> Node:
        node = placeholder(shape, dtype)
        self.inputs.append(node)
        array = self.rng.integers(0, 4, shape) if dtype.is_integer else self.rng.uniform(-1, 1, shape)
        self.arrays.append(np.asarray(array, dtype.numpy))
        return node

    def shape(self) -> tuple[int, ...]:
        return tuple(self.r.choice([1, 2, 3, 5, 8, 17, 33, 40]) for _ in range(self.r.choice([0, 1, 1, 2, 2, 2, 3])))

    def pick(self) -> Node:
        return self.r.choice(self.nodes[-6:] if self.r.random() < 0.7 else self.nodes)

    def fit(self, shape: tuple[int, ...]) -> Node:
        """Some node brought to a shape: one of that shape, a broadcast of its reduction, or a new input."""
        same = [n for n in self.nodes if n.shape == shape]
        if same and self.r.random() < 0.6:
            return self.r.choice(same)
        axes = [k for k in range(len(shape)) if self.r.random() < 0.5]
        small = tuple(1 if k in axes else n for k, n in enumerate(shape))
        return broadcast(self.leaf(small), shape)

    def grow(self) -> None:
        a = self.pick()
        rank = len(a.shape)
        kind = self.r.choice(
            [
                "unary",
                "binary",
                "binary",
                "where",
                "reduce",
                "normalise",
                "softmax",
                "move",
                "join",
                "matmul",
                "take",
                "cumulate",
                "reshape",
            ]
        )
        axes = tuple(k for k in range(rank) if self.r.random() < 0.5)
        if kind == "unary":
            name = self.r.choice(["negative", "abs", "square", "relu", "floor", "sign"])
            made = OPS[name](a) * 0.5
        elif kind == "binary":
            name = self.r.choice(["add", "subtract", "multiply", "maximum", "minimum"])
            made = OPS[name](a, self.fit(a.shape)) * 0.5
        elif kind == "where" and rank and self.r.random() < 0.4:  # a triangle or a band
            first, second = self.r.randrange(rank), self.r.randrange(rank)
            ramps = [OPS["iota"](shape=a.shape, axis=k, dtype=dt.int32) for k in (first, second)]
            made = OPS["where"](OPS["less"](ramps[0], ramps[1] + 1), a, a * 0.25)
        elif kind == "where":
            b = self.fit(a.shape)
            made = OPS["where"](OPS["less"](a, b), a, b * 0.25)
        elif kind == "reduce" and rank:
            name = self.r.choice(["sum", "max", "min"])
            made = OPS[name](a, axes=axes or (rank - 1,))
            if name == "sum":
                made = made * (1 / max(1, math.prod(a.shape[k] for k in (axes or (rank - 1,)))))
        elif kind == "normalise" and rank:
            axes = axes or (rank - 1,)
            top = OPS["max"](a, axes=axes)
            made = (a - broadcast(top, a.shape)) * broadcast(composite.mean(a, axes), a.shape)
        elif kind == "softmax" and rank:
            made = self.r.choice([composite.softmax, composite.log_softmax])(a, axes or (rank - 1,)) * 0.5
        elif kind == "move" and rank:
            name = self.r.choice(["permute", "slice", "flip", "pad", "broadcast"])
            if name == "permute":
                made = permute(a, tuple(self.r.sample(range(rank), rank)))
            elif name == "slice":
                start = tuple(self.r.randint(0, n - 1) for n in a.shape)
                made = slice_(a, start, a.shape, tuple(self.r.choice([1, 1, 2]) for _ in a.shape))
            elif name == "flip":
                made = flip(a, axes or (0,))
            elif name == "pad" and a.size < 4000:
                made = pad(a, tuple(self.r.choice([0, 1]) for _ in a.shape), tuple(self.r.choice([0, 2]) for _ in a.shape),
                           tuple(self.r.choice([0, 0, 1]) for _ in a.shape), self.r.choice([0, 1.5]))  # fmt: skip
            elif rank < 4 and a.size < 4000:
                made = broadcast(a, (self.r.choice([2, 3]), *a.shape))
            else:
                return
        elif kind == "join" and rank and a.size < 4000:
            made = concat([a, a * 2.0 if self.r.random() < 0.5 else self.fit(a.shape)], self.r.randrange(rank))
        elif kind == "matmul" and rank >= 2:
            ta, tb = self.r.random() < 0.5, self.r.random() < 0.5
            k = a.shape[-2] if ta else a.shape[-1]
            n = self.r.choice([1, 3, 16, 20])
            b = self.leaf((*a.shape[:-2], *((n, k) if tb else (k, n))))
            made = OPS["matmul"](a, b, ta=ta, tb=tb) * (1 / k)
        elif kind == "take" and rank:
            made = take(a, self.leaf((self.r.choice([1, 4, 20]),), dt.int64), axis=self.r.randrange(rank))
        elif kind == "cumulate" and rank:
            axis = self.r.randrange(rank)
            made = OPS["cumsum"](a, axis=axis, reverse=self.r.random() < 0.5) * (1 / a.shape[axis])
        elif kind == "reshape":
            shape = [a.size]
            for d in (2, 3, 5):
                if shape[-1] % d == 0 and self.r.random() < 0.5:
                    shape[-1:] = [shape[-1] // d, d]
            made = reshape(a, tuple(shape))
        else:
            return
        if made.size <= 20000 and len(made.shape) <= 5:
            self.nodes.append(made)

    def graph(self, steps: int) -> list[Node]:
        self.nodes.append(self.leaf(self.shape()))
        self.nodes.append(self.leaf(self.shape()))
        for _ in range(steps):
            self.grow()
        return list(dict.fromkeys([self.nodes[-1], *self.r.sample(self.nodes, min(3, len(self.nodes)))]))

"""Records of what can be measured; NumPy only, so that every system's interpreter can read them.

A workload is a list of groups; the cases of one group are measured in the same rounds. A case names its work,
a record whose class tells a system which of its builders to use (`Training` -> `training`, `Product` ->
`product`, ...). All arrays come from one seed and are handed to every system.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, inf, sqrt

import numpy as np

from workloads.adam import Adam
from workloads.jobs import Job
from workloads.network_work import NetworkInference, NetworkTraining

SEED = 20
FLOAT = np.float32
EVERY = ("saltus", "torch", "torch.compile", "tensorflow", "jax")  # systems that train networks

Weights = list[tuple[np.ndarray, np.ndarray]]  # one (kernel (inputs, outputs), bias (outputs,)) a layer


def he_weights(sizes: tuple[int, ...]) -> Weights:
    """Normal kernels with variance 2 / inputs and zero biases, for dense layers of these sizes."""
    generator = np.random.default_rng(SEED)
    return [
        ((generator.standard_normal((i, o)) * sqrt(2 / i)).astype(FLOAT), np.zeros(o, FLOAT))
        for i, o in pairwise(sizes)
    ]


def clusters(samples: int, features: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre a class, (samples, features) float32, and their classes, (samples,) int32."""
    generator = np.random.default_rng(SEED + 1)
    centres = generator.standard_normal((classes, features)).astype(FLOAT) * FLOAT(0.3)
    labels = generator.integers(0, classes, samples).astype(np.int32)
    points = generator.standard_normal((samples, features), dtype=FLOAT)
    points += centres[labels]
    return points, labels


@dataclass(frozen=True)
class Training:
    """Training steps of a dense network on given batches in turn: relu, cross-entropy on logits, Adam.

    `per_call` is how many steps a call of Python may do: with more than 1, a system may loop inside.
    """

    sizes: tuple[int, ...]
    batch: int
    batches: int = 16
    per_call: int = 1
    adam: Adam = field(default_factory=Adam)

    def weights(self) -> Weights:
        return he_weights(self.sizes)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (batches, batch, features) and labels (batches, batch)."""
        x, y = clusters(self.batches * self.batch, self.sizes[0], self.sizes[-1])
        return x.reshape(self.batches, self.batch, -1), y.reshape(self.batches, self.batch)


@dataclass(frozen=True)
class Epoch:
    """Epochs of such a network through each system's usual loop over arrays in memory, shuffled each time."""

    sizes: tuple[int, ...]
    batch: int
    samples: int
    adam: Adam = field(default_factory=Adam)

    def weights(self) -> Weights:
        return he_weights(self.sizes)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (samples, features) and labels (samples,)."""
        return clusters(self.samples, self.sizes[0], self.sizes[-1])


@dataclass(frozen=True)
class Prediction:
    """One row through a dense network: a NumPy row (1, features) in, NumPy logits (1, classes) out."""

    sizes: tuple[int, ...]

    def weights(self) -> Weights:
        return he_weights(self.sizes)

    def row(self) -> np.ndarray:
        return clusters(1, self.sizes[0], self.sizes[-1])[0]


@dataclass(frozen=True)
class Product:
    """Independent float32 products (m, k) @ (k, n): as many as make a tenth of a GFLOP, at most 64."""

    m: int
    n: int
    k: int

    @property
    def flops(self) -> int:
        """Floating point operations of one product."""
        return 2 * self.m * self.n * self.k

    @property
    def count(self) -> int:
        return min(64, ceil(1e8 / self.flops))

    def pairs(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        generator = np.random.default_rng(SEED)
        for _ in range(self.count):
            left = generator.standard_normal((self.m, self.k), dtype=FLOAT)
            yield left, generator.standard_normal((self.k, self.n), dtype=FLOAT)


@dataclass(frozen=True)
class Chain:
    """One streaming operation on float32 values: "gelu", "softmax" or "layer_norm" by rows, or "adam"."""

    operation: str
    rows: int = 10_000
    columns: int = 1_000
    epsilon: float = 1e-5
    adam: Adam = field(default_factory=Adam)

    def array(self, offset: int = 0) -> np.ndarray:
        """Values (rows, columns); another `offset` gives other values."""
        generator = np.random.default_rng(SEED + offset)
        return generator.standard_normal((self.rows, self.columns), dtype=FLOAT)

    def scale_and_shift(self) -> tuple[np.ndarray, np.ndarray]:
        """Scale and shift of the layer norm, (columns,) each."""
        generator = np.random.default_rng(SEED)
        scale = 1 + generator.standard_normal(self.columns, dtype=FLOAT) / 10
        return scale.astype(FLOAT), generator.standard_normal(self.columns, dtype=FLOAT)


@dataclass(frozen=True)
class Command:
    """A process from start to end: `{python}`, `{saltus}` and `{module}` stand for those of the system."""

    arguments: tuple[str, ...]


Work = Training | Epoch | Prediction | Product | Chain | Command | NetworkTraining | NetworkInference | Job


@dataclass(frozen=True)
class Case:
    """One row of the table.

    Args:
        name: what stands in the table and in results.json.
        work: the record of the work.
        systems: who takes part.
        threads: threads each system may use.
        busy: cores that another process keeps busy meanwhile.
        warm_up: work done and dropped before memory is first read, so that only `work` counts.
        checked: units after which values of all systems are compared, from the first on.
        within: how much these values may differ, relatively.
        in_short: whether the short table of the README has it too.
    """

    name: str
    work: Work
    systems: tuple[str, ...] = ("saltus", "torch", "torch.compile", "jax")
    threads: int = 2
    busy: int = 0
    warm_up: Work | None = None
    checked: int = 20
    within: float = 1e-3
    in_short: bool = True


@dataclass(frozen=True)
class Workload:
    """One file of this folder.

    Args:
        name: as in `make bench WORKLOADS=name`.
        title: one sentence for the report.
        groups: cases, those of one group measured in the same rounds.
        goal: what saltus is built to reach, in words.
        against: the systems whose best is set beside saltus; the others stand in the table all the same.
        shows: what the table gives: "time", "first step" (a new process each round), "memory", or
            "scaling" or "share" (the first case of a group against its others).
        rounds: rounds at full length.
        seconds: after these no further round of a group begins, once there were enough for a median.
        together: whether two processes get ready at a time; their first step is not timed then.
        unit: what one unit of the work is called.
    """

    name: str
    title: str
    groups: tuple[tuple[Case, ...], ...]
    goal: str
    against: tuple[str, ...] = ("torch", "torch.compile", "jax", "numpy")
    shows: str = "time"
    rounds: int = 11
    seconds: float = inf
    together: bool = False
    unit: str = "step"

    def cases(self) -> list[Case]:
        return [case for group in self.groups for case in group]


def training_workload(
    name: str, title: str, *steps: NetworkTraining, goal: str, names: tuple[str, ...] = (), checked: int = 4
) -> Workload:
    """Training steps of networks on every system, in a bounded time."""
    return Workload(
        name=name,
        title=title,
        groups=tuple((Case(n, step, EVERY, checked=checked),) for n, step in zip(names or (name,), steps, strict=True)),
        goal=goal,
        against=EVERY[1:],
        seconds=8,
        together=True,
    )

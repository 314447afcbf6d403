"""Work on networks given as data: training steps, and answers for single batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from workloads.adam import Adam
from workloads.layers import FLOAT, SEED, Network, Weights


@lru_cache(maxsize=1)
def weights_of(network: Network) -> Weights:
    """Kept, so that a process can draw them before it begins to measure."""
    return network.weights()


@dataclass(frozen=True)
class NetworkTraining:
    """Training steps of a network on given batches in turn, with Adam.

    The loss is cross-entropy on logits for `target` "classes", else the mean squared error to the input itself
    ("input") or to random numbers ("numbers").
    """

    network: Network
    batch: int
    target: str = "classes"
    batches: int = 3
    adam: Adam = field(default_factory=Adam)

    def weights(self) -> Weights:
        return weights_of(self.network)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Inputs (batches, batch, ...) and labels (batches, batch) int32 or targets (batches, batch, ...)."""
        generator = np.random.default_rng(SEED + 1)
        count = (self.batches, self.batch)
        x = generator.standard_normal((*count, *self.network.input), dtype=FLOAT)
        if self.target == "classes":
            return x, generator.integers(0, self.network.output[-1], count).astype(np.int32)
        if self.target == "input":
            x = generator.random(x.shape, dtype=FLOAT)
            return x, x
        return x, np.tanh(generator.standard_normal((*count, *self.network.output), dtype=FLOAT))


@dataclass(frozen=True)
class NetworkInference:
    """A batch through a network: a NumPy array in, a NumPy array out."""

    network: Network
    batch: int = 1

    def weights(self) -> Weights:
        return weights_of(self.network)

    def inputs(self) -> np.ndarray:
        generator = np.random.default_rng(SEED + 1)
        return generator.standard_normal((self.batch, *self.network.input), dtype=FLOAT)

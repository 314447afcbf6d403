"""NumPy and the BLAS it comes with: matrix products into arrays that exist."""

from __future__ import annotations

import numpy as np
from workloads.base import FLOAT, Product

from systems import Prepared, mean_magnitude

VERSION = np.__version__


def product(work: Product, mode: str, threads: int) -> Prepared:
    pairs = list(work.pairs())
    results = [np.empty((work.m, work.n), FLOAT) for _ in pairs]

    def run(n: int) -> None:
        for _ in range(n):
            for (a, b), result in zip(pairs, results, strict=True):
                np.matmul(a, b, out=result)

    return Prepared(run, lambda: mean_magnitude(results[-1]))

"""All ops. In: `ir`. Out: one frozen record an op, and composites as plain functions on nodes. Knows no engine and no Tensor."""

from saltus.ops import (
    arithmetic,
    complex,
    composite,
    contract,
    fft,
    gather,
    linalg,
    logic,
    loop,
    math,
    matrix,
    movement,
    random,
    reduce,
    sort,
    source,
)

__all__ = [
    "arithmetic",
    "complex",
    "composite",
    "contract",
    "fft",
    "gather",
    "linalg",
    "logic",
    "loop",
    "math",
    "matrix",
    "movement",
    "random",
    "reduce",
    "sort",
    "source",
]

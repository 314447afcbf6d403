"""All ops. In: `ir`. Out: one frozen record an op, and composites as plain functions on nodes. Knows no engine and no Tensor."""

from saltus.ops import arithmetic, composite, contract, gather, logic, loop, math, movement, random, reduce, source

__all__ = ["arithmetic", "composite", "contract", "gather", "logic", "loop", "math", "movement", "random", "reduce", "source"]

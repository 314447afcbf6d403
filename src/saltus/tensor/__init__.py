"""Tensors and the functions on them. In: ops and engines. Out: the numeric namespace, jit, derivatives. Knows no networks."""

import sys

from saltus.tensor.methods import attach
from saltus.tensor.tensor import Tensor

attach(lambda: sys.modules["saltus"])

__all__ = ["Tensor"]

"""Functions that networks are made of: activations, softmax and its kin, picking the best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus.base.errors import DTypeError
from saltus.ir.node import Node
from saltus.ops import composite
from saltus.tensor.operands import axes_of, drop, node_of
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Axis = int | Sequence[int] | None


def _real(name: str, x: Any) -> Node:
    node = node_of(x)
    if not node.dtype.is_float:
        raise DTypeError(
            f"{name} takes real floats, got {node.dtype.name}",
            site=here(),
            fix="convert: x.astype('float32')",
        )
    return node


def gelu(x: Any, /, *, approximate: bool = False) -> Tensor:
    """x times the standard normal distribution function of x.

    Args:
        x: real floats.
        approximate: use the tanh form.

    Source: Hendrycks and Gimpel, "Gaussian error linear units", 2016.

    Example:
        >>> import saltus as sl
        >>> sl.gelu(sl.asarray([0.0, 1.0])).tolist()
        [0.0, 0.84134]
    """
    return of_node(composite.gelu(_real("gelu", x), approximate))


def silu(x: Any, /) -> Tensor:
    """x * sigmoid(x), also called swish.

    Args:
        x: real floats.

    Source: Ramachandran, Zoph and Le, "Searching for activation functions", 2017.

    Example:
        >>> import saltus as sl
        >>> sl.silu(sl.asarray([0.0, 2.0])).tolist()
        [0.0, 1.76159]
    """
    return of_node(composite.silu(_real("silu", x)))


def softmax(x: Any, /, *, axis: Axis = -1) -> Tensor:
    """e^x / sum(e^x): numbers turned into shares of 1.

    Args:
        x: real floats.
        axis: axis or axes along which the shares add up to 1; None means all.

    Example:
        >>> import saltus as sl
        >>> sl.softmax(sl.asarray([0.0, 0.0]))
        Tensor([0.5, 0.5], shape=(2,), dtype=float32)
    """
    node = _real("softmax", x)
    return of_node(composite.softmax(node, axes_of("softmax", axis, len(node.shape))))


def log_softmax(x: Any, /, *, axis: Axis = -1) -> Tensor:
    """log(softmax(x)), exact where the share is tiny.

    Args:
        x: real floats.
        axis: axis or axes along which the shares add up to 1; None means all.

    Example:
        >>> import saltus as sl
        >>> sl.log_softmax(sl.asarray([0.0, 0.0])).tolist()
        [-0.69315, -0.69315]
    """
    node = _real("log_softmax", x)
    return of_node(composite.log_softmax(node, axes_of("log_softmax", axis, len(node.shape))))


def logsumexp(x: Any, /, *, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """log(sum(e^x)) over axes, without overflow.

    Args:
        x: real floats.
        axis: axis or axes; None means all.
        keepdims: keep reduced axes with length 1.

    Example:
        >>> import saltus as sl
        >>> float(sl.logsumexp(sl.asarray([1000.0, 1000.0])))
        1000.693
    """
    node = _real("logsumexp", x)
    axes = axes_of("logsumexp", axis, len(node.shape))
    return of_node(drop(composite.logsumexp(node, axes), axes, keepdims))

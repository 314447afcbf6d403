"""What an op is: one frozen record that everything else is derived from.

From a record come the NumPy reference and the XLA form (`eval`), native code (`cpu`), the gradient (`vjp`),
the shape and type rules, and the tests (`samples`, `laws`). A new op is one record in one file under `ops/`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from saltus.base.dtypes import DType
from saltus.base.errors import EngineError, ShapeError

if TYPE_CHECKING:
    from saltus.ir.node import Node

Shape = tuple[int, ...]


class Kind(Enum):
    """The loop shape of an op; it fixes the form of the `cpu` field."""

    SOURCE = auto()  # no operands
    ELEMENTWISE = auto()  # cpu(b, *values) -> value; extra attributes arrive as keywords
    MOVE = auto()  # cpu unused: the scheduler turns each into strides or copies, by name
    REDUCE = auto()  # cpu = (identity(dtype) -> number, combine(b, accumulated, value) -> value)
    CONTRACT = auto()  # matmul
    GATHER = auto()  # rows picked by an index operand
    SCATTER = auto()  # rows added at an index operand
    CUMULATIVE = auto()  # cpu as REDUCE, every partial result kept
    HOST = auto()  # no native form: eval(numpy) runs as a host call
    SCAN = auto()  # a loop whose body is a graph
    PART = auto()  # one result of an op with several


@dataclass(frozen=True)
class Sample:
    """Inputs an op promises to accept; every generated test runs on them.

    Attributes:
        shapes: one shape an operand.
        attrs: attributes of the call.
        low, high: range of generated numbers; for integer operands they are rounded.
        dtypes: element types of the operands, by name; None means every type the op's policy allows.
        tolerance: relative error allowed between engines, in units of the type's epsilon.
        prepare: prepare(*raw) -> operands, all nodes, for ops of special values (hermitian matrices, say).
        observe: observe(*results) -> nodes to compare, where results are defined up to a sign or phase only.
    """

    shapes: tuple[Shape, ...]
    attrs: dict[str, Any] = field(default_factory=dict)
    low: float = -2.0
    high: float = 2.0
    dtypes: tuple[str, ...] | None = None
    tolerance: float = 16.0
    prepare: Callable[..., Sequence[Node]] | None = None
    observe: Callable[..., Sequence[Node]] | None = None


@dataclass(frozen=True, eq=False)
class Op:
    """One op.

    Attributes:
        name: unique; array API name where one exists.
        kind: its loop shape.
        doc: one sentence with the formula.
        eval: eval(xp, *arrays, **attrs), with numpy the reference, with jax.numpy the XLA form.
        shape: shape(*shapes, **attrs); raises ShapeError. Several results: a tuple of shapes.
        dtype: dtype(*dtypes, **attrs); raises DTypeError. Several results: a tuple of dtypes.
        vjp: vjp(g, out, *inputs, **attrs) -> a node or None (zero) an operand; for several results g and out
            are tuples. The gradient of a complex operand points where a real loss grows fastest: g times the
            conjugate of the derivative. No vjp: see no_gradient.
        no_gradient: why there is no gradient, where vjp is None.
        cpu: see Kind; None where there is no native form, so that `eval` is a host call (complex always).
        samples: at least one.
        laws: identities for tests, law(out, *operands, **attrs) -> (left, right), all nodes.
        outputs: number of results when it is fixed, 0 when attributes decide.
        kinds: element type kinds it accepts, of "b i u f c".
        flops: operations an element of the result (elementwise), an element of the operand (reduction) or a
            multiply-add (matmul).
    """

    name: str
    kind: Kind
    doc: str
    eval: Callable[..., Any]
    shape: Callable[..., Any]
    dtype: Callable[..., Any]
    vjp: Callable[..., Any] | None
    cpu: Any = None
    samples: tuple[Sample, ...] = ()
    laws: tuple[Callable[..., Any], ...] = ()
    no_gradient: str = ""
    outputs: int = 1
    kinds: str = "biuf"
    flops: int = 1

    def __call__(self, *src: Node, **attrs: Any) -> Node:
        """Make the node of this op."""
        return MAKE[0](self, src, attrs)

    def __repr__(self) -> str:
        return f"<op {self.name}>"


OPS: dict[str, Op] = {}
MAKE: list[
    Callable[[Op, tuple[Node, ...], dict[str, Any]], Node]
] = []  # the node constructor registers itself here


def define(op: Op) -> Op:
    """Register an op; refuses one that nothing would test or whose gradient was not decided."""
    if op.name in OPS:
        raise EngineError(f"op {op.name!r} is defined twice")
    if not op.samples and op.kind not in (Kind.SOURCE, Kind.PART, Kind.SCAN):
        raise EngineError(f"op {op.name!r} has no samples, so nothing would test it")
    if op.vjp is None and not op.no_gradient and op.kind is not Kind.SOURCE:
        raise EngineError(f"op {op.name!r} has neither a gradient nor a reason for having none")
    OPS[op.name] = op
    return op


def same_shape(*shapes: Shape, **_: Any) -> Shape:
    """Shape rule of elementwise ops: all equal, since broadcasting is a node of its own."""
    if any(s != shapes[0] for s in shapes):
        raise ShapeError(f"operands must have one shape, got {', '.join(map(str, shapes))}")
    return shapes[0]


def first_dtype(*dtypes: DType, **_: Any) -> DType:
    """Type rule: that of the first operand."""
    return dtypes[0]

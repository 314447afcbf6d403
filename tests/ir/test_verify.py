"""The verifier: it passes what `make` builds, and names the node and the line of each kind of damage."""

import pytest

import saltus.ops  # noqa: F401  registers the records
from saltus.base import dtypes as dt
from saltus.base.errors import EngineError
from saltus.ir.node import OPS, Body, Node, full, parts, placeholder
from saltus.ir.spec import Kind, Op
from saltus.ir.verify import verify
from saltus.ops.loop import scan_nodes


def forged(op, src=(), attrs=(), shape=(), dtype=dt.float32, results=()):
    """A node that `make` would refuse."""
    node = Node()
    node.op, node.src, node.attrs, node.shape, node.dtype, node.parts = op, src, attrs, shape, dtype, results
    node.site = ("model.py", 7)
    return node


def loop(body, operands, **more):
    attrs = {"body": body, "length": 3, "carry": 1, "xs": 0, "reverse": False} | more
    results = tuple((o.shape, o.dtype) for o in body.outputs)
    shape, dtype = results[0]
    return forged(OPS["scan"], operands, tuple(sorted(attrs.items())), shape, dtype, results)


X = placeholder((4, 5), dt.float32)
INDEX = placeholder((3,), dt.int64)
TOP = OPS["top_k"](X, k=2, axis=1, largest=True)
STATE = placeholder((2,), dt.float32)

BAD = {
    "a shape that is not the record's": (forged(OPS["exp"], (X,), shape=(5, 4)), "its record says"),
    "a type that is not the record's": (
        forged(OPS["exp"], (X,), shape=(4, 5), dtype=dt.float64),
        "its record says",
    ),
    "operands of two shapes": (forged(OPS["add"], (X, STATE), shape=(4, 5)), "one shape"),
    "an operand of a kind not taken": (forged(OPS["exp"], (INDEX,), shape=(3,), dtype=dt.int64), "int64"),
    "an operand that is no node": (forged(OPS["exp"], (1.0,)), "float, not a node"),
    "several results used as one": (forged(OPS["exp"], (TOP,), shape=(4, 2)), "2 results"),
    "an attribute that is not hashable": (
        forged(OPS["sum"], (X,), (("axes", [1]),), (4, 1)),
        "axes is not hashable",
    ),
    "attributes out of order": (
        forged(OPS["cumsum"], (X,), (("reverse", False), ("axis", 0)), (4, 5)),
        "not sorted",
    ),
    "a missing attribute": (forged(OPS["sum"], (X,), (), (4, 1)), "its record refuses it"),
    "a part that does not exist": (forged(OPS["part"], (TOP,), (("index", 2),), (4, 2)), "part 2"),
    "a shape of numbers that are not int": (
        forged(OPS["input"], (), (("dtype", dt.float32), ("shape", (2.0,)), ("slot", 0)), (2.0,)),
        "not a shape",
    ),
    "an unregistered record of a known name": (
        forged(Op("exp", Kind.ELEMENTWISE, "", None, None, None, None), (X,), shape=(4, 5)),
        "another record",
    ),
    "a body that uses what is outside": (
        loop(Body((STATE,), (STATE + placeholder((2,), dt.float32),)), (STATE,)),
        "not closed",
    ),
    "a body with too few inputs": (loop(Body((STATE,), (STATE + 1,)), (STATE, X)), "1 inputs for 2"),
    "a body whose input is no input": (loop(Body((STATE + 1,), (STATE + 1,)), (STATE,)), "must be inputs"),
    "an operand that does not fit the body": (
        loop(Body((STATE, INDEX), (STATE * 2.0,)), (STATE, placeholder((4,), dt.int64))),
        "does not fit the body's input[3]:int64",
    ),
}


@pytest.mark.parametrize("damage", BAD, ids=lambda name: name)
def test_damage_is_found_and_named(damage):
    node, words = BAD[damage]
    with pytest.raises(EngineError) as caught:
        verify([node])
    message = str(caught.value)
    assert words in message
    assert node.op.name in message
    assert "model.py:7" in message


def test_damage_inside_a_body_is_found():
    bad = forged(OPS["exp"], (full((2,), 1, dt.int8),), shape=(2,))
    with pytest.raises(EngineError, match="int8, which exp does not take"):
        verify([loop(Body((STATE,), (bad,)), (STATE,))])


def test_an_input_that_is_not_given_is_found():
    y = placeholder((4, 5), dt.float32)
    verify([X + y], [X, y])
    with pytest.raises(EngineError, match="not among the graph's inputs"):
        verify([X + y], [X])


def test_what_is_built_regularly_passes():
    h = full((5,), 0, dt.float32)
    (last,), (steps,) = scan_nodes(lambda s, x: ((s + x,), (s * x,)), (h,), (X,))
    values, places = parts(TOP)
    rows = OPS["take"](X, INDEX, axis=0)
    verify([last, steps, values, rows, places, OPS["matmul"](X, X, ta=False, tb=True)])

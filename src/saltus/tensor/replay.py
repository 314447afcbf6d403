"""The short way through `sl.jit`: Python code written for one form of arguments and one form of results.

`sl.jit` works for any tree, and walking one costs a microsecond a leaf, which is more than a small training step computes. So each program
gets two functions written out for it: `read` checks that the arguments have the program's form and collects their arrays, `write` puts
results into place. Where `read` finds anything else it returns None, and the long way decides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saltus.base.dtypes import DType
from saltus.tensor.storage import Array
from saltus.tensor.tensor import Tensor, of_array

_forms: dict[tuple[Any, str], tuple[Any, str]] = {}


def form_of(tensor: Tensor) -> tuple[Any, str]:
    """(shape, type name) of a computed Tensor: the same object for all Tensors alike, and noted in it."""
    form = tensor._form
    if form is None:
        found = (tensor._array.shape, tensor._dtype.name)  # type: ignore[union-attr]
        form = tensor._form = _forms.setdefault(found, found)
    return form


def _in_list() -> int:
    arrays = [of_array(np.zeros(1), None)._array]  # type: ignore[arg-type]
    return sys.getrefcount(arrays[0])


_SINGLE = _in_list() + 1  # what a count gives for memory that only its Tensor and the list of arguments hold


def give_away(leaves: Sequence[Any], arrays: list[Any], donated: Sequence[int]) -> None:
    """Let a program overwrite donated arguments: where anybody else could see it, a copy goes in the argument's place.

    Somebody else is: a second Tensor, a graph, a NumPy array made by `numpy()`, the owner of lent memory.
    """
    for place in donated:
        leaf = leaves[place]
        held = sys.getrefcount(arrays[place])
        array = arrays[place]
        if type(leaf) is not Tensor or held > _SINGLE or not (array.base is None or array.flags.writeable):
            arrays[place] = array.copy()
        if type(leaf) is Tensor:
            leaf._array = leaf._node = leaf._form = None


def forgetter(donated: Sequence[int], count: int) -> Callable[[Sequence[Any]], None]:
    """A function of `count` leaves that leaves the donated Tensors among them without a value."""
    w = _Writer()
    names = [f"v{k}" for k in range(count)]
    w.lines.append(f"[{', '.join(names)}] = leaves")
    w.lines += [f"{names[k]}._array = {names[k]}._node = {names[k]}._form = None" for k in donated]
    return w.compile("leaves")


class Slot:
    """Where a result stands among the outputs of a program."""

    __slots__ = ("dtype", "index", "shape")

    def __init__(self, index: int, shape: tuple[int, ...], dtype: DType) -> None:
        self.index, self.shape, self.dtype = index, shape, dtype


class _Writer:
    """Source of one function, with the objects it names."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {}
        self.count = 0

    def name(self, value: Any, prefix: str = "k") -> str:
        label = f"{prefix}{len(self.names)}"
        self.names[label] = value
        return label

    def variable(self) -> str:
        self.count += 1
        return f"v{self.count}"

    def compile(self, header: str) -> Callable[..., Any]:
        body = "\n".join(f"    {line}" for line in self.lines)
        exec(compile(f"def function({header}):\n{body}\n", "<saltus.jit>", "exec"), self.names)
        return self.names["function"]  # type: ignore[no-any-return]


def reader(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    carriers: dict[type, np.dtype[Any]],
    static: frozenset[int],
    static_names: frozenset[str],
) -> Callable[..., Any]:
    """A function of (args, kwargs) that gives (leaves, arrays) when the arguments have the form of these, else None.

    Args:
        args, kwargs: the arguments of the call that was captured.
        carriers: the NumPy type of each Python number.
        static, static_names: places and names of arguments whose value is part of the form.
    """
    w = _Writer()
    w.names |= {"array": np.array, "ndarray": np.ndarray}
    leaves: list[str] = []
    arrays: list[str] = []

    def visit(value: Any, at: str) -> None:
        kind = type(value)
        if kind is Tensor:
            w.lines.append(f"if {at}._form is not {w.name(form_of(value))}: return None")
            leaves.append(at)
            arrays.append(f"{at}._array")
        elif kind in carriers:
            w.lines.append(f"if type({at}) is not {w.name(kind)}: return None")
            leaves.append(at)
            arrays.append(f"array({at}, {w.name(carriers[kind])})")
        elif kind is np.ndarray:
            shape, dtype = w.name(value.shape), w.name(value.dtype)
            w.lines.append(
                f"if type({at}) is not ndarray or {at}.shape != {shape} or {at}.dtype is not {dtype} "
                f"or not {at}.flags.c_contiguous: return None"
            )
            leaves.append(at)
            arrays.append(at)
        elif kind is dict:
            w.lines.append(f"if type({at}) is not dict or len({at}) != {len(value)}: return None")
            for key, child in value.items():
                inner = w.variable()
                w.lines.append(f"{inner} = {at}[{w.name(key)}]")
                visit(child, inner)
        elif isinstance(value, (list, tuple)):
            w.lines.append(f"if type({at}) is not {w.name(kind)}: return None")
            inners = [w.variable() for _ in value]
            w.lines.append(f"[{', '.join(inners)}] = {at}")
            for child, inner in zip(value, inners, strict=True):
                visit(child, inner)
        else:
            fixed(value, at)

    def fixed(value: Any, at: str) -> None:
        same, kind = w.name(value), w.name(type(value))
        w.lines.append(f"if {at} is not {same} and (type({at}) is not {kind} or {at} != {same}): return None")

    w.lines.append("try:")
    start = len(w.lines)
    places = [w.variable() for _ in args]
    w.lines.append(f"[{', '.join(places)}] = args")
    w.lines.append(f"if len(kwargs) != {len(kwargs)}: return None")
    for number, (value, at) in enumerate(zip(args, places, strict=True)):
        (fixed if number in static else visit)(value, at)
    for key, value in kwargs.items():
        at = w.variable()
        w.lines.append(f"{at} = kwargs[{w.name(key)}]")
        (fixed if key in static_names else visit)(value, at)
    w.lines.append(f"return ({', '.join(leaves)}{',' * (len(leaves) == 1)}), [{', '.join(arrays)}]")
    w.lines[start:] = [f"    {line}" for line in w.lines[start:]]
    # an argument that is no Tensor has no _form, a dict may lack a key, a list may be longer, a static value may refuse to compare
    w.lines += ["except Exception:", "    return None"]
    return w.compile("args, kwargs")


def writer(template: Any) -> Callable[[Sequence[Array]], Any]:
    """A function of a program's outputs that returns the tree `template` with Tensors of them in place of its slots."""
    w = _Writer()
    w.names |= {"new": Tensor.__new__, "Tensor": Tensor}

    def visit(value: Any) -> str:
        kind = type(value)
        if kind is Slot:
            at = w.variable()
            key = (value.shape, value.dtype.name)
            form, dtype = w.name(_forms.setdefault(key, key)), w.name(value.dtype)
            w.lines += [
                f"{at} = new(Tensor); {at}._array = r[{value.index}]; {at}._dtype = {dtype}",
                f"{at}._form = {form}; {at}._node = None; {at}._weak = False",
            ]
            return at
        if kind is dict:
            return "{" + ", ".join(f"{w.name(k)}: {visit(v)}" for k, v in value.items()) + "}"
        if kind is list:
            return f"[{', '.join(visit(v) for v in value)}]"
        if isinstance(value, tuple):
            inside = ", ".join(visit(v) for v in value)
            return f"({inside}{',' * (len(value) == 1)})" if kind is tuple else f"{w.name(kind)}({inside})"
        return w.name(value)

    w.lines.append(f"return {visit(template)}")
    return w.compile("r")

"""`sl.jit`: a function is captured once for each form of its arguments, compiled, and from then on replayed without its Python code.

The arguments' form is: the tree they make, the shape and type of every array in it, the type of every Python number, and the value of
everything else. Numbers (int, float, complex) are inputs, so another value needs no new program; bools, strings, None, and what `static`
names are part of the form, so the function may decide by them. Tensors that the function uses from outside become inputs too, with the
value they have at capture.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from saltus.backend.base import Executable, compile_graph
from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, SaltusError, TracingError
from saltus.base.trace import format_site
from saltus.ir.node import Node, placeholder, substitute, topological
from saltus.ops.call import inline
from saltus.tensor.operands import strong
from saltus.tensor.replay import Slot, forgetter, form_of, give_away, reader, writer
from saltus.tensor.storage import Array, compute, storage
from saltus.tensor.tensor import Tensor, of_array, realise, to_array
from saltus.tensor.tracing import capture, captures, name_of

_NUMBERS = {int: dt.int64, float: dt.float64, complex: dt.complex128}
_CARRIERS = {kind: d.numpy for kind, d in _NUMBERS.items()}


def _flatten(value: Any, form: list[Any], leaves: list[Any]) -> None:
    """Append what `value` is to the form, and its arrays and numbers to the leaves."""
    kind = type(value)
    if kind is Tensor:
        value._values()
        form.append(form_of(value))
        leaves.append(value)
    elif kind is dict:
        form.append(tuple(value))
        for child in value.values():
            _flatten(child, form, leaves)
    elif isinstance(value, (tuple, list)):
        form += (kind, len(value))
        for child in value:
            _flatten(child, form, leaves)
    elif kind in _NUMBERS:
        form.append(kind)
        leaves.append(value)
    elif isinstance(value, (np.ndarray, np.generic)):
        form += (value.shape, value.dtype)
        leaves.append(value)
    else:
        form += (kind, value)


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """The same tree with every array and number changed."""
    kind = type(value)
    if kind is dict:
        return {k: _map(v, change) for k, v in value.items()}
    if kind is tuple or kind is list:
        return kind(_map(v, change) for v in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return kind(*[_map(v, change) for v in value])
    if kind is Tensor or kind in _NUMBERS or isinstance(value, (np.ndarray, np.generic)):
        return change(value)
    return value


def _carrier(value: Any) -> Array:
    """The array an engine takes for a leaf."""
    kind = type(value)
    if kind is Tensor:
        return value._array  # type: ignore[no-any-return]
    if isinstance(value, (np.ndarray, np.generic)):
        value = np.asarray(value)
        if value.flags.c_contiguous and value.dtype.isnative and value.dtype.kind in "biufc":
            return value
        return to_array(value, None, True)[0]
    return np.asarray(value, _CARRIERS[kind])


@dataclass(slots=True)
class Program:
    """One captured form of a function: its graph and what runs it."""

    name: str
    inputs: tuple[Node, ...]
    outputs: tuple[Node, ...]
    template: Any
    captured: list[Array]
    donated: tuple[int, ...]
    reason: str
    run: Executable = field(init=False)
    read: Any = None
    write: Any = None
    short: Any = None  # for donated Tensors: run, where nobody else sees their memory
    forget: Any = None

    def __str__(self) -> str:
        """The graph, a line an operation."""
        number = {n: f"%{i}" for i, n in enumerate(topological([*self.inputs, *self.outputs]))}
        lines = [f"{self.name}({', '.join(f'{number[i]}: {_type(i)}' for i in self.inputs)})"]
        for node, label in number.items():
            if node.op.name == "input":
                continue
            attributes = "".join(f", {k}={_attribute(v)}" for k, v in node.attrs)
            operands = ", ".join(number[s] for s in node.src)
            kind = f"{_type(node)}" if not node.parts else f"{len(node.parts)} results"
            lines.append(f"  {label} = {node.op.name}({(operands + attributes).removeprefix(', ')}): {kind}    # {format_site(node.site)}")
        return "\n".join([*lines, f"  return {', '.join(number[o] for o in self.outputs)}"])


def _type(node: Node) -> str:
    return f"{node.dtype.name}[{', '.join(map(str, node.shape))}]"


def _attribute(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


class Jit:
    """A function that is captured, compiled and replayed; made by `sl.jit`.

    Attributes:
        traces: how often the function has been captured so far.
    """

    def __init__(self, function: Callable[..., Any], static: tuple[int | str, ...], donate: tuple[int | str, ...]) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._name = name_of(function)
        self._static_places, self._static_names = _places("static", function, static)
        self._donate_places, self._donate_names = _places("donate", function, donate)
        self._programs: dict[tuple[Any, ...], Program] = {}
        self._last: Program | None = None

    @property
    def traces(self) -> int:
        """How often the function has been captured: once for each form of its arguments."""
        return len(self._programs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if captures.open:  # inside another capture it is part of that program
            return self._function(*args, **kwargs)
        program = self._last
        found = None if program is None else program.read(args, kwargs)
        if found is None:
            program, found = self._find(args, kwargs)
        leaves, arrays = found
        if program.captured:
            arrays += program.captured
        if program.donated:
            if program.short is not None and (made := program.short(arrays)) is not None:
                program.forget(leaves)
                return program.write(made)
            give_away(leaves, arrays, program.donated)
            del leaves, found
        return program.write(program.run(arrays))

    def _find(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Program, Any]:
        """The long way: any tree of arguments to its program, made if need be, and the arrays it takes."""
        form: list[Any] = []
        leaves: list[Any] = []
        donated = self._form(args, kwargs, form, leaves)
        key = tuple(form)
        try:
            program = self._programs.get(key)
        except TypeError:
            raise self._unhashable(args, kwargs) from None
        if program is None:
            program = self._trace(args, kwargs, donated, self._why(key))
            program.run = compile_graph(program.inputs, program.outputs, donate=donated, name=self._name)
            program.read = reader(args, kwargs, _CARRIERS, self._static_places, self._static_names)
            program.write = writer(program.template)
            if donated and hasattr(program.run, "exclusive_way") and all(type(leaves[k]) is Tensor for k in donated):
                program.short, program.forget = program.run.exclusive_way(1), forgetter(donated, len(leaves))
            self._programs[key] = program
        self._last = program
        return program, (leaves, [_carrier(leaf) for leaf in leaves])

    def _form(self, args: tuple[Any, ...], kwargs: dict[str, Any], form: list[Any], leaves: list[Any]) -> tuple[int, ...]:
        """Fill in form and leaves; returns the places of donated leaves."""
        if not self._static_places and not self._donate_places and not kwargs:
            for value in args:
                _flatten(value, form, leaves)
            return ()
        donated: list[int] = []
        for place, value in enumerate(args):
            if place in self._static_places:
                form.append(value)
                continue
            before = len(leaves)
            _flatten(value, form, leaves)
            if place in self._donate_places:
                donated += range(before, len(leaves))
        for name, value in kwargs.items():
            form.append(name)
            if name in self._static_names:
                form.append(value)
                continue
            before = len(leaves)
            _flatten(value, form, leaves)
            if name in self._donate_names:
                donated += range(before, len(leaves))
        return tuple(donated)

    def _unhashable(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> ArgumentError:
        named = [
            *((f"argument {i}", a) for i, a in enumerate(args)),
            *((f"argument {k!r}", v) for k, v in kwargs.items()),
        ]
        for name, value in named:
            form: list[Any] = []
            _flatten(value, form, [])
            for part in form:
                try:
                    hash(part)
                except TypeError:
                    return ArgumentError(
                        f"{self._name}: {name} holds a {type(part).__name__}, which sl.jit can neither compute with nor compare",
                        fix="pass Tensors, arrays, numbers, strings, or dicts, lists and tuples of them",
                    )
        return ArgumentError(f"{self._name}: an argument cannot be compared with those of earlier calls")

    def _trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], donated: tuple[int, ...], reason: str) -> Program:
        inputs: list[Node] = []

        def stand_in(value: Any) -> Tensor:
            tensor = Tensor.__new__(Tensor)
            number = type(value) in _NUMBERS
            if number:
                tensor._dtype = _NUMBERS[type(value)]
                shape: tuple[int, ...] = ()
            else:
                tensor._dtype = value._dtype if type(value) is Tensor else dt.as_dtype(value.dtype.newbyteorder("="))
                shape = value.shape
            tensor._node, tensor._array, tensor._weak = placeholder(shape, tensor._dtype), None, number
            tensor._form = None
            inputs.append(tensor._node)
            return tensor

        given = [a if i in self._static_places else _map(a, stand_in) for i, a in enumerate(args)]
        named = {k: v if k in self._static_names else _map(v, stand_in) for k, v in kwargs.items()}
        with capture(f"sl.jit of {self._name}"):
            result = self._function(*given, **named)
        outputs: list[Node] = []

        def note(value: Any) -> Any:
            tensor = value if type(value) is Tensor else of_array(*to_array(value))
            tensor = strong(tensor) if tensor._weak else tensor
            outputs.append(tensor.node)
            return Slot(len(outputs) - 1, tensor.shape, tensor._dtype)

        template = _map(result, note)
        outputs = inline(outputs, storage.__contains__)
        outputs, extra, arrays = _hoist(self._name, inputs, outputs)
        return Program(self._name, (*inputs, *extra), tuple(outputs), template, arrays, donated, reason)

    def _why(self, key: tuple[Any, ...]) -> str:
        """What is new about a form, for `explain`."""
        if not self._programs:
            return "first call"
        last = next(reversed(self._programs))
        if len(last) != len(key):
            return "the arguments make another tree"
        changes = [f"{_say(a)} -> {_say(b)}" for a, b in zip(last, key, strict=True) if a is not b and a != b]
        return "; ".join(changes[:3]) + (" ..." if len(changes) > 3 else "")

    def lower(self, *args: Any, **kwargs: Any) -> Program:
        """The captured graph for these arguments, without compiling or running it; `print` shows it.

        Example:
            >>> import saltus as sl
            >>> program = sl.jit(lambda x: x + 1.0).lower(sl.zeros(3))
            >>> len(program.inputs)
            1
        """
        realise(_tensors([*args, *kwargs.values()]))
        donated = self._form(args, kwargs, [], [])
        return self._trace(args, kwargs, donated, "lower")

    def explain(self) -> str:
        """What was captured, why again, and what each program runs."""
        lines = [f"{self._name}: captured {self.traces} time{'s' * (self.traces != 1)}"]
        for number, program in enumerate(self._programs.values(), 1):
            lines += [f"{number}. {program.reason}", program.run.explain()]
        return "\n".join(lines)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        raise TracingError(
            f"{self._name}: sl.jit does not wrap methods, since `self` would be part of the program",
            fix="wrap a function of the values it needs, e.g. step = sl.jit(function) outside the class",
        )


def _places(what: str, function: Callable[..., Any], given: tuple[int | str, ...]) -> tuple[frozenset[int], frozenset[str]]:
    """Arguments named by position or name, as both."""
    if not given:
        return frozenset(), frozenset()
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        parameters = {}  # type: ignore[assignment]
    positional = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    places: set[int] = set()
    names: set[str] = set()
    for item in given:
        if isinstance(item, int):
            places.add(item)
            if item < len(positional):
                names.add(positional[item])
            continue
        if parameters and item not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            raise ArgumentError(f"sl.jit: {what} names {item!r}, but {name_of(function)} has the arguments {', '.join(parameters)}")
        names.add(item)
        if item in positional:
            places.add(positional.index(item))
    return frozenset(places), frozenset(names)


def _say(part: Any) -> str:
    return part.__name__ if isinstance(part, type) else str(part)


def _tensors(values: Sequence[Any]) -> list[Tensor]:
    found: list[Tensor] = []
    for value in values:
        _map(value, lambda leaf: found.append(leaf) if type(leaf) is Tensor else None)
    return found


def _hoist(name: str, inputs: Sequence[Node], outputs: Sequence[Node]) -> tuple[list[Node], list[Node], list[Array]]:
    """Compute once what depends on outside Tensors only, and make inputs of it."""
    own = set(inputs)
    inside, outside = set(own), set()
    order = topological(outputs, stop=lambda n: n in storage or n in own)
    for node in order:
        if node in own:
            continue
        if node in storage:
            outside.add(node)
        elif node.op.name == "input":
            raise TracingError(
                f"{name} uses a Tensor ({_type(node)}) that was made while another function was captured and has no value",
                site=format_site(node.site),
                fix="return it from that function and pass it to this one",
            )
        elif any(s in inside for s in node.src):
            inside.add(node)
        elif any(s in outside for s in node.src):
            outside.add(node)
    edge = dict.fromkeys(s for n in order if n in inside for s in n.src if s in outside)
    edge |= dict.fromkeys(o for o in outputs if o in outside)
    edge = dict.fromkeys(map(_repeated, edge))
    single = [n for n in edge if not n.parts]
    arrays = compute(single)
    stands = {n: placeholder(n.shape, n.dtype) for n in single}
    return substitute(outputs, dict(stands)), list(stands.values()), arrays


def _repeated(node: Node) -> Node:
    """What a broadcast repeats: inside it costs nothing, outside all its copies would take memory."""
    while node.op.name == "broadcast_to" and node not in storage:
        node = node.src[0]
    return node


def jit(function: Callable[..., Any] | None = None, *, static: Any = (), donate: Any = ()) -> Any:
    """Capture a function, compile it, and replay it.

    Args:
        function: takes and returns trees (dicts, lists, tuples) of Tensors, arrays and numbers; it must not depend on anything else that
            changes, and its Python code runs only when it is captured.
        static: arguments, by name or position, whose value is part of the program (they must be hashable).
        donate: arguments whose memory the program may overwrite; the Tensors passed there cannot be used afterwards.

    Returns:
        A function with the same arguments, and with `traces`, `explain()` and `lower(...)`. Also usable as a decorator.

    Raises:
        TracingError: the function needs the value of a Tensor to go on (an `if`, a `float()`), or is a method.

    Example:
        >>> import saltus as sl
        >>> @sl.jit
        ... def step(w, x):
        ...     return w - 0.1 * (w * x)
        >>> step(sl.asarray([1.0, 2.0]), 2.0)
        Tensor([0.8, 1.6], shape=(2,), dtype=float32)
        >>> step.traces
        1
    """
    if function is None:
        return functools.partial(jit, static=static, donate=donate)
    if not callable(function):
        raise ArgumentError(f"sl.jit takes a function, got {type(function).__name__}")
    static, donate = ((s,) if isinstance(s, (int, str)) else tuple(s) for s in (static, donate))
    return Jit(function, static, donate)


__all__ = ["Jit", "Program", "SaltusError", "jit"]

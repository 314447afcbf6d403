"""Hands a program the addresses of its arrays: one native call that reads a list of NumPy arrays and runs the program.

Asking an array for its address from Python costs half a microsecond, as much as a kernel of a small network. The function written
here finds element type, shape and address where CPython and NumPy keep them, checks them against what the program was compiled
for, and writes the argument words; anything unexpected is left to the way through Python (`engine.py`). Whether objects lie in
memory as this file believes is tried out once, with arrays made for it; where they do not, it is not used.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from saltus.backend.cpu import compile as machine
from saltus.backend.cpu import runtime

Array = np.ndarray[Any, Any]

# words of a table: state of the program, numbers of inputs and outputs, forms of the inputs, addresses, number of places, places
STATE, INPUTS, OUTPUTS, FORMS, ADDRESSES, COUNT, PLACES, KIND = range(8)
_FORM = 4  # words of a form: element type, number of axes, extents, references there may be to it
_PLACE = 4  # words of a place: argument word, number of the array, byte offset, -
_WHOLE = 0x101  # flags of an array in C order whose elements are aligned
_WRITEABLE = 0x400
_ANY = 1 << 62  # references to an array that is only read, or that the caller vouches for


def _text() -> str:
    """LLVM IR of `saltus_bind(table, inputs, outputs)`, which gives 0 or 1 + the array refused, and `saltus_call`, which also runs."""
    head = object.__basicsize__  # what every object begins with: count of references, type
    load = "getelementptr i8, ptr"
    word = "getelementptr i64, ptr %table, i64"
    return f"""
declare void @saltus_alone(ptr)

define i64 @saltus_bind(ptr %table, ptr %inputs, ptr %outputs) {{
entry:
  %n.p = {word} {INPUTS}
  %n = load i64, ptr %n.p
  %m.p = {word} {OUTPUTS}
  %m = load i64, ptr %m.p
  %forms.p = {word} {FORMS}
  %forms = load ptr, ptr %forms.p
  %addresses.p = {word} {ADDRESSES}
  %addresses = load ptr, ptr %addresses.p
  %count.p = {word} {COUNT}
  %count = load i64, ptr %count.p
  %places.p = {word} {PLACES}
  %places = load ptr, ptr %places.p
  %kind.p = {word} {KIND}
  %kind = load ptr, ptr %kind.p
  %isize.p = {load} %inputs, i64 {head}
  %isize = load i64, ptr %isize.p
  %osize.p = {load} %outputs, i64 {head}
  %osize = load i64, ptr %osize.p
  %ieq = icmp eq i64 %isize, %n
  %oeq = icmp eq i64 %osize, %m
  %sizes = and i1 %ieq, %oeq
  %iitems.p = {load} %inputs, i64 {head + 8}
  %iitems = load ptr, ptr %iitems.p
  %oitems.p = {load} %outputs, i64 {head + 8}
  %oitems = load ptr, ptr %oitems.p
  %one.more = add i64 %n, 1
  br i1 %sizes, label %arrays, label %refuse
arrays:
  %k = phi i64 [ 0, %entry ], [ %k1, %good ]
  %k1 = add i64 %k, 1
  %more = icmp slt i64 %k, %n
  br i1 %more, label %array, label %results
array:
  %a.p = getelementptr ptr, ptr %iitems, i64 %k
  %a = load ptr, ptr %a.p
  %type.p = {load} %a, i64 {head - 8}
  %type = load ptr, ptr %type.p
  %same.type = icmp eq ptr %type, %kind
  br i1 %same.type, label %look, label %refuse
look:
  %fk = mul i64 %k, {_FORM}
  %f = getelementptr i64, ptr %forms, i64 %fk
  %fd = load i64, ptr %f
  %fn.p = getelementptr i64, ptr %f, i64 1
  %fn = load i64, ptr %fn.p
  %fe.p = getelementptr i64, ptr %f, i64 2
  %fe = load ptr, ptr %fe.p
  %data.p = {load} %a, i64 {head}
  %data = load i64, ptr %data.p
  %axes.p = {load} %a, i64 {head + 8}
  %axes32 = load i32, ptr %axes.p
  %axes = zext i32 %axes32 to i64
  %extents.p = {load} %a, i64 {head + 16}
  %extents = load ptr, ptr %extents.p
  %descr.p = {load} %a, i64 {head + 40}
  %descr = load i64, ptr %descr.p
  %flags.p = {load} %a, i64 {head + 48}
  %flags = load i32, ptr %flags.p
  %whole = and i32 %flags, {_WHOLE}
  %limit.p = getelementptr i64, ptr %f, i64 3
  %limit = load i64, ptr %limit.p
  %references32 = load i32, ptr %a
  %references = zext i32 %references32 to i64
  %base.of.p = {load} %a, i64 {head + 32}
  %base.of = load i64, ptr %base.of.p
  %lent = icmp ne i64 %base.of, 0
  %may = and i32 %flags, {_WRITEABLE}
  %fixed = icmp eq i32 %may, 0
  %only = icmp ne i64 %limit, {_ANY}
  %lent.fixed = and i1 %lent, %fixed
  %others = and i1 %lent.fixed, %only
  %many = icmp sgt i64 %references, %limit
  %shared = or i1 %others, %many
  %e0 = xor i1 %shared, true
  %e1 = icmp eq i64 %fd, %descr
  %e2 = icmp eq i64 %fn, %axes
  %e3 = icmp eq i32 %whole, {_WHOLE}
  %e12 = and i1 %e1, %e2
  %e123 = and i1 %e12, %e3
  %e0123 = and i1 %e0, %e123
  br i1 %e0123, label %shape, label %refuse
shape:
  %axis = phi i64 [ 0, %look ], [ %axis1, %axis.good ]
  %axis1 = add i64 %axis, 1
  %last = icmp eq i64 %axis, %fn
  br i1 %last, label %good, label %extent
extent:
  %x.p = getelementptr i64, ptr %extents, i64 %axis
  %x = load i64, ptr %x.p
  %y.p = getelementptr i64, ptr %fe, i64 %axis
  %y = load i64, ptr %y.p
  %same = icmp eq i64 %x, %y
  br i1 %same, label %axis.good, label %refuse
axis.good:
  br label %shape
good:
  %to = getelementptr i64, ptr %addresses, i64 %k
  store i64 %data, ptr %to
  br label %arrays
results:
  %r = phi i64 [ 0, %arrays ], [ %r1, %result ]
  %rmore = icmp slt i64 %r, %m
  br i1 %rmore, label %result, label %words
result:
  %o.p = getelementptr ptr, ptr %oitems, i64 %r
  %o = load ptr, ptr %o.p
  %odata.p = {load} %o, i64 {head}
  %odata = load i64, ptr %odata.p
  %ok = add i64 %n, %r
  %oto = getelementptr i64, ptr %addresses, i64 %ok
  store i64 %odata, ptr %oto
  %r1 = add i64 %r, 1
  br label %results
words:
  %w = phi i64 [ 0, %results ], [ %w1, %write ]
  %wmore = icmp slt i64 %w, %count
  br i1 %wmore, label %write, label %done
write:
  %wp = mul i64 %w, {_PLACE}
  %p = getelementptr i64, ptr %places, i64 %wp
  %goal = load ptr, ptr %p
  %which.p = getelementptr i64, ptr %p, i64 1
  %which = load i64, ptr %which.p
  %shift.p = getelementptr i64, ptr %p, i64 2
  %shift = load i64, ptr %shift.p
  %base.p = getelementptr i64, ptr %addresses, i64 %which
  %base = load i64, ptr %base.p
  %address = add i64 %base, %shift
  store i64 %address, ptr %goal
  %w1 = add i64 %w, 1
  br label %words
done:
  ret i64 0
refuse:
  %bad = phi i64 [ %one.more, %entry ], [ %k1, %array ], [ %k1, %look ], [ %k1, %extent ]
  ret i64 %bad
}}

define i64 @saltus_call(ptr %table, ptr %inputs, ptr %outputs) {{
entry:
  %bad = call i64 @saltus_bind(ptr %table, ptr %inputs, ptr %outputs)
  %good = icmp eq i64 %bad, 0
  br i1 %good, label %run, label %out
run:
  %state = load ptr, ptr %table
  call void @saltus_alone(ptr %state)
  br label %out
out:
  ret i64 %bad
}}
"""


class Binding:
    """Table of one program.

    Args:
        state: address of the program's state block.
        forms: shape and element type of each input.
        outputs: how many results there are.
        places: (address of an argument word, number of the array among inputs and results, byte offset) of each pointer.
        limits: how many references there may be to some inputs, by number: what else is refused, as is memory lent for reading.
    """

    def __init__(
        self,
        state: int,
        forms: Sequence[tuple[tuple[int, ...], np.dtype[Any]]],
        outputs: int,
        places: Sequence[tuple[int, int, int]],
        limits: Mapping[int, int] | None = None,
    ) -> None:
        self._kept: list[Any] = []  # what the table refers to

        def kept(rows: Sequence[Sequence[int]]) -> int:
            array = np.array(rows if rows else [0], np.int64)
            self._kept.append(array)
            return int(array.ctypes.data)

        self._kept += [dtype for _, dtype in forms]
        table = [0] * 8
        table[STATE], table[INPUTS], table[OUTPUTS], table[COUNT] = state, len(forms), outputs, len(places)
        table[FORMS] = kept(
            [[id(dtype), len(shape), kept([shape]), (limits or {}).get(k, _ANY)] for k, (shape, dtype) in enumerate(forms)]
        )
        table[ADDRESSES] = kept([[0] * (len(forms) + outputs + 1)])
        table[PLACES] = kept([[*place, 0] for place in places])
        table[KIND] = id(np.ndarray)
        self.address = kept([table])


@functools.cache
def functions() -> dict[str, Callable[[int, list[Array], list[Array]], int]] | None:
    """ "bind" and "call" as functions of (table, inputs, outputs) that keep Python's lock; None where objects do not lie as expected."""
    plain = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    if not plain or hasattr(sys, "gettotalrefcount") or ctypes.sizeof(ctypes.c_void_p) != 8:
        return None
    runtime.prepare()
    text = _text()
    symbol = machine.symbol_of(text)
    code = machine.read_stored(symbol)
    if code is None:
        code = machine.object_code(text)
        machine.write_stored(symbol, code)
    made = {}
    for name, start in (("bind", machine.load("saltus_bind", code)), ("call", machine.address("saltus_call"))):
        made[name] = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.py_object, ctypes.py_object)(start)
    return made if _as_believed(made["bind"]) else None


def _as_believed(bind: Callable[[int, list[Array], list[Array]], int]) -> bool:
    """Whether addresses come out right and arrays of another form are refused."""
    words = np.zeros(3, np.int64)
    at = int(words.ctypes.data)
    first, second, result = np.zeros((2, 3), np.float32), np.zeros((), np.int64), np.zeros(4)
    forms = [(a.shape, a.dtype) for a in (first, second)]
    binding = Binding(0, forms, 1, [(at, 0, 0), (at + 8, 1, 8), (at + 16, 2, 0)])
    with contextlib.suppress(Exception):
        if bind(binding.address, [first, second], [result]) != 0:
            return False
        if words.tolist() != [first.ctypes.data, second.ctypes.data + 8, result.ctypes.data]:
            return False
        held = [np.zeros((2, 3), np.float32)]
        for limit, refused in ((2, 0), (1, 1)):  # two lists refer to it
            if bind(Binding(0, forms, 1, [], {0: limit}).address, [*held, second], [result]) != refused:
                return False
        lent = np.frombuffer(bytes(24), np.float32).reshape(2, 3)
        if bind(Binding(0, forms, 1, [], {0: 100}).address, [lent, second], [result]) != 1:
            return False
        others: list[Any] = [
            first.T, first.astype(np.float64), first.astype(">f4"), np.zeros((3, 2), np.float32), np.zeros(6, np.float32),
            np.zeros((2, 6), np.float32)[:, ::2], first.view(type("Other", (np.ndarray,), {})),
        ]  # fmt: skip
        return all(bind(binding.address, [other, second], [result]) == 1 for other in others) and (
            bind(binding.address, [first], [result]) != 0
        )
    return False


__all__ = ["Binding", "functions"]

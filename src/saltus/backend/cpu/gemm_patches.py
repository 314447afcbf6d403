"""Copies patches of an array to the lines of a contraction's left operand; what lies outside the array becomes 0.

A chunk copies only the rows and columns it multiplies, to scratch that stays in its cache: next to the products of one element with a
row of weights the copy is cheap, and padding, strides and dilation cost nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.gemm_tiles import Lines, lanes_of
from saltus.base.dtypes import DType


def copy_patches(b: Emitter, dtype: DType, w: dict[str, Value], shape: tuple[int, bool], x: Value, goal: Lines,
                 rows: tuple[Value, Value], columns: tuple[Value, Value]) -> None:  # fmt: skip
    """Emit the copy of a block of the matrix of patches.

    Args:
        w: values of `gemm_plan.PATCH_WORDS`.
        shape: spatial axes, and whether the last is part of the run.
        x: the array.
        goal: where the lines go, one a row, from the block's first column on.
        rows, columns: first and last of the block.
    """
    rank, merged = shape
    taps = rank - merged  # axes of the kernel around the run
    run, zero, one = w["patch_run"], b.index(0), b.index(1)
    first_tap = b.div(columns[0], run)
    last_tap = b.div(b.add(columns[1], b.sub(run, one)), run)
    start_taps = _digits(b, first_tap, [w[f"kernel{k}"] for k in range(taps)])[1:]
    places = _digits(b, rows[0], [w[f"out{k}"] for k in range(rank)])
    with b.loop(rows[0], rows[1], 1, [*places, goal.pointer]) as row:
        at, line = row.carried[:-1], row.carried[-1]
        corners = [b.sub(b.mul(at[1 + k], w[f"stride{k}"]), w[f"low{k}"]) for k in range(rank)]  # of the patch, in the array
        base = b.mul(at[0], w["patch_batch_stride"])
        for k, corner in enumerate(corners):
            base = b.add(base, b.mul(corner, w[f"step{k}"]))
        valid_from, valid_to = zero, run
        if merged:
            before, after = b.neg(corners[-1]), b.sub(w[f"size{rank - 1}"], corners[-1])
            valid_from = b.mul(b.maximum(before, zero), w["patch_channels"])
            valid_to = b.mul(b.minimum(b.maximum(after, zero), w[f"kernel{rank - 1}"]), w["patch_channels"])
        with b.loop(first_tap, last_tap, 1, [*start_taps]) as tap:
            begin, source, inside = b.mul(tap.index, run), base, None
            for k, place in enumerate(tap.carried):
                moved = b.mul(place, w[f"dilation{k}"])
                source = b.add(source, b.mul(moved, w[f"step{k}"]))
                position = b.add(corners[k], moved)
                here = b.and_(b.greater_equal(position, zero), b.less(position, w[f"size{k}"]))
                inside = here if inside is None else b.and_(inside, here)
            stop = valid_to if inside is None else b.select(inside, valid_to, zero)
            segment = (b.maximum(b.sub(columns[0], begin), zero), b.minimum(b.sub(columns[1], begin), run))
            target = b.offset(line, b.sub(begin, columns[0]), dtype)
            _copy_run(b, dtype, b.offset(x, source, dtype), target, segment, (valid_from, stop))
            tap.next(_next(b, tap.carried, [w[f"kernel{k}"] for k in range(taps)]))
        row.next([*_next(b, at, [None, *[w[f"out{k}"] for k in range(rank)]]), b.offset(line, goal.stride, dtype)])


def _digits(b: Emitter, number: Value, bases: Sequence[Value]) -> list[Value]:
    """What is left, then the digits of a number, the last base fastest."""
    found: list[Value] = []
    for base in reversed(bases):
        found.append(b.rem(number, base))
        number = b.div(number, base)
    return [number, *reversed(found)]


def _next(b: Emitter, digits: Sequence[Value], bases: Sequence[Value | None]) -> list[Value]:
    """The digits of the following number."""
    found: list[Value] = []
    step = b.index(1)
    for digit, base in zip(reversed(digits), reversed(bases), strict=True):
        digit = b.add(digit, step)
        if base is None:
            found.append(digit)
            continue
        full = b.equal(digit, base)
        found.append(b.select(full, b.index(0), digit))
        step = b.select(full, b.index(1), b.index(0))
    return found[::-1]


def _copy_run(b: Emitter, dtype: DType, source: Value, target: Value, segment: tuple[Value, Value], valid: tuple[Value, Value]) -> None:
    """Copy elements of a run, with 0 for those that are not valid."""
    lanes = lanes_of(b, dtype)
    first, last = segment

    def whole() -> list[Value]:
        even = b.add(first, b.and_(b.sub(last, first), b.index(-lanes)))
        with b.loop(first, even, lanes) as most:
            b.store(b.load(b.offset(source, most.index, dtype), dtype, lanes), b.offset(target, most.index, dtype), dtype)
        with b.when(b.less(even, last)):
            mask = b.lane_mask(b.sub(last, even), lanes)
            b.store(b.load(b.offset(source, even, dtype), dtype, lanes, mask), b.offset(target, even, dtype), dtype, mask)
        return []

    def edges() -> list[Value]:
        with b.loop(first, last, lanes) as turn:
            here = b.lane_mask(b.sub(last, turn.index), lanes)
            known = b.and_(b.lane_mask(b.sub(valid[1], turn.index), lanes), b.not_(b.lane_mask(b.sub(valid[0], turn.index), lanes)))
            value = b.load(b.offset(source, turn.index, dtype), dtype, lanes, b.and_(here, known))
            b.store(value, b.offset(target, turn.index, dtype), dtype, here)
        return []

    fits = b.and_(b.less_equal(valid[0], first), b.less_equal(last, valid[1]))
    b.either(fits, whole, edges)


__all__ = ["copy_patches"]

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


def copy_columns(b: Emitter, dtype: DType, w: dict[str, Value], shape: tuple[int, bool], x: Value, goal: Lines,
                 rows: tuple[Value, Value], columns: tuple[Value, Value]) -> None:  # fmt: skip
    """Emit the copy of a block of the matrix of patches of one channel, a line for each column: places along the last axis are a run.

    Args: as of `copy_patches`.
    """
    rank = shape[0]
    zero = b.index(0)
    kernel, out = [w[f"kernel{k}"] for k in range(rank)], [w[f"out{k}"] for k in range(rank)]
    first = _digits(b, rows[0], out)
    with b.loop(columns[0], columns[1], 1, [*_digits(b, columns[0], kernel)[1:], goal.pointer]) as column:
        tap, line = column.carried[:-1], column.carried[-1]
        shifts = [b.sub(b.mul(t, w[f"dilation{k}"]), w[f"low{k}"]) for k, t in enumerate(tap)]
        valid = (b.neg(shifts[-1]), b.sub(w[f"size{rank - 1}"], shifts[-1]))  # places whose element exists
        ends = _digits(b, b.sub(rows[1], b.index(1)), out)
        turns = b.sub(_joined(b, ends[:-1], out[:-1]), _joined(b, first[:-1], out[:-1]))
        with b.loop(0, b.add(turns, b.index(1)), 1, [*first[:-1], rows[0]]) as turn:
            at, row = turn.carried[:-1], turn.carried[-1]
            begin = b.select(b.equal(turn.index, zero), first[-1], zero)
            end = b.minimum(b.add(begin, b.sub(rows[1], row)), out[-1])
            source, inside = b.mul(at[0], w["patch_batch_stride"]), None
            for k in range(rank - 1):
                position = b.add(b.mul(at[1 + k], w[f"stride{k}"]), shifts[k])
                source = b.add(source, b.mul(position, w[f"step{k}"]))
                here = b.and_(b.greater_equal(position, zero), b.less(position, w[f"size{k}"]))
                inside = here if inside is None else b.and_(inside, here)
            stop = valid[1] if inside is None else b.select(inside, valid[1], zero)
            target = b.offset(line, b.sub(b.sub(row, rows[0]), begin), dtype)
            _copy_run(b, dtype, b.offset(x, b.add(source, shifts[-1]), dtype), target, (begin, end), (valid[0], stop))
            turn.next([*_next(b, at, [None, *out[:-1]]), b.add(row, b.sub(end, begin))])
        column.next([*_next(b, tap, kernel), b.offset(line, goal.stride, dtype)])


def _joined(b: Emitter, digits: Sequence[Value], bases: Sequence[Value]) -> Value:
    """The number of digits, the first of any size."""
    number = digits[0]
    for digit, base in zip(digits[1:], bases, strict=True):
        number = b.add(b.mul(number, base), digit)
    return number


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


__all__ = ["copy_columns", "copy_patches"]

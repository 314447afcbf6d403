"""Inner loops of contractions: register tiles that sum over depth, and the copies that feed them.

`gemm.py` puts chunks and epilogues around them. A tile keeps rows x vectors sums in registers; each step of
depth reads one scalar of A for every row and one register of B for every vector. Nothing here knows a
whole matrix.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from saltus.backend.cpu.emit import Emitter, Value
from saltus.base.dtypes import DType

_LINE = 64  # bytes of a cache line
_SHARED_POINTER = 3  # rows p, p + s and p + 2s are addressed from one pointer: x86 scales and adds for nothing


@dataclass(frozen=True, slots=True)
class Lines:
    """Part of a matrix in memory: contiguous lines, `stride` elements apart.

    A line of A is a row of the product, or with `transposed` one step of depth; a line of B is one step of
    depth, or with `transposed` a column of the product.
    """

    pointer: Value
    stride: Value
    transposed: bool = False

    def at(self, b: Emitter, dtype: DType, line: Value | int, place: Value | int = 0) -> Value:
        """Address of element `place` of line `line`."""
        line = b.index(line) if isinstance(line, int) else line
        start = self.pointer if line.ref == "0" else b.offset(self.pointer, b.mul(line, self.stride), dtype)
        return b.offset(start, place, dtype)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a tile asks for while it multiplies: in each of `parts` equal parts of its depth one line of every run.

    A little in each step: all at once it would hold up what the tile itself reads, since a core keeps track of few lines on their way.
    """

    parts: Value
    runs: Sequence[tuple[Lines, Value]]  # lines, and their length


def lanes_of(b: Emitter, dtype: DType) -> int:
    """Elements in one register."""
    return b.vector_bits // dtype.bits


def tile(b: Emitter, dtype: DType, rows: int, vectors: int, a: Lines, panel: Lines, depth: Value,
         start: Sequence[Value], ahead: Ahead | None = None) -> list[Value]:  # fmt: skip
    """Add `rows` rows of A times `vectors` registers of columns of B to `start`, step of depth by step.

    Returns:
        rows * vectors sums, row by row.
    """
    count = rows * vectors
    firsts = [a.pointer] if a.transposed else [a.at(b, dtype, r) for r in range(0, rows, _SHARED_POINTER)]
    state = [*start, *firsts, panel.pointer]
    if ahead is None:
        return _steps(b, dtype, rows, vectors, a, panel, depth, state, [])[:count]
    per = b.div(b.add(depth, b.sub(ahead.parts, b.index(1))), ahead.parts)
    with b.loop(0, ahead.parts, 1, state) as part:
        runs = []
        for lines, length in ahead.runs:
            step = b.add(b.div(b.mul(length, b.index(dtype.itemsize)), per), b.index(1))
            runs.append((lines.at(b, dtype, part.index), b.opaque(b.minimum(step, b.index(_LINE)))))
        length = b.minimum(per, b.sub(depth, b.mul(part.index, per)))
        part.next(_steps(b, dtype, rows, vectors, a, panel, length, part.carried, runs))
    return part.results[:count]


def _steps(b: Emitter, dtype: DType, rows: int, vectors: int, a: Lines, panel: Lines, depth: Value, state: Sequence[Value],
           runs: Sequence[tuple[Value, Value]]) -> list[Value]:  # fmt: skip
    """The state of a tile (sums, pointers into A, pointer into the panel) after some steps of depth; `runs` are places to ask for
    and the bytes they move on in each step.
    """
    lanes, count = lanes_of(b, dtype), rows * vectors
    by_lane = a.transposed and b.vector_bits == 128 and rows % lanes == 0  # NEON multiplies by a lane
    a_stride, panel_stride, depth = b.opaque(a.stride), b.opaque(panel.stride), b.opaque(depth)
    apart = [b.index(0), a_stride, b.opaque(b.add(a_stride, a_stride))]

    def factor(pointers: Sequence[Value], row: int, loaded: dict[int, Value]) -> Value:
        """The element of A of one row, in every lane."""
        if by_lane:
            first = row - row % lanes
            if first not in loaded:
                loaded[first] = b.load(b.offset(pointers[0], first, dtype), dtype, lanes)
            return b.shuffle(loaded[first], loaded[first], [row % lanes] * lanes)
        if a.transposed:
            return b.splat(b.load(b.offset(pointers[0], row, dtype), dtype), lanes)
        place = b.offset(pointers[row // _SHARED_POINTER], apart[row % _SHARED_POINTER], dtype)
        return b.splat(b.load(place, dtype), lanes)

    # The fewer of factors and columns wait in registers, the others are loaded right before their use: read
    # ahead in bulk, they would push out sums. One step a turn: unrolling was measured and gains nothing.
    with b.loop(0, depth, 1, [*state, *[place for place, _ in runs]]) as step:
        sums, line = list(step.carried[:count]), b.opaque(step.carried[len(state) - 1])
        pointers = [b.opaque(p) for p in step.carried[count : len(state) - 1]]
        places = step.carried[len(state) :]
        loaded: dict[int, Value] = {}
        for place in places:
            b.prefetch(place, 2)

        def column(v: int) -> Value:
            return b.load(b.offset(line, v * lanes, dtype), dtype, lanes)

        if rows < vectors:
            factors = [factor(pointers, r, loaded) for r in range(rows)]
            for v in range(vectors):
                y = column(v)
                for r, x in enumerate(factors):
                    sums[r * vectors + v] = b.fma(x, y, sums[r * vectors + v])
        else:
            columns = [column(v) for v in range(vectors)]
            for r in range(rows):
                x = factor(pointers, r, loaded)
                for v, y in enumerate(columns):
                    sums[r * vectors + v] = b.fma(x, y, sums[r * vectors + v])
        onward = [b.offset(p, a_stride if a.transposed else 1, dtype) for p in pointers]
        moved = [b.offset_bytes(place, by) for place, (_, by) in zip(places, runs, strict=True)]
        step.next([*sums, *onward, b.offset(line, panel_stride, dtype), *moved])
    return step.results[: len(state)]


def dots(b: Emitter, dtype: DType, rows: int, columns: int, a: Lines, bt: Lines, depth: Value,
         last: Value) -> list[list[Value]]:  # fmt: skip
    """Dot products of `rows` lines of A with `columns` lines of B; lanes run along depth, folded at the end.

    Args:
        columns: a multiple of the elements in 128 bits.
        last: the last column that exists, counted from the first one; columns beyond it repeat it.

    Returns:
        For each row the sums of its columns, as vectors of 128 bits.
    """
    lanes = lanes_of(b, dtype)
    lines = [a.at(b, dtype, r) for r in range(rows)]
    lines += [bt.at(b, dtype, b.minimum(b.index(c), last)) for c in range(columns)]

    def turn(pointers: Sequence[Value], place: Value, sums: Sequence[Value], mask: Value | None) -> list[Value]:
        x = [b.load(b.offset(p, place, dtype), dtype, lanes, mask) for p in pointers]
        return [b.fma(x[r], x[rows + c], sums[r * columns + c]) for r in range(rows) for c in range(columns)]

    even = b.opaque(b.and_(depth, b.index(-lanes)))
    own = [b.opaque(p) for p in lines]
    with b.loop(0, even, lanes, [b.const(0.0, dtype, lanes)] * (rows * columns)) as most:
        most.next(turn(own, most.index, most.carried, None))
    with b.loop(even, depth, lanes, most.results) as rest:
        mask = b.lane_mask(b.sub(depth, rest.index), lanes)
        rest.next(turn(lines, rest.index, rest.carried, mask))
    group = 128 // dtype.bits
    return [
        [_fold_group(b, rest.results[r * columns + c : r * columns + c + group]) for c in range(0, columns, group)] for r in range(rows)
    ]


def _fold_group(b: Emitter, vectors: Sequence[Value]) -> Value:
    """The sum of each vector's lanes, for as many vectors as 128 bits have elements, as 128 bits."""
    group = len(vectors)
    while len(vectors) > 1:  # each 128 bits of the result hold sums over the same 128 bits of every vector
        pairs = list(zip(vectors[: len(vectors) // 2], vectors[len(vectors) // 2 :], strict=True))
        vectors = [b.add(_interleave(b, x, y, 0, group), _interleave(b, x, y, 1, group)) for x, y in pairs]
    total = vectors[0]
    while total.lanes > group:
        half = total.lanes // 2
        total = b.add(b.shuffle(total, total, range(half)), b.shuffle(total, total, range(half, total.lanes)))
    return total


def copy_lines(b: Emitter, dtype: DType, source: Lines, target: Lines, lines: Value, length: Value) -> None:
    """Copy `lines` contiguous lines of `length` elements to lines with another distance."""
    lanes = lanes_of(b, dtype)
    even = b.and_(length, b.index(-lanes))
    with b.loop(0, lines) as line:
        origin, goal = source.at(b, dtype, line.index), target.at(b, dtype, line.index)
        with b.loop(0, even, lanes) as most:
            value = b.load(b.offset(origin, most.index, dtype), dtype, lanes)
            b.store(value, b.offset(goal, most.index, dtype), dtype)
        with b.loop(even, length, lanes) as rest:
            mask = b.lane_mask(b.sub(length, rest.index), lanes)
            value = b.load(b.offset(origin, rest.index, dtype), dtype, lanes, mask)
            b.store(value, b.offset(goal, rest.index, dtype), dtype, mask)


def copy_panel(b: Emitter, dtype: DType, vectors: int, source: Lines, target: Lines, depth: Value, columns: Value) -> None:
    """Copy `depth` x min(`columns`, vectors * lanes) elements of B to aligned rows of `vectors` registers.

    The lanes beyond `columns` are filled with numbers that nobody may use.
    """
    if source.transposed:
        _turn_columns(b, dtype, vectors, source, target, depth, columns)
        return
    lanes = lanes_of(b, dtype)

    def rows(masks: Sequence[Value | None]) -> list[Value]:
        with b.loop(0, depth, 1, [source.pointer, target.pointer]) as loop:
            origin, goal = loop.carried
            for v, mask in enumerate(masks):
                value = b.load(b.offset(origin, v * lanes, dtype), dtype, lanes, mask)
                b.store(value, b.offset(goal, v * lanes, dtype), dtype, align=lanes * dtype.itemsize)
            loop.next([b.offset(origin, source.stride, dtype), b.offset(goal, target.stride, dtype)])
        return []

    whole = b.greater_equal(columns, b.index(vectors * lanes))
    masked = lambda: rows([b.lane_mask(b.sub(columns, b.index(v * lanes)), lanes) for v in range(vectors)])  # noqa: E731
    b.either(whole, lambda: rows([None] * vectors), masked)


def copy_rows(b: Emitter, dtype: DType, vectors: int, source: Lines, target: Value, panel_size: Value,
              depth: Value, columns: Value) -> None:  # fmt: skip
    """Copy rows of B, one after another, to aligned panels of `vectors` registers, `panel_size` elements apart.

    A row is read in one run. Lanes beyond `columns` are filled with numbers that nobody may use.
    """
    lanes = lanes_of(b, dtype)
    width = vectors * lanes
    whole = b.mul(b.div(columns, b.index(width)), b.index(width))
    with b.loop(0, depth, 1, [source.pointer, target]) as row:
        origin, first = (b.opaque(p) for p in row.carried)
        with b.loop(0, whole, width, [first]) as panel:
            goal, start = b.opaque(panel.carried[0]), b.opaque(b.offset(origin, panel.index, dtype))
            for v in range(vectors):
                b.store(b.load(b.offset(start, v * lanes, dtype), dtype, lanes), b.offset(goal, v * lanes, dtype), dtype,
                        align=lanes * dtype.itemsize)  # fmt: skip
            panel.next([b.offset(goal, panel_size, dtype)])
        with b.when(b.less(whole, columns)):
            for v in range(vectors):
                mask = b.lane_mask(b.sub(columns, b.add(whole, b.index(v * lanes))), lanes)
                value = b.load(b.offset(b.offset(origin, whole, dtype), v * lanes, dtype), dtype, lanes, mask)
                b.store(value, b.offset(panel.results[0], v * lanes, dtype), dtype, align=lanes * dtype.itemsize)
        row.next([b.offset(origin, source.stride, dtype), b.offset(first, b.index(width), dtype)])


def _turn_columns(b: Emitter, dtype: DType, vectors: int, source: Lines, target: Lines, depth: Value, columns: Value) -> None:
    """Squares of lanes x lanes elements, turned in registers; the last square overlaps the one before it."""
    lanes = lanes_of(b, dtype)
    used = b.minimum(b.div(b.add(columns, b.index(lanes - 1)), b.index(lanes)), b.index(vectors))
    with b.loop(0, used) as vector:
        first = b.mul(vector.index, b.index(lanes))
        goal = Lines(b.offset(target.pointer, first, dtype), target.stride)
        limit = b.sub(b.sub(columns, first), b.index(1))  # columns beyond the last one repeat it
        start = source.at(b, dtype, first)
        places = [b.mul(b.minimum(b.index(c), limit), source.stride) for c in range(lanes)]

        def squares() -> list[Value]:
            with b.loop(0, depth, lanes) as step:
                row = b.minimum(step.index, b.sub(depth, b.index(lanes)))
                origin = b.opaque(b.offset(start, row, dtype))
                square = [b.load(b.offset(origin, place, dtype), dtype, lanes) for place in places]
                line = b.opaque(goal.at(b, dtype, row))
                for value in transpose(b, square):
                    b.store(value, line, dtype, align=lanes * dtype.itemsize)
                    line = b.offset(line, goal.stride, dtype)
            return []

        def rows() -> list[Value]:
            index = b.splat(b.index(0), lanes)
            for c, place in enumerate(places):
                index = b.insert(index, place, c)
            with b.loop(0, depth) as step:
                value = b.gather(b.offset(start, step.index, dtype), index, dtype)
                b.store(value, goal.at(b, dtype, step.index), dtype, align=lanes * dtype.itemsize)
            return []

        b.either(b.greater_equal(depth, b.index(lanes)), squares, rows)


def transpose(b: Emitter, rows: Sequence[Value]) -> list[Value]:
    """Transpose a square of registers: first inside groups of 128 bits, then the groups.

    Each stage is one shuffle a register on x86 and NEON: interleaving works inside 128 bits (unpack, zip),
    picking the even and the odd groups of two registers works across them.
    """
    lanes, dtype = len(rows), rows[0].dtype
    assert dtype is not None
    group = min(lanes, 128 // dtype.bits)
    turned: list[Value] = []
    for first in range(0, lanes, group):
        square = list(rows[first : first + group])
        for _ in range(group.bit_length() - 1):
            pairs = list(zip(square[: group // 2], square[group // 2 :], strict=True))
            square = [_interleave(b, x, y, half, group) for x, y in pairs for half in (0, 1)]
        turned += square
    # register g * group + e now holds in its group q column q * group + e of the rows from g * group on
    result: list[list[Value]] = []
    for e in range(group):
        square = turned[e::group]
        for _ in range((lanes // group).bit_length() - 1):
            pairs = list(zip(square[::2], square[1::2], strict=True))
            square = [_alternate(b, x, y, odd, group) for odd in (0, 1) for x, y in pairs]
        result.append(square)
    return [result[column % group][column // group] for column in range(lanes)]


def _interleave(b: Emitter, x: Value, y: Value, half: int, group: int) -> Value:
    """x0 y0 x1 y1 ... of the low or high half of every group."""
    picks = [g + half * group // 2 + i // 2 + i % 2 * x.lanes for g in range(0, x.lanes, group) for i in range(group)]
    return b.shuffle(x, y, picks)


def _alternate(b: Emitter, x: Value, y: Value, odd: int, group: int) -> Value:
    """The even or the odd groups of x, then those of y."""
    return b.shuffle(x, y, [g + i for g in range(odd * group, 2 * x.lanes, 2 * group) for i in range(group)])

"""Contraction kernels of the native engine: C[b] = op(A[b]) @ op(B[b]) with an epilogue.

`gemm_plan.py` chooses a structure and chunk geometry for a shape; the emitters here write the kernels of a
structure, good for every shape. A chunk multiplies a block of rows by a block of columns of a few batch
elements: panels of columns outside, row tiles inside, the whole depth in registers (`gemm_tiles.py`).
Finished tiles pass through a small buffer, so that the epilogue is compiled once for all tile heights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.gemm_patches import copy_columns, copy_patches
from saltus.backend.cpu.gemm_plan import (
    COMBINE_WORDS,
    COMPUTE_WORDS,
    PACK_WORDS,
    PATCH_SLOT,
    PATCH_WORDS,
    CombineStructure,
    ComputeStructure,
    PackStructure,
)
from saltus.backend.cpu.gemm_tiles import Ahead, Lines, copy_lines, copy_panel, copy_rows, dots, tile
from saltus.base import dtypes as dt
from saltus.base.dtypes import DType
from saltus.base.errors import EngineError

Epilogue: TypeAlias = Callable[[Emitter, Value, Value, Value, Value, Value | None], None]
"""epilogue(b, sums, batch, row, column of lane 0, mask or None for all lanes): loads, computes, stores."""



def start_epilogue(b: Emitter, epilogue: Epilogue) -> None:
    """Emit what an epilogue computes once, if it has such a part."""
    begin = getattr(epilogue, "begin", None)
    if begin is not None:
        begin(b)


def start_matrix(b: Emitter, epilogue: Epilogue, batch: Value) -> None:
    """Emit what an epilogue computes once for each matrix of a batch, if it has such a part."""
    matrix = getattr(epilogue, "matrix", None)
    if matrix is not None:
        matrix(b, batch)


MathFunctions: TypeAlias = dict[str, Callable[..., Value]]
_PARAMETERS = (("args", "ptr"), ("chunk", "i64"), ("scratch", "ptr"))
_UNROLLED_EPILOGUES = 2  # wider tiles run their epilogue in a loop over registers


def _ceil_div(b: Emitter, a: Value, by: int) -> Value:
    return b.div(b.add(a, b.index(by - 1)), b.index(by))


def _split_chunk(b: Emitter, chunk: Value, counts: Sequence[Value]) -> list[Value]:
    """Coordinates of a chunk on a grid, the last of `counts` fastest, before them what is left."""
    places: list[Value] = []
    for count in reversed(counts):
        places.append(b.rem(chunk, count))
        chunk = b.div(chunk, count)
    return [chunk, *reversed(places)]


def _range(b: Emitter, place: Value, block: Value, extent: Value) -> tuple[Value, Value]:
    start = b.mul(place, block)
    return start, b.minimum(b.add(start, block), extent)


# --- packing ------------------------------------------------------------------------------------------------
def emit_pack(structure: PackStructure, symbol: str, vector_bits: int) -> str:
    """The kernel that copies B to aligned panels: [batch][panel][depth][columns of a panel].

    Args:
        structure: from a `GemmPlan`.
        symbol: name of the function.
        vector_bits: register width, as given to the plan.

    Returns:
        LLVM IR text of `void symbol(ptr args, i64 chunk, ptr scratch)`; args are `PACK_WORDS`.
    """
    b = Emitter(symbol, _PARAMETERS, vector_bits)
    w = b.arguments(PACK_WORDS, ("b", "packed"))
    dtype, width = structure.dtype, structure.vectors * (vector_bits // structure.dtype.bits)
    batch, block = _split_chunk(b, b.parameters[1], [w["panel_blocks"]])
    first, last = _range(b, block, w["panel_block"], w["panels"])
    column = b.mul(first, b.index(width))
    place = b.mul(column, w["b_stride"]) if structure.b_transposed else column
    source = b.offset(b.offset(w["b"], b.mul(batch, w["b_batch_stride"]), dtype), place, dtype)
    panel = b.add(b.mul(batch, w["panels"]), first)
    goal = b.offset(w["packed"], b.mul(panel, w["panel_size"]), dtype)
    columns = b.sub(b.minimum(b.mul(last, b.index(width)), w["n"]), column)
    lines = Lines(source, w["b_stride"], structure.b_transposed)
    _copy_panels(b, dtype, structure.vectors, lines, goal, w["panel_size"], w["k"], columns)
    return b.text()


def _copy_panels(b: Emitter, dtype: DType, vectors: int, source: Lines, target: Value, panel_size: Value,
                 depth: Value, columns: Value) -> None:  # fmt: skip
    """Copy columns of B, from the first of `source` on, to panels of `vectors` registers."""
    width = vectors * (b.vector_bits // dtype.bits)
    if not source.transposed:
        copy_rows(b, dtype, vectors, source, target, panel_size, depth, columns)
        return
    with b.loop(0, _ceil_div(b, columns, width)) as panel:
        column = b.mul(panel.index, b.index(width))
        lines = Lines(b.offset(source.pointer, b.mul(column, source.stride), dtype), source.stride, transposed=True)
        goal = Lines(b.offset(target, b.mul(panel.index, panel_size), dtype), b.index(width))
        copy_panel(b, dtype, vectors, lines, goal, depth, b.sub(columns, column))


# --- computing ----------------------------------------------------------------------------------------------
def emit_compute(structure: ComputeStructure, symbol: str, vector_bits: int, epilogue: Epilogue | None = None,
                 *, math_functions: MathFunctions | None = None) -> str:  # fmt: skip
    """The kernel that multiplies.

    Args:
        structure: from a `GemmPlan`.
        symbol: name of the function.
        vector_bits: register width, as given to the plan.
        epilogue: called for every register of finished sums, each element in exactly one. A `split` structure
            has none: it stores partial sums, and the epilogue belongs to `emit_combine`.
        math_functions: vector math for `Emitter.math` in the epilogue.

    Returns:
        LLVM IR text of `void symbol(ptr args, i64 chunk, ptr scratch)`; args are `COMPUTE_WORDS`, and the
        epilogue's own words start at `FIRST_FREE_SLOT`.
    """
    b = Emitter(symbol, _PARAMETERS, vector_bits, math_functions=math_functions)
    _Compute(b, structure, epilogue).chunk()
    return b.text()


@dataclass(frozen=True, slots=True)
class _Tile:
    """A tile of the product: `vectors` registers from `column` on, `height` rows from `top` on.

    Its rows before `row` belong to the tile above it: where few rows are left, a tile starts earlier than it
    needs to, so that it never reads rows that do not exist.
    """

    vectors: int
    column: Value
    columns: Value  # that exist from `column` on
    row: Value
    top: Value
    height: Value
    store: Value  # the tile's buffer


class _Compute:
    """Emits one compute kernel; the attributes are the values that all its loops share."""

    def __init__(self, b: Emitter, structure: ComputeStructure, epilogue: Epilogue | None) -> None:
        self.b, self.s, self.dtype = b, structure, structure.dtype
        self.lanes = b.vector_bits // self.dtype.bits
        self.align = b.vector_bits // 8
        self.w = b.arguments(COMPUTE_WORDS, ("a", "b", "partials"))
        if structure.patches is not None:
            self.w |= b.arguments(PATCH_WORDS, (), PATCH_SLOT)
        self.scratch = b.parameters[2]
        if epilogue is None and not structure.split:
            raise EngineError(f"contraction: {structure} needs an epilogue")
        self.epilogue = self._store_partial if structure.split or epilogue is None else epilogue
        whole = getattr(self.epilogue, "tile", None)
        self.whole = whole if getattr(self.epilogue, "light", False) and not structure.dot and not structure.k_blocked else None

    def chunk(self) -> None:
        """Find the chunk's ranges and run its batch elements, each in one block of depth or several."""
        b, w, s = self.b, self.w, self.s
        start_epilogue(b, self.epilogue)
        splits = w["splits"] if s.split else b.index(1)
        places = _split_chunk(b, b.parameters[1], [splits, w["row_blocks"], w["column_blocks"]])
        self.split = places[1]
        self.rows = _range(b, places[2], w["row_block"], w["m"])
        self.columns = _range(b, places[3], w["column_block"], w["n"])
        self._count_tiles()
        depths = _range(b, self.split, w["k_span"], w["k"]) if s.split else (b.index(0), w["k"])
        with b.loop(*_range(b, places[0], w["batch_block"], w["batch"])) as turn:
            self.batch = turn.index
            start_matrix(b, self.epilogue, self.batch)
            if not s.k_blocked:
                self._block(*depths, None, None)
                return
            with b.loop(*depths, w["k_block"]) as block:
                stop = b.minimum(b.add(block.index, w["k_block"]), depths[1])
                self.following = b.minimum(b.sub(depths[1], stop), w["k_block"])  # lines of the next block
                self._block(block.index, stop, b.equal(block.index, depths[0]), b.equal(stop, depths[1]))

    def _count_tiles(self) -> None:
        """How many tiles of each height cover the rows; none are taller than the matrix."""
        b, heights = self.b, self.s.rows
        left = b.sub(self.rows[1], self.rows[0])
        self.tile_counts: list[Value] = []
        for height, lower in zip(heights, (*heights[1:], 0), strict=True):
            # more than one tile of the next lower height goes to this one
            count = b.div(b.add(left, b.index(height - lower - 1)), b.index(height))
            if lower and not self.s.a_copied:
                count = b.select(b.less(self.w["m"], b.index(height)), b.index(0), count)
            self.tile_counts.append(count)
            left = b.maximum(b.sub(left, b.mul(count, b.index(height))), b.index(0))

    def _ask_for(self, lines: Lines, span: tuple[Value, Value], *, by_depth: bool) -> None:
        """Ask for an operand of one of many small matrices: there is not much work on each that would hide the way of its lines."""
        b, dtype = self.b, self.dtype
        whole = (b.index(0), self.depth)
        (first, last), (place, end) = (whole, span) if by_depth else (span, whole)
        with b.loop(first, b.select(b.less(b.index(1), self.w["batch"]), last, first)) as line:
            start = Lines(lines.pointer, lines.stride).at(b, dtype, line.index, place)
            with b.loop(0, b.sub(end, place), 64 // dtype.itemsize) as part:
                b.prefetch(b.offset(start, part.index, dtype), 2)

    def _matrix(self, operand: str) -> Value:
        """Where the current matrix of the batch begins in an operand."""
        b, w = self.b, self.w
        outer, inner = b.div(self.batch, w["batch_inner"]), b.rem(self.batch, w["batch_inner"])
        shift = b.add(b.mul(outer, w[f"{operand}_batch_stride"]), b.mul(inner, w[f"{operand}_inner_stride"]))
        return b.offset(w[operand], shift, self.dtype)

    def _block(self, start: Value, stop: Value, first: Value | None, last: Value | None) -> None:
        """One block of depth of the chunk; `first` and `last` say which it is, None if there is only one."""
        b, w, s, dtype = self.b, self.w, self.s, self.dtype
        self.start, self.depth, self.first, self.last = start, b.sub(stop, start), first, last
        a = b.offset(self._matrix("a"), b.mul(start, w["a_stride"]) if s.a_transposed else start, dtype)
        self.a, self.a_row = Lines(a, w["a_stride"], s.a_transposed), b.index(0)
        if s.a_copied:
            self._copy_a()
        else:
            self._ask_for(self.a, self.rows, by_depth=s.a_transposed)
        self.b_start = self._matrix("b")
        if s.b_source == "copied":
            self._copy_b()
        elif s.b_source == "direct" and not s.dot:
            lines = Lines(b.offset(self.b_start, b.mul(start, w["b_stride"]), dtype), w["b_stride"])
            self._ask_for(lines, self.columns, by_depth=True)
        column = self.columns[0]
        for vectors in s.vectors:
            width, left = vectors * self.lanes, b.sub(self.columns[1], column)
            count = _ceil_div(b, left, width) if vectors == 1 else b.div(left, b.index(width))
            with b.loop(0, count, 1, [column]) as panels:
                self._panel(vectors, panels.carried[0], panels.index, count)
                panels.next([b.add(panels.carried[0], b.index(width))])
            column = panels.results[0]

    def _copy_a(self) -> None:
        """Bring the chunk's rows of A to lines whose distance suits the cache."""
        b, w, dtype = self.b, self.w, self.dtype
        row, count = self.rows[0], b.sub(self.rows[1], self.rows[0])
        goal = b.offset(self.scratch, w["a_copy_offset"], dtype)
        target = Lines(goal, w["a_copy_stride"], self.a.transposed)
        if self.s.patches is not None:
            depth = (self.start, b.add(self.start, self.depth))
            *shape, by_columns = self.s.patches
            block = (depth, self.rows) if self.a.transposed != by_columns else (self.rows, depth)
            (copy_columns if by_columns else copy_patches)(b, dtype, w, (shape[0], shape[1]), w["a"], target, *block)
            self.a, self.a_row = target, row
            return
        source = Lines(self._a_from(row).pointer, self.a.stride)
        lines, length = (self.depth, count) if self.a.transposed else (count, self.depth)
        copy_lines(b, dtype, source, target, lines, length)
        self.a, self.a_row = target, row

    def _a_from(self, row: Value) -> Lines:
        """Rows of A from `row` on."""
        b, place = self.b, self.b.sub(row, self.a_row)
        pointer = self.a.at(b, self.dtype, 0, place) if self.a.transposed else self.a.at(b, self.dtype, place)
        return Lines(pointer, self.a.stride, self.a.transposed)

    def _b_from(self, column: Value) -> Lines:
        """This block's depth of B, from `column` on."""
        b, dtype, stride = self.b, self.dtype, self.w["b_stride"]
        line, place = (column, self.start) if self.s.b_transposed else (self.start, column)
        pointer = Lines(self.b_start, stride).at(b, dtype, line, place)
        return Lines(pointer, stride, self.s.b_transposed)

    def _copy_b(self) -> None:
        """Bring the chunk's columns of B to panels in scratch."""
        b, w, dtype = self.b, self.w, self.dtype
        goal, count = (
            b.offset(self.scratch, w["panel_offset"], dtype),
            b.sub(self.columns[1], self.columns[0]),
        )
        source = self._b_from(self.columns[0])
        _copy_panels(b, dtype, self.s.vectors[0], source, goal, w["panel_size"], self.depth, count)

    def _panel_of_b(self, vectors: int, column: Value, left: Value) -> Lines:
        """Where tiles read their columns of B."""
        b, w, s, dtype = self.b, self.w, self.s, self.dtype
        own = b.offset(self.scratch, w["panel_offset"], dtype)
        if s.b_source != "direct":
            copied = s.b_source == "copied"
            start, place = (own, b.sub(column, self.columns[0])) if copied else (self.b_start, column)
            width = b.index(s.vectors[0] * self.lanes)
            place = b.add(b.mul(b.div(place, width), w["panel_size"]), b.rem(place, width))
            if not copied:  # packed for all blocks of depth
                place = b.add(place, b.mul(self.start, width))
            return Lines(b.offset(start, place, dtype), width)
        direct = self._b_from(column)
        if s.dot or vectors > 1:
            return direct

        def partial() -> list[Value]:
            """The last columns fill no register: read once with a mask, they serve as if they did."""
            copy_panel(b, dtype, 1, direct, Lines(own, b.index(self.lanes)), self.depth, left)
            return [own, b.index(self.lanes)]

        whole = lambda: [direct.pointer, direct.stride]  # noqa: E731
        pointer, stride = b.either(b.less(left, b.index(self.lanes)), partial, whole)
        return Lines(pointer, stride)

    def _panel(self, vectors: int, column: Value, place: Value, places: Value) -> None:
        """All rows of the chunk for `vectors` registers of columns; it is panel `place` of `places`."""
        b = self.b
        left = b.sub(self.columns[1], column)
        panel = self._panel_of_b(vectors, column, left)
        ends = [self.tile_counts[0]]
        for count in self.tile_counts[1:]:
            ends.append(b.add(ends[-1], count))
        with b.loop(0, ends[-1], 1, [self.rows[0]]) as tiles:
            row = tiles.carried[0]
            lower = [b.greater_equal(tiles.index, end) for end in ends[:-1]]
            height = b.index(self.s.rows[0])
            for is_lower, rows in zip(lower, self.s.rows[1:], strict=True):
                height = b.select(is_lower, b.index(rows), height)
            top = row if self.s.a_copied else b.minimum(row, b.sub(self.w["m"], height))
            this = _Tile(vectors, column, left, row, top, height, self._store_of(column, row, vectors))
            self.ahead = None
            if self.first is not None and vectors == self.s.vectors[0]:
                self.ahead = self._ahead(b.add(b.mul(place, ends[-1]), tiles.index), b.mul(places, ends[-1]))
            done = self._multiply(this, lower, self.s.rows, panel)
            if self.last is None:
                with b.when(b.not_(done)):
                    self._finish(this)
            else:
                with b.when(self.last):
                    self._finish(this)
            tiles.next([b.add(row, height)])

    def _ahead(self, number: Value, count: Value) -> Ahead:
        """A tile's share, the `number`-th of `count`, of what the next block of depth reads or copies."""
        b, w, s, dtype = self.b, self.w, self.s, self.dtype
        operands = []
        if s.patches is None:
            operands.append((self._matrix("a"), w["a_stride"], s.a_transposed, self.rows))
        if s.b_source == "copied":
            operands.append((self.b_start, w["b_stride"], not s.b_transposed, self.columns))
        start, parts, runs = b.add(self.start, self.depth), b.index(1), []
        for origin, stride, by_depth, span in operands:
            first, extent = (start, self.following) if by_depth else (span[0], b.sub(span[1], span[0]))
            place, length = (span[0], b.sub(span[1], span[0])) if by_depth else (start, self.following)
            share = b.div(b.add(extent, b.sub(count, b.index(1))), count)
            line = b.minimum(b.mul(number, share), b.maximum(b.sub(extent, share), b.index(0)))
            pointer = Lines(b.offset(origin, place, dtype), stride).at(b, dtype, b.add(first, line))
            parts = b.maximum(parts, share)
            runs.append((Lines(pointer, stride), length))
        return Ahead(parts, runs)

    def _store_of(self, column: Value, row: Value, vectors: int) -> Value:
        """Buffer of a tile: one for all, or with blocks of depth one each, where sums wait."""
        b, w = self.b, self.w
        if self.first is None:
            return self.scratch
        lines = b.add(w["row_block"], b.index(self.s.rows[0]))
        place = b.mul(b.sub(column, self.columns[0]), lines)
        place = b.add(place, b.mul(b.sub(row, self.rows[0]), b.index(vectors * self.lanes)))
        return b.offset(self.scratch, place, self.dtype)

    def _multiply(self, this: _Tile, lower: Sequence[Value], heights: Sequence[int], panel: Lines) -> Value:
        """Run the loop of the tile's height and leave the sums in its buffer; or finish it, if the result is true."""

        def run() -> list[Value]:
            if self.s.dot:
                self._products(this, heights[0], panel)
                return [self.b.const(False, dt.bool_)]
            self._fetch_result(this, heights[0])
            return [self._sums(this, heights[0], panel)]

        def deeper() -> list[Value]:
            return [self._multiply(this, lower[1:], heights[1:], panel)]

        return (self.b.either(lower[0], deeper, run) if lower else run())[0]

    def _fetch_result(self, this: _Tile, rows: int) -> None:
        """Ask for the lines that the tile's epilogue will write: they arrive while the sums are made."""
        b, ahead = self.b, getattr(self.epilogue, "ahead", None)
        if ahead is None:
            return
        with b.loop(0, rows if self.last is None else b.select(self.last, b.index(rows), b.index(0))) as line:
            for v in range(this.vectors):
                ahead(b, self.batch, b.add(this.top, line.index), b.add(this.column, b.index(v * self.lanes)))

    def _sums(self, this: _Tile, rows: int, panel: Lines) -> Value:
        b, dtype, count = self.b, self.dtype, rows * this.vectors
        places = [b.offset(this.store, i * self.lanes, dtype) for i in range(count)]
        start = [b.const(0.0, dtype, self.lanes)] * count
        if self.first is not None:
            zeros = start
            start = b.either(
                self.first,
                lambda: zeros,
                lambda: [b.load(place, dtype, self.lanes, align=self.align) for place in places],
            )
        sums = tile(b, dtype, rows, this.vectors, self._a_from(this.top), panel, self.depth, start, self.ahead)

        def keep() -> list[Value]:
            for value, place in zip(sums, places, strict=True):
                b.store(value, place, dtype, align=self.align)
            return [b.const(False, dt.bool_)]

        def finish() -> list[Value]:
            assert self.whole is not None
            self.whole(b, sums, rows, self.batch, this.top, this.column)
            return [b.const(True, dt.bool_)]

        if self.whole is None or rows != self.s.rows[0] or this.vectors != self.s.vectors[0] or this.vectors == 1:
            return keep()[0]
        below = b.greater_equal(b.sub(self.rows[1], this.top), b.index(rows))
        return b.either(b.and_(b.equal(this.row, this.top), below), finish, keep)[0]

    def _products(self, this: _Tile, rows: int, columns_of_b: Lines) -> None:
        b, dtype, group = self.b, self.dtype, self.s.dot_columns
        a = self._a_from(this.top)
        with b.loop(0, _ceil_div(b, b.minimum(this.columns, b.index(self.lanes)), group)) as turn:
            column = b.mul(turn.index, b.index(group))
            lines = Lines(columns_of_b.at(b, dtype, column), columns_of_b.stride)
            last = b.sub(b.sub(this.columns, column), b.index(1))
            start = b.offset(this.store, column, dtype)
            for row, values in enumerate(dots(b, dtype, rows, group, a, lines, self.depth, last)):
                for i, value in enumerate(values):
                    b.store(value, b.offset(start, row * self.lanes + i * value.lanes, dtype), dtype)

    def _finish(self, this: _Tile) -> None:
        """Hand the rows of a finished tile to the epilogue."""
        b, dtype = self.b, self.dtype
        begin, end = b.sub(this.row, this.top), b.minimum(b.sub(self.rows[1], this.top), this.height)

        def rows(mask: Value | None) -> list[Value]:
            with b.loop(begin, end) as line:
                row = b.add(this.top, line.index)
                start = b.offset(this.store, b.mul(line.index, b.index(this.vectors * self.lanes)), dtype)

                def register(v: Value) -> None:
                    lane = b.mul(v, b.index(self.lanes))
                    sums = b.load(b.offset(start, lane, dtype), dtype, self.lanes, align=self.align)
                    self.epilogue(b, sums, self.batch, row, b.add(this.column, lane), mask)

                if this.vectors <= _UNROLLED_EPILOGUES:
                    for v in range(this.vectors):
                        register(b.index(v))
                else:
                    with b.loop(0, this.vectors) as each:
                        register(each.index)
            return []

        if this.vectors > 1:
            rows(None)
        else:
            partial = b.less(this.columns, b.index(self.lanes))
            b.either(partial, lambda: rows(b.lane_mask(this.columns, self.lanes)), lambda: rows(None))

    def _store_partial(self, b: Emitter, sums: Value, batch: Value, row: Value, column: Value,
                       mask: Value | None) -> None:  # fmt: skip
        w = self.w
        matrix = b.add(b.mul(self.split, w["batch"]), batch)
        place = b.add(b.mul(b.add(b.mul(matrix, w["m"]), row), w["n"]), column)
        b.store(sums, b.offset(w["partials"], place, self.dtype), self.dtype, mask)


# --- combining ----------------------------------------------------------------------------------------------
def emit_combine(structure: CombineStructure, symbol: str, vector_bits: int, epilogue: Epilogue, *,
                 math_functions: MathFunctions | None = None) -> str:  # fmt: skip
    """The kernel that adds the partial sums [splits][batch][m][n] in order and hands them to the epilogue.

    Args and result as in `emit_compute`; args are `COMBINE_WORDS`, a chunk is a block of rows.
    """
    b = Emitter(symbol, _PARAMETERS, vector_bits, math_functions=math_functions)
    w = b.arguments(COMBINE_WORDS, ("partials",))
    dtype, lanes = structure.dtype, vector_bits // structure.dtype.bits
    start_epilogue(b, epilogue)
    batch, block = _split_chunk(b, b.parameters[1], [w["row_blocks"]])
    start_matrix(b, epilogue, batch)
    first, last = _range(b, block, w["row_block"], w["m"])
    split = b.mul(b.mul(w["batch"], w["m"]), w["n"])

    def register(row: Value, column: Value, mask: Value | None) -> None:
        place = b.add(b.mul(b.add(b.mul(batch, w["m"]), row), w["n"]), column)
        pointer = b.offset(w["partials"], place, dtype)
        with b.loop(1, w["splits"], 1, [b.load(pointer, dtype, lanes, mask)]) as part:
            other = b.load(b.offset(pointer, b.mul(part.index, split), dtype), dtype, lanes, mask)
            part.next([b.add(part.carried[0], other)])
        epilogue(b, part.results[0], batch, row, column, mask)

    even = b.and_(w["n"], b.index(-lanes))
    with b.loop(first, last) as row:
        with b.loop(0, even, lanes) as whole:
            register(row.index, whole.index, None)
        with b.loop(even, w["n"], lanes) as rest:
            register(row.index, rest.index, b.lane_mask(b.sub(w["n"], rest.index), lanes))
    return b.text()

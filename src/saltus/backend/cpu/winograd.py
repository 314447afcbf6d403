"""Convolutions with fewer multiplications: Winograd's minimal filtering.

F(2 x 2, 3 x 3) for kernels of 3 x 3; F(3 x 3, 2 x 2) or F(2 x 2, 2 x 2) for kernels of 2 x 2, whichever takes fewer. The outputs of a
tile need 16 products a channel and filter instead of 36, or 9 instead of 16. A tile's patch d and the kernel g are transformed, V = B'dB
and U = GgG', their products M = V * U are summed over channels, a matrix product for each place of the patch, and A'MA are the
outputs. The kernel's gradient is the transpose of the same: G'(V * AyA')G, summed over tiles. All transforms only add and halve, so
the error stays near that of the direct sum (about 2e-7 of the largest value in float32; a test holds it below 1e-5). A chunk keeps V
and M of its tiles in scratch that fits the cache; only the transformed kernel passes through memory.

Source: Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.gemm_tiles import Lines, tile, transpose
from saltus.backend.cpu.lower import PARAMETERS
from saltus.base.dtypes import DType
from saltus.ir.node import Node
from saltus.schedule.patches import Patches
from saltus.schedule.view import View

_TILE_WORDS = (
    "x", "u", "tiles", "block", "across", "down", "channels", "filters", "batch_stride", "row_step", "column_step", "height", "width",
    "low_row", "low_column", "out_height", "out_width", "v_line", "v_place", "m_line", "m_place", "m_offset", "blocks",
    "column_block",
)  # fmt: skip
_WEIGHT_WORDS = ("w", "u", "channels", "filters", "row", "column", "channel", "filter")
_GRADIENT_COMBINE_WORDS = ("partials", "parts", "channels", "filters")
_CHUNK_CHANNELS = 16  # of the kernel's transforms
_SCRATCH = {"forward": 384 * 1024, "gradient": 320 * 1024}  # with the transformed kernel it shares a second-level cache of a megabyte
# of the transformed kernel that a chunk uses, or of the sums that it makes: it gets a block of the filters where that is more
_KERNEL_BYTES = {"forward": 5 * 1024 * 1024, "gradient": 1024 * 1024}
_HEIGHTS = {512: 12, 256: 6, 128: 8}
_GRADIENT_HEIGHTS = {512: 8, 256: 4, 128: 8}  # divide 16, as channels do
_VECTORS = {512: 2, 256: 2, 128: 3}
_PARTS_BYTES = 8 * 1024 * 1024  # of partial sums of a kernel's gradient
_MOST_PARTS = 16


# --- transforms: the values of an axis at a time, four or three of a patch --------------------------------------------------
def _patch(b: Emitter, d: Sequence[Value]) -> list[Value]:
    """B'd"""
    if len(d) == 3:
        return [b.sub(d[0], d[1]), d[1], b.sub(d[1], d[2])]
    return [b.sub(d[0], d[2]), b.add(d[1], d[2]), b.sub(d[2], d[1]), b.sub(d[1], d[3])]


def _outputs(b: Emitter, m: Sequence[Value], tile_side: int) -> list[Value]:
    """A'm"""
    if len(m) == 3:
        return [b.add(m[0], m[1]), b.sub(m[1], m[2])]
    both, difference = b.add(m[1], m[2]), b.sub(m[1], m[2])
    if tile_side == 2:
        return [b.add(m[0], both), b.sub(difference, m[3])]
    return [b.add(m[0], both), difference, b.sub(both, m[3])]


def _spread(b: Emitter, y: Sequence[Value], edge: int) -> list[Value]:
    """Ay"""
    if edge == 3:
        return [y[0], b.add(y[0], y[1]), b.neg(y[1])]
    if len(y) == 2:
        return [y[0], b.add(y[0], y[1]), b.sub(y[0], y[1]), b.neg(y[1])]
    ends = b.add(y[0], y[2])
    return [y[0], b.add(ends, y[1]), b.sub(ends, y[1]), b.neg(y[2])]


def _kernel(b: Emitter, g: Sequence[Value], edge: int) -> list[Value]:
    """Gg"""
    if edge == 3:
        return [g[0], b.add(g[0], g[1]), g[1]]
    half = b.like(0.5, g[0])
    if len(g) == 2:
        ends, middle = b.mul(g[0], half), b.mul(g[1], half)
    else:
        ends, middle = b.mul(b.add(g[0], g[2]), half), b.mul(g[1], half)
    return [g[0], b.add(ends, middle), b.sub(ends, middle), g[-1]]


def _kernel_back(b: Emitter, s: Sequence[Value], kernel_side: int) -> list[Value]:
    """G's"""
    if len(s) == 3:
        return [b.add(s[0], s[1]), b.add(s[1], s[2])]
    half = b.like(0.5, s[0])
    both, difference = b.mul(b.add(s[1], s[2]), half), b.mul(b.sub(s[1], s[2]), half)
    if kernel_side == 2:
        return [b.add(s[0], both), b.add(difference, s[3])]
    return [b.add(s[0], both), difference, b.add(both, s[3])]


def _square(b: Emitter, transform: Callable[[Emitter, Sequence[Value]], list[Value]], rows: Sequence[Sequence[Value]]) -> list[list[Value]]:
    """A transform of the columns, then of the rows, of a small square of values."""
    down = [transform(b, column) for column in zip(*rows, strict=True)]
    return [transform(b, row) for row in zip(*down, strict=True)]


# --- kernels --------------------------------------------------------------------------------------------------------------
class WinogradKernel:
    """What the kernels of a convolution share: shapes, chunks, words."""

    why = ""
    flops = 0
    nbytes = 0
    scratch = 0
    label = ""

    def show(self) -> str:
        return f"{self.label}: {type(self).__name__}"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        """LLVM IR text of the kernel."""
        raise NotImplementedError


class WeightKernel(WinogradKernel):
    """U = GgG' for every channel and filter."""

    def __init__(self, view: View, edge: int, u: Node, label: str) -> None:
        self.view, self.edge, self.u, self.label, self.dtype = view, edge, u, label + " (kernel)", view.base.dtype
        self.channels, self.filters = view.shape[-2:]
        self.elements = math.prod(view.shape[:2])
        self.nbytes = (self.elements + edge * edge) * self.channels * self.filters * self.dtype.itemsize
        self.why = "the kernel is transformed once for all tiles"
        channel, filter_ = view.strides[-2:]
        self.reads = "filters" if filter_ == 1 else "channels" if channel == 1 else "any"  # what lies next to each other in memory
        self.scratch = self.elements * _CHUNK_CHANNELS * _CHUNK_CHANNELS * 8 if self.reads == "channels" else 0

    def key(self) -> str:
        return f"winograd kernel {self.view.shape[0]} {self.edge} {self.dtype.name} {self.reads}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words = [0, 0, self.channels, self.filters, *self.view.strides]
        pointers = [(0, self.view.base, self.view.offset * self.dtype.itemsize), (1, self.u, 0)]
        return words, pointers, self.channels // _CHUNK_CHANNELS

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits)
        w, dtype, lanes = b.arguments(_WEIGHT_WORDS, ("w", "u")), self.dtype, vector_bits // self.dtype.bits
        first = b.mul(b.parameters[1], b.index(_CHUNK_CHANNELS))
        last = b.add(first, b.index(_CHUNK_CHANNELS))
        side = self.view.shape[0]
        places = [(i, j) for i in range(side) for j in range(side)]
        shifts = [b.add(b.mul(w["row"], b.index(i)), b.mul(w["column"], b.index(j))) for i, j in places]
        apart = b.mul(b.iota(lanes), b.splat(w["filter"], lanes))

        def element(channel: Value, column: Value, shift: Value) -> Value:
            place = b.add(b.mul(channel, w["channel"]), b.mul(column, w["filter"]))
            return b.offset(w["w"], b.add(place, shift), dtype)

        def write(channel: Value, column: Value, values: Sequence[Value]) -> None:
            target = b.offset(w["u"], b.add(b.mul(channel, w["filters"]), column), dtype)
            for line in _square(b, lambda b, g: _kernel(b, g, self.edge), [values[side * i : side * i + side] for i in range(side)]):
                for value in line:
                    b.store(value, target, dtype)
                    target = b.offset(target, b.mul(w["channels"], w["filters"]), dtype)

        if self.reads != "channels":
            with b.loop(first, last) as channel, b.loop(0, w["filters"], lanes) as column:
                pointers = [element(channel.index, column.index, shift) for shift in shifts]
                dense = self.reads == "filters"
                write(channel.index, column.index, [b.load(p, dtype, lanes) if dense else b.gather(p, apart, dtype) for p in pointers])
            return b.text()
        # squares of channels and filters are turned in registers and wait in scratch until all elements of the kernel are there
        size = lanes * lanes
        with b.loop(first, last, lanes) as channels, b.loop(0, w["filters"], lanes) as column:
            for k, shift in enumerate(shifts):
                lines = [b.load(element(channels.index, b.add(column.index, b.index(f)), shift), dtype, lanes) for f in range(lanes)]
                for c, value in enumerate(transpose(b, lines)):
                    b.store(value, b.offset(b.parameters[2], k * size + c * lanes, dtype), dtype)
            with b.loop(0, lanes) as line:
                here = b.offset(b.parameters[2], b.mul(line.index, b.index(lanes)), dtype)
                values = [b.load(b.offset(here, k * size, dtype), dtype, lanes) for k in range(self.elements)]
                write(b.add(channels.index, line.index), column.index, values)
        return b.text()


class _Tiles(WinogradKernel):
    """Kernels whose chunks are blocks of tiles."""

    kind = ""

    def __init__(self, patches: Patches, x: tuple[Node, int], u: Node, filters: int, dtype: DType, vector_bits: int) -> None:
        self.patches, self.x, self.u, self.filters, self.dtype = patches, x, u, filters, dtype
        rows, columns = patches.axes
        self.side = patches.side  # of a tile's outputs
        self.edge = self.side + rows.kernel - 1  # of a tile's patch
        self.places = self.edge * self.edge
        self.down, self.across = -(-rows.out // self.side), -(-columns.out // self.side)
        self.tiles = patches.batch * self.down * self.across
        lanes, height = vector_bits // dtype.bits, _HEIGHTS[vector_bits]
        size = dtype.itemsize
        self.column_block = max(32, _KERNEL_BYTES[self.kind] // (self.places * patches.channels * size) // 32 * 32)
        self.column_blocks = -(-filters // self.column_block)
        self.v_line, self.m_line = (n + (lanes if n * size % 1024 == 0 else 0) for n in (patches.channels, min(filters, self.column_block)))
        bytes_a_tile = self.places * (self.v_line + self.m_line) * size
        # the transformed kernel, or the sums, are read once for each block of tiles: where they do not stay in the cache, blocks are larger
        room = _SCRATCH[self.kind]
        room *= 2 if self.places * patches.channels * min(filters, self.column_block) * size > room else 1
        block = max(1, room // (bytes_a_tile * height))
        self.block = height * min(block, max(1, -(-self.tiles // height)))
        self.v_place, self.m_place = self.block * self.v_line, self.block * self.m_line
        self.scratch = self.places * (self.v_place + self.m_place) * size
        self.blocks = -(-self.tiles // self.block)
        self.flops = 2 * patches.rows * patches.columns * filters
        self.nbytes = size * (patches.batch * rows.size * columns.size * patches.channels + patches.rows * filters)

    def _words(self) -> tuple[list[int], list[tuple[int, Node, int]]]:
        p, (rows, columns) = self.patches, self.patches.axes
        words = [
            0, 0, self.tiles, self.block, self.across, self.down, p.channels, self.filters, p.batch_stride, rows.step, columns.step,
            rows.size, columns.size, rows.low, columns.low, rows.out, columns.out, self.v_line, self.v_place, self.m_line, self.m_place,
            self.places * self.v_place, self.blocks, self.column_block,
        ]  # fmt: skip
        return words, [(0, *self.x), (1, self.u, 0)]

    def _places(self, b: Emitter, w: dict[str, Value], number: Value) -> list[Value]:
        """Array, row and column of tiles of a tile."""
        array = b.div(number, b.mul(w["down"], w["across"]))
        rest = b.sub(number, b.mul(array, b.mul(w["down"], w["across"])))
        return [array, b.div(rest, w["across"]), b.rem(rest, w["across"])]

    def _following(self, b: Emitter, w: dict[str, Value], places: Sequence[Value]) -> list[Value]:
        one, zero = b.index(1), b.index(0)
        column = b.add(places[2], one)
        turn = b.equal(column, w["across"])
        row = b.add(places[1], b.select(turn, one, zero))
        page = b.equal(row, w["down"])
        return [b.add(places[0], b.select(page, one, zero)), b.select(page, zero, row), b.select(turn, zero, column)]

    def _transform_patches(self, b: Emitter, w: dict[str, Value], v: Value, first: Value, last: Value) -> None:
        """V of the tiles from first to last."""
        dtype, lanes = self.dtype, b.vector_bits // self.dtype.bits
        side, zero = b.index(self.side), b.index(0)
        with b.loop(first, last, 1, [*self._places(b, w, first), v]) as turn:
            array, down, across, line = turn.carried
            corner = [b.sub(b.mul(down, side), w["low_row"]), b.sub(b.mul(across, side), w["low_column"])]
            base = b.mul(array, w["batch_stride"])
            base = b.add(base, b.add(b.mul(corner[0], w["row_step"]), b.mul(corner[1], w["column_step"])))
            source = b.offset(w["x"], base, dtype)
            inside = [b.and_(b.greater_equal(c, zero), b.less_equal(b.add(c, b.index(self.edge)), w[n]))
                      for c, n in zip(corner, ("height", "width"), strict=True)]  # fmt: skip
            column_steps = [b.mul(w["column_step"], b.index(j)) for j in range(self.edge)]

            def run(masks: list[list[Value]] | None, source: Value = source, line: Value = line) -> list[Value]:
                with b.loop(0, w["channels"], lanes) as channel:
                    rows = []
                    pointer = b.offset(source, channel.index, dtype)
                    for i in range(self.edge):
                        row = []
                        for j in range(self.edge):
                            mask = None if masks is None else masks[i][j]
                            row.append(b.load(b.offset(pointer, column_steps[j], dtype), dtype, lanes, mask))
                        rows.append(row)
                        pointer = b.offset(pointer, w["row_step"], dtype)
                    target = b.offset(line, channel.index, dtype)
                    for values in _square(b, _patch, rows):
                        for value in values:
                            b.store(value, target, dtype)
                            target = b.offset(target, w["v_place"], dtype)
                return []

            def edges() -> list[Value]:
                known = []
                for c, n in zip(corner, ("height", "width"), strict=True):
                    at = [b.add(c, b.index(i)) for i in range(self.edge)]
                    known.append([b.and_(b.greater_equal(a, zero), b.less(a, w[n])) for a in at])
                return run([[b.splat(b.and_(r, c), lanes) for c in known[1]] for r in known[0]])

            b.either(b.and_(*inside), lambda: run(None), edges)
            turn.next([*self._following(b, w, (array, down, across)), b.offset(line, w["v_line"], dtype)])

    def _pixels(self, b: Emitter, w: dict[str, Value], places: Sequence[Value]) -> tuple[list[list[Value]], list[list[Value]]]:
        """Row numbers of a tile's outputs, and which of them exist."""
        steps = [b.index(k) for k in range(self.side)]
        down, across = ([b.add(b.mul(p, b.index(self.side)), k) for k in steps] for p in places[1:])
        lines = [b.add(b.mul(places[0], w["out_height"]), d) for d in down]
        rows = [[b.add(b.mul(line, w["out_width"]), a) for a in across] for line in lines]
        exist = [[b.and_(b.less(d, w["out_height"]), b.less(a, w["out_width"])) for a in across] for d in down]
        return rows, exist

    def _columns(self, b: Emitter, w: dict[str, Value], block: Value) -> tuple[Value, Value]:
        """First filter of a block, and how many there are."""
        start = b.mul(block, w["column_block"])
        return start, b.minimum(b.sub(w["filters"], start), w["column_block"])

    def _panels(self, b: Emitter, columns: Value, body: Callable[[int, Value], None]) -> None:
        """Run a body for panels of registers that cover the columns: as wide as tiles can be, then single registers."""
        lanes, wide = b.vector_bits // self.dtype.bits, _VECTORS[b.vector_bits]
        step = wide * lanes
        whole = b.mul(b.div(columns, b.index(step)), b.index(step))
        with b.loop(0, whole, step) as panel:
            body(wide, panel.index)
        with b.loop(whole, columns, lanes) as panel:
            body(1, panel.index)


class ForwardKernel(_Tiles):
    """The convolution: patches, 16 products, outputs with the epilogue."""

    kind = "forward"

    def __init__(self, patches: Patches, x: tuple[Node, int], u: Node, filters: int, dtype: DType, vector_bits: int, epilogue: Any,
                 label: str, why: str) -> None:  # fmt: skip
        super().__init__(patches, x, u, filters, dtype, vector_bits)
        self.epilogue, self.label, self.why = epilogue, label, why

    def key(self) -> str:
        return f"winograd {self.side} {self.edge} {self.dtype.name} {self.epilogue.key()}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words, pointers = self._words()
        more, extra = self.epilogue.words()
        return words + more[len(words) :], pointers + extra, self.blocks * self.column_blocks

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits, math_functions=functions)
        self.epilogue.begin(b)
        w, dtype, lanes = b.arguments(_TILE_WORDS, ("x", "u")), self.dtype, vector_bits // self.dtype.bits
        first = b.mul(b.rem(b.parameters[1], w["blocks"]), w["block"])
        last = b.minimum(b.add(first, w["block"]), w["tiles"])
        start, width = self._columns(b, w, b.div(b.parameters[1], w["blocks"]))
        v = b.parameters[2]
        m = b.offset(v, w["m_offset"], dtype)
        self._transform_patches(b, w, v, first, last)
        height = _HEIGHTS[vector_bits]
        lines = b.div(b.add(b.sub(last, first), b.index(height - 1)), b.index(height))
        with b.loop(0, self.places) as place:
            here_v = b.offset(v, b.mul(place.index, w["v_place"]), dtype)
            here_m = b.offset(m, b.mul(place.index, w["m_place"]), dtype)
            here_u = b.offset(w["u"], b.add(b.mul(place.index, b.mul(w["channels"], w["filters"])), start), dtype)

            def panel(vectors: int, column: Value) -> None:
                with b.loop(0, lines) as group:
                    row = b.mul(group.index, b.index(height))
                    left = Lines(b.offset(here_v, b.mul(row, w["v_line"]), dtype), w["v_line"])
                    right = Lines(b.offset(here_u, column, dtype), w["filters"])
                    sums = tile(b, dtype, height, vectors, left, right, w["channels"], [b.const(0.0, dtype, lanes)] * (height * vectors))
                    target = b.offset(here_m, b.add(b.mul(row, w["m_line"]), column), dtype)
                    for r in range(height):
                        for k in range(vectors):
                            b.store(sums[r * vectors + k], b.offset(target, k * lanes, dtype), dtype)
                        target = b.offset(target, w["m_line"], dtype)

            self._panels(b, width, panel)
        with b.loop(first, last, 1, [*self._places(b, w, first), m]) as turn:
            places, line = turn.carried[:3], turn.carried[3]
            rows, exist = self._pixels(b, w, places)
            with b.loop(0, width, lanes) as column:
                source = b.offset(line, column.index, dtype)
                square = []
                for _ in range(self.edge):
                    values = []
                    for _ in range(self.edge):
                        values.append(b.load(source, dtype, lanes))
                        source = b.offset(source, w["m_place"], dtype)
                    square.append(values)
                made = _square(b, lambda b, m: _outputs(b, m, self.side), square)
                for i in range(self.side):
                    for j in range(self.side):
                        with b.when(exist[i][j]):
                            self.epilogue(b, made[i][j], b.index(0), rows[i][j], b.add(start, column.index), None)
            turn.next([*self._following(b, w, places), b.offset(line, w["m_line"], dtype)])
        return b.text()


class GradientKernel(_Tiles):
    """Partial sums over tiles of the kernel's gradient in the transformed form: `parts` of 16 matrices (channels, filters)."""

    kind = "gradient"

    def __init__(self, patches: Patches, x: tuple[Node, int], g: tuple[Node, int], partials: Node | None, filters: int, dtype: DType,
                 vector_bits: int, label: str, why: str) -> None:  # fmt: skip
        super().__init__(patches, x, g[0], filters, dtype, vector_bits)
        self.g, self.partials, self.label, self.why = g, partials, label, why
        own = self.places * patches.channels * filters * dtype.itemsize
        self.parts = max(1, min(_MOST_PARTS // self.column_blocks, self.blocks, _PARTS_BYTES // own))
        self.span = -(-self.blocks // self.parts)  # blocks of a part
        self.parts = -(-self.blocks // self.span)
        self.partial_bytes = self.parts * own

    def key(self) -> str:
        return f"winograd gradient {self.side} {self.edge} {self.dtype.name}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words, pointers = self._words()
        assert self.partials is not None
        own = len(words)
        words += [0, self.span, self.parts]
        return words, [pointers[0], (1, *self.g), (own, self.partials, 0)], self.parts * self.column_blocks

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits)
        w = b.arguments((*_TILE_WORDS, "partials", "span", "parts"), ("x", "u", "partials"))
        dtype, lanes = self.dtype, vector_bits // self.dtype.bits
        v = b.parameters[2]
        m = b.offset(v, w["m_offset"], dtype)
        matrix = b.mul(w["channels"], w["filters"])
        part = b.rem(b.parameters[1], w["parts"])
        start, width = self._columns(b, w, b.div(b.parameters[1], w["parts"]))
        sums_of = b.offset(w["partials"], b.add(b.mul(part, b.mul(matrix, b.index(self.places))), start), dtype)
        begin = b.mul(part, w["span"])
        end = b.minimum(b.add(begin, w["span"]), w["blocks"])
        height = _GRADIENT_HEIGHTS[vector_bits]
        with b.loop(begin, end) as block:
            first = b.mul(block.index, w["block"])
            last = b.minimum(b.add(first, w["block"]), w["tiles"])
            depth = b.sub(last, first)
            fresh = b.equal(block.index, begin)
            self._transform_patches(b, w, v, first, last)
            self._transform_gradient(b, w, m, first, last, start, width)
            with b.loop(0, self.places) as place:
                here_v = b.offset(v, b.mul(place.index, w["v_place"]), dtype)
                here_m = b.offset(m, b.mul(place.index, w["m_place"]), dtype)
                here_s = b.offset(sums_of, b.mul(place.index, matrix), dtype)

                def panel(vectors: int, column: Value, here_v: Value = here_v, here_m: Value = here_m, here_s: Value = here_s) -> None:
                    count = height * vectors
                    with b.loop(0, w["channels"], height) as row:
                        left = Lines(b.offset(here_v, row.index, dtype), w["v_line"], transposed=True)
                        right = Lines(b.offset(here_m, column, dtype), w["m_line"])
                        target = b.offset(here_s, b.add(b.mul(row.index, w["filters"]), column), dtype)
                        targets = [b.offset(target, b.mul(w["filters"], b.index(r)), dtype) for r in range(height)]
                        pointers = [b.offset(t, k * lanes, dtype) for t in targets for k in range(vectors)]
                        zero = [b.const(0.0, dtype, lanes)] * count
                        before = b.either(fresh, lambda: zero, lambda: [b.load(p, dtype, lanes) for p in pointers])
                        for value, pointer in zip(tile(b, dtype, height, vectors, left, right, depth, before), pointers, strict=True):
                            b.store(value, pointer, dtype)

                self._panels(b, width, panel)
        return b.text()

    def _transform_gradient(self, b: Emitter, w: dict[str, Value], m: Value, first: Value, last: Value, start: Value,
                            width: Value) -> None:  # fmt: skip
        """AyA' of the output's gradient y, 0 where a tile hangs over the edge."""
        dtype, lanes = self.dtype, b.vector_bits // self.dtype.bits
        with b.loop(first, last, 1, [*self._places(b, w, first), m]) as turn:
            places, line = turn.carried[:3], turn.carried[3]
            rows, exist = self._pixels(b, w, places)
            masks = [[b.splat(e, lanes) for e in line_] for line_ in exist]
            sources = [[b.offset(w["u"], b.add(b.mul(r, w["filters"]), start), dtype) for r in line_] for line_ in rows]
            with b.loop(0, width, lanes) as column:
                at = [[b.offset(source, column.index, dtype) for source in line_] for line_ in sources]
                square = [[b.load(at[i][j], dtype, lanes, masks[i][j]) for j in range(self.side)] for i in range(self.side)]
                target = b.offset(line, column.index, dtype)
                for values in _square(b, lambda b, y: _spread(b, y, self.edge), square):
                    for value in values:
                        b.store(value, target, dtype)
                        target = b.offset(target, w["m_place"], dtype)
            turn.next([*self._following(b, w, places), b.offset(line, w["m_line"], dtype)])


class GradientCombineKernel(WinogradKernel):
    """Adds the parts in order and transforms back: G'SG, a row of the kernel's gradient for each of its elements and channels."""

    def __init__(self, gradient: GradientKernel, partials: Node, epilogue: Any, label: str) -> None:
        self.gradient, self.partials, self.epilogue, self.label = gradient, partials, epilogue, label + " (combine)"
        self.why = "adds the parts of a kernel's gradient"
        self.nbytes = gradient.partial_bytes

    def key(self) -> str:
        return f"winograd combine {self.gradient.side} {self.gradient.edge} {self.gradient.dtype.name} {self.epilogue.key()}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        channels = self.gradient.patches.channels
        words = [0, self.gradient.parts, channels, self.gradient.filters]
        more, extra = self.epilogue.words()
        return words + more[len(words) :], [(0, self.partials, 0), *extra], -(-channels // _CHUNK_CHANNELS)

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits, math_functions=functions)
        self.epilogue.begin(b)
        dtype, edge, places = self.gradient.dtype, self.gradient.edge, self.gradient.places
        side = edge + 1 - self.gradient.side  # of the kernel
        w, lanes = b.arguments(_GRADIENT_COMBINE_WORDS, ("partials",)), vector_bits // dtype.bits
        first = b.mul(b.parameters[1], b.index(_CHUNK_CHANNELS))
        last = b.minimum(b.add(first, b.index(_CHUNK_CHANNELS)), w["channels"])
        matrix = b.mul(w["channels"], w["filters"])
        part = b.mul(matrix, b.index(places))
        with b.loop(first, last) as channel, b.loop(0, w["filters"], lanes) as column:
            at = b.offset(w["partials"], b.add(b.mul(channel.index, w["filters"]), column.index), dtype)

            def values(base: Value) -> list[Value]:
                return [b.load(b.offset(base, b.mul(matrix, b.index(p)), dtype), dtype, lanes) for p in range(places)]

            with b.loop(1, w["parts"], 1, values(at)) as turn:
                other = values(b.offset(at, b.mul(turn.index, part), dtype))
                turn.next([b.add(x, y) for x, y in zip(turn.carried, other, strict=True)])
            square = [turn.results[edge * i : edge * i + edge] for i in range(edge)]
            for i, made in enumerate(_square(b, lambda b, s: _kernel_back(b, s, side), square)):
                for j, value in enumerate(made):
                    row = b.add(b.mul(w["channels"], b.index(side * i + j)), channel.index)
                    self.epilogue(b, value, b.index(0), row, column.index, None)
        return b.text()


__all__ = ["ForwardKernel", "GradientCombineKernel", "GradientKernel", "WeightKernel", "WinogradKernel"]

"""Chooses how a contraction runs: kernel structure, chunk geometry, buffers. Only arithmetic on shapes.

A structure says what is compiled and is shared by many shapes; everything else is words handed over at run
time. The choice never looks at the number of threads, so neither do the results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from saltus.base.dtypes import DType
from saltus.base.errors import EngineError
from saltus.schedule.patches import Patches

PACK_WORDS = (
    "b", "packed", "batch", "n", "k", "b_batch_stride", "b_stride", "panels", "panel_size", "panel_block",
    "panel_blocks",
)  # fmt: skip
COMPUTE_WORDS = (
    "a", "b", "partials", "batch", "m", "n", "k", "a_batch_stride", "a_stride", "b_batch_stride",
    "b_stride", "panel_size", "batch_block", "row_block", "column_block", "row_blocks", "column_blocks",
    "k_block", "k_span", "splits", "a_copy_offset", "a_copy_stride", "panel_offset", "batch_inner", "a_inner_stride", "b_inner_stride",
)  # fmt: skip
COMBINE_WORDS = ("partials", "batch", "m", "n", "splits", "row_block", "row_blocks")
_AXIS_WORDS = ("out", "kernel", "stride", "dilation", "low", "size", "step")
PATCH_WORDS = ("patch_batch_stride", "patch_run", "patch_channels", *[f"{name}{k}" for k in range(3) for name in _AXIS_WORDS])
PATCH_SLOT = 26  # of compute kernels: words of a left operand made of patches (`gemm_patches.PATCH_WORDS`)
FIRST_FREE_SLOT = 50  # of compute and combine kernels: the epilogue's own words start here

# Register tiles by vector width: heights, and widths in registers. The sums, a row of B and a scalar of A fit
# the 32 registers of AVX-512 and NEON, and the 16 of AVX2.
_HEIGHTS = {512: (12, 8, 4), 256: (6, 4, 2), 128: (8, 4)}
_WIDTHS = {512: (2, 1), 256: (2, 1), 128: (3, 1)}
# Up to four rows stream B once: as wide as the registers allow, so that B is read in long runs (measured with
# one row: twice as fast from the third cache level as four registers).
_FEW_ROWS = 4
_FEW_WIDTHS = {
    512: {1: (16, 4, 2, 1), 2: (8, 2, 1), 3: (4, 2, 1), 4: (4, 2, 1)},
    256: {1: (12, 4, 2, 1), 2: (6, 2, 1), 3: (3, 1), 4: (2, 1)},
    128: {1: (16, 4, 2, 1), 2: (8, 2, 1), 3: (4, 2, 1), 4: (4, 2, 1)},
}
_DOT_HEIGHT = {512: 4, 256: 2, 128: 4}
_DOT_ROWS = 32  # up to here dot products beat tiles on a copy of a transposed B, if depth is long (measured)

_CHUNK_FLOPS = 2_000_000  # 20 microseconds of one core: far above the cost of a claim, fine enough to balance
_LEAST_FLOPS = 300_000  # smaller chunks, down to these, if there would be fewer than _FEW_CHUNKS
_FEW_CHUNKS = 12
_ROW_PARTS = (1, 2, 3, 4, 6, 8)  # numbers of chunks that rows are shared out among, tried in any case
_MOST_CHUNKS = 32  # a large contraction gets larger chunks instead, within what the caches hold
_ROWS_BYTES = 768 * 1024  # rows of A of a chunk stay in the second-level cache from panel to panel
_PANEL_BYTES = 512 * 1024  # of a chunk's copy of B
_MOST_PANELS = 16
_PAGE = 4096  # lines this far apart (or a multiple) share one set of a first-level cache
_ALIASED_ROWS = 64
_SPAN_BYTES = 2 * 1024 * 1024  # B spread wider than this is packed when this many rows reuse it
_PACKED_ROWS = 256
_PACKED_FLOPS = 20_000_000
_FETCH_A_CYCLES = 0.6  # to bring an element into the second-level cache
_FETCH_B_CYCLES = 0.3
_COPY_CYCLES = 0.3  # to copy one
_DEEP_CYCLES = 0.8  # to copy one in blocks of depth
_PATCH_CYCLES = 0.5  # to copy one from a patch
_PATCH_BYTES = 256 * 1024  # of a chunk's copy of patches
_PACK_ELEMENTS = 65_536  # of one chunk of the pack and combine phases
# From this depth on, rows and columns of a chunk pass through the cache in blocks of depth, the columns copied if rows are many.
_DEEP = 2048
_DEEP_SIDE = 336  # rows and columns of such a chunk: what is left of a matrix beyond them would be read once more
_DEEP_BYTES = 256 * 1024  # rows of A in a block of depth
_DEEP_COPIED = 128  # rows that make a copy of B worth it
_DEEP_CHUNKS = 8
_SPLIT = 2048  # least depth of a part, when such chunks are too few for several threads


BSource: TypeAlias = Literal["direct", "copied", "packed"]


@dataclass(frozen=True, slots=True)
class PackStructure:
    """A kernel that copies B into panels of `vectors` registers of columns."""

    dtype: DType
    vectors: int
    b_transposed: bool


@dataclass(frozen=True, slots=True)
class ComputeStructure:
    """A kernel that multiplies.

    Attributes:
        dtype: float32 or float64.
        rows: tile heights, highest first.
        vectors: tile widths in registers, widest first, ending in 1.
        a_transposed: lines of A run along the product's rows, not along depth.
        a_copied: a chunk first copies its rows of A to lines whose distance suits the cache.
        patches: A is a matrix of patches: spatial axes, whether the last is within a run, whether it is copied by columns.
        b_source: "direct" reads B in place, "copied" copies a chunk's columns to panels in its scratch,
            "packed" reads panels that a pack phase made.
        b_transposed: lines of B run along depth (never with "packed": packing undoes it).
        dot_columns: columns in one group of dot products along depth; 0 for tiles.
        k_blocked: depth is cut into blocks, and the sums wait in scratch between them.
        split: depth is divided among chunks, which store partial sums for a combine phase.
    """

    dtype: DType
    rows: tuple[int, ...]
    vectors: tuple[int, ...]
    a_transposed: bool
    a_copied: bool
    patches: tuple[int, bool, bool] | None
    b_source: BSource
    b_transposed: bool
    dot_columns: int
    k_blocked: bool
    split: bool

    @property
    def dot(self) -> bool:
        return self.dot_columns > 0


@dataclass(frozen=True, slots=True)
class CombineStructure:
    """A kernel that adds partial sums in order and runs the epilogue."""

    dtype: DType


@dataclass(frozen=True, slots=True)
class GemmPlan:
    """How one contraction runs: up to three phases (pack, compute, combine) of independent chunks.

    Attributes:
        batch, m, n, k, dtype: the contraction.
        compute, compute_chunks: the multiplying phase.
        scratch_bytes: private memory of each worker in it, 64-byte aligned.
        pack, pack_chunks: the phase that copies B to panels; None and 0 when there is none.
        packed_bytes: the buffer it fills, 64-byte aligned.
        combine, combine_chunks: the phase that adds partial sums when depth is split; else None and 0.
        partial_bytes: the buffer of partial sums.
        flops: floating point operations; a multiplication with its addition counts two.
        bytes: operands and result, each once.
    """

    batch: int
    m: int
    n: int
    k: int
    dtype: DType
    compute: ComputeStructure
    compute_chunks: int
    scratch_bytes: int
    pack: PackStructure | None
    pack_chunks: int
    packed_bytes: int
    combine: CombineStructure | None
    combine_chunks: int
    partial_bytes: int
    flops: int
    bytes: int
    patches: Patches | None
    words: dict[str, int]
    """The integer words of all three kernels by name."""

    def pack_arguments(self, b: int, packed: int) -> list[int]:
        """Words of the pack kernel for the addresses of B and of the packed buffer."""
        words = {**self.words, "b": b, "packed": packed, "batch": self.words["pack_batch"]}
        return [words[name] for name in PACK_WORDS]

    def compute_arguments(self, a: int, b: int, partials: int = 0) -> list[int]:
        """Words of the compute kernel up to `FIRST_FREE_SLOT`; `b` is the packed buffer if there is one."""
        words = {**self.words, "a": a, "b": b, "partials": partials}
        if self.pack is not None:
            words["b_batch_stride"] = self.words["packed_batch_stride"]
        own = [words[name] for name in COMPUTE_WORDS]
        if self.patches is not None:
            own += [0] * (PATCH_SLOT - len(own)) + list(patch_words(self.patches).values())
        return _padded(own)

    def combine_arguments(self, partials: int) -> list[int]:
        """Words of the combine kernel up to `FIRST_FREE_SLOT`."""
        rows = self.words["combine_rows"]
        words = {**self.words, "partials": partials, "row_block": rows, "row_blocks": _parts(self.m, rows)}
        return _padded([words[name] for name in COMBINE_WORDS])


def patch_words(patches: Patches) -> dict[str, int]:
    """The numbers of `PATCH_WORDS`; axes that do not exist are 0."""
    words = dict.fromkeys(PATCH_WORDS, 0)
    words |= {"patch_batch_stride": patches.batch_stride, "patch_run": patches.run, "patch_channels": patches.channels}
    for k, axis in enumerate(patches.axes):
        words |= {f"{name}{k}": getattr(axis, name) for name in _AXIS_WORDS}
    return words


def _padded(words: list[int]) -> list[int]:
    return words + [0] * (FIRST_FREE_SLOT - len(words))


def plan(batch: int, m: int, n: int, k: int, dtype: DType, a_strides: Sequence[int], b_strides: Sequence[int],
         vector_bits: int, *, packed: bool | None = None, patches: Patches | None = None,
         inner: tuple[int, int, int] = (1, 0, 0)) -> GemmPlan:  # fmt: skip
    """Choose how C[b] = A[b] @ B[b] runs.

    Args:
        batch, m, n, k: extents: A is (batch, m, k), B is (batch, k, n).
        dtype: float32 or float64.
        a_strides: of A in elements: (batch, row, column); row or column must be 1, batch may be 0.
        b_strides: of B likewise.
        vector_bits: register width kernels are written for: 512, 256 or 128.
        packed: True gives B a pack phase, worth it when the packed buffer serves many runs; False gives none;
            None decides for a single run.
        inner: of a batch that is two axes: the extent of the second, and its strides in A and B; those given with the others are
            then the first axis's.
        patches: A is this matrix, or with a_strides (0, 1, 0) its transpose; `k` or `m` is its number of rows.

    Returns:
        The plan.

    Raises:
        EngineError: neither row nor column stride of an operand is 1.

    Example:
        >>> from saltus.base.dtypes import float32
        >>> p = plan(1, 128, 256, 784, float32, (0, 784, 1), (0, 256, 1), 512)
        >>> p.compute.b_source, p.compute.rows, p.flops
        ('direct', (12, 8, 4), 51380224)
    """
    lanes, size = vector_bits // dtype.bits, dtype.itemsize
    a_transposed, a_stride = _orient("A", a_strides, m, k) if patches is None else ((a_strides[1] == 1) != patches.by_columns, 0)
    b_transposed, b_stride = _orient("B", b_strides, k, n)
    if n == 1 and b_strides[1] == 1 and k > 1:  # one column lies along depth, whatever its other stride
        b_transposed, b_stride = True, b_strides[2]

    # Dot products need no copy of a transposed B, but fold registers once a product: few rows or long depth.
    dot = b_transposed and not a_transposed and not packed and patches is None
    dot = dot and (m <= _FEW_ROWS or n <= _FEW_ROWS or (m <= _DOT_ROWS and k >= 4 * m))
    rows, widths = _tile_shape(m if patches is None else max(m, _FEW_ROWS + 1), vector_bits, dot=dot)
    height, width = rows[0], widths[0] * lanes
    tiles, panels = _parts(m, height), _parts(n, width)
    streamed = dot or (m <= _FEW_ROWS and patches is None)  # B passes by once: nothing to keep in a cache
    deep = k >= _DEEP and not streamed
    flops = 2 * m * n * k
    source: BSource = "direct"
    if packed and not dot:
        source = "packed"
    elif not dot:
        # panels are read by every tile in one run; lines of B far apart would share cache sets and pages
        wide = k * b_stride * size > _SPAN_BYTES or (patches is None and batch == 1 and panels > 1 and flops >= _PACKED_FLOPS)
        wide = wide and packed is None and inner[0] == 1
        # narrow registers pass by the lines of B more often, and lines a page apart then evict each other
        aliased = vector_bits < 512 and m >= _ALIASED_ROWS and b_stride * size % _PAGE == 0
        source = _source_of_b(m, unsuited=b_transposed or aliased, wide=wide, deep=deep)
    # a block of depth of a transposed A is one run of memory, whatever its stride: copying it never paid
    a_copied = not streamed and panels > 1 and a_stride * size % _PAGE == 0 and not (deep and a_transposed)
    a_copied = a_copied or patches is not None

    depth_blocks, splits = 1, 1
    most_tiles, most_panels = tiles, _MOST_PANELS
    if deep:
        most_tiles, most_panels = min(tiles, _parts(_DEEP_SIDE, height)), min(panels, _parts(_DEEP_SIDE, width))
        depth_blocks = _parts(k * most_tiles * height * size, _DEEP_BYTES)
        blocks = batch * _parts(tiles, most_tiles) * _parts(panels, most_panels)
        wanted = min(_parts(_DEEP_CHUNKS, max(1, blocks)), k // _SPLIT, flops // _CHUNK_FLOPS)
        splits = 1 << max(0, wanted.bit_length() - 1)  # powers of two share out evenly
    elif not streamed:
        most_tiles = max(4, (_ROWS_BYTES if patches is None else _PATCH_BYTES) // max(1, height * k * size))
        if source == "copied":
            most_panels = max(1, _PANEL_BYTES // max(1, width * k * size))
    batch_block, row_tiles, column_panels = _chunk_blocks(
        batch * splits, flops // splits, lanes, (tiles, height, most_tiles), (panels, width, most_panels),
        ((_DEEP_CYCLES if deep else _COPY_CYCLES) if source == "copied" else 0.0,
         (_COPY_CYCLES if patches is None else _PATCH_CYCLES) if a_copied else 0.0),
        _DEEP_CHUNKS if deep else _MOST_CHUNKS,
    )  # fmt: skip
    chunks = _parts(batch, batch_block) * _parts(tiles, row_tiles) * _parts(panels, column_panels)
    k_span = _round_up(max(1, _parts(k, splits)), 16)
    splits = max(1, _parts(k, k_span))
    k_block = _round_up(_parts(k, max(depth_blocks, splits)), 16)
    k_blocked = k_block < min(k, k_span)

    row_block, column_block = row_tiles * height, column_panels * width
    # scratch: sums of one tile (of all when they wait for the next block of depth), copy of A, panels of B
    sums = (row_block + height) * column_block if k_blocked else height * width
    a_lines, a_length = (k_block, row_block + height) if a_transposed else (row_block + height, k_block)
    a_copy_stride = _round_up(a_length, lanes)
    if a_copy_stride * size % 1024 == 0:  # consecutive lines fall on different cache sets
        a_copy_stride += lanes
    a_copy_offset = _round_up(sums, 16)
    panel_offset = a_copy_offset + (_round_up(a_lines * a_copy_stride, 16) if a_copied else 0)
    panel_size = (k if source == "packed" else k_block) * width + lanes  # lines of neighbours fall on different cache sets
    own_panels = 0
    if source == "copied":
        own_panels = column_panels * panel_size
    elif source == "direct" and not dot and n % lanes:
        own_panels = k_block * lanes  # the last, partial register of columns

    packs = source == "packed"
    pack_batch = batch if b_strides[0] else min(batch, 1)  # one packed B may serve every batch element
    panel_block = max(1, _PACK_ELEMENTS // max(1, panel_size))
    combine_rows = max(1, _PACK_ELEMENTS // max(1, n * splits))
    split = splits > 1
    structure = ComputeStructure(
        dtype, rows, widths, a_transposed, a_copied,
        (len(patches.axes), patches.merged, patches.by_columns) if patches is not None else None,
        source, b_transposed and not packs,
        dot_columns=_dot_columns(height, dtype) if dot else 0, k_blocked=k_blocked, split=split,
    )  # fmt: skip
    operands = (batch if a_strides[0] else 1) * m * k + (batch if b_strides[0] else 1) * k * n
    words = {
        "batch": batch, "m": m, "n": n, "k": k, "a_batch_stride": a_strides[0], "a_stride": a_stride,
        "b_batch_stride": b_strides[0], "b_stride": b_stride, "panel_size": panel_size, "splits": splits,
        "batch_block": batch_block, "row_block": row_block, "column_block": column_block,
        "row_blocks": _parts(tiles, row_tiles), "column_blocks": _parts(panels, column_panels),
        "k_block": k_block, "k_span": k_span, "a_copy_offset": a_copy_offset,
        "a_copy_stride": a_copy_stride, "panel_offset": panel_offset, "panels": panels,
        "panel_block": panel_block, "panel_blocks": _parts(panels, panel_block), "pack_batch": pack_batch,
        "batch_inner": inner[0], "a_inner_stride": inner[1], "b_inner_stride": inner[2],
        "packed_batch_stride": panels * panel_size if b_strides[0] else 0, "combine_rows": combine_rows,
    }  # fmt: skip
    return GemmPlan(
        batch, m, n, k, dtype,
        compute=structure,
        compute_chunks=chunks * splits,
        scratch_bytes=(panel_offset + own_panels) * size,
        pack=PackStructure(dtype, widths[0], b_transposed) if packs else None,
        pack_chunks=pack_batch * _parts(panels, panel_block) if packs else 0,
        packed_bytes=pack_batch * panels * panel_size * size if packs else 0,
        combine=CombineStructure(dtype) if split else None,
        combine_chunks=batch * _parts(m, combine_rows) if split else 0,
        partial_bytes=splits * batch * m * n * size if split else 0,
        flops=2 * batch * m * n * k,
        bytes=size * (operands + batch * m * n),
        patches=patches,
        words=words,
    )  # fmt: skip


def _orient(name: str, strides: Sequence[int], lines: int, length: int) -> tuple[bool, int]:
    """Whether an operand is transposed, and the distance of its lines; an axis of extent 1 has any stride."""
    _, row, column = strides
    if column == 1 or length == 1:
        return False, row
    if row == 1 or lines == 1:
        return True, column
    what = f"contraction: operand {name} has strides {tuple(strides)}; its row or column stride must be 1"
    raise EngineError(what)


def _parts(extent: int, block: int) -> int:
    return -(-extent // block)


def _round_up(value: int, to: int) -> int:
    return -(-value // to) * to


def _tile_shape(m: int, vector_bits: int, *, dot: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Heights and widths of tiles."""
    m = max(1, m)
    if dot:
        return (min(m, _DOT_HEIGHT[vector_bits]),), (1,)
    if m <= _FEW_ROWS:
        return (m,), _FEW_WIDTHS[vector_bits][m]
    return _HEIGHTS[vector_bits], _WIDTHS[vector_bits]


def _dot_columns(rows: int, dtype: DType) -> int:
    """Columns of one group of dot products: enough sums for the latency of fma, in whole 128 bits."""
    return max(128 // dtype.bits, 8 if rows == 1 else 4)


def _source_of_b(m: int, *, unsuited: bool, wide: bool, deep: bool) -> BSource:
    """Where tiles read B; measured: in place is fastest unless its lines lie badly or are wide and much reused."""
    if deep:
        return "copied" if unsuited or m >= _DEEP_COPIED else "direct"
    if wide and m >= _PACKED_ROWS:
        return "packed"
    return "copied" if unsuited else "direct"


def _chunk_blocks(count: int, flops: int, lanes: int, rows: tuple[int, int, int], columns: tuple[int, int, int],
                  copies: tuple[float, float], most_chunks: int) -> tuple[int, int, int]:  # fmt: skip
    """Matrices, row tiles and column panels of one chunk: the cheapest by a small model of time.

    Args:
        count: matrices (batch elements and parts of depth).
        flops: of one matrix.
        lanes: elements of a register.
        rows: tiles of the matrix, rows of a tile, and the most tiles of a chunk that suit the cache.
        columns: panels likewise.
        copies: cycles to copy an element of B for each chunk's rows, and of A for each chunk's columns.
        most_chunks: above which chunks only grow.
    """
    (tiles, height, most_tiles), (panels, width, most_panels) = rows, columns
    tiles, panels = max(1, tiles), max(1, panels)
    if flops < 2 * _LEAST_FLOPS:
        return max(1, min(count, _CHUNK_FLOPS // max(1, flops))), tiles, panels
    parts = max(flops // _CHUNK_FLOPS, min(_FEW_CHUNKS, flops // _LEAST_FLOPS))
    area = tiles * panels / max(1, min(parts, most_chunks // count))
    best, blocks = math.inf, (1, 1)
    for across in (1, 2, 3, 4, 6, 8, 12, 16):
        if across > max(1, min(most_panels, panels)):
            break
        for wanted in {int(area / across), int(area / across) + 1, *[_parts(tiles, parts) for parts in _ROW_PARTS]}:
            down = max(1, min(wanted, most_tiles, tiles))
            down = _parts(tiles, _parts(tiles, down))  # as even as can be: a few rows left over would cost as many copies as the others
            if down * across > 3 * max(1, area):
                continue
            # cycles of one product: its fma, and its share of fetching and copying rows and columns
            cycles = 1 / lanes + (_FETCH_B_CYCLES + copies[0]) * _parts(tiles, down) / (tiles * height)
            cycles += (_FETCH_A_CYCLES + copies[1]) * _parts(panels, across) / (panels * width)
            cost = cycles * _unevenness(count, tiles, panels, down, across)
            if cost < best:
                best, blocks = cost, (down, across)
    return 1, *blocks


def _unevenness(count: int, tiles: int, panels: int, down: int, across: int) -> float:
    """Time until the last of 2, 4 and 8 threads is done over that of an even share, averaged."""
    whole = count * (tiles // down) * (panels // across)
    rest = max(tiles % down / down, panels % across / across)  # the largest of the chunks at the edges
    work = count * tiles * panels / (down * across)
    return sum(max(_parts(whole, t), work / t + rest / 2) * t for t in (2, 4, 8)) / (3 * work)

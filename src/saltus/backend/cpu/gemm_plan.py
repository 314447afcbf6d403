"""Chooses how a contraction runs: kernel structure, chunk geometry, buffers. Pure arithmetic on shapes, no emission.

A structure says what is compiled and is shared by many shapes; everything else is words handed over at run time. The
choice never looks at the number of threads, so neither do the results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from saltus.base.dtypes import DType
from saltus.base.errors import EngineError

PACK_WORDS = (
    "b",
    "packed",
    "batch",
    "n",
    "k",
    "b_batch_stride",
    "b_stride",
    "panels",
    "panel_size",
    "panel_block",
    "panel_blocks",
)
COMPUTE_WORDS = (
    "a", "b", "partials", "batch", "m", "n", "k", "a_batch_stride", "a_stride", "b_batch_stride", "b_stride", "panel_size",
    "batch_block", "row_block", "column_block", "row_blocks", "column_blocks", "k_block", "k_span", "splits",
    "a_copy_offset", "a_copy_stride", "panel_offset",
)  # fmt: skip
COMBINE_WORDS = ("partials", "batch", "m", "n", "splits", "row_block", "row_blocks")
FIRST_FREE_SLOT = 24  # of compute and combine kernels: the epilogue's own words start here

# Register tiles by vector width: heights, and widths in registers. Accumulators, a row of B and a scalar of A fit the
# 32 registers of AVX-512 and NEON, and the 16 of AVX2.
_HEIGHTS = {512: (12, 8, 4), 256: (6, 4, 2), 128: (8, 4)}
_WIDTHS = {512: (2, 1), 256: (2, 1), 128: (3, 1)}
# Up to four rows stream B once: as wide as the registers allow, so that B is read in long runs (measured: twice as fast
# from the third cache level as two registers).
_FEW_ROWS = 4
_FEW_WIDTHS = {
    512: {1: (16, 4, 2, 1), 2: (8, 2, 1), 3: (4, 2, 1), 4: (4, 2, 1)},
    256: {1: (12, 4, 2, 1), 2: (6, 2, 1), 3: (3, 1), 4: (2, 1)},
    128: {1: (16, 4, 2, 1), 2: (8, 2, 1), 3: (4, 2, 1), 4: (4, 2, 1)},
}
_DOT_HEIGHT = {512: 4, 256: 2, 128: 4}

_CHUNK_FLOPS = (
    2_500_000  # about 25 microseconds of one core: far above the cost of claiming, fine enough to balance
)
_MOST_CHUNKS = 64  # a large contraction gets larger chunks instead
_PAGE = 4096  # lines this far apart (or a multiple) share one set of a first-level cache
_PANEL_BYTES = 512 * 1024  # a panel of B should stay in the second-level cache
_SPAN_BYTES = 2 * 1024 * 1024  # B spread wider than this is packed when many rows reuse it
_PACK_ELEMENTS = 65_536  # of one chunk of the pack phase


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
        a_transposed: rows of A are contiguous along the product's rows, not along depth.
        a_copied: a chunk first copies its rows of A to lines with a distance that suits the cache.
        b_source: "direct" reads B in place, "copied" copies each panel in the chunk, "packed" reads a packed buffer.
        b_transposed: columns of B are contiguous along depth (never with "packed": packing undoes it).
        dot_columns: columns of one group of dot products along depth; 0 for tiles.
        k_blocked: depth is cut into blocks, with the sums kept in scratch between them.
        split: depth is divided among chunks, which store partial sums for a combine kernel.
    """

    dtype: DType
    rows: tuple[int, ...]
    vectors: tuple[int, ...]
    a_transposed: bool
    a_copied: bool
    b_source: Literal["direct", "copied", "packed"]
    b_transposed: bool
    dot_columns: int = 0
    k_blocked: bool = False
    split: bool = False

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
        pack, pack_chunks, packed_bytes: structure and size of the phase that copies B to panels, None when there is none.
        compute, compute_chunks, scratch_bytes: the multiplying phase and the private memory of each worker in it.
        combine, combine_chunks, partial_bytes: the phase that adds partial sums when depth is split, else None.
        flops: floating point operations (a multiplication and an addition count two).
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
    _pack_words: dict[str, int]
    _compute_words: dict[str, int]
    _combine_words: dict[str, int]

    def pack_arguments(self, b: int, packed: int) -> list[int]:
        """Words of the pack kernel for the addresses of B and of the packed buffer (64-byte aligned)."""
        return _lay_out(PACK_WORDS, {**self._pack_words, "b": b, "packed": packed}, len(PACK_WORDS))

    def compute_arguments(self, a: int, b: int, partials: int = 0) -> list[int]:
        """Words of the compute kernel up to `FIRST_FREE_SLOT`, for the addresses of A and of B (packed when there is a pack phase)."""
        return _lay_out(
            COMPUTE_WORDS, {**self._compute_words, "a": a, "b": b, "partials": partials}, FIRST_FREE_SLOT
        )

    def combine_arguments(self, partials: int) -> list[int]:
        """Words of the combine kernel up to `FIRST_FREE_SLOT`."""
        return _lay_out(COMBINE_WORDS, {**self._combine_words, "partials": partials}, FIRST_FREE_SLOT)


def _lay_out(names: Sequence[str], words: dict[str, int], length: int) -> list[int]:
    return [words[name] for name in names] + [0] * (length - len(names))


def plan(batch: int, m: int, n: int, k: int, dtype: DType, a_strides: Sequence[int], b_strides: Sequence[int],
         vector_bits: int, *, packed: bool | None = None) -> GemmPlan:  # fmt: skip
    """Choose how C[b] = A[b] @ B[b] runs.

    Args:
        batch, m, n, k: extents: A is (batch, m, k), B is (batch, k, n).
        dtype: float32 or float64.
        a_strides: of A in elements: (batch, row, column); row or column must be 1, batch may be 0.
        b_strides: of B likewise.
        vector_bits: register width kernels are written for: 512, 256 or 128.
        packed: True gives B a pack phase, worth it when the packed buffer serves many runs; False gives none; None
            decides for a single run.

    Returns:
        The plan.

    Raises:
        EngineError: neither row nor column stride of an operand is 1.

    Example:
        >>> from saltus.base.dtypes import float32
        >>> p = plan(1, 128, 256, 784, float32, (0, 784, 1), (0, 256, 1), 512)
        >>> p.compute.b_source, p.compute_chunks, p.flops
        ('direct', 32, 51380224)
    """
    lanes, size = vector_bits // dtype.bits, dtype.itemsize
    a_transposed, a_stride = _orient("A", a_strides, m, k)
    b_transposed, b_stride = _orient("B", b_strides, k, n)
    if n == 1 and b_strides[1] == 1 and k > 1:  # one column lies along depth, whatever its other stride
        b_transposed, b_stride = True, b_strides[2]

    # dot products need no copy of a transposed B, but fold registers once a product: few rows and long depth
    dot = b_transposed and not a_transposed and not packed
    dot = dot and (m <= _FEW_ROWS or n <= _FEW_ROWS or (m <= 32 and k >= 4 * m))
    rows: tuple[int, ...]
    widths: tuple[int, ...]
    if dot:
        rows, widths = (max(1, min(m, _DOT_HEIGHT[vector_bits])),), (1,)
    elif m <= _FEW_ROWS:
        rows, widths = (max(1, m),), _FEW_WIDTHS[vector_bits][max(1, m)]
    else:
        rows, widths = _HEIGHTS[vector_bits], _WIDTHS[vector_bits]
    height, width = rows[0], widths[0] * lanes
    tiles, panels = -(-m // height), -(-n // width)

    source: Literal["direct", "copied", "packed"] = "copied" if b_transposed and not dot else "direct"
    if (
        source == "copied"
        and m > 256
        or source == "direct"
        and m >= 512
        and k * b_stride * size > _SPAN_BYTES
        and not dot
    ):
        source = "packed"
    if packed is not None and (packed or source == "packed"):
        source = "packed" if packed else "copied" if b_transposed else "direct"
    a_copied = not dot and m > _FEW_ROWS and panels > 1 and a_stride * size % _PAGE == 0

    batch_block, row_tiles, column_panels = _chunk_blocks(
        batch, tiles, panels, 2 * m * n * k, 8 if source == "copied" else 1, 8 if a_copied else 1
    )
    chunks = -(-batch // batch_block) * -(-tiles // row_tiles) * -(-panels // column_panels) if m and n else 0
    splits = 1
    if chunks < 8 and batch * tiles * panels < 8 and k >= 8192:
        splits = max(1, min(16, k // 2048, 2 * batch * m * n * k // _CHUNK_FLOPS))
    k_span = _round_up(-(-k // splits), 16)
    splits = -(-k // k_span) if k else 1
    depth = min(k, k_span)
    depth_blocks = 1 if dot or m <= _FEW_ROWS else max(1, -(-depth * width * size // _PANEL_BYTES))
    k_block = _round_up(-(-depth // depth_blocks), 16)
    k_blocked = k_block < depth

    row_block, column_block = min(m, row_tiles * height), min(n, column_panels * width)
    packing = source == "packed"
    panel_size = (k if packing else k_block) * width
    shared = packing and b_strides[0] == 0  # one packed B serves every batch element

    # scratch: sums of tiles, the copy of A, then panels of B
    sums = height * width if not k_blocked else column_panels * width * (row_block + height)
    copy_offset = _round_up(sums, 16)
    copy_lines, copy_length = (k_block, row_block + height) if a_transposed else (row_block + height, k_block)
    copy_stride = _round_up(copy_length, lanes)
    copy_stride += (
        lanes if copy_stride * size % 1024 == 0 else 0
    )  # consecutive lines fall on different cache sets
    panel_offset = copy_offset + (_round_up(copy_lines * copy_stride, 16) if a_copied else 0)
    panel_elements = 0
    if source == "copied":
        panel_elements = column_panels * panel_size
    elif source == "direct" and not dot and n % lanes:
        panel_elements = k_block * lanes
    pack_block = max(1, _PACK_ELEMENTS // max(1, panel_size))
    pack_batch = 1 if shared else batch
    combine_rows = max(1, _PACK_ELEMENTS // max(1, n * splits))

    return GemmPlan(
        batch, m, n, k, dtype,
        compute=ComputeStructure(
            dtype, rows, widths, a_transposed, a_copied, source, b_transposed and not packing,
            _dot_columns(rows[0], dtype) if dot else 0, k_blocked, splits > 1,
        ),
        compute_chunks=chunks * splits,
        scratch_bytes=(panel_offset + panel_elements) * size,
        pack=PackStructure(dtype, widths[0], b_transposed) if packing else None,
        pack_chunks=pack_batch * -(-panels // pack_block) if packing and chunks else 0,
        packed_bytes=pack_batch * panels * panel_size * size if packing else 0,
        combine=CombineStructure(dtype) if splits > 1 else None,
        combine_chunks=batch * -(-m // combine_rows) if splits > 1 else 0,
        partial_bytes=splits * batch * m * n * size if splits > 1 else 0,
        flops=2 * batch * m * n * k,
        bytes=size * ((batch if a_strides[0] else 1) * m * k + (batch if b_strides[0] else 1) * k * n + batch * m * n),
        _pack_words={
            "batch": pack_batch, "n": n, "k": k, "b_batch_stride": b_strides[0], "b_stride": b_stride, "panels": panels,
            "panel_size": panel_size, "panel_block": pack_block, "panel_blocks": -(-panels // pack_block),
        },
        _compute_words={
            "batch": batch, "m": m, "n": n, "k": k, "a_batch_stride": a_strides[0], "a_stride": a_stride,
            "b_batch_stride": (0 if shared else panels * panel_size) if packing else b_strides[0], "b_stride": b_stride,
            "panel_size": panel_size, "batch_block": batch_block, "row_block": row_tiles * height,
            "column_block": column_panels * width, "row_blocks": -(-tiles // row_tiles),
            "column_blocks": -(-panels // column_panels), "k_block": k_block, "k_span": k_span, "splits": splits,
            "a_copy_offset": copy_offset, "a_copy_stride": copy_stride, "panel_offset": panel_offset,
        },
        _combine_words={
            "batch": batch, "m": m, "n": n, "splits": splits, "row_block": combine_rows, "row_blocks": -(-m // combine_rows),
        },
    )  # fmt: skip


def _orient(name: str, strides: Sequence[int], lines: int, length: int) -> tuple[bool, int]:
    """Whether an operand is transposed, and the distance of its lines; an axis of extent 1 may have any stride."""
    _, row, column = strides
    if column == 1 or length == 1:
        return False, row
    if row == 1 or lines == 1:
        return True, column
    raise EngineError(
        f"contraction: operand {name} has strides {tuple(strides)}; its row or column stride must be 1"
    )


def _round_up(value: int, to: int) -> int:
    return -(-value // to) * to


def _dot_columns(rows: int, dtype: DType) -> int:
    """Columns of one group of dot products: enough sums for the latency of fma, in whole 128 bits."""
    return max(128 // dtype.bits, 8 if rows == 1 else 4)


def _chunk_blocks(
    batch: int, tiles: int, panels: int, flops: int, least_tiles: int, least_panels: int
) -> tuple[int, int, int]:
    """Batch elements, row tiles and column panels of one chunk.

    Args:
        flops: of one batch element.
        least_tiles, least_panels: a chunk should have this many, because it copies B or A for itself.
    """
    tiles, panels = max(1, tiles), max(1, panels)
    if 2 * flops <= 3 * _CHUNK_FLOPS:
        return max(1, min(batch, _CHUNK_FLOPS // max(1, flops))), tiles, panels
    parts = max(1, min(flops // _CHUNK_FLOPS, _MOST_CHUNKS // batch))
    across = max(1, min(parts, panels // least_panels))
    down = max(1, min(-(-parts // across), tiles // least_tiles))
    return 1, max(1, tiles // down), max(1, panels // across)

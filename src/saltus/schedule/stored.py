"""Which values of a graph have a buffer, and what the others are computed from.

A value is *stored* (has a buffer) or *virtual* (computed where it is used). Every kernel that is not a plain loop needs its operands
stored, as views it can read; a few more values are stored because computing them again would cost too much.
"""

from __future__ import annotations

from collections.abc import Sequence

from saltus.ir.node import Node, topological
from saltus.ir.spec import Kind
from saltus.schedule.patches import Patches
from saltus.schedule.view import Map, View, identity, through

COLUMN_REUSE = 256  # rows from which on a value a column is stored, rather than computed in each row
ROW_REUSE = 64  # elements of a row from which on a costly value of a row is stored
SHARE_FLOPS = 24  # a value this costly is stored when two kernels need it, rather than computed twice
AGAIN_FLOPS = 4  # a value this costly is stored rather than computed once for each window over it
ASSEMBLED = ("concat", "pad", "interleave")  # their operands are written into one buffer by whoever computes them


def is_native(node: Node) -> bool:
    """Whether the native engine has a kernel for the node; the rest are host calls."""
    if node.op.kind in (Kind.HOST, Kind.SCAN, Kind.PART):
        return node.op.kind is not Kind.HOST
    if node.dtype.kind == "c" or any(s.dtype.kind == "c" for s in node.src):
        return False
    if node.op.kind is Kind.CONTRACT:
        known = node.op.name == "matmul" or (node.op.name in ("conv", "conv_weight") and (node.attr("groups") == 1 or Patches.apart(node)))
        return known and node.dtype.name in ("float32", "float64")
    return node.op.kind is not Kind.ELEMENTWISE or node.op.cpu is not None


class Values:
    """The values of one graph."""

    def __init__(self, outputs: Sequence[Node], given: Sequence[Node]) -> None:
        self.outputs = list(outputs)
        self.given = set(given)
        self.order = topological(outputs, stop=lambda n: n in self.given)
        self.position = {n: i for i, n in enumerate(self.order)}
        self.stored: set[Node] = set()
        self.host = {n for n in self.order if n not in self.given and not is_native(n)}

    def view_of(self, node: Node) -> View | None:
        """The node as a strided view of a stored one, where it is one."""
        if node in self.stored:
            return View.whole(node)
        if node.op.kind is Kind.MOVE and node.op.name not in ASSEMBLED:
            below = self.view_of(node.src[0])
            return below.move(node) if below else None
        return None

    def _store(self, node: Node) -> None:
        """Give a value a buffer, in the shape it is computed in: a reshape of it is the same bytes."""
        while node.op.name == "reshape" and node.src[0] not in self.given:
            node = node.src[0]
        self.stored.add(node)

    def _need_view(self, node: Node) -> None:
        if self.view_of(node) is None:
            self._store(node)

    def _need_dense(self, node: Node) -> None:
        view = self.view_of(node)
        if view is None or not view.dense:
            self._store(node)

    def _need_matrix(self, node: Node) -> None:
        view = self.view_of(node)
        if view is not None and matrix_strides(view) is not None:
            return
        behind = self._behind_product(node) if view is None else None
        if behind is not None:  # as matrices of its own it would be a pass of its own
            self.stored.add(behind)
            view = self.view_of(node)
            if view is not None and matrix_strides(view) is not None:
                return
            self.stored.discard(behind)
        self._store(node)

    def _behind_product(self, node: Node) -> Node | None:
        """What a node is moved from, if that can be the epilogue of a product: heads are then read where they were made."""
        while node.op.kind is Kind.MOVE and node.op.name not in ASSEMBLED:
            node = node.src[0]
        if node.op.kind is not Kind.ELEMENTWISE or node in self.given:
            return None
        for s in node.src:
            while s.op.name == "reshape":
                s = s.src[0]
            if s.op.kind is Kind.CONTRACT and s.shape == node.shape and s in self.stored and s not in self.given:
                return node
        return None

    def _need_channels(self, node: Node) -> None:
        view = self.view_of(node)
        if view is None or not Patches.suits(view):
            self._store(node)

    def _need_columns(self, node: Node) -> None:
        """Store what is computed for each column (a channel's factor and shift), rather than work it out again in every row."""
        below = node.src[0]
        while below.op.kind is Kind.MOVE and self.view_of(below) is None and below.src[0].size == below.size:
            below = below.src[0]
        if node.size >= COLUMN_REUSE * below.size and below.op.kind is Kind.ELEMENTWISE and self.flops(below) > 1:
            self._store(below)

    def _need_rows(self, node: Node) -> None:
        """Store what is costly and the same along the last axes (a sample's random number), rather than work it out again in every row."""
        below = node.src[0]
        while below.op.kind is Kind.MOVE and self.view_of(below) is None and below.src[0].size == below.size:
            below = below.src[0]
        if node.size >= ROW_REUSE * below.size and below.op.kind is Kind.ELEMENTWISE and self.flops(below) > SHARE_FLOPS:
            self._store(below)

    def mark(self) -> None:
        """Decide in one walk which values need a buffer."""
        for node in self.order:
            kind = node.op.kind
            if node in self.given or kind is Kind.PART:
                self.stored.add(node)
            elif kind is Kind.SOURCE and node not in self.host:
                continue
            elif kind is Kind.SCAN or node in self.host or kind in (Kind.HOST, Kind.CUMULATIVE):
                for s in node.src:
                    self._need_dense(s)
                self.stored.add(node)
            elif kind is Kind.CONTRACT and node.op.name == "matmul":
                for s in node.src:
                    self._need_matrix(s)
                self.stored.add(node)
            elif kind is Kind.CONTRACT:
                self._need_channels(node.src[0])
                if Patches.apart(node):
                    self._need_dense(node.src[1])
                elif node.op.name == "conv" and Patches.tiled(node):
                    self._need_view(node.src[1])  # the transform of the kernel reads it as it lies
                else:
                    self._need_dense(node.src[1])
                self.stored.add(node)
            elif kind is Kind.SCATTER:
                for s in node.src:
                    self._need_dense(s)
                self.stored.add(node)
            elif kind is Kind.REDUCE:
                self.stored.add(node)
            elif kind is Kind.GATHER:
                self._need_view(node.src[0])
            elif node.op.name in ASSEMBLED:
                self.stored.add(node)
            elif node.op.name == "reshape" and through(node, identity(node.shape)) is None:
                below = self.view_of(node.src[0])
                if below is None or below.move(node) is None:
                    self.stored.add(node.src[0])
            elif node.op.name == "broadcast_to" and node.shape[-1:] == node.src[0].shape[-1:] != (1,):
                self._need_columns(node)
            elif node.op.name == "broadcast_to" and node.src[0].size > 1:
                self._need_rows(node)
            elif node.op.name == "windows":
                if node.size > node.src[0].size and self.flops(node.src[0]) > AGAIN_FLOPS:
                    self.stored.add(node.src[0])
            elif kind is Kind.ELEMENTWISE and node.size == 1 and self.flops(node) > SHARE_FLOPS:
                self.stored.add(node)  # a costly scalar: once, not once a vector
        for node in self.outputs:
            if node not in self.given:
                self.stored.add(node)

    def flops(self, node: Node) -> int:
        """Cost of computing a virtual value once, bounded."""
        total, stack, seen = 0, [node], set()
        while stack and total <= 4 * SHARE_FLOPS:
            n = stack.pop()
            if n in seen:
                continue
            seen.add(n)
            total += n.op.flops if n.op.kind is Kind.ELEMENTWISE else 0
            stack.extend(s for s in n.src if s not in self.stored)
        return total

    # --- what a value reads -------------------------------------------------------------------------------------
    def leaves(self, node: Node, where: Map, top: bool = True) -> list[tuple[Node, Map | None]]:
        """The stored nodes a value is computed from, with where each is read (None: through a view)."""
        found: list[tuple[Node, Map | None]] = []
        seen: set[tuple[Node, Map]] = set()
        stack = [(node, where, top)]
        while stack:
            n, at, own = stack.pop()
            if (n, at) in seen:
                continue
            seen.add((n, at))
            if n in self.stored and not own:
                found.append((n, at))
                continue
            if n.op.kind is Kind.MOVE:
                below = through(n, at)
                if below is None:
                    view = self.view_of(n.src[0])
                    assert view is not None
                    found.append((view.base, None))
                else:
                    stack.append((n.src[0], below, False))
            elif n.op.kind is Kind.GATHER:
                view = self.view_of(n.src[0])
                assert view is not None
                found.append((view.base, None))
                axis = n.attr("axis")
                stack.append((n.src[1], at[axis : axis + len(n.src[1].shape)], False))
            elif n.op.kind is not Kind.SOURCE:
                stack.extend((s, at, False) for s in n.src)
        return found


def matrix_strides(view: View) -> tuple[tuple[int, int], int, int] | None:
    """(batch, row, column) strides of a stack of matrices if one of the last two is 1; those of the batch as `batch_strides` has them."""
    m, n = view.shape[-2:]
    rs, cs = view.strides[-2:]
    rs, cs = (rs if m != 1 else max(n, 1)), (cs if n != 1 else 1)
    if n == 1 and rs == 1:
        cs = max(m, 1)  # a column read as a transposed row
    if (cs != 1 and rs != 1) or rs < 0 or cs < 0 or (cs == 1 and rs == 0) or (rs == 1 and cs == 0):
        return None
    batch = batch_strides(view.shape[:-2], view.strides[:-2])
    return None if batch is None else (batch, rs, cs)


def batch_strides(shape: Sequence[int], strides: Sequence[int]) -> tuple[int, int] | None:
    """The strides of a batch along its two axes (axes of length 1 do not count), or of any number of axes in one run as (stride, 0)."""
    kept = [s for n, s in zip(shape, strides, strict=True) if n != 1]
    if len(kept) == 2:
        return kept[0], kept[1]
    run = collapse(shape, strides)
    return None if run is None else (run, 0)


def inner_extent(shape: Sequence[int]) -> int:
    """The length of the second axis of a batch where it is two, else 1."""
    kept = [n for n in shape if n != 1]
    return kept[1] if len(kept) == 2 else 1


def collapse(shape: Sequence[int], strides: Sequence[int]) -> int | None:
    """The one stride of axes that lie regularly in each other, or None."""
    step: int | None = None
    extent = 1
    for n, s in zip(reversed(shape), reversed(strides), strict=True):
        if n == 1:
            continue
        if step is None:
            step = s
        elif s != step * extent:
            return None
        extent *= n
    return step or 0

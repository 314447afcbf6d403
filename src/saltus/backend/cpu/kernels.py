"""The kernels of groups that are not plain loops: contractions with their epilogue, scatter, cumulative sums, host calls."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.backend.cpu import depthwise, gemm, gemm_plan, gemm_small, vecmath, winograd
from saltus.backend.cpu.emit import Emitter, Value
from saltus.backend.cpu.epilogue import Epilogue
from saltus.backend.cpu.lower import PARAMETERS, compute_type, lower
from saltus.backend.cpu.transpose import TransposeKernel
from saltus.base import dtypes as dt
from saltus.base.errors import EngineError
from saltus.ir.evaluate import evaluate
from saltus.ir.node import Node, make, placeholder
from saltus.schedule.fuse import Fuser, Group
from saltus.schedule.loops import LoopBuilder, LoopKernel
from saltus.schedule.patches import Patches
from saltus.schedule.plan import Kernel, copy_kernel
from saltus.schedule.stored import collapse, inner_extent, matrix_strides
from saltus.schedule.view import View, row_major


class NativeTarget:
    """Plans the groups whose kernels depend on the instruction set."""

    def __init__(self, vector_bits: int) -> None:
        self.vector_bits = vector_bits

    def kernels(self, fuser: Fuser, group: Group, label: str) -> list[list[Kernel]]:
        match group.kind:
            case "contract":
                return _contraction(fuser, group, label, self.vector_bits)
            case "scatter":
                return _scatter(fuser, group, label)
            case "cumulate":
                return [[CumulativeKernel(group, fuser, label)]]
            case "host":
                return [[HostKernel(group, fuser, label)]]
        raise EngineError(f"no kernels for a group of kind {group.kind}")

    def suited(self, kernel: LoopKernel) -> Kernel:
        """A kernel that does what a plain loop does, if there is a better one."""
        return TransposeKernel.of(kernel) or kernel


class _Base:
    """What every kernel here has."""

    why = ""
    label = ""
    scratch = 0
    flops = 0
    nbytes = 0

    def show(self) -> str:
        return f"{self.label}: {type(self).__name__}"


# --- contractions -----------------------------------------------------------------------------------------------
class PackKernel(_Base):
    """Copies the right operand into panels."""

    def __init__(self, plan: gemm_plan.GemmPlan, b: tuple[Node, int], packed: Node, label: str) -> None:
        self.plan, self.b, self.packed, self.label = plan, b, packed, label + " (pack)"
        self.nbytes = plan.packed_bytes * 2
        self.why = "panels suit the multiplying kernel"

    def key(self) -> str:
        return f"pack {self.plan.pack}"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        assert self.plan.pack is not None
        return gemm.emit_pack(self.plan.pack, symbol, vector_bits)

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        words = self.plan.pack_arguments(0, 0)
        names = gemm_plan.PACK_WORDS
        return words, [(names.index("b"), *self.b), (names.index("packed"), self.packed, 0)], self.plan.pack_chunks


class ComputeKernel(_Base):
    """The multiplying kernel, or the one that adds partial sums when depth is split."""

    def __init__(self, plan: gemm_plan.GemmPlan, combine: bool, a: tuple[Node, int], b: tuple[Node, int], partials: Node | None,
                 epilogue: Epilogue | None, label: str, why: str) -> None:  # fmt: skip
        self.plan, self.combine, self.a, self.b, self.partials, self.epilogue = plan, combine, a, b, partials, epilogue
        self.label, self.why = label + (" (combine)" if combine else ""), why
        self.scratch = 0 if combine else plan.scratch_bytes
        self.flops = 0 if combine else plan.flops
        size = plan.dtype.itemsize
        self.nbytes = size * plan.batch * (plan.m * plan.k + plan.k * plan.n + plan.m * plan.n)

    def key(self) -> str:
        structure = self.plan.combine if self.combine else self.plan.compute
        return f"contract {structure} {self.epilogue.key() if self.epilogue else ''}"

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        if self.combine:
            assert self.plan.combine is not None and self.epilogue is not None
            return gemm.emit_combine(self.plan.combine, symbol, vector_bits, self.epilogue, math_functions=functions)
        return gemm.emit_compute(self.plan.compute, symbol, vector_bits, self.epilogue, math_functions=functions)

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        names = gemm_plan.COMBINE_WORDS if self.combine else gemm_plan.COMPUTE_WORDS
        words = self.plan.combine_arguments(0) if self.combine else self.plan.compute_arguments(0, 0)
        pointers: list[tuple[int, Node, int]] = []
        if not self.combine:
            pointers += [(names.index("a"), *self.a), (names.index("b"), *self.b)]
        if self.partials is not None:
            pointers.append((names.index("partials"), self.partials, 0))
        if self.epilogue is not None:
            more, extra = self.epilogue.words()
            words = words + more[len(words) :]
            pointers += extra
        return words, pointers, self.plan.combine_chunks if self.combine else self.plan.compute_chunks


@dataclass(frozen=True)
class _Product:
    """A contraction as `count` products of (m, k) and (k, n) matrices, and where they lie."""

    count: int
    m: int
    n: int
    k: int
    views: list[View]
    strides: list[tuple[int, int, int]]
    inner: tuple[int, int, int]  # of a batch of two axes: `gemm_plan.plan`
    patches: Patches | None
    three: Callable[[tuple[int, ...]], tuple[int, ...]]  # strides over the result's axes -> over batch, row, column


def _matrix_product(fuser: Fuser, node: Node) -> _Product:
    views, strides, inner = [], [], []
    ta, tb = node.attr("ta"), node.attr("tb")
    for source, transposed in zip(node.src, (ta, tb), strict=True):
        view = fuser.view_of(source)
        assert view is not None
        found = matrix_strides(view)
        assert found is not None
        (batch, second), rs, cs = found
        views.append(view)
        inner.append(second)
        strides.append((batch, cs, rs) if transposed else (batch, rs, cs))
    shape, axes = node.shape, inner_extent(node.shape[:-2])
    if axes > 1 and all(outer == axes * second for (outer, *_), second in zip(strides, inner, strict=True)):  # one run after all
        axes, strides, inner = 1, [(second, rs, cs) for (_, rs, cs), second in zip(strides, inner, strict=True)], [0, 0]

    def three(over: tuple[int, ...]) -> tuple[int, ...]:
        run = collapse(shape[:-2], over[:-2])
        return over if run is None else (run, *over[-2:])

    depth = node.src[0].shape[-2 if ta else -1]
    return _Product(math.prod(shape[:-2]), *shape[-2:], depth, views, strides, (axes, inner[0], inner[1]), None, three)


def _patch_product(fuser: Fuser, node: Node) -> _Product:
    """Of a convolution or the gradient of its kernel, in which the matrix of patches is turned."""
    x, other = (fuser.view_of(s) for s in node.src)
    assert x is not None and other is not None
    patches, n, lead = Patches.of(node, x), node.shape[-1], node.shape[:-1]
    turned = node.op.name == "conv_weight"
    m, k = (patches.columns, patches.rows) if turned else (patches.rows, patches.columns)

    def three(over: tuple[int, ...]) -> tuple[int, ...]:
        run = collapse(lead, over[:-1])
        return (0, *over) if run is None else (0, run, over[-1])

    strides = [(0, 1, 0) if turned else (0, 0, 1), (0, n, 1)]
    return _Product(1, m, n, k, [x, other], strides, (1, 0, 0), patches, three)


def _contraction(fuser: Fuser, group: Group, label: str, vector_bits: int) -> list[list[Kernel]]:
    node = group.core
    assert node is not None
    product = _matrix_product(fuser, node) if node.op.name == "matmul" else _patch_product(fuser, node)
    builder = LoopBuilder(fuser, group)
    writes = [builder._write(builder.value(s.value, builder._where(s), s.value), s) for s in group.stores]
    for a in builder.accesses:
        a.strides = product.three(a.strides)
    for i in builder.items:
        if i.kind == "ramp":  # with several batch axes none of them has a ramp: see Fuser
            i.strides = product.three(i.strides)
    a, b = [(v.base, v.offset * node.dtype.itemsize) for v in product.views]
    if not (product.m and product.n and product.count):
        return []
    extents = (product.m, product.n, product.k)
    if product.patches is None and gemm_small.suits(product.count, *extents, builder.accesses, builder.items):
        small = gemm_small.SmallKernel(extents, node.dtype, a, b, *product.strides, builder.accesses, builder.items, writes, vector_bits,
                                       label, group.why)  # fmt: skip
        return [[small]]
    batched = product.patches is None
    epilogue = Epilogue(builder.accesses, builder.items, writes, gemm_plan.FIRST_FREE_SLOT, node.shape[: -2 if batched else -1], batched)
    if product.patches is not None and Patches.apart(node):
        x, g = [(v.base, v.offset * node.dtype.itemsize) for v in product.views]
        gradient = depthwise.DepthwiseKernel(product.patches, x, g, label, group.why)
        gradient.partials = placeholder((gradient.partial_bytes,), dt.uint8)
        return [[gradient], [depthwise.DepthwiseCombineKernel(gradient, epilogue, label)]]
    if product.patches is not None and Patches.tiled(node):
        return _tiled(node, product, epilogue, label, group.why, vector_bits)
    sizes = (product.count, product.m, product.n, product.k)
    plan = gemm_plan.plan(*sizes, node.dtype, *product.strides, vector_bits, patches=product.patches, inner=product.inner)
    stages: list[list[Kernel]] = []
    if plan.pack is not None:
        packed = placeholder((plan.packed_bytes,), dt.uint8)
        stages.append([PackKernel(plan, b, packed, label)])
        b = (packed, 0)
    if plan.combine is None:
        stages.append([ComputeKernel(plan, False, a, b, None, epilogue, label, group.why)])
        return stages
    partials = placeholder((plan.partial_bytes,), dt.uint8)
    stages.append([ComputeKernel(plan, False, a, b, partials, None, label, group.why)])
    stages.append([ComputeKernel(plan, True, a, b, partials, epilogue, label, "adds the parts of a split depth")])
    return stages


def _tiled(node: Node, product: _Product, epilogue: Epilogue, label: str, why: str, vector_bits: int) -> list[list[Kernel]]:
    """A convolution, or the gradient of its kernel, by Winograd's algorithm."""
    x, other = product.views
    size, filters, patches = node.dtype.itemsize, product.n, product.patches
    assert patches is not None
    source = (x.base, x.offset * size)
    if node.op.name == "conv":
        edge = patches.side + patches.axes[0].kernel - 1
        u = placeholder((edge * edge * patches.channels * filters * size,), dt.uint8)
        forward = winograd.ForwardKernel(patches, source, u, filters, node.dtype, vector_bits, epilogue, label, why)
        return [[winograd.WeightKernel(other, edge, u, label)], [forward]]
    gradients = (other.base, other.offset * size)
    gradient = winograd.GradientKernel(patches, source, gradients, None, filters, node.dtype, vector_bits, label, why)
    gradient.partials = placeholder((gradient.partial_bytes,), dt.uint8)
    return [[gradient], [winograd.GradientCombineKernel(gradient, gradient.partials, epilogue, label)]]


# --- scatter ----------------------------------------------------------------------------------------------------
class ScatterKernel(_Base):
    """Adds rows at indices, one after another, so repeats add up in order; chunks own columns, not rows."""

    COLUMNS = 4096

    def __init__(self, node: Node, target: Node, index: tuple[Node, int], updates: tuple[Node, int], label: str, why: str) -> None:
        self.node, self.target, self.index, self.updates, self.label, self.why = node, target, index, updates, label, why
        axis = node.attr("axis")
        self.outer = math.prod(node.shape[:axis])
        self.limit = node.shape[axis]
        self.inner = math.prod(node.shape[axis + 1 :])
        self.picks = node.src[1].size
        self.flops = node.src[2].size
        self.nbytes = 2 * node.src[2].nbytes + node.src[1].nbytes

    def key(self) -> str:
        return f"scatter {self.node.dtype.name} {self.node.src[1].dtype.name}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        pieces = max(1, -(-self.inner // self.COLUMNS))
        words = [0, 0, 0, self.limit, self.inner, self.picks, pieces, self.COLUMNS]
        pointers = [(0, self.target, 0), (1, *self.index), (2, *self.updates)]
        return words, pointers, self.outer * pieces if self.picks and self.inner else 0

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits)
        dtype, index_type = self.node.dtype, self.node.src[1].dtype
        lanes = max(1, vector_bits // max(dtype.bits, 32))
        target, index, updates = (b.argument(s) for s in range(3))
        limit, inner, picks, pieces, width = (b.argument(s, dt.int64) for s in range(3, 8))
        outer, piece = b.div(b.parameters[1], pieces), b.rem(b.parameters[1], pieces)
        first = b.mul(piece, width)
        last = b.minimum(b.add(first, width), inner)
        target = b.offset(target, b.mul(outer, b.mul(limit, inner)), dtype)
        updates = b.offset(updates, b.mul(outer, b.mul(picks, inner)), dtype)
        with b.loop(0, picks) as pick:
            row = b.load(b.offset(index, pick.index, index_type), index_type)
            if index_type is dt.uint64:
                row = b.minimum(row, b.const(2**63 - 1, dt.uint64))
            row = b.convert(row, dt.int64)
            row = b.maximum(b.minimum(row, b.sub(limit, b.index(1))), b.index(0))
            to = b.offset(target, b.mul(row, inner), dtype)
            source = b.offset(updates, b.mul(pick.index, inner), dtype)
            with b.loop(first, last, lanes) as column:
                mask = b.lane_mask(b.sub(last, column.index), lanes) if lanes > 1 else None
                at, add = b.offset(to, column.index, dtype), b.offset(source, column.index, dtype)
                b.store(b.add(b.load(at, dtype, lanes, mask), b.load(add, dtype, lanes, mask)), at, dtype, mask)
        return b.text()


def _scatter(fuser: Fuser, group: Group, label: str) -> list[list[Kernel]]:
    node = group.core
    assert node is not None
    views = [fuser.view_of(s) for s in node.src]
    target = group.stores[0].target
    base, index, updates = [(v.base, v.offset) for v in views]  # type: ignore[union-attr]
    copy = copy_kernel(base[0], target, label + " (start)", offset=base[1])
    add = ScatterKernel(
        node, target, (index[0], index[1] * node.src[1].dtype.itemsize), (updates[0], updates[1] * node.dtype.itemsize), label, group.why
    )
    return [[copy], [add]]


# --- cumulative -------------------------------------------------------------------------------------------------
class CumulativeKernel(_Base):
    """Running sums and products: vectors across the columns beside the axis, one step of the axis after another."""

    def __init__(self, group: Group, fuser: Fuser, label: str) -> None:
        node = group.core
        assert node is not None
        view = fuser.view_of(node.src[0])
        assert view is not None
        self.node, self.source, self.target = node, (view.base, view.offset * node.dtype.itemsize), group.stores[0].target
        self.label, self.why = label, group.why
        axis = node.attr("axis")
        self.outer, self.length, self.inner = math.prod(node.shape[:axis]), node.shape[axis], math.prod(node.shape[axis + 1 :])
        self.flops, self.nbytes = node.size, 2 * node.nbytes

    def key(self) -> str:
        return f"cumulate {self.node.op.name} {self.node.dtype.name} {self.node.attr('reverse')}"

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        row = max(1, row_major(self.node.shape)[self.node.attr("axis")]) if self.node.shape else 1
        words = [0, 0, self.length, self.inner, row]
        return words, [(0, *self.source), (1, self.target, 0)], self.outer if self.inner and self.length else 0

    def emit(self, symbol: str, vector_bits: int, functions: dict[str, Any]) -> str:
        b = Emitter(symbol, PARAMETERS, vector_bits)
        dtype = self.node.dtype
        held = compute_type(dtype)
        lanes = max(1, vector_bits // max(dtype.bits, 32))
        identity, combine = self.node.op.cpu
        source, target = b.argument(0), b.argument(1)
        length, inner, row = (b.argument(s, dt.int64) for s in range(2, 5))
        shift = b.mul(b.parameters[1], b.mul(length, inner))
        source, target = b.offset(source, shift, dtype), b.offset(target, shift, dtype)

        def walk(column: Value, width: int, mask: Value | None) -> None:
            with b.loop(0, length, 1, [b.const(identity(held), held, width)]) as step:
                index = b.sub(b.sub(length, b.index(1)), step.index) if self.node.attr("reverse") else step.index
                at = b.add(b.mul(index, row), column)
                total = combine(b, step.carried[0], b.load(b.offset(source, at, dtype), dtype, width, mask))
                b.store(total, b.offset(target, at, dtype), dtype, mask)
                step.next([total])

        def columns() -> None:
            with b.loop(0, inner, lanes) as column:
                walk(column.index, lanes, b.lane_mask(b.sub(inner, column.index), lanes) if lanes > 1 else None)

        one = b.less_equal(inner, b.index(1))
        with b.when(one):
            walk(b.index(0), 1, None)
        with b.when(b.not_(one)):
            columns()
        return b.text()


# --- host calls -------------------------------------------------------------------------------------------------
_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


class HostKernel(_Base):
    """An op without native code: `eval` with NumPy on the buffers, called from inside the program."""

    def __init__(self, group: Group, fuser: Fuser, label: str) -> None:
        node = group.core
        assert node is not None
        self.node, self.label, self.why = node, label, group.why
        self.sources = []
        for s in node.src:
            view = fuser.view_of(s)
            assert view is not None
            self.sources.append((view.base, view.offset * s.dtype.itemsize))
        self.targets = [s.target for s in group.stores]
        self.indices = [s.value.attr("index") if node.parts else 0 for s in group.stores]
        self.nbytes = sum(s.nbytes for s in node.src) + node.nbytes
        self._inputs = [placeholder(s.shape, s.dtype) for s in node.src]
        self._call = make(node.op, tuple(self._inputs), node.kwargs)
        self._failed: Callable[[BaseException], None] = lambda error: None
        self._callback = _CALLBACK(self._run)

    def key(self) -> str:
        return f"host {id(self)}"

    def address(self) -> int:
        return int(ctypes.cast(self._callback, ctypes.c_void_p).value or 0)

    def listen(self, failed: Callable[[BaseException], None]) -> None:
        """Who is told when the call raises."""
        self._failed = failed

    def words(self) -> tuple[list[int], list[tuple[int, Node, int]], int]:
        pointers = [(k, *s) for k, s in enumerate(self.sources)]
        pointers += [(len(pointers) + k, t, 0) for k, t in enumerate(self.targets)]
        return [0] * max(1, len(pointers)), pointers, 1

    def _run(self, args: int, chunk: int, scratch: int) -> None:
        try:
            words = (ctypes.c_int64 * (len(self.sources) + len(self.targets))).from_address(args)
            arrays = [_array(words[k], s) for k, s in enumerate(self._inputs)]
            made = evaluate([self._call], dict(zip(self._inputs, arrays, strict=True)))[0]
            parts = made if self.node.parts else (made,)
            for k, (target, index) in enumerate(zip(self.targets, self.indices, strict=True)):
                _array(words[len(self.sources) + k], target)[...] = parts[index]
        except BaseException as error:
            self._failed(error)


def _array(address: int, like: Node) -> np.ndarray[Any, Any]:
    """The memory of a node as an array."""
    if like.nbytes == 0:
        return np.empty(like.shape, like.dtype.numpy)
    raw = (ctypes.c_uint8 * like.nbytes).from_address(address)
    return np.frombuffer(raw, like.dtype.numpy).reshape(like.shape)


# --- emission ---------------------------------------------------------------------------------------------------
@functools.cache
def _math() -> dict[str, Callable[..., Value]]:
    return dict(vecmath.emitter_table())


def emit(kernel: Kernel, symbol: str, vector_bits: int) -> str:
    """LLVM IR text of a kernel: plain loops are lowered, all others write themselves."""
    if isinstance(kernel, LoopKernel):
        return lower(kernel, symbol, vector_bits, _math())
    own: Callable[[str, int, dict[str, Any]], str] | None = getattr(kernel, "emit", None)
    if own is None:
        raise EngineError(f"no code for {type(kernel).__name__}")
    return own(symbol, vector_bits, _math())

"""Scaled dot-product attention: one function, two ways of computing it. In: products, reductions, scan. Used by nn.

Where the scores of all queries for all keys fit, they are stored once as shares (one kernel a row) and read again by the gradient. Where
they would be too large, keys are taken in blocks with a running maximum and sum, and the gradient computes the scores again; both ways
give the same numbers, and drop the same ones.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.ir.spec import OPS
from saltus.tensor.creation import arange, asarray, zeros
from saltus.tensor.elementwise import exp, greater_equal, less, log, logical_and, maximum, where
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import broadcast_to, concat, matrix_transpose, moveaxis, pad, reshape
from saltus.tensor.operands import as_tensor, common_shape
from saltus.tensor.products import matmul
from saltus.tensor.reduction import max as max_of
from saltus.tensor.reduction import sum as sum_of
from saltus.tensor.rules import custom_vjp
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here

Shape = tuple[int, ...]

LONG = 1 << 24  # scores beyond which they are not stored: 64 MB of float32
BLOCK_SCORES = 1 << 21  # scores of one block, so that they stay in a shared cache
SPANS, SHORTEST_SPAN = 8, 256  # causal queries are cut into spans, each with the keys it can reach
LOWEST = -3e38  # below every score, and finite, so that differences with it are numbers


@dataclass(frozen=True)
class _Rule:
    """What is known about one attention before it runs.

    Attributes:
        scale: factor of the scores.
        causal: whether a query attends to no key behind its own place.
        rate: share of the shares that is dropped.
        queries, keys: how many there are in all, of which a call may see a part.
        first: number of the first query of the part.
        block: keys in a block.
    """

    scale: float
    causal: bool
    rate: float
    queries: int
    keys: int
    first: int
    block: int


def scaled_dot_product_attention(
    q: Any, k: Any, v: Any, *, mask: Any = None, causal: bool = False, scale: float | None = None, dropout: float = 0.0, key: Any = None,
    position: Any = 0, block_size: int | None = None, return_weights: bool = False,
) -> Any:  # fmt: skip
    """softmax(scale * q @ k^T) @ v: for each query, the mean of the values, weighted by how well their keys fit it.

    Args:
        q: queries, shape (..., L, D), real floats.
        k: keys, shape (..., S, D). Leading axes broadcast against those of the queries: of shapes (B, G, R, L, D) and (B, G, 1, S, D),
            R groups of queries share their keys without a copy of them.
        v: values, shape (..., S, E).
        mask: bool, broadcasts to (..., L, S); True where a query may attend to a key (as in Keras; PyTorch's key_padding_mask and the
            bool attn_mask of its MultiheadAttention say the opposite). A query that may attend to no key gets zeros, and gives no gradient.
        causal: query number l attends to keys 0 .. position + l only.
        scale: factor of the scores; None means 1 / sqrt(D).
        dropout: share of the weights that is set to 0, the others are scaled up.
        key: a random key, needed with dropout.
        position: the place of the first query among the keys, for `causal`: a whole number, or an integer Tensor of shape ().
        block_size: keys in a block; 0 stores all scores at once, None chooses by their number.
        return_weights: return the weights too, as they are before dropout; they are stored then, whatever their number.

    Returns:
        Shape (..., L, E); with return_weights a pair, the weights having the shape (..., L, S).

    Raises:
        ShapeError, DTypeError, ArgumentError: the arguments do not fit together; the message says which.

    Source: Vaswani et al., "Attention is all you need", 2017; in blocks: Rabe and Staats, "Self-attention does not need O(n^2) memory",
        2021; Dao et al., "FlashAttention", 2022.

    Example:
        >>> import saltus as sl
        >>> q, k, v = sl.zeros((1, 2)), sl.asarray([[1.0, 0.0], [0.0, 1.0]]), sl.asarray([[1.0], [3.0]])
        >>> sl.scaled_dot_product_attention(q, k, v)
        Tensor([[2.]], shape=(1, 1), dtype=float32)
        >>> sl.scaled_dot_product_attention(q, k, v, mask=sl.asarray([True, False]))
        Tensor([[1.]], shape=(1, 1), dtype=float32)
    """
    q, k, v, mask = _checked(q, k, v, mask)
    result_type = q.dtype
    q, k, v = (x.astype("float32") if x.dtype.bits < 32 else x for x in (q, k, v))
    place: Any = int(position) if isinstance(position, int) else as_tensor(position)
    if isinstance(place, Tensor) and (place.shape != () or not place.dtype.is_integer):
        raise ArgumentError(f"scaled_dot_product_attention: position must be a whole number, got {place.dtype.name} of shape {place.shape}",
                            site=here())  # fmt: skip
    if not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise ArgumentError(f"scaled_dot_product_attention: dropout must be in [0, 1), got {dropout!r}", site=here())
    if dropout and key is None:
        raise ArgumentError("scaled_dot_product_attention: dropout draws random numbers, but there is no key", site=here(),
                            fix="pass key=sl.random.key(seed)")  # fmt: skip
    lead = common_shape("scaled_dot_product_attention", [q.shape[:-2], k.shape[:-2], v.shape[:-2], () if mask is None else mask.shape[:-2]])
    q = broadcast_to(q, (*lead, *q.shape[-2:]))
    k, v = _groups(k, v, lead)
    queries, keys = q.shape[-2], k.shape[-2]
    block = _block_size(0 if return_weights else block_size, math.prod(lead), queries, keys)
    factor = 1 / math.sqrt(max(q.shape[-1], 1)) if scale is None else float(scale)
    rule = _Rule(factor, bool(causal), float(dropout), queries, keys, 0, block)
    weights = None
    if not keys or not math.prod(lead) * queries:
        made = zeros((*lead, queries, v.shape[-1]), dtype=q.dtype)
        weights = zeros((*lead, queries, keys), dtype=q.dtype)
    elif not block:
        made, weights = _direct(q, k, v, mask, place, key, rule)
    else:
        made = _long(q, k, v, mask, place, key, rule)
    found = [x if x is None or x.dtype is result_type else x.astype(result_type) for x in (made, weights)]
    return tuple(found) if return_weights else found[0]


def _checked(q: Any, k: Any, v: Any, mask: Any) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """The operands as Tensors of one type and of shapes that fit."""
    name = "scaled_dot_product_attention"
    tensors = [as_tensor(x) for x in (q, k, v)]
    for what, tensor in zip(("q", "k", "v"), tensors, strict=True):
        if not tensor.dtype.is_float:
            raise DTypeError(f"{name}: {what} must be real floats, got {tensor.dtype.name}", site=here(),
                             fix="convert: x.astype('float32')")  # fmt: skip
        if tensor.ndim < 2:
            raise ShapeError(f"{name}: {what} must have the shape (..., length, width), got {tensor.shape}", site=here())
    q, k, v = tensors
    if len({x.dtype for x in tensors}) > 1:
        wide = dt.promote(dt.promote(q.dtype, k.dtype), v.dtype)
        q, k, v = (x.astype(wide) for x in tensors)
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(
            f"{name}: queries and keys must have the same width, got {q.shape[-1]} of shape {q.shape} and {k.shape[-1]} of shape {k.shape}",
            site=here(), fix="the last axis is the width of a head; project one of them",
        )  # fmt: skip
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{name}: there must be a value for each key, got {k.shape[-2]} keys of shape {k.shape} and {v.shape[-2]} values of shape "
            f"{v.shape}", site=here(), fix="the second last axis counts them",
        )  # fmt: skip
    if mask is None:
        return q, k, v, None
    mask = as_tensor(mask)
    if mask.dtype is not dt.bool_:
        raise DTypeError(f"{name}: mask must be bool, True where a query may attend, got {mask.dtype.name}", site=here(),
                         fix="of 1 and 0: mask != 0; of numbers added to the scores: mask == 0")  # fmt: skip
    wanted = (q.shape[-2], k.shape[-2])
    mask = reshape(mask, (1,) * (2 - mask.ndim) + mask.shape) if mask.ndim < 2 else mask
    if any(m not in (1, n) for m, n in zip(mask.shape[-2:], wanted, strict=True)):
        raise ShapeError(
            f"{name}: the mask of shape {mask.shape} does not fit {wanted[0]} queries and {wanted[1]} keys", site=here(),
            fix="its last two axes are (queries, keys); either may be 1",
        )  # fmt: skip
    return q, k, v, mask


def _groups(k: Tensor, v: Tensor, lead: Shape) -> tuple[Tensor, Tensor]:
    """Keys and values with the leading axes of the queries; only the last of them may stay 1, for queries that share their keys."""
    def last(x: Tensor) -> int:
        return x.shape[-3] if x.ndim > 2 else 1

    own = (*lead[:-1], 1) if lead and last(k) == last(v) == 1 else lead
    return broadcast_to(k, (*own, *k.shape[-2:])), broadcast_to(v, (*own, *v.shape[-2:]))


def _block_size(given: int | None, lead: int, queries: int, keys: int) -> int:
    if given is not None:
        if isinstance(given, bool) or not isinstance(given, int) or given < 0:
            raise ArgumentError(f"scaled_dot_product_attention: block_size must be a whole number from 0 on, got {given!r}", site=here())
        return min(given, keys)
    if lead * queries * keys <= LONG:
        return 0
    fits = BLOCK_SCORES // max(1, lead * min(queries, max(SHORTEST_SPAN, queries // SPANS)))
    return min(keys, max(128, min(1024, fits // 64 * 64)))


# --- products in which several queries may share keys ---------------------------------------------------------------
def _shared(queries: Tensor, keys: Tensor) -> bool:
    return queries.ndim > 2 and keys.shape[-3] == 1 != queries.shape[-3]


def _rows(x: Tensor) -> Tensor:
    """(..., R, L, n) -> (..., R * L, n)."""
    return reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))


def _times(x: Tensor, y: Tensor) -> Tensor:
    """x @ y for x of (..., R, L, n) and y of (..., R or 1, n, m): where y is shared, the groups are rows of one product."""
    if not _shared(x, y):
        return matmul(x, y)
    made = matmul(_rows(x), reshape(y, (*y.shape[:-3], *y.shape[-2:])))
    return reshape(made, (*x.shape[:-1], y.shape[-1]))


def _gathered(x: Tensor, y: Tensor, like: Tensor) -> Tensor:
    """x^T @ y with the leading axes of `like`: over the groups that share it, too."""
    if not _shared(x, like):
        return matmul(matrix_transpose(x), y)
    made = matmul(matrix_transpose(_rows(x)), _rows(y))
    return reshape(made, (*made.shape[:-2], 1, *made.shape[-2:]))


# --- which weights count --------------------------------------------------------------------------------------------
def _count(shape: Shape, axis: int, dtype: Any) -> Tensor:
    """The place along one axis, for each element of a shape."""
    return of_node(OPS["iota"](shape=shape, axis=axis, dtype=dtype))


def _allowed(mask: Tensor | None, rule: _Rule, position: Any, start: Any, lead: Shape, queries: int, keys: int) -> Tensor | None:
    """Whether a query may attend to a key, for keys from `start` on; None where all may."""
    shape = (*lead, queries, keys)
    conditions = [] if mask is None else [broadcast_to(mask, shape)]
    if rule.causal or isinstance(start, Tensor):
        number = _count(shape, len(shape) - 1, dt.int32) + start
        if rule.causal:
            row = _count(shape, len(shape) - 2, dt.int32) + rule.first
            row = row + (position if isinstance(position, int) else position.astype("int32"))
            conditions.append(greater_equal(row, number))
        if isinstance(start, Tensor) and rule.keys % rule.block:
            conditions.append(less(number, rule.keys))
    made = None
    for condition in conditions:
        made = condition if made is None else logical_and(made, condition)
    return made


def thinned(weights: Tensor, key: Any, rate: float) -> Tensor:
    """Weights of shape (..., L, S), a share of them set to 0 and the others scaled up."""
    if not rate:
        return weights
    rule = _Rule(1.0, False, rate, *weights.shape[-2:], 0, 0)
    return _thin(weights, _kept(key, rule, 0, weights.shape[:-2], *weights.shape[-2:]), rule)


def _kept(key: Any, rule: _Rule, start: Any, lead: Shape, queries: int, keys: int) -> Tensor:
    """Which weights dropout keeps: a function of the numbers of query and key, so that it does not depend on blocks."""
    shape = (*lead, queries, keys)
    counter = _count(shape, len(shape) - 1, dt.uint64) + start
    counter = counter + (_count(shape, len(shape) - 2, dt.uint64) + rule.first) * rule.keys
    stride = rule.queries * rule.keys
    for axis in reversed(range(len(lead))):
        counter = counter + _count(shape, axis, dt.uint64) * stride
        stride *= lead[axis]
    drawn = of_node(OPS["random_bits"](broadcast_to(key, shape).node, counter.node, width=32))
    return drawn >= min(round(rule.rate * 2**32), 2**32 - 1)


def _thin(x: Tensor, kept: Tensor | None, rule: _Rule) -> Tensor:
    return x if kept is None else where(kept, x * (1 / (1 - rule.rate)), 0.0)


# --- all scores at once ---------------------------------------------------------------------------------------------
def masked_softmax(scores: Tensor, allowed: Tensor | None = None, scale: float = 1.0) -> Tensor:
    """softmax(scale * scores) over the last axis where allowed, 0 elsewhere; a row without any allowed element is 0."""

    def forward(scores: Tensor, allowed: Tensor | None) -> Tensor:
        x = scores * scale if scale != 1 else scores
        if allowed is not None:
            x = where(allowed, x, -math.inf)
        top = max_of(x, axis=-1, keepdims=True)
        if allowed is not None:
            top = maximum(top, LOWEST)
        shares = exp(x - top)
        total = sum_of(shares, axis=-1, keepdims=True)
        if allowed is not None:
            total = maximum(total, 0.5)  # the largest share is 1 before this, so only an empty row is below
        return shares * (1 / total)

    def rule(g: Tensor, shares: Tensor, scores: Tensor, allowed: Tensor | None) -> tuple[Tensor, None]:
        weighted = g * shares
        found = weighted - shares * sum_of(weighted, axis=-1, keepdims=True)
        return (found * scale if scale != 1 else found), None

    return custom_vjp(forward, rule)(scores, allowed)  # type: ignore[no-any-return]


def _direct(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, position: Any, key: Any, rule: _Rule) -> tuple[Tensor, Tensor]:
    scores = _times(q, matrix_transpose(k))
    lead, queries, keys = scores.shape[:-2], *scores.shape[-2:]
    weights = masked_softmax(scores, _allowed(mask, rule, position, 0, lead, queries, keys), rule.scale)
    return _times(thinned(weights, key, rule.rate), v), weights


# --- in blocks of keys ----------------------------------------------------------------------------------------------
def _long(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, position: Any, key: Any, rule: _Rule) -> Tensor:
    """In blocks of keys for spans of queries: a block's scores stay in cache, and keys behind all queries of a causal span cost nothing."""
    ahead = rule.causal and isinstance(position, int)
    large = math.prod(q.shape[:-2]) * rule.queries * rule.block > BLOCK_SCORES
    count = max(1, min(SPANS, rule.queries // SHORTEST_SPAN)) if ahead or large else 1
    bounds = [rule.queries * i // count for i in range(count + 1)]
    made = []
    for first, last in itertools.pairwise(bounds):
        reach = min(rule.keys, max(1, last + position)) if ahead else rule.keys
        some = mask
        if mask is not None:
            some = mask if mask.shape[-2] == 1 else mask[..., first:last, :]
            some = some if some.shape[-1] == 1 else some[..., :reach]
        span = dataclasses.replace(rule, first=first)
        made.append(_blocked(q[..., first:last, :], k[..., :reach, :], v[..., :reach, :], some, position, key, span))
    return made[0] if len(made) == 1 else concat(made, axis=-2)


def _cut(x: Tensor, axis: int, block: int) -> Tensor:
    """One slice a block, the blocks first; the last one filled up with zeros (False)."""
    length = x.shape[axis]
    count = -(-length // block)
    if count * block != length:
        widths = [(0, 0)] * x.ndim
        widths[axis] = (0, count * block - length)
        x = pad(x, widths)
    place = axis % x.ndim
    return moveaxis(reshape(x, (*x.shape[:place], count, block, *x.shape[place + 1 :])), place, 0)


def _joined(x: Tensor, axis: int, length: int) -> Tensor:
    """The inverse of `_cut`."""
    place = axis % (x.ndim - 1)
    x = moveaxis(x, 0, place)
    whole = reshape(x, (*x.shape[:place], x.shape[place] * x.shape[place + 1], *x.shape[place + 2 :]))
    return whole if whole.shape[place] == length else whole[(*(slice(None),) * place, slice(0, length))]


def _blocked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, position: Any, key: Any, rule: _Rule) -> Tensor:
    lead, queries, block = q.shape[:-2], q.shape[-2], min(rule.block, k.shape[-2])
    keys = k.shape[-2]
    moving = None if isinstance(position, int) else position
    drawn = key if rule.rate else None

    def blocks(k: Tensor, v: Tensor, mask: Tensor | None) -> dict[str, Tensor]:
        """What a step gets: keys, values, the number of its first key, and the mask where it differs by key."""
        made = {"k": _cut(k, -2, block), "v": _cut(v, -2, block), "start": arange(0, -(-keys // block) * block, block, dtype="int32")}
        if mask is not None and mask.shape[-1] != 1:
            made["mask"] = _cut(mask, -1, block)
        return made

    def part(q: Tensor, piece: dict[str, Tensor], mask: Tensor | None, moving: Any, drawn: Any) -> tuple[Tensor, Tensor | None]:
        """Scores of one block, -inf where not allowed, and which weights dropout keeps."""
        here_allowed = piece.get("mask", mask)
        seen = dataclasses.replace(rule, keys=keys, block=block)
        scores = _times(q, matrix_transpose(piece["k"])) * rule.scale
        allowed = _allowed(here_allowed, seen, position if moving is None else moving, piece["start"], lead, queries, block)
        if allowed is not None:
            scores = where(allowed, scores, -math.inf)
        kept = None if drawn is None else _kept(drawn, rule, piece["start"].astype("uint64"), lead, queries, block)
        return scores, kept

    def forward(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, moving: Any, drawn: Any) -> tuple[Tensor, Tensor]:
        def step(carry: Any, piece: dict[str, Tensor]) -> tuple[Any, None]:
            mixed, top, total = carry
            scores, kept = part(q, piece, mask, moving, drawn)
            higher = maximum(top, max_of(scores, axis=-1, keepdims=True))
            shrink, shares = exp(top - higher), exp(scores - higher)
            mixed = mixed * shrink + _times(_thin(shares, kept, rule), piece["v"])
            return (mixed, higher, total * shrink + sum_of(shares, axis=-1, keepdims=True)), None

        ends = (*lead, queries, 1)
        start = (zeros((*lead, queries, v.shape[-1]), dtype=q.dtype), broadcast_to(asarray(LOWEST, dtype=q.dtype), ends),
                 zeros(ends, dtype=q.dtype))  # fmt: skip
        (mixed, top, total), _ = scan(step, start, blocks(k, v, mask))
        found = maximum(total, 0.5)
        return mixed * (1 / found), where(total > 0, log(found) + top, 0.0)

    def backward(g: Any, made: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, moving: Any, drawn: Any) -> tuple[Any, ...]:
        (cotangent, g_logsum), (mixed, logsum) = g, made
        offset = sum_of(cotangent * mixed, axis=-1, keepdims=True) - g_logsum

        def step(carry: Any, piece: dict[str, Tensor]) -> tuple[Any, Any]:
            g_q, logsum, offset = carry
            scores, kept = part(q, piece, mask, moving, drawn)
            shares = exp(scores - logsum)
            g_shares = _thin(_times(cotangent, matrix_transpose(piece["v"])), kept, rule)
            g_scores = shares * (g_shares - offset) * rule.scale
            g_k = _gathered(g_scores, q, piece["k"])
            g_v = _gathered(_thin(shares, kept, rule), cotangent, piece["v"])
            return (g_q + _times(g_scores, piece["k"]), logsum, offset), (g_k, g_v)

        # what belongs to a row is a carry that stays, so that it is not repeated along the block before the loop
        start = (zeros(q.shape, dtype=q.dtype), logsum, offset)
        (g_q, _, _), (g_k, g_v) = scan(step, start, blocks(k, v, mask))
        return g_q, _joined(g_k, -2, keys), _joined(g_v, -2, keys), None, None, None

    return custom_vjp(forward, backward)(q, k, v, mask, moving, drawn)[0]  # type: ignore[no-any-return]


__all__ = ["masked_softmax", "scaled_dot_product_attention", "thinned"]

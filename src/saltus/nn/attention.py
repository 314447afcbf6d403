"""Attention layers: dot products, additive, with several heads, with groups of heads; caches for decoding step by step. In: positions.

Masks are bool, and True means that a query may attend to a key, as in Keras (PyTorch's key_padding_mask, and the bool attn_mask of its
MultiheadAttention, are True where it may not). The inputs of every layer are query, value, key, attention_mask, in the order of Keras;
without a value the query attends to itself, without a key the values are the keys. A mask of steps that travels with the keys' input (see
Scope.mask_of) counts too, and that of the query goes on with the result.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DTypeError, ShapeError
from saltus.nn.checks import number, one_of, whole
from saltus.nn.config import register
from saltus.nn.core import settle
from saltus.nn.layer import Layer
from saltus.nn.positions import reached, rotary_of, sequence
from saltus.nn.scope import Scope
from saltus.tensor import random
from saltus.tensor.attention import masked_softmax, scaled_dot_product_attention, thinned
from saltus.tensor.creation import arange
from saltus.tensor.elementwise import clip, greater_equal, less, logical_and, tanh, where
from saltus.tensor.indexing import take
from saltus.tensor.manipulation import broadcast_to, concat, permute_dims, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum as sum_of
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_KERNELS = ("kernel_initializer", "bias_initializer", "kernel_regularizer", "bias_regularizer", "kernel_constraint", "bias_constraint")


@dataclass(frozen=True)
class Heads:
    """The sizes of an attention with several heads.

    Attributes:
        queries: heads of the queries.
        keys: heads of keys and values, of which each serves queries / keys heads of the queries.
        width, value_width: length of a query and key, and of a value.
    """

    queries: int
    keys: int
    width: int
    value_width: int


# --- inputs ---------------------------------------------------------------------------------------------------------
def _named(inputs: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
    """Query, value, key and mask, given one by one or as a list; None where there is none."""
    given = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) else inputs
    if not 1 <= len(given) <= 4 or given[0] is None:
        raise ArgumentError(f"the inputs are query, value, key and attention_mask, got {len(given)}", site=here())
    query, value, key, mask = (*given, *(None,) * (4 - len(given)))
    return query, value, key, mask


def _inputs(scope: Scope, query: Any, value: Any, key: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Query, value and key of shapes (N, T, ...), (N, S, ...), (N, S, ...); the same Tensor where they are the same input."""
    q = scope.cast(query)
    v = q if value is None or value is query else scope.cast(value)
    k = v if key is None or key is value else q if key is query else scope.cast(key)
    sizes = [sequence(x, what) for x, what in ((q, "the query"), (v, "the value"), (k, "the key"))]
    if len({n for n, _, _ in sizes}) > 1:
        raise ShapeError(
            f"query, value and key must hold the same number of samples, got the shapes {q.shape}, {v.shape}, {k.shape}", site=here(),
        )  # fmt: skip
    if sizes[1][1] != sizes[2][1]:
        raise ShapeError(
            f"there must be a value for each key, got {sizes[2][1]} keys and {sizes[1][1]} values", site=here(),
            fix="the inputs are query, value, key, in this order",
        )  # fmt: skip
    return q, v, k


def _mask(given: Any, samples: int, heads: int, queries: int, keys: int) -> Tensor | None:
    """A mask of shape (N or 1, heads or 1, T or 1, S or 1) from one of (N, S), (N, T, S) or (N, heads, T, S)."""
    if given is None:
        return None
    mask = as_tensor(given)
    if mask.dtype is not dt.bool_:
        raise DTypeError(f"the attention mask must be bool, True where a query may attend, got {mask.dtype.name}", site=here(),
                         fix="of 1 and 0: mask != 0")  # fmt: skip
    shapes = {2: (samples, keys), 3: (samples, queries, keys), 4: (samples, heads, queries, keys)}
    wanted = shapes.get(mask.ndim)
    if wanted is None or any(m not in (1, n) for m, n in zip(mask.shape, wanted, strict=True)):
        raise ShapeError(
            f"the attention mask has the shape {mask.shape}, expected (N, S) = {shapes[2]}, (N, T, S) = {shapes[3]} or "
            f"(N, heads, T, S) = {shapes[4]}", site=here(), fix="an axis on which it does not depend may have length 1",
        )  # fmt: skip
    return reshape(mask, (mask.shape[0], *(1,) * (4 - mask.ndim), *mask.shape[1:]))


def both_masks(tokens: Any, pairs: Any) -> Any:
    """One mask from one of tokens (N, S), True where there is one, and any that `_mask` takes; either may be None."""
    if tokens is None or pairs is None:
        return pairs if tokens is None else tokens
    tokens, pairs = as_tensor(tokens), as_tensor(pairs)
    if tokens.ndim != 2:
        raise ShapeError(f"a padding mask must have the shape (N, length), got {tokens.shape}", site=here())
    if any(m.dtype is not dt.bool_ for m in (tokens, pairs)):
        return pairs if tokens.dtype is dt.bool_ else tokens  # refused by `_mask`
    return logical_and(reshape(tokens, (tokens.shape[0], *(1,) * (pairs.ndim - 2), tokens.shape[1])), pairs)


# --- several heads --------------------------------------------------------------------------------------------------
def _kernels(scope: Scope, layer: Any, name: str, inputs: int, outputs: int) -> tuple[Tensor, Tensor | None]:
    kernel = scope.param(f"{name}_kernel", (inputs, outputs), layer.kernel_initializer, regularizer=layer.kernel_regularizer,
                         constraint=layer.kernel_constraint)  # fmt: skip
    bias = scope.param(f"{name}_bias", (outputs,), layer.bias_initializer, regularizer=layer.bias_regularizer,
                       constraint=layer.bias_constraint) if layer.use_bias else None  # fmt: skip
    return kernel, bias


def _product(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    made = matmul(reshape(x, (x.shape[0] * x.shape[1], x.shape[2])), kernel)
    return made if bias is None else made + bias


def _projected(scope: Scope, layer: Any, heads: Heads, q: Tensor, v: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values as (N, heads, length, width); heads of one width that come from one input are one product."""
    sizes = {"query": (q, heads.queries, heads.width), "key": (k, heads.keys, heads.width), "value": (v, heads.keys, heads.value_width)}
    weights = {name: _kernels(scope, layer, name, x.shape[-1], count * width) for name, (x, count, width) in sizes.items()}
    together: dict[tuple[int, int], list[str]] = {}
    for name, (x, _, width) in sizes.items():
        together.setdefault((id(x), width), []).append(name)
    made: dict[str, Tensor] = {}
    for (_, width), names in together.items():
        x = sizes[names[0]][0]
        kernels, biases = zip(*[weights[n] for n in names], strict=True)
        kernel, bias = (concat(list(w), axis=-1) if len(names) > 1 and w[0] is not None else w[0] for w in (kernels, biases))
        parts = reshape(_product(x, kernel, bias), (x.shape[0], x.shape[1], kernel.shape[1] // width, width))
        first = 0
        for name in names:
            last = first + sizes[name][1]
            made[name] = permute_dims(parts[:, :, first:last], (0, 2, 1, 3))
            first = last
    return made["query"], made["key"], made["value"]


def _remembered(scope: Scope, name: str, new: Tensor, place: Tensor, length: int) -> Tensor:
    """Keys or values (N, heads, length, width) of all calls so far: those of this call behind the earlier ones."""
    shape = (*new.shape[:2], length, new.shape[-1])
    before = scope.state(name, shape, "zeros", dtype=new.dtype)
    number = arange(length, dtype="int32") - place
    count = new.shape[2]
    inside = logical_and(greater_equal(number, 0), less(number, count))
    after = where(inside[:, None], take(new, clip(number, 0, count - 1), axis=2), before)
    scope.set_state(name, after)
    return after


def _attend(scope: Scope, layer: Any, heads: Heads, output: int | None, inputs: tuple[Any, ...]) -> Any:
    """The whole of an attention layer with several heads."""
    query, value, key, attention_mask = _named(inputs)
    q, v, k = _inputs(scope, query, value, key)
    samples, queries, width = q.shape
    keys = k.shape[1]
    cached = layer.cache_length is not None
    if cached and not (q is v is k):
        raise ArgumentError("a cache holds what a sequence has seen of itself; this layer also has a value or a key", site=here(),
                            fix="leave cache_length away, or call it with the query only")  # fmt: skip
    if cached and attention_mask is not None and as_tensor(attention_mask).ndim != 2:
        raise ArgumentError("with a cache a mask says which of the new positions count, (N, T)", site=here(),
                            fix="what may be attended to is what has been seen")  # fmt: skip
    tokens = scope.mask_of(next(x for x in (key, value, query) if x is not None))
    mask = _mask(both_masks(tokens, attention_mask), samples, heads.queries, queries, keys)
    place = reached(scope, layer.cache_length, queries)
    q, k, v = _projected(scope, layer, heads, q, v, k)
    rotary = rotary_of(layer, layer.rotary)
    if rotary is not None:
        q, k = rotary.turned(scope, q, place, 2), rotary.turned(scope, k, place, 2)
    if cached:
        k, v = (_remembered(scope, f"{what}_cache", x, place, layer.cache_length) for what, x in (("key", k), ("value", v)))
        if mask is not None:
            mask = _remembered(scope, "mask_cache", broadcast_to(mask.mT, (samples, 1, queries, 1)), place, layer.cache_length).mT
    shared = heads.queries // heads.keys
    if shared > 1:
        q = reshape(q, (samples, heads.keys, shared, *q.shape[2:]))
        k, v = k[:, :, None], v[:, :, None]
        if mask is not None:
            mask = reshape(mask, (mask.shape[0], *((heads.keys, shared) if mask.shape[1] > 1 else (1, 1)), *mask.shape[2:]))
    made, weights = attended(scope, layer, q, k, v, mask, layer.use_causal_mask or cached, None, place)
    made = reshape(made, (samples, heads.queries, queries, heads.value_width))
    flat = reshape(permute_dims(made, (0, 2, 1, 3)), (samples, queries, heads.queries * heads.value_width))
    out = _product(flat, *_kernels(scope, layer, "output", flat.shape[-1], output or width))
    out = reshape(out, (samples, queries, out.shape[-1]))
    if cached:  # beyond the cache there is nothing to answer with
        out = where(place + queries <= layer.cache_length, out, float("nan"))
    if (steps := scope.mask_of(query)) is not None:
        scope.set_mask(out, steps)
    return out if weights is None else (out, reshape(weights, (samples, heads.queries, *weights.shape[-2:])))


def attended(scope: Scope, layer: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, scale: float | None,
             place: Any = 0) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """What attention finds, and its weights where the layer returns them."""
    rate = layer.dropout if scope.training else 0.0
    made = scaled_dot_product_attention(
        q, k, v, mask=mask, causal=causal, scale=scale, position=place, dropout=rate, key=_key(scope, layer.seed) if rate else None,
        return_weights=layer.return_attention_scores,
    )  # fmt: skip
    return made if layer.return_attention_scores else (made, None)


def _key(scope: Scope, seed: int | None) -> Tensor:
    key = scope.key()
    return key if seed is None else random.fold_in(key, seed)


@register(aliases=("mha",))
class MultiHeadAttention(Layer):
    """Attention with several heads: each compares the queries with the keys in a projection of its own, and mixes the values by it.

    Args:
        num_heads: how many heads.
        key_dim: length of a query and key of a head.
        value_dim: length of a value of a head; None takes key_dim.
        dropout: share of the weights that is dropped while training.
        use_bias: whether the projections add a bias.
        output_shape: width of the output; None takes that of the query.
        attention_axes: the axis that is attended over; only the sequence axis, 1, is supported.
        kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint: for all
            projections.
        seed: tells streams of dropout apart for the same key.
        use_causal_mask: a query attends to nothing behind its own place.
        return_attention_scores: return (output, weights), the weights as (N, heads, T, S), before dropout.
        rotary: True or an nn.RotaryEmbedding: queries and keys are turned by their positions.
        cache_length: keep the keys and values of so many positions from call to call, in the state, for decoding step by step (see
            nn.decoding). Each call then goes on where the last one stopped; beyond the cache's end the result is NaN.

    Returns:
        `call` takes a query (N, T, width), and optionally a value (N, S, ...), a key (N, S, ...) and a bool mask, (N, S), (N, T, S) or
        (N, heads, T, S), True where a query may attend; it returns (N, T, width). Queries that may attend to nothing get the output's bias.

    Source: Vaswani et al., "Attention is all you need", 2017.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer = nn.MultiHeadAttention(num_heads=2, key_dim=4)
        >>> params, state = nn.init(layer, nn.Spec((1, 5, 8)), key=sl.random.key(0))
        >>> nn.apply(layer, params, state, sl.ones((3, 5, 8))).output.shape
        (3, 5, 8)
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    _: KW_ONLY
    dropout: float = 0.0
    use_bias: bool = True
    output_shape: Any = None
    attention_axes: Any = None
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None
    seed: int | None = None
    use_causal_mask: bool = False
    return_attention_scores: bool = False
    rotary: Any = None
    cache_length: int | None = None

    def __post_init__(self) -> None:
        self._set(num_heads=whole(self, "num_heads", self.num_heads), key_dim=whole(self, "key_dim", self.key_dim))
        if self.value_dim is not None:
            whole(self, "value_dim", self.value_dim)
        if self.output_shape is not None:
            given = self.output_shape if isinstance(self.output_shape, (tuple, list)) else (self.output_shape,)
            if len(given) != 1:
                raise ArgumentError(f"MultiHeadAttention: output_shape must be one width, got {self.output_shape!r}")
            self._set(output_shape=whole(self, "output_shape", given[0]))
        if self.attention_axes not in (None, 1, -2, (1,), [1], (-2,), [-2]):
            raise ArgumentError(
                f"MultiHeadAttention attends over the sequence axis, 1, only, got attention_axes={self.attention_axes!r}",
                fix="bring the axis there with nn.Permute, and further ones into the batch with nn.Reshape",
            )
        settle_heads(self)

    @property
    def results(self) -> int:
        return 2 if self.return_attention_scores else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        heads = Heads(self.num_heads, self.num_heads, self.key_dim, self.value_dim or self.key_dim)
        return _attend(scope, self, heads, self.output_shape, inputs)


def settle_heads(layer: Any) -> None:
    """Check what both layers with heads are told."""
    number(layer, "dropout", layer.dropout, low=0, high=1, open_high=True)
    layer._set(rotary=rotary_of(layer, layer.rotary))
    for name in ("seed", "cache_length"):
        if getattr(layer, name) is not None:
            whole(layer, name, getattr(layer, name), low=0 if name == "seed" else 1)
    settle(layer, *_KERNELS)


@register(aliases=("grouped_query_attention", "gqa"))
class GroupQueryAttention(Layer):
    """Attention in which several heads of the queries share a head of keys and values: smaller caches, nearly the same quality.

    One head of keys and values for all (multi-query attention) is num_key_value_heads=1.

    Args:
        head_dim: length of a query, key and value of a head.
        num_query_heads: heads of the queries.
        num_key_value_heads: heads of keys and values; divides num_query_heads.
        dropout, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer, kernel_constraint, bias_constraint,
            seed, use_causal_mask, return_attention_scores, rotary, cache_length: as for MultiHeadAttention.

    Returns:
        As MultiHeadAttention.

    Source: Ainslie et al., "GQA: training generalized multi-query transformer models from multi-head checkpoints", 2023; Shazeer, "Fast
        transformer decoding: one write-head is all you need", 2019.

    Example:
        >>> from saltus import nn
        >>> layer = nn.GroupQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
        >>> [p.shape for p in nn.describe(layer, nn.Spec((1, 5, 8))).parameters if p.path.endswith("kernel")]
        [(8, 16), (8, 8), (8, 8), (16, 8)]
    """

    head_dim: int
    num_query_heads: int
    num_key_value_heads: int
    _: KW_ONLY
    dropout: float = 0.0
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    kernel_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    bias_constraint: Any = None
    seed: int | None = None
    use_causal_mask: bool = False
    return_attention_scores: bool = False
    rotary: Any = None
    cache_length: int | None = None

    def __post_init__(self) -> None:
        for name in ("head_dim", "num_query_heads", "num_key_value_heads"):
            self._set(**{name: whole(self, name, getattr(self, name))})
        if self.num_query_heads % self.num_key_value_heads:
            raise ArgumentError(
                f"GroupQueryAttention: num_query_heads, {self.num_query_heads}, must be a multiple of num_key_value_heads, "
                f"{self.num_key_value_heads}", fix="each head of keys serves the same number of heads of queries",
            )  # fmt: skip
        settle_heads(self)

    @property
    def results(self) -> int:
        return 2 if self.return_attention_scores else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        heads = Heads(self.num_query_heads, self.num_key_value_heads, self.head_dim, self.head_dim)
        return _attend(scope, self, heads, None, inputs)


# --- one head, without projections ----------------------------------------------------------------------------------
def _bare(scope: Scope, layer: Any, inputs: tuple[Any, ...]) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Checked inputs of a layer that compares them as they are."""
    query, value, key, attention_mask = _named(inputs)
    q, v, k = _inputs(scope, query, value, key)
    if q.shape[-1] != k.shape[-1]:
        raise ShapeError(f"query and key must have the same width, got the shapes {q.shape} and {k.shape}", site=here(),
                         fix="project one of them with nn.Dense, or use nn.MultiHeadAttention, which does")  # fmt: skip
    tokens = scope.mask_of(next(x for x in (key, value, query) if x is not None))
    mask = _mask(both_masks(tokens, attention_mask), q.shape[0], 1, q.shape[1], k.shape[1])
    return q, v, k, None if mask is None else mask[:, 0]


def _additive(scope: Scope, layer: Any, q: Tensor, v: Tensor, k: Tensor, mask: Tensor | None, scale: Tensor | None,
              factor: Tensor | None) -> Any:  # fmt: skip
    """Attention by factor * sum(scale * tanh(q + k))."""
    together = tanh(q[:, :, None, :] + k[:, None, :, :])
    scores = sum_of(together if scale is None else together * scale, axis=-1)
    scores = scores if factor is None else scores * factor
    if layer.use_causal_mask:
        order = greater_equal(arange(q.shape[1])[:, None], arange(k.shape[1])[None, :])
        mask = order[None] if mask is None else logical_and(mask, order)
    weights = masked_softmax(scores, None if mask is None else broadcast_to(mask, scores.shape))
    rate = layer.dropout if scope.training else 0.0
    made = matmul(thinned(weights, _key(scope, layer.seed) if rate else None, rate), v)
    return (made, weights) if layer.return_attention_scores else made


@register
class Attention(Layer):
    """Attention of queries to values by the product of query and key (Luong), without projections and not divided by sqrt(width).

    Args:
        use_scale: multiply the scores by a learned number, from 1 on.
        score_mode: "dot", or "concat" for a learned number times sum(tanh(query + key)).
        dropout: share of the weights that is dropped while training.
        seed: tells streams of dropout apart for the same key.
        use_causal_mask: a query attends to nothing behind its own place.
        return_attention_scores: return (output, weights), the weights as (N, T, S), before dropout.

    Returns:
        `call` takes a query (N, T, width), and optionally a value (N, S, any), a key (N, S, width) and a bool mask, (N, S) or (N, T, S),
        True where a query may attend; it returns (N, T, width of the value).

    Source: Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation", 2015.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> q, v = sl.asarray([[[100.0, 0.0]]]), sl.asarray([[[1.0, 0.0], [0.0, 1.0]]])
        >>> nn.apply(nn.Attention(), {}, {}, q, v).output.tolist()
        [[[1.0, 0.0]]]
    """

    use_scale: bool = False
    score_mode: str = "dot"
    _: KW_ONLY
    dropout: float = 0.0
    seed: int | None = None
    use_causal_mask: bool = False
    return_attention_scores: bool = False

    def __post_init__(self) -> None:
        one_of(self, "score_mode", self.score_mode, ("dot", "concat"))
        number(self, "dropout", self.dropout, low=0, high=1, open_high=True)

    @property
    def results(self) -> int:
        return 2 if self.return_attention_scores else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        q, v, k, mask = _bare(scope, self, inputs)
        scale = scope.param("scale", (), "ones") if self.use_scale else None
        if self.score_mode == "concat":
            return _additive(scope, self, q if scale is None else q * scale, v, k if scale is None else k * scale, mask, None,
                             scope.param("concat_score_weight", (), "ones"))  # fmt: skip
        made, weights = attended(scope, self, q if scale is None else q * scale, k, v, mask, self.use_causal_mask, 1.0)
        return made if weights is None else (made, weights)


@register
class AdditiveAttention(Layer):
    """Attention of queries to values by sum(scale * tanh(query + key)) (Bahdanau), without projections.

    Args:
        use_scale: whether each feature has a learned factor; without it they count alike.
        dropout: share of the weights that is dropped while training.
        seed: tells streams of dropout apart for the same key.
        use_causal_mask: a query attends to nothing behind its own place.
        return_attention_scores: return (output, weights), the weights as (N, T, S), before dropout.

    Returns:
        As Attention.

    Source: Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to align and translate", 2015.

    Example:
        >>> from saltus import nn
        >>> layer = nn.AdditiveAttention()
        >>> nn.describe(layer, nn.Spec((1, 3, 8)), nn.Spec((1, 5, 8))).output
        Spec(shape=(1, 3, 8), dtype='float32')
    """

    use_scale: bool = True
    _: KW_ONLY
    dropout: float = 0.0
    seed: int | None = None
    use_causal_mask: bool = False
    return_attention_scores: bool = False

    def __post_init__(self) -> None:
        number(self, "dropout", self.dropout, low=0, high=1, open_high=True)

    @property
    def results(self) -> int:
        return 2 if self.return_attention_scores else 1

    def call(self, scope: Scope, *inputs: Any) -> Any:
        q, v, k, mask = _bare(scope, self, inputs)
        scale = scope.param("scale", (q.shape[-1],), "glorot_uniform") if self.use_scale else None
        return _additive(scope, self, q, v, k, mask, scale, None)

"""Transformer blocks: encoder and decoder; and a network made ready to decode step by step. In: attention, positions, normalization.

Blocks have the width of their input, so they stack: nn.Sequential([nn.TransformerEncoder(1024, 4) for _ in range(6)]).
"""

from __future__ import annotations

import dataclasses
from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.activations.functions import canonical
from saltus.nn.attention import GroupQueryAttention, MultiHeadAttention, both_masks
from saltus.nn.checks import number, one_of, whole
from saltus.nn.config import register
from saltus.nn.core import Dense, settle
from saltus.nn.layer import Layer
from saltus.nn.module import describe, nested
from saltus.nn.noise import Dropout
from saltus.nn.normalization import LayerNormalization
from saltus.nn.positions import rotary_of, sequence
from saltus.nn.rms_normalization import RMSNormalization
from saltus.nn.scope import Scope
from saltus.tensor.creation import zeros
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


# --- what both blocks are made of -----------------------------------------------------------------------------------
def _settle_block(layer: Any) -> None:
    """Check what a block is told and bring it into one form."""
    layer._set(
        intermediate_dim=whole(layer, "intermediate_dim", layer.intermediate_dim),
        num_heads=whole(layer, "num_heads", layer.num_heads),
        activation=canonical(layer.activation, f"{type(layer).__name__}: activation"),
        rotary=rotary_of(layer, layer.rotary),
    )
    number(layer, "dropout", layer.dropout, low=0, high=1, open_high=True)
    number(layer, "layer_norm_epsilon", layer.layer_norm_epsilon, low=0)
    one_of(layer, "normalization", layer.normalization, ("layer", "rms"))
    if layer.num_key_value_heads is not None and layer.num_heads % whole(layer, "num_key_value_heads", layer.num_key_value_heads):
        raise ArgumentError(f"{type(layer).__name__}: num_heads, {layer.num_heads}, must be a multiple of num_key_value_heads, "
                            f"{layer.num_key_value_heads}")  # fmt: skip
    settle(layer, "kernel_initializer", "bias_initializer")


def _attention(layer: Any, width: int, **options: Any) -> Layer:
    """The block's attention; its heads share the width among them."""
    if width % layer.num_heads:
        raise ShapeError(
            f"the width {width} of the input cannot be shared by {layer.num_heads} heads", site=here(),
            fix=f"choose num_heads that divides {width}, or a width that is a multiple of {layer.num_heads}",
        )  # fmt: skip
    options |= {
        "dropout": layer.dropout, "use_bias": layer.use_bias, "kernel_initializer": layer.kernel_initializer,
        "bias_initializer": layer.bias_initializer,
    }  # fmt: skip
    each = width // layer.num_heads
    if layer.num_key_value_heads in (None, layer.num_heads):
        return MultiHeadAttention(layer.num_heads, each, **options)
    return GroupQueryAttention(each, layer.num_heads, layer.num_key_value_heads, **options)


def _past(scope: Scope, layer: Any, name: str, x: Tensor, part: Any) -> Tensor:
    """x next to what a part of the block makes of it, normalised before the part or after the sum."""
    kind = LayerNormalization if layer.normalization == "layer" else RMSNormalization
    norm = scope.child(kind(epsilon=layer.layer_norm_epsilon), f"{name}_norm")
    made = part(norm.call(x) if layer.normalize_first else x)
    if layer.dropout:
        made = scope.run(Dropout(layer.dropout), made, name=f"{name}_dropout")
    return x + made if layer.normalize_first else norm.call(x + made)


def _feedforward(scope: Scope, layer: Any, x: Tensor) -> Tensor:
    options = {"use_bias": layer.use_bias, "kernel_initializer": layer.kernel_initializer, "bias_initializer": layer.bias_initializer}
    wide = scope.run(Dense(layer.intermediate_dim, layer.activation, **options), x, name="intermediate")
    return scope.run(Dense(x.shape[-1], **options), wide, name="output")  # type: ignore[no-any-return]


def _given(inputs: tuple[Any, ...], names: tuple[str, ...]) -> tuple[Any, ...]:
    if not 1 <= len(inputs) <= len(names) or inputs[0] is None:
        raise ArgumentError(f"the inputs are {', '.join(names)}, got {len(inputs)}", site=here())
    return (*inputs, *(None,) * (len(names) - len(inputs)))


# --- the blocks -----------------------------------------------------------------------------------------------------
@register
class TransformerEncoder(Layer):
    """Self-attention, then two dense layers at each position, each with a way past and a normalisation.

    Args:
        intermediate_dim: width of the first dense layer.
        num_heads: heads of the attention; divides the width of the input.
        dropout: share dropped while training: of the attention weights, and of what each part makes.
        activation: of the first dense layer.
        layer_norm_epsilon: added to the variance.
        kernel_initializer, bias_initializer: of attention and dense layers.
        normalize_first: normalise before each part (trains deeper stacks) instead of after each sum.
        normalization: "layer", or "rms" for RMSNormalization.
        num_key_value_heads: heads of keys and values, each shared by several heads of queries; None takes num_heads.
        use_bias: whether attention and dense layers add a bias.
        rotary: True or an nn.RotaryEmbedding, for queries and keys.

    Returns:
        `call` takes (N, T, width), and optionally a padding mask (N, T), True where there is something, and an attention mask (N, T, T),
        True where a query may attend; it returns (N, T, width).

    Source: Vaswani et al., "Attention is all you need", 2017; normalisation first: Xiong et al., "On layer normalization in the
        transformer architecture", 2020.

    Example:
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.TransformerEncoder(32, 2) for _ in range(3)])
        >>> nn.describe(network, nn.Spec((1, 5, 8))).output
        Spec(shape=(1, 5, 8), dtype='float32')
    """

    keeps_steps: ClassVar = True
    intermediate_dim: int
    num_heads: int
    _: KW_ONLY
    dropout: float = 0.0
    activation: Any = "relu"
    layer_norm_epsilon: float = 1e-5
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    normalize_first: bool = False
    normalization: str = "layer"
    num_key_value_heads: int | None = None
    use_bias: bool = True
    rotary: Any = None

    def __post_init__(self) -> None:
        _settle_block(self)

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        x, padding, mask = _given(inputs, ("inputs", "padding_mask", "attention_mask"))
        x = scope.cast(x)
        attention = _attention(self, sequence(x)[2], rotary=self.rotary)
        both = both_masks(padding, both_masks(scope.mask_of(inputs[0]), mask))
        x = _past(scope, self, "self_attention", x, lambda y: scope.run(attention, y, None, None, both, name="self_attention"))
        return _past(scope, self, "feedforward", x, lambda y: _feedforward(scope, self, y))


@register
class TransformerDecoder(Layer):
    """Causal self-attention, attention to an encoder's output if there is one, then two dense layers, each with a way past.

    Args:
        intermediate_dim, num_heads, dropout, activation, layer_norm_epsilon, kernel_initializer, bias_initializer, normalize_first,
            normalization, num_key_value_heads, use_bias, rotary: as for TransformerEncoder.
        use_causal_mask: a position attends to nothing behind it.
        cache_length: keep keys and values of so many positions from call to call, for decoding step by step (see nn.decoding).

    Returns:
        `call` takes (N, T, width), and optionally the encoder's output (N, S, any), a padding mask (N, T) and an attention mask (N, T, T)
        of the sequence itself, and a padding mask (N, S) and an attention mask (N, T, S) of the encoder's output, all True where a query
        may attend; it returns (N, T, width).

    Source: Vaswani et al., "Attention is all you need", 2017.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.TransformerDecoder(32, 2), nn.Spec((1, 5, 8)), nn.Spec((1, 7, 8))).output
        Spec(shape=(1, 5, 8), dtype='float32')
    """

    intermediate_dim: int
    num_heads: int
    _: KW_ONLY
    dropout: float = 0.0
    activation: Any = "relu"
    layer_norm_epsilon: float = 1e-5
    kernel_initializer: Any = "glorot_uniform"
    bias_initializer: Any = "zeros"
    normalize_first: bool = False
    normalization: str = "layer"
    num_key_value_heads: int | None = None
    use_bias: bool = True
    rotary: Any = None
    use_causal_mask: bool = True
    cache_length: int | None = None

    def __post_init__(self) -> None:
        _settle_block(self)
        if self.cache_length is not None:
            whole(self, "cache_length", self.cache_length)

    def call(self, scope: Scope, *inputs: Any) -> Tensor:
        names = ("decoder_sequence", "encoder_sequence", "decoder_padding_mask", "decoder_attention_mask", "encoder_padding_mask",
                 "encoder_attention_mask")  # fmt: skip
        x, encoded, padding, mask, encoded_padding, encoded_mask = _given(inputs, names)
        x = scope.cast(x)
        width = sequence(x, "the decoder's sequence")[2]
        own = _attention(self, width, rotary=self.rotary, use_causal_mask=self.use_causal_mask, cache_length=self.cache_length)
        both = both_masks(padding, both_masks(scope.mask_of(inputs[0]), mask))
        x = _past(scope, self, "self_attention", x, lambda y: scope.run(own, y, None, None, both, name="self_attention"))
        if encoded is not None:
            cross, allowed = _attention(self, width), both_masks(encoded_padding, encoded_mask)
            x = _past(scope, self, "cross_attention", x, lambda y: scope.run(cross, y, encoded, None, allowed, name="cross_attention"))
        made = _past(scope, self, "feedforward", x, lambda y: _feedforward(scope, self, y))
        if (steps := scope.mask_of(inputs[0])) is not None:
            scope.set_mask(made, steps)
        return made


# --- decoding step by step ------------------------------------------------------------------------------------------
def decoding(network: Layer, state: Any, *inputs: Any, length: int, dtype: Any = "float32") -> tuple[Layer, Any]:
    """The same network as one that goes on where its last call stopped, and the state it starts with.

    Every layer with a field `cache_length` (attention, decoder blocks, positions) keeps what it needs of earlier calls in its state. The
    parameters stay as they are. Call it first on the beginning of the sequences, then on one new position at a time.

    Args:
        network: a network with causal self-attention.
        state: its state, {} when it has none.
        inputs: arrays or Specs of what one call gets: the batch counts, not the number of positions.
        length: positions there can be in all; beyond them results are NaN.
        dtype: type of the parameters.

    Returns:
        (network, state): use nn.apply(network, params, state, x), and the state it returns in the next call.

    Raises:
        ArgumentError: nothing in the network looks back.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> network = nn.Sequential([nn.TokenAndPositionEmbedding(10, 16, 8), nn.TransformerDecoder(32, 2), nn.Dense(10)])
        >>> params, state = nn.init(network, nn.Spec((1, 16), "int64"), key=sl.random.key(0))
        >>> stepwise, cache = nn.decoding(network, state, nn.Spec((1, 1), "int64"), length=16)
        >>> token = sl.asarray([[1]])
        >>> for _ in range(3):
        ...     made = nn.apply(stepwise, params, cache, token)
        ...     token, cache = sl.argmax(made.output, axis=-1), made.state
    """
    whole("nn.decoding", "length", length)
    stepwise = _remembering(network, length)
    if stepwise is network:
        raise ArgumentError(f"nn.decoding: nothing in {type(network).__name__} looks back at earlier positions",
                            fix="use TransformerDecoder, or MultiHeadAttention with use_causal_mask=True")  # fmt: skip
    flat = {tree.format_path(path): value for path, value in tree.paths(state)}
    specs = describe(stepwise, *inputs, dtype=dtype).state
    return stepwise, nested({tuple(p.split("/")): flat.get(p, zeros(s.shape, dtype=s.dtype)) for p, s in specs.items()})


def _remembering(value: Any, length: int) -> Any:
    """A record with `cache_length` set wherever there is such a field; the same object where there is none."""
    if isinstance(value, tuple):
        made = tuple(_remembering(v, length) for v in value)
        return value if all(a is b for a, b in zip(made, value, strict=True)) else made
    if not isinstance(value, Layer):
        return value
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    changed = {name: made for name, held in fields.items() if (made := _remembering(held, length)) is not held}
    if "cache_length" in fields:
        changed["cache_length"] = length
    return dataclasses.replace(value, **changed) if changed else value

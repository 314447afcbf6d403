"""Layers around layers of sequences: both directions, every step by itself, and steps that do not count. In: recurrent."""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any, ClassVar

from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import one_of
from saltus.nn.config import register
from saltus.nn.containers import layer_of
from saltus.nn.layer import Layer
from saltus.nn.recurrent import Recurrent
from saltus.nn.scope import Scope
from saltus.tensor.elementwise import where
from saltus.tensor.manipulation import concat, flip, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import any as any_of
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

MODES = ("concat", "sum", "mul", "ave", "none")


@register
class Bidirectional(Layer):
    """A recurrent layer that reads sequences in both directions.

    Args:
        layer: nn.LSTM, nn.GRU, nn.SimpleRNN or nn.RNN; a copy of it, with parameters of its own, goes the other way.
        merge_mode: how the two outputs become one: "concat" (side by side), "sum", "mul", "ave", or None for both as two results.
        backward_layer: what goes the other way, in place of a copy; go_backwards must be the opposite.

    Returns:
        `call` takes what the layer takes; first states for both directions, those of the forward layer first. With return_sequences the
        outputs of both belong to the same step. States and gates follow the output, those of the forward layer first.

    Raises:
        ArgumentError: the two layers do not return the same things.

    Source: Schuster and Paliwal, "Bidirectional recurrent neural networks", 1997.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> both = nn.Bidirectional(nn.GRU(4, return_sequences=True))
        >>> nn.describe(both, nn.Spec((1, 5, 3))).output
        Spec(shape=(1, 5, 8), dtype='float32')
    """

    layer: Any
    merge_mode: str | None = "concat"
    _: KW_ONLY
    backward_layer: Any = None

    def __post_init__(self) -> None:
        if self.merge_mode is not None:
            one_of(self, "merge_mode", self.merge_mode, MODES)
        if self.merge_mode == "none":
            self._set(merge_mode=None)
        for name in ("layer", "backward_layer"):
            given = getattr(self, name)
            if not isinstance(given, Recurrent) and not (given is None and name == "backward_layer"):
                raise ArgumentError(f"Bidirectional: {name} must be a recurrent layer, got {given!r}", fix="e.g. nn.LSTM(8)")
        one, other = self.layer, self.other
        for name in ("return_sequences", "return_state", "return_gates", "stateful"):
            if getattr(one, name) != getattr(other, name):
                raise ArgumentError(f"Bidirectional: {name} must be the same in both layers, got {one!r} and {other!r}")
        if one.go_backwards == other.go_backwards:
            raise ArgumentError("Bidirectional: the layers go the same way", fix="set go_backwards=True in backward_layer")

    @property
    def other(self) -> Recurrent:
        """The layer that goes the other way."""
        made: Recurrent = self.backward_layer or self.layer.replace(go_backwards=not self.layer.go_backwards, name=None)
        return made

    @property
    def results(self) -> int:
        return self.layer.results + self.other.results - (self.merge_mode is not None)  # type: ignore[no-any-return]

    def call(self, scope: Scope, x: Any, *more: Any) -> Any:
        told, states = (more[:1], more[1:]) if more and not as_tensor(more[0]).dtype.is_float else ((), more)
        count = self.layer.count_states()
        if states and len(states) != count + self.other.count_states():
            raise ShapeError(
                f"there are {len(states)} first states, expected {count + self.other.count_states()}", site=here(),
                fix="give those of the forward layer, then those of the backward layer, or none",
            )  # fmt: skip
        made = []
        for layer, name, own in ((self.layer, "forward", states[:count]), (self.other, "backward", states[count:])):
            results = scope.run(layer, x, *told, *own, name=name)
            results = results if isinstance(results, tuple) else (results,)
            if not layer.go_backwards:
                mask = scope.mask_of(results[0])
            if layer.go_backwards:  # back into the order of the steps
                results = tuple(flip(r, axis=1) if self._of_steps(layer, i) else r for i, r in enumerate(results))
            made.append(results)
        outputs = (made[0][0], made[1][0])
        merged = outputs if self.merge_mode is None else (self._merged(*outputs),)
        if mask is not None:
            for output in merged:
                scope.set_mask(output, mask)
        first, second = 1 + count * self.layer.return_state, 1 + self.other.count_states() * self.other.return_state
        result = (*merged, *made[0][1:first], *made[1][1:second], *made[0][first:], *made[1][second:])
        return result if len(result) > 1 else result[0]

    def _of_steps(self, layer: Recurrent, place: int) -> bool:
        """Whether a result of a layer has steps: its output with return_sequences, and its gates."""
        return layer.return_sequences if place == 0 else place > layer.count_states() * layer.return_state

    def _merged(self, forward: Tensor, backward: Tensor) -> Tensor:
        if self.merge_mode == "concat":
            return concat([forward, backward], axis=-1)
        if forward.shape != backward.shape:
            raise ShapeError(
                f"the outputs {forward.shape} and {backward.shape} must be equal for merge_mode={self.merge_mode!r}", site=here()
            )
        if self.merge_mode == "mul":
            return forward * backward
        return forward + backward if self.merge_mode == "sum" else (forward + backward) * 0.5


@register
class TimeDistributed(Layer):
    """A layer applied to every step by itself, with the same parameters: (N, T, ...) -> (N, T, ...).

    All steps are computed at once, as one batch of N * T.

    Args:
        layer: what is applied; it sees (N * T, ...).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> frames = nn.TimeDistributed(nn.Sequential([nn.Flatten(), nn.Dense(8)]))
        >>> nn.describe(frames, nn.Spec((1, 5, 4, 4))).output
        Spec(shape=(1, 5, 8), dtype='float32')
    """

    keeps_steps: ClassVar = True
    layer: Any

    def __post_init__(self) -> None:
        self._set(layer=layer_of("TimeDistributed", self.layer))

    @property
    def results(self) -> int:
        return self.layer.results  # type: ignore[no-any-return]

    def call(self, scope: Scope, x: Any) -> Any:
        tensor = as_tensor(x)
        if tensor.ndim < 3:
            raise ShapeError(f"the input must have the shape (N, T, ...), three axes or more, got {tensor.shape}", site=here())
        rows, steps = tensor.shape[:2]
        made = scope.run(self.layer, reshape(tensor, (rows * steps, *tensor.shape[2:])), name="layer")
        return tree.map(lambda v: reshape(v, (rows, steps, *v.shape[1:])), made)


@register
class Masking(Layer):
    """Steps in which every number has one value do not count: recurrent layers after it pass over them.

    Args:
        mask_value: what padding was filled with.

    Returns:
        `call` takes (N, T, inputs) and returns it with 0 in the steps that do not count.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> x = sl.asarray([[[1.0], [2.0], [-9.0]]])
        >>> layer = nn.Masking(-9.0)
        >>> nn.apply(layer, {}, {}, x).output.tolist()
        [[[1.0], [2.0], [0.0]]]
    """

    mask_value: float = 0.0

    def call(self, scope: Scope, x: Any) -> Tensor:
        tensor = as_tensor(x)
        if tensor.ndim < 3:
            raise ShapeError(f"the input must have the shape (N, T, inputs), got {tensor.shape}", site=here())
        differs = any_of(tensor != self.mask_value, axis=tuple(range(2, tensor.ndim)))
        made = where(reshape(differs, (*differs.shape, *(1,) * (tensor.ndim - 2))), tensor, 0)
        before = scope.mask_of(x)
        scope.set_mask(made, differs if before is None else differs & before)
        return made

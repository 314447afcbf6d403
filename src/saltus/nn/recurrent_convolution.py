"""Long short-term memory over sequences of sequences, images or volumes: its products are convolutions. In: recurrent, convolution."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from saltus.nn import activations
from saltus.nn.activations.functions import canonical
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.convolution import AXES, Windowed, require_room
from saltus.nn.recurrent import Advance, Recurrent
from saltus.nn.recurrent_cells import States, dropout_factors, forgetting_nothing, remember
from saltus.nn.scope import Scope
from saltus.ops.convolution import conv_padding, reach
from saltus.tensor.convolution import conv
from saltus.tensor.manipulation import reshape
from saltus.tensor.tensor import Tensor


@dataclass(frozen=True, repr=False)
class _ConvLSTM(Recurrent, Windowed):
    """What the three ranks share."""

    parts: ClassVar[tuple[str, ...]] = ("kernel", "recurrent", "bias")

    filters: int
    kernel_size: Any
    strides: Any = 1
    padding: Any = "valid"
    data_format: Any = None
    dilation_rate: Any = 1
    activation: Any = "tanh"
    recurrent_activation: Any = "sigmoid"
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
    unit_forget_bias: bool = True
    kernel_regularizer: Any = None
    recurrent_regularizer: Any = None
    bias_regularizer: Any = None
    kernel_constraint: Any = None
    recurrent_constraint: Any = None
    bias_constraint: Any = None
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    seed: int | None = None

    def __post_init__(self) -> None:
        Windowed.__post_init__(self)
        Recurrent.__post_init__(self)
        self._set(recurrent_activation=canonical(self.recurrent_activation, f"{type(self).__name__}: recurrent_activation"))
        for name in ("dropout", "recurrent_dropout"):
            number(self, name, getattr(self, name), low=0, high=1, open_high=True)
        if self.seed is not None:
            whole(self, "seed", self.seed, low=0)

    @property
    def axes(self) -> int:
        return self.rank + 3

    @property
    def layout(self) -> str:
        return f"(N, T, {', '.join(AXES[self.rank])}, channels)"

    def gate_names(self) -> tuple[str, ...]:
        return ("input", "forget", "candidate", "output")

    def count_states(self) -> int:
        return 2

    def shapes(self, x: Tensor) -> tuple[tuple[int, ...], ...]:
        sizes = x.shape[2:-1]
        low, high = conv_padding(self.padding, sizes, self.kernel_size, self.strides, self.dilation_rate)
        spans = reach(self.kernel_size, self.dilation_rate)
        out = tuple((n + a + b - r) // s + 1 for n, a, b, r, s in zip(sizes, low, high, spans, self.strides, strict=True))
        return ((*out, self.filters),) * 2

    def check(self, x: Tensor) -> None:
        require_room(reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:])), self.kernel_size, self.dilation_rate, self.padding)

    def begin(self, scope: Scope, x: Tensor) -> tuple[Tensor, Advance]:
        columns = 4 * self.filters
        kernel = self._param(scope, "kernel", "kernel", (*self.kernel_size, x.shape[-1], columns))
        recurrent = self._param(scope, "recurrent_kernel", "recurrent", (*self.kernel_size, self.filters, columns))
        kept = dropout_factors(scope, self.dropout, (1, *x.shape[1:]), self.seed)
        x = x if kept is None else x * kept
        frames = reshape(x, (x.shape[0] * x.shape[1], *x.shape[2:]))
        made = conv(frames, kernel, stride=self.strides, dilation=self.dilation_rate, padding=self.padding)
        if self.use_bias:
            first = forgetting_nothing(self.bias_initializer, self.filters) if self.unit_forget_bias else self.bias_initializer
            made = made + scope.param("bias", (columns,), first, regularizer=self.bias_regularizer, constraint=self.bias_constraint)
        prepared = reshape(made, (*x.shape[:2], *made.shape[1:]))
        state = (x.shape[1], *made.shape[1:-1], self.filters)
        dropped = dropout_factors(scope, self.recurrent_dropout, state, self.seed)
        gate, bend = activations.get(self.recurrent_activation), activations.get(self.activation)

        def advance(now: Tensor, states: States) -> tuple[Tensor, States, States]:
            h, c = states
            sums = now + conv(h if dropped is None else h * dropped, recurrent, padding="same")
            after, gates = remember(sums, c, gate, bend)
            return after[0], after, gates

        return prepared, advance


@register
class ConvLSTM1D(_ConvLSTM):
    """Long short-term memory over sequences of rows: its products are convolutions along them.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs, as for nn.Conv1D; that of
            the state has the same kernel size and keeps the size.
        activation, recurrent_activation, use_bias, unit_forget_bias, dropout, recurrent_dropout, seed, return_sequences, return_state,
            return_gates, go_backwards, stateful, zero_output_for_mask, and the initializers, regularizers and constraints: as for nn.LSTM.

    Returns:
        `call` takes (N, T, steps, channels), then, if wanted, which of the T steps count and the first states, as nn.LSTM does. It
        returns (N, new steps, filters), or (N, T, new steps, filters) with return_sequences.

    Raises:
        ShapeError: the input has another rank, has no steps, or is smaller than the kernel.

    Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation nowcasting", 2015.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.ConvLSTM1D(4, 3), nn.Spec((1, 5, 8, 2))).output.shape
        (1, 6, 4)
    """

    rank: ClassVar[int] = 1


@register
class ConvLSTM2D(_ConvLSTM):
    """Long short-term memory over sequences of images: its products are convolutions.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs, as for nn.Conv2D; that of
            the state has the same kernel size and keeps the size.
        activation, recurrent_activation, use_bias, unit_forget_bias, dropout, recurrent_dropout, seed, return_sequences, return_state,
            return_gates, go_backwards, stateful, zero_output_for_mask, and the initializers, regularizers and constraints: as for nn.LSTM.

    Returns:
        `call` takes (N, T, height, width, channels), then, if wanted, which steps count and the first states, as nn.LSTM does. It
        returns (N, new height, new width, filters), or (N, T, new height, new width, filters) with return_sequences.

    Raises:
        ShapeError: the input has another rank, has no steps, or is smaller than the kernel.

    Source: Shi et al., "Convolutional LSTM network: a machine learning approach for precipitation nowcasting", 2015.

    Example:
        >>> from saltus import nn
        >>> films = nn.ConvLSTM2D(4, 3, padding="same", return_sequences=True)
        >>> nn.describe(films, nn.Spec((1, 5, 8, 8, 1))).output.shape
        (1, 5, 8, 8, 4)
    """

    rank: ClassVar[int] = 2


@register
class ConvLSTM3D(_ConvLSTM):
    """Long short-term memory over sequences of volumes: its products are convolutions.

    Args:
        filters, kernel_size, strides, padding, data_format, dilation_rate: of the convolution of the inputs, as for nn.Conv3D; that of
            the state has the same kernel size and keeps the size.
        activation, recurrent_activation, use_bias, unit_forget_bias, dropout, recurrent_dropout, seed, return_sequences, return_state,
            return_gates, go_backwards, stateful, zero_output_for_mask, and the initializers, regularizers and constraints: as for nn.LSTM.

    Returns:
        As for nn.ConvLSTM2D, with depth, height and width.

    Example:
        >>> from saltus import nn
        >>> nn.describe(nn.ConvLSTM3D(2, 3), nn.Spec((1, 2, 5, 6, 7, 1))).output.shape
        (1, 3, 4, 5, 2)
    """

    rank: ClassVar[int] = 3

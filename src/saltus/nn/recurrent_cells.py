"""Cells: one step of a recurrent layer, its parameters and its gates. In: layer. Out: what `recurrent` runs over the steps.

A gated cell works in two parts. `project` is what depends on the inputs only; a layer does it for all steps at once, as one matrix
product. `advance` is what depends on the state: one product of the state with the recurrent kernel, whose columns hold the gates
side by side, and the gates' functions, which the native engine runs as one kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from saltus.base.dtypes import DType
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn import activations, initializers
from saltus.nn.activations.functions import canonical
from saltus.nn.checks import number, whole
from saltus.nn.config import register
from saltus.nn.core import activation_name, settle
from saltus.nn.layer import Layer
from saltus.nn.noise import keep
from saltus.nn.scope import Scope
from saltus.tensor import random
from saltus.tensor.creation import ones, zeros
from saltus.tensor.elementwise import where
from saltus.tensor.manipulation import concat, reshape
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

JOINED_ROWS = 16
JOINED_SIZE = 524_288  # numbers in both kernels: two megabytes

States = tuple[Tensor, ...]
Bend = Callable[[Any], Tensor]


@dataclass(frozen=True, repr=False)
class Cell(Layer):
    """Base of cells: one step of a recurrent layer, for `nn.RNN`; derive from it, name the fields, and put @nn.register above.

    Write `state_size` and `call(self, scope, x, *states)`, which takes x (N, inputs) and each state (N, size), and returns
    (output, *next states).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> @nn.register
        ... class RunningMean(nn.Cell):
        ...     width: int
        ...     share: float = 0.9
        ...
        ...     @property
        ...     def state_size(self):
        ...         return self.width
        ...
        ...     def call(self, scope, x, mean):
        ...         mean = mean * self.share + x * (1 - self.share)
        ...         return mean, mean
        >>> nn.apply(nn.RNN(RunningMean(1, share=0.5)), {}, {}, sl.asarray([[[4.0], [8.0]]])).output
        Tensor([[5.]], shape=(1, 1), dtype=float32)
    """

    @property
    def state_size(self) -> Any:
        """Width of the state, or a tuple of widths (or of shapes) when there are several states."""
        raise ArgumentError(f"{type(self).__name__} has no state_size", fix="write a property that returns the width of its state")

    @property
    def output_size(self) -> Any:
        """Width (or shape) of the output; to be written where it is not that of the first state."""
        return state_shapes(self)[0]

    @property
    def results(self) -> int:
        return 1 + len(state_shapes(self))


def dropout_factors(scope: Scope, rate: float, shape: tuple[int, ...], seed: int | None) -> Tensor | None:
    """What dropout multiplies by: 0 or 1 / (1 - rate); None where nothing is dropped."""
    if not scope.training or not rate:
        return None
    key = scope.key() if seed is None else random.fold_in(scope.key(), seed)
    return where(keep(key, shape, rate), 1 / (1 - rate), 0.0).astype(scope.dtype)


def state_shapes(cell: Any) -> tuple[tuple[int, ...], ...]:
    """The shape of each state of a cell, without the batch."""
    size = cell.state_size
    sizes = size if isinstance(size, (list, tuple)) else (size,)
    return tuple(tuple(s) if isinstance(s, (list, tuple)) else (int(s),) for s in sizes)


@dataclass(frozen=True, repr=False)
class GatedCell(Cell):
    """What the cells of SimpleRNN, GRU and LSTM have in common."""

    blocks: ClassVar[int]  # how many gates lie side by side in a kernel
    summed: ClassVar[bool] = True  # whether the gates see inputs and state only as one sum
    gates: ClassVar[tuple[str, ...]] = ()

    units: int
    activation: Any = "tanh"
    _: KW_ONLY
    use_bias: bool = True
    kernel_initializer: Any = "glorot_uniform"
    recurrent_initializer: Any = "orthogonal"
    bias_initializer: Any = "zeros"
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
        self._set(units=whole(self, "units", self.units), activation=canonical(self.activation, f"{type(self).__name__}: activation"))
        for name in ("dropout", "recurrent_dropout"):
            number(self, name, getattr(self, name), low=0, high=1, open_high=True)
        if self.seed is not None:
            whole(self, "seed", self.seed, low=0)
        settle(self, "kernel_initializer", "recurrent_initializer", "bias_initializer", "kernel_regularizer", "recurrent_regularizer",
               "bias_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint")  # fmt: skip

    @property
    def state_size(self) -> Any:
        return self.units

    @property
    def following(self) -> str | None:
        return activation_name(self.activation)

    def bias_shape(self) -> tuple[int, ...]:
        return (self.blocks * self.units,)

    def first_bias(self) -> Any:
        """The initializer of the bias."""
        return self.bias_initializer

    def weights(self, scope: Scope, width: int) -> tuple[Tensor, Tensor, Tensor | None]:
        """The kernel, the recurrent kernel and the bias, for inputs of a width."""
        columns = self.blocks * self.units
        kernel = scope.param("kernel", (width, columns), self.kernel_initializer, regularizer=self.kernel_regularizer,
                             constraint=self.kernel_constraint)  # fmt: skip
        recurrent = scope.param("recurrent_kernel", (self.units, columns), self.recurrent_initializer,
                                regularizer=self.recurrent_regularizer, constraint=self.recurrent_constraint)  # fmt: skip
        bias = None
        if self.use_bias:
            bias = scope.param("bias", self.bias_shape(), self.first_bias(), regularizer=self.bias_regularizer,
                               constraint=self.bias_constraint)  # fmt: skip
        return kernel, recurrent, bias

    def input_bias(self, bias: Tensor) -> Tensor:
        """The part of the bias that is added to the projected inputs, of the width of a kernel."""
        return bias

    def project(self, weights: tuple[Tensor, Tensor, Tensor | None], x: Tensor) -> Tensor:
        """What the gates get from the inputs: (..., inputs) -> (..., blocks * units)."""
        kernel, _, bias = weights
        made = matmul(reshape(x, (math.prod(x.shape[:-1]), x.shape[-1])), kernel)
        if bias is not None:
            made = made + self.input_bias(bias)
        return reshape(made, (*x.shape[:-1], kernel.shape[-1]))

    def advance(
        self, weights: tuple[Tensor, Tensor, Tensor | None], projected: Tensor, states: States, dropped: Tensor | None
    ) -> tuple[States, States]:
        """The next states, the output first, and the gates; `dropped` is a factor for the output of the step before."""
        h = states[0] if dropped is None else states[0] * dropped
        return self.respond(projected + matmul(h, weights[1]), states)

    def respond(self, sums: Tensor, states: States) -> tuple[States, States]:
        """The next states and the gates of a cell whose gates see inputs and state only as one sum, (N, blocks * units)."""
        raise NotImplementedError

    def pays_to_join(self, rows: int, inputs: int) -> bool:
        """Whether a step does better with one product of inputs and state side by side than with inputs projected for all steps at once.

        It saves the projected inputs their way through memory, and their kernel a gradient of its own; but the kernels of both
        then have to stay in the cache from step to step, and few rows do not pay for reading them.
        """
        size = (inputs + self.units) * self.blocks * self.units
        return self.summed and rows >= JOINED_ROWS and inputs <= self.units and size <= JOINED_SIZE

    def part(self, values: Tensor, block: int, count: int = 1) -> Tensor:
        """Some neighbouring gates of (N, blocks * units)."""
        return values[..., block * self.units : (block + count) * self.units]

    def factors(self, scope: Scope, rate: float, shape: tuple[int, ...]) -> Tensor | None:
        """What dropout multiplies by, the same in every step of a sequence; None where nothing is dropped."""
        return dropout_factors(scope, rate, shape, self.seed)

    def call(self, scope: Scope, x: Any, *states: Any) -> tuple[Tensor, ...]:
        x = scope.cast(x)
        count = len(state_shapes(self))
        if x.ndim != 2 or len(states) != count:
            raise ShapeError(
                f"a cell takes one step: x (N, inputs) and {count} state{'s' * (count > 1)} (N, {self.units}); "
                f"got x {x.shape} and {len(states)} states", site=here(),
                fix="to go over sequences (N, T, inputs), use the layer of the cell, or nn.RNN(cell)",
            )  # fmt: skip
        held = tuple(scope.cast(s) for s in states)
        weights = self.weights(scope, x.shape[1])
        kept = self.factors(scope, self.dropout, x.shape)
        projected = self.project(weights, x if kept is None else x * kept)
        after, _ = self.advance(weights, projected, held, self.factors(scope, self.recurrent_dropout, held[0].shape))
        return (after[0], *after)


@register
class SimpleRNNCell(GatedCell):
    """One step of a simple recurrent layer: activation(x @ kernel + h @ recurrent_kernel + bias).

    Args:
        units, activation, and the rest: as for nn.SimpleRNN.

    Returns:
        `call` takes x (N, inputs) and h (N, units) and returns (h, h).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> cell, x, h = nn.SimpleRNNCell(4), sl.ones((2, 3)), sl.zeros((2, 4))
        >>> variables = nn.init(cell, x, h, key=sl.random.key(0))
        >>> nn.apply(cell, *variables, x, h).output[0].shape
        (2, 4)
    """

    blocks: ClassVar[int] = 1

    def respond(self, sums: Tensor, states: States) -> tuple[States, States]:
        return (activations.get(self.activation)(sums),), ()


@dataclass(frozen=True, repr=False)
class _Sigmoidal(GatedCell):
    """Cells whose gates have an activation of their own."""

    recurrent_activation: Any = "sigmoid"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set(recurrent_activation=canonical(self.recurrent_activation, f"{type(self).__name__}: recurrent_activation"))


def remember(sums: Tensor, c: Tensor, gate: Bend, bend: Bend) -> tuple[States, States]:
    """The next h and c of a long short-term memory, and its gates, from what the four gates sum up, side by side along the last axis."""
    units = c.shape[-1]
    enter, forget, candidate, leave = (
        bent(sums[..., k * units : (k + 1) * units]) for k, bent in enumerate((gate, gate, bend, gate))
    )  # fmt: skip
    c = forget * c + enter * candidate
    return (leave * bend(c), c), (enter, forget, candidate, leave)


def forgetting_nothing(rest: Any, units: int) -> Any:
    """An initializer of the bias of a long short-term memory: 1 for the forget gate, those of `rest` for the others."""
    others = initializers.get(rest)

    def values(key: Any, shape: Sequence[int], dtype: DType) -> Tensor:
        outer = others(key, (3 * units,), dtype)
        return concat([outer[:units], ones((units,), dtype=dtype), outer[units:]], axis=0)

    return values


@register
class LSTMCell(_Sigmoidal):
    """One step of a long short-term memory; columns of the kernels hold input gate, forget gate, candidate and output gate.

    Args:
        units, activation, and the rest: as for nn.LSTM.

    Returns:
        `call` takes x (N, inputs), h and c (N, units), and returns (h, h, c).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.LSTMCell(4).state_size
        (4, 4)
    """

    blocks: ClassVar[int] = 4
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "candidate", "output")
    _: KW_ONLY
    unit_forget_bias: bool = True

    @property
    def state_size(self) -> Any:
        return (self.units, self.units)

    def first_bias(self) -> Any:
        return forgetting_nothing(self.bias_initializer, self.units) if self.unit_forget_bias else self.bias_initializer

    def respond(self, sums: Tensor, states: States) -> tuple[States, States]:
        return remember(sums, states[1], activations.get(self.recurrent_activation), activations.get(self.activation))


@register
class GRUCell(_Sigmoidal):
    """One step of a gated recurrent unit; columns of the kernels hold update gate, reset gate and candidate.

    Args:
        units, activation, and the rest: as for nn.GRU.

    Returns:
        `call` takes x (N, inputs) and h (N, units) and returns (h, h).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> params, _ = nn.init(nn.GRUCell(4), nn.Spec((1, 3)), nn.Spec((1, 4)), key=sl.random.key(0))
        >>> params["bias"].shape
        (2, 12)
    """

    blocks: ClassVar[int] = 3
    summed: ClassVar[bool] = False  # the reset comes between the candidate's inputs and state
    gates: ClassVar[tuple[str, ...]] = ("update", "reset", "candidate")
    _: KW_ONLY
    reset_after: bool = True

    def bias_shape(self) -> tuple[int, ...]:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def input_bias(self, bias: Tensor) -> Tensor:
        """With reset_after, the recurrent bias of the two gates is added here too; that of the candidate has to wait for the reset."""
        if not self.reset_after:
            return bias
        both = 2 * self.units
        return bias[0] + concat([bias[1, :both], zeros((self.units,), dtype=bias.dtype)], axis=0)

    def advance(
        self, weights: tuple[Tensor, Tensor, Tensor | None], projected: Tensor, states: States, dropped: Tensor | None
    ) -> tuple[States, States]:
        (h,), (_, recurrent, bias) = states, weights
        held = h if dropped is None else h * dropped
        gate, bend = activations.get(self.recurrent_activation), activations.get(self.activation)
        both = 2 * self.units
        sums = matmul(held, recurrent if self.reset_after else recurrent[:, :both])
        update, reset = (gate(self.part(projected, k) + self.part(sums, k)) for k in range(2))
        if self.reset_after:
            own = self.part(sums, 2) if bias is None else self.part(sums, 2) + bias[1, both:]
            candidate = bend(self.part(projected, 2) + reset * own)
        else:
            candidate = bend(self.part(projected, 2) + matmul(reset * held, recurrent[:, both:]))
        return (update * h + (1 - update) * candidate,), (update, reset, candidate)


@register
class StackedRNNCells(Cell):
    """Cells one above the other as one cell: each takes the output of the one below it.

    Args:
        cells: cells in order.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> deep = nn.RNN(nn.StackedRNNCells([nn.GRUCell(8), nn.LSTMCell(4)]))
        >>> nn.describe(deep, nn.Spec((1, 5, 3))).output
        Spec(shape=(1, 4), dtype='float32')
    """

    cells: Any

    def __post_init__(self) -> None:
        given = self.cells if isinstance(self.cells, (list, tuple)) else ()
        if not given or not all(isinstance(c, Cell) for c in given):
            raise ArgumentError(f"StackedRNNCells takes a list of cells, got {self.cells!r}", fix="e.g. [nn.LSTMCell(8), nn.LSTMCell(8)]")
        self._set(cells=tuple(given))

    @property
    def state_size(self) -> Any:
        return tuple(shape for cell in self.cells for shape in state_shapes(cell))

    @property
    def output_size(self) -> Any:
        return self.cells[-1].output_size

    def call(self, scope: Scope, x: Any, *states: Any) -> tuple[Tensor, ...]:
        value, after, first = x, [], 0
        for cell in self.cells:
            count = len(state_shapes(cell))
            value, *changed = scope.run(cell, value, *states[first : first + count])
            after += changed
            first += count
        return (value, *after)

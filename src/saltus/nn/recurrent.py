"""Recurrent layers: a cell run over the steps of sequences, (N, T, inputs) -> (N, units) or (N, T, units). In: recurrent_cells.

The loop is one `scan` in the graph, so its compile time does not depend on the number of steps. Inside, steps come first.

**Which steps count.** Three ways, all with the same meaning: a step that does not count leaves the state (and the output, which
repeats the one before) as it is.

- A mask that travels with the input: after nn.Masking or nn.Embedding(mask_zero=True).
- A second input: bools (N, T), True where a step counts, or whole numbers (N,), the length of each sequence.
- A second input of whole numbers (N, T): the sequences that lie packed in each row, from 1 on, 0 for padding. The state begins anew
  where the number changes, so that sequences of any lengths fill the rows and hardly any step is wasted (`nn.pack_sequences`).

A padded step costs as much as any other. Packing leaves next to none; `nn.length_batches` is the other way, batches of sequences
of like length, each cut to its longest: a network compiled for one length serves the others without compiling anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.config import register
from saltus.nn.core import penalise, settle
from saltus.nn.layer import Layer
from saltus.nn.recurrent_cells import Cell, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells, States, state_shapes
from saltus.nn.scope import Scope
from saltus.tensor.creation import arange, ones, zeros
from saltus.tensor.elementwise import where
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import concat, flip, permute_dims, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.products import matmul
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

# (slice of the prepared inputs, states) -> (output, next states, gates)
Advance = Callable[[Tensor, States], tuple[Tensor, States, States]]


@dataclass(frozen=True, repr=False)
class Recurrent(Layer):
    """How a cell is run over steps; what all recurrent layers have in common."""

    _: KW_ONLY
    return_sequences: bool = False
    return_state: bool = False
    return_gates: bool = False
    go_backwards: bool = False
    stateful: bool = False
    zero_output_for_mask: bool = False
    activity_regularizer: Any = None

    def __post_init__(self) -> None:
        settle(self, "activity_regularizer")
        if self.return_gates and not self.gate_names():
            raise ArgumentError(f"{type(self).__name__} has no gates to return", fix="use nn.LSTM or nn.GRU, or leave return_gates out")

    # what a kind of layer fills in
    def gate_names(self) -> tuple[str, ...]:
        """The gates, in the order they are returned in."""
        return ()

    def count_states(self) -> int:
        """How many states there are."""
        raise NotImplementedError

    def shapes(self, x: Tensor) -> tuple[tuple[int, ...], ...]:
        """The shape of each state without the batch, for inputs (N, T, ...)."""
        raise NotImplementedError

    def begin(self, scope: Scope, x: Tensor) -> tuple[Tensor, Advance]:
        """What does not depend on the state, for inputs (T, N, ...): the prepared inputs, steps first, and what a step does."""
        raise NotImplementedError

    def output_shape(self, x: Tensor) -> tuple[int, ...] | None:
        """The shape of an output without the batch; None where the output is the first state."""
        return None

    def check(self, x: Tensor) -> None:
        """Refuse inputs that a kind of layer cannot take."""

    @property
    def axes(self) -> int:
        """How many axes an input has; at least so many where it is negative."""
        return 3

    @property
    def layout(self) -> str:
        """The shape of an input, in words."""
        return "(N, T, inputs)"

    @property
    def results(self) -> int:
        return 1 + self.return_state * self.count_states() + self.return_gates * len(self.gate_names())

    def call(self, scope: Scope, x: Any, *more: Any) -> Any:
        mask = scope.mask_of(x)
        x = scope.cast(x)
        if x.ndim != self.axes if self.axes > 0 else x.ndim < -self.axes:
            raise ShapeError(
                f"the input must have the shape {self.layout}, got {x.shape}", site=here(),
                fix="T steps of some numbers each: for one number a step, x[..., None]",
            )  # fmt: skip
        if x.shape[1] == 0:
            raise ShapeError(
                f"the sequences have no steps: the input has the shape {x.shape}", site=here(),
                fix="leave empty sequences out; a sequence needs at least one step",
            )  # fmt: skip
        self.check(x)
        told, given = _sorted_out(more)
        mask, starts = self._steps(x, mask, told)
        first = self._first_states(scope, x, given)
        states, last, stacked, gates = self._run(scope, x, mask, starts, first)
        for number, state in enumerate(states):
            if self.stateful:
                scope.set_state(f"carried_{number}", state)
        output = last
        if self.return_sequences:
            output = stacked
            if mask is not None:
                scope.set_mask(output, flip(mask, axis=1) if self.go_backwards else mask)
        penalise(scope, self.activity_regularizer, output)
        made = (output, *(states if self.return_state else ()), *gates)
        return made if len(made) > 1 else output

    def _steps(self, x: Tensor, mask: Tensor | None, told: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Which steps count, and where a sequence begins inside a row: bools (N, T), or None."""
        rows, length = x.shape[:2]
        if told is None:
            return mask, None
        packed = told.ndim == 2 and told.dtype.is_integer
        if told.shape != (rows, length) and (told.shape != (rows,) or not told.dtype.is_integer):
            raise ShapeError(
                f"the second input says which steps count and must have the shape (N, T) = {(rows, length)}, or (N,) = {(rows,)} for "
                f"lengths; got {told.shape} of {told.dtype.name}", site=here(),
            )  # fmt: skip
        if not packed:
            valid = told if told.ndim == 2 else arange(length)[None, :] < told[:, None]
            return valid if mask is None else mask & valid, None
        change = told[:, 1:] != told[:, :-1]
        edge = ones((rows, 1), dtype="bool")
        starts = concat([change, edge] if self.go_backwards else [edge, change], axis=1)
        valid = told != 0
        return valid if mask is None else mask & valid, starts

    def _first_states(self, scope: Scope, x: Tensor, given: Sequence[Tensor]) -> States:
        """The states before the first step."""
        shapes = [(x.shape[0], *s) for s in self.shapes(x)]
        if given and [g.shape for g in given] != shapes:
            raise ShapeError(
                f"the first states must have the shapes {', '.join(map(str, shapes))}; got "
                f"{', '.join(str(g.shape) for g in given)}", site=here(),
                fix="give x, then (if wanted) the mask or lengths, then one array a state",
            )  # fmt: skip
        if not self.stateful:
            return tuple(map(scope.cast, given)) or tuple(zeros(s, dtype=scope.dtype) for s in shapes)
        try:
            carried = tuple(scope.state(f"carried_{i}", s) for i, s in enumerate(shapes))
        except ShapeError as error:
            error.fix = (
                "stateful=True carries the state of each row from call to call, so the number of rows stays: make the network for it, "
                f"nn.init(network, nn.Spec({x.shape}), ...), or give {carried_rows(error)} rows"
            )
            raise
        return tuple(map(scope.cast, given)) or carried

    def _run(
        self, scope: Scope, x: Tensor, mask: Tensor | None, starts: Tensor | None, first: States
    ) -> tuple[States, Tensor, Tensor, States]:
        """The last states, the last output, all outputs (N, T, ...) and the gates."""
        steps = permute_dims(x, (1, 0, *range(2, x.ndim)))
        prepared, advance = self.begin(scope, steps)
        before = dict(scope.states())
        width = self.output_shape(x)
        inputs = steps.shape[2] if self.joins(steps) else None

        def step(carry: dict[str, Any], now: dict[str, Any]) -> tuple[dict[str, Any], tuple[Any, ...]]:
            held: States = carry["states"]
            current = now["x"]
            if inputs is not None:
                current = carry["joined"]
                held = (current[:, inputs:], *held)
            output, after, gates = advance(current, held)
            if width is not None and output.shape != carry["output"].shape:
                raise ShapeError(
                    f"the cell's output has the shape {output.shape}, expected {carry['output'].shape}",
                    fix="write a property output_size that returns its width",
                )
            if "mask" in now:
                after = tuple(where(_along(now["mask"], a), a, h) for a, h in zip(after, held, strict=True))
                output = after[0] if width is None else where(_along(now["mask"], output), output, carry["output"])
            if "anew" in now:
                after = tuple(where(_along(now["anew"], a), f, a) for f, a in zip(first, after, strict=True))
            next_carry: dict[str, Any] = {"states": after}
            if inputs is not None:
                next_carry = {"joined": concat([now["x"], after[0]], axis=1), "states": after[1:]}
            if width is not None:
                next_carry["output"] = output
            shown = output
            if "mask" in now and self.zero_output_for_mask:
                shown = where(_along(now["mask"], output), output, 0.0)
            return next_carry, (shown if self.return_sequences else None, gates if self.return_gates else None)

        carry: dict[str, Any] = {"states": first}
        if inputs is not None:
            carry = {"joined": concat([prepared[-1 if self.go_backwards else 0], first[0]], axis=1), "states": first[1:]}
            prepared = self._ahead(prepared, prepared)
        if width is not None:
            carry["output"] = zeros((x.shape[0], *width), dtype=scope.dtype)
        slices = {"x": prepared}
        if mask is not None:
            slices["mask"] = permute_dims(mask, (1, 0))
        if starts is not None:
            slices["anew"] = self._ahead(permute_dims(starts, (1, 0)), zeros(starts.shape[::-1], dtype="bool"))
        last, (stacked, gates) = scan(step, carry, slices, reverse=self.go_backwards)
        states = last["states"] if inputs is None else (last["joined"][:, inputs:], *last["states"])
        if any(before.get(path) is not value for path, value in scope.states().items() if path in before):
            raise ArgumentError(
                "a layer inside the cell changes a state of its own (BatchNormalization in training, say), which a loop over steps "
                "cannot hand on",
                fix="use LayerNormalization inside cells",
            )
        return states, last.get("output", states[0]), self._turned(stacked), tuple(map(self._turned, gates or ()))

    def joins(self, x: Tensor) -> bool:
        """Whether a step takes inputs (T, N, inputs) and state side by side; the loop then carries the two like this."""
        return False

    def _ahead(self, steps: Tensor, end: Tensor) -> Tensor:
        """Of every step what comes in the one after it, (T, ...); the last takes it from `end`."""
        return concat([end[-1:], steps[:-1]] if self.go_backwards else [steps[1:], end[:1]], axis=0)

    def _turned(self, steps: Any) -> Any:
        """What was kept of every step, rows first, in the order the steps were taken in."""
        if steps is None:
            return None
        rows = permute_dims(steps, (1, 0, *range(2, steps.ndim)))
        return flip(rows, axis=1) if self.go_backwards else rows


def carried_rows(error: ShapeError) -> str:
    """The number of rows a state was made for, from the message about its shape."""
    return error.what.partition("has the shape (")[2].partition(",")[0] or "as many"


def _along(flags: Tensor, values: Tensor) -> Tensor:
    """Flags (N,) for values (N, ...)."""
    return reshape(flags, (flags.shape[0], *(1,) * (values.ndim - 1)))


def _sorted_out(more: Sequence[Any]) -> tuple[Tensor | None, list[Tensor]]:
    """Further inputs of a layer: what is said about the steps (bools or whole numbers), and first states (floats)."""
    tensors = [as_tensor(v) for v in more]
    if tensors and not tensors[0].dtype.is_float:
        return tensors[0], tensors[1:]
    return None, tensors


class _Gated(Recurrent):
    """A gated cell run over steps: the inputs are projected for all steps at once."""

    def __post_init__(self) -> None:
        super(Recurrent, self).__post_init__()  # type: ignore[misc]  # the cell's
        Recurrent.__post_init__(self)

    def gate_names(self) -> tuple[str, ...]:
        return self.gates  # type: ignore[attr-defined,no-any-return]

    def count_states(self) -> int:
        return len(state_shapes(self))

    def shapes(self, x: Tensor) -> tuple[tuple[int, ...], ...]:
        return state_shapes(self)

    def joins(self, x: Tensor) -> bool:
        cell: Any = self
        return not cell.recurrent_dropout and cell.pays_to_join(x.shape[1], x.shape[2])  # type: ignore[no-any-return]

    def begin(self, scope: Scope, x: Tensor) -> tuple[Tensor, Advance]:
        cell: Any = self
        weights = cell.weights(scope, x.shape[-1])
        kept = cell.factors(scope, cell.dropout, (1, *x.shape[1:]))
        x = x if kept is None else x * kept
        dropped = cell.factors(scope, cell.recurrent_dropout, (x.shape[1], *self.shapes(x)[0]))
        if self.joins(x):
            return x, _joined(cell, weights)
        projected = cell.project(weights, x)

        def advance(now: Tensor, states: States) -> tuple[Tensor, States, States]:
            after, gates = cell.advance(weights, now, states, dropped)
            return after[0], after, gates

        return projected, advance


def _joined(cell: Any, weights: tuple[Tensor, Tensor, Tensor | None]) -> Advance:
    """A step that multiplies inputs and state, side by side, by both kernels at once."""
    kernel, recurrent, bias = weights
    both = concat([kernel, recurrent], axis=0)

    def advance(now: Tensor, states: States) -> tuple[Tensor, States, States]:
        sums = matmul(now, both)
        after, gates = cell.respond(sums if bias is None else sums + bias, states)
        return after[0], after, gates

    return advance


@register
class SimpleRNN(_Gated, SimpleRNNCell):
    """h = activation(x @ kernel + h @ recurrent_kernel + bias), step by step.

    Args:
        units: width of the state h.
        activation: a name or a function.
        use_bias: whether the bias is added.
        kernel_initializer, recurrent_initializer, bias_initializer: first values; an orthogonal recurrent kernel keeps the length of
            the state over many steps.
        kernel_regularizer, recurrent_regularizer, bias_regularizer, activity_regularizer: penalties.
        kernel_constraint, recurrent_constraint, bias_constraint: bounds after each update.
        dropout, recurrent_dropout: shares of the inputs and of the state that are dropped while training, the same ones in every
            step of a sequence.
        seed: tells streams of dropout apart for the same key.
        return_sequences: True for the output of every step, False for that of the last.
        return_state: True for (output, state) as results.
        go_backwards: True to go from the last step to the first; outputs come in the order the steps were taken in.
        stateful: True to begin each call with the states the call before ended with; see `nn.reset_carried`.
        zero_output_for_mask: True for outputs of 0 at steps that do not count; False repeats the output before.

    Returns:
        `call` takes x (N, T, inputs), then, if wanted, which steps count (see the module: bools (N, T), lengths (N,) or packed
        numbers (N, T)), then, if wanted, the first state (N, units). It returns (N, units), or (N, T, units) with return_sequences.

    Raises:
        ShapeError: the input is not (N, T, inputs), or has no steps.

    Source: Elman, "Finding structure in time", 1990; dropout as in Gal and Ghahramani, "A theoretically grounded application of
        dropout in recurrent neural networks", 2016.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> variables = nn.init(nn.SimpleRNN(4), nn.Spec((1, 5, 3)), key=sl.random.key(0))
        >>> nn.apply(nn.SimpleRNN(4), *variables, sl.ones((2, 7, 3))).output.shape
        (2, 4)
    """


@register
class LSTM(_Gated, LSTMCell):
    """Long short-term memory: a cell state c that gates write to, keep and read.

    i, f, o = recurrent_activation(x @ W + h @ U + b), g = activation(x @ W + h @ U + b), c = f * c + i * g, h = o * activation(c); the
    columns of kernel and recurrent_kernel hold i, f, g, o side by side, as in Keras and PyTorch.

    Args:
        units: width of the states h and c.
        activation: of the candidate g, and of c on its way out.
        recurrent_activation: of the gates.
        unit_forget_bias: True begins with a bias of 1 for the forget gate, so that at first little is forgotten.
        return_gates: True for i, f, g and o of every step, each (N, T, units), as further results after the states.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: as for nn.SimpleRNN; the states are h and c.
        use_bias, dropout, recurrent_dropout, seed, and the initializers, regularizers and constraints: as for nn.SimpleRNN.

    Returns:
        As for nn.SimpleRNN.

    Raises:
        ShapeError: the input is not (N, T, inputs), or has no steps.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", 1997; the forget gate: Gers, Schmidhuber and Cummins, 2000.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer, x = nn.LSTM(4, return_sequences=True, return_gates=True), sl.ones((2, 7, 3))
        >>> y, entering, forgetting, candidate, leaving = nn.apply(layer, *nn.init(layer, x, key=sl.random.key(0)), x).output
        >>> forgetting.shape
        (2, 7, 4)
    """


@register
class GRU(_Gated, GRUCell):
    """Gated recurrent unit: one state, of which an update gate says how much stays.

    z, r = recurrent_activation(x @ W + h @ U + b), n = activation(x @ W + r * (h @ U + b)), h = z * h + (1 - z) * n; the columns of
    kernel and recurrent_kernel hold z, r, n side by side, as in Keras (PyTorch has r, z, n).

    Args:
        units: width of the state h.
        activation: of the candidate n.
        recurrent_activation: of the gates.
        reset_after: True applies the reset gate after the matrix product, as above (Keras's default, PyTorch's and cuDNN's form, the
            faster one); False before it, (r * h) @ U, as in the paper.
        return_gates: True for z, r and n of every step, each (N, T, units), as further results after the state.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask: as for nn.SimpleRNN.
        use_bias, dropout, recurrent_dropout, seed, and the initializers, regularizers and constraints: as for nn.SimpleRNN.

    Returns:
        As for nn.SimpleRNN. With reset_after, the bias has the shape (2, 3 * units): that of the inputs and that of the state.

    Raises:
        ShapeError: the input is not (N, T, inputs), or has no steps.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine translation", 2014.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer, x = nn.GRU(4), sl.ones((2, 7, 3))
        >>> variables = nn.init(layer, x, key=sl.random.key(0))
        >>> nn.apply(layer, *variables, x, sl.asarray([7, 5])).output.shape  # the second sequence has five steps
        (2, 4)
    """


@register
class RNN(Recurrent):
    """A cell of one's own run over the steps of sequences.

    Args:
        cell: a layer derived from nn.Cell, or a list of them, one above the other.
        return_sequences, return_state, go_backwards, stateful, zero_output_for_mask, activity_regularizer: as for nn.SimpleRNN.

    Returns:
        As for nn.SimpleRNN; the input is (N, T, ...).

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> deep = nn.RNN([nn.GRUCell(8), nn.LSTMCell(4)], return_sequences=True)
        >>> nn.describe(deep, nn.Spec((1, 5, 3))).output
        Spec(shape=(1, 5, 4), dtype='float32')
    """

    cell: Any

    def __post_init__(self) -> None:
        cell = StackedRNNCells(self.cell) if isinstance(self.cell, (list, tuple)) else self.cell
        if not isinstance(cell, Cell) or isinstance(cell, Recurrent):
            raise ArgumentError(
                f"RNN takes a cell, got {self.cell!r}",
                fix="derive it from nn.Cell; nn.LSTM, nn.GRU and nn.SimpleRNN go over steps by themselves",
            )
        self._set(cell=cell)
        super().__post_init__()

    def count_states(self) -> int:
        return len(state_shapes(self.cell))

    def shapes(self, x: Tensor) -> tuple[tuple[int, ...], ...]:
        return state_shapes(self.cell)

    def output_shape(self, x: Tensor) -> tuple[int, ...] | None:
        size = self.cell.output_size
        return tuple(size) if isinstance(size, (list, tuple)) else (int(size),)

    @property
    def axes(self) -> int:
        return -3

    @property
    def layout(self) -> str:
        return "(N, T, ...)"

    def begin(self, scope: Scope, x: Tensor) -> tuple[Tensor, Advance]:
        inside = scope.child(self.cell, "cell" if self.cell.name is None else None)

        def advance(now: Tensor, states: States) -> tuple[Tensor, States, States]:
            made = inside.call(now, *states)
            if not isinstance(made, tuple) or len(made) != 1 + len(states):
                got = len(made) if isinstance(made, tuple) else 1
                raise ArgumentError(
                    f"{self.cell!r} returned {got} result{'s' * (got != 1)}, expected (output, *next states), {1 + len(states)}",
                    fix="return the output and then each state",
                )
            return made[0], made[1:], ()

        return x, advance

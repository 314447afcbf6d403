"""Sequences of different lengths on their way into recurrent layers, and the states those layers carry from call to call.

NumPy only: this prepares arrays before a network sees them. In: arrays. Out: arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.checks import whole
from saltus.tensor.creation import zeros
from saltus.tensor.elementwise import where
from saltus.tensor.operands import as_tensor

Array = np.ndarray[Any, Any]


class Packed(NamedTuple):
    """Sequences that lie one after another in rows.

    Attributes:
        values: (rows, steps, ...), 0 where there is nothing.
        numbers: (rows, steps), which sequence of its row a step belongs to, from 1 on; 0 for padding.
        places: (sequences, 3), where each sequence lies: row, first step, step after its last.
    """

    values: Array
    numbers: Array
    places: Array

    def last(self, outputs: Any) -> Any:
        """What belongs to the last step of each sequence: (rows, steps, ...) -> (sequences, ...)."""
        return outputs[self.places[:, 0], self.places[:, 2] - 1]

    def unpack(self, outputs: Any) -> list[Array]:
        """Outputs (rows, steps, ...) as one array a sequence."""
        values = np.asarray(outputs)
        return [values[row, first:stop] for row, first, stop in self.places]


def pack_sequences(sequences: Sequence[Any], steps: int | None = None) -> Packed:
    """Put sequences of different lengths one after another into rows of equal length, with little left over.

    Recurrent layers take `values` and `numbers` as their two inputs and begin anew at each sequence; nothing leaks from one to the next.

    Args:
        sequences: arrays (length, ...), equal but for their lengths.
        steps: length of a row; None takes the longest sequence.

    Returns:
        A Packed. Sequences are placed the longest first, each into the first row with room.

    Raises:
        ShapeError: a sequence is empty, longer than a row, or of another width.

    Example:
        >>> import numpy as np
        >>> from saltus import nn
        >>> packed = nn.pack_sequences([np.ones((2, 1)), np.ones((5, 1)), np.ones((3, 1))])
        >>> packed.numbers.tolist()
        [[1, 1, 1, 1, 1], [1, 1, 1, 2, 2]]
    """
    arrays = [np.asarray(s) for s in sequences]
    if not arrays:
        raise ArgumentError("pack_sequences got no sequences")
    for number, a in enumerate(arrays):
        if not a.ndim or not len(a) or a.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"pack_sequences: sequence {number} has the shape {a.shape}, expected (length >= 1, *{arrays[0].shape[1:]})",
                fix="leave empty sequences out, and give all the same width",
            )
    longest = max(map(len, arrays))
    room = longest if steps is None else whole("pack_sequences", "steps", steps)
    if longest > room:
        raise ShapeError(f"pack_sequences: a sequence has {longest} steps, but a row only {room}", fix="raise steps, or cut the sequence")
    used: list[int] = []
    count: list[int] = []
    places = np.zeros((len(arrays), 3), np.int64)
    order = np.zeros(len(arrays), np.int64)
    for number in sorted(range(len(arrays)), key=lambda i: -len(arrays[i])):
        length = len(arrays[number])
        row = next((r for r, n in enumerate(used) if n + length <= room), len(used))
        if row == len(used):
            used.append(0)
            count.append(0)
        places[number] = row, used[row], used[row] + length
        used[row] += length
        count[row] += 1
        order[number] = count[row]
    values = np.zeros((len(used), room, *arrays[0].shape[1:]), np.result_type(*{a.dtype for a in arrays}))
    numbers = np.zeros((len(used), room), np.int32)
    for a, (row, first, stop), place in zip(arrays, places, order, strict=True):
        values[row, first:stop] = a
        numbers[row, first:stop] = place
    return Packed(values, numbers, places)


def length_batches(lengths: Any, batch_size: int, *, seed: int | None = None) -> list[Array]:
    """Batches of sequences of like length, so that each can be cut to its own longest: `x[index, :lengths[index].max()]`.

    Args:
        lengths: (N,), the length of each sequence.
        batch_size: how many sequences a batch holds; the last one may hold fewer.
        seed: puts the batches, and sequences of equal length, into an order drawn by it; None goes from short to long.

    Returns:
        Index arrays; together they hold every sequence once.

    Example:
        >>> from saltus import nn
        >>> [index.tolist() for index in nn.length_batches([5, 2, 9, 3], 2)]
        [[1, 3], [0, 2]]
    """
    given = np.asarray(lengths)
    if given.ndim != 1 or given.dtype.kind not in "iu":
        raise ShapeError(f"length_batches: lengths must be whole numbers (N,), got {given.shape} of {given.dtype}")
    size = whole("length_batches", "batch_size", batch_size)
    if seed is None:
        order = np.argsort(given, kind="stable")
        return [order[at : at + size] for at in range(0, len(order), size)]
    draw = np.random.default_rng(seed)
    order = np.lexsort((draw.random(len(given)), given))
    batches = [order[at : at + size] for at in range(0, len(order), size)]
    return [batches[i] for i in draw.permutation(len(batches))]


def reset_carried(state: Any, rows: Any = None) -> Any:
    """The state of a network with what stateful recurrent layers carry set to 0: a new sequence begins.

    Args:
        state: the state tree from nn.init or nn.apply.
        rows: bools (N,), the rows in which one begins; None means all.

    Returns:
        A tree like it; everything else (moving averages, say) stays.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> layer, x = nn.GRU(2, stateful=True), sl.ones((1, 3, 1))
        >>> params, state = nn.init(layer, x, key=sl.random.key(0))
        >>> state = nn.apply(layer, params, state, x).state  # x is followed by what comes next
        >>> nn.reset_carried(state)["carried_0"].tolist()
        [[0.0, 0.0]]
    """
    if not isinstance(state, Mapping):
        raise ArgumentError(f"reset_carried takes the state tree of a network, got {type(state).__name__}")
    return {k: _reset(k, v, rows) for k, v in state.items()}


def _reset(name: str, value: Any, rows: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _reset(k, v, rows) for k, v in value.items()}
    if not name.startswith("carried_"):
        return value
    held = as_tensor(value)
    if rows is None:
        return zeros(held.shape, dtype=held.dtype)
    flags = as_tensor(rows)
    if flags.shape != held.shape[:1] or flags.dtype.name != "bool":
        raise ShapeError(f"reset_carried: rows must be bools {held.shape[:1]}, got {flags.shape} of {flags.dtype.name}")
    return where(flags.reshape((-1, *(1,) * (held.ndim - 1))), 0, held)

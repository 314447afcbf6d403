"""The loss of a sequence of labels that lies somewhere in a longer sequence of predictions. In: losses.base; over `sl.scan`."""

from __future__ import annotations

from typing import Any

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import DataError, DTypeError, ShapeError
from saltus.nn.config import register
from saltus.nn.losses.base import Loss, floats
from saltus.tensor.creation import asarray, one_hot, zeros
from saltus.tensor.elementwise import logical_and, where
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import concat, matrix_transpose, moveaxis, reshape, stack
from saltus.tensor.neural import log_softmax, logsumexp
from saltus.tensor.products import matmul
from saltus.tensor.reduction import sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

_NONE = -1e30  # stands for the logarithm of 0


@register
class CTC(Loss):
    """Connectionist temporal classification: -log of the probability of all ways to place the labels, in their order, on the
    steps; between them, and where one label follows itself, stands the blank, class 0.

    Returns:
        For labels (N, length), whole numbers from 1 on with zeros behind them, and logits (N, steps, classes): (N,). Infinite
        where there are too few steps for the labels.

    Source: Graves, Fernández, Gomez and Schmidhuber, "Connectionist temporal classification: labelling unsegmented sequence data
        with recurrent neural networks", 2006.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> float(nn.losses.CTC()(sl.asarray([[1]]), sl.zeros((1, 2, 2)))[0])  # 3 of the 4 ways say 1
        0.2877
    """

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        floats(self.title, y_pred)
        if len(y_pred.shape) != 3 or len(y_true.shape) != 2 or y_true.shape[0] != y_pred.shape[0]:
            raise ShapeError(
                f"{self.title}: expected labels (N, length) and logits (N, steps, classes), got {tuple(y_true.shape)} and "
                f"{tuple(y_pred.shape)}",
                site=here(), fix="fill shorter labels up with zeros, and end the network with Dense(classes + 1) on every step",
            )  # fmt: skip
        if not dt.as_dtype(y_true.dtype).is_integer:
            raise DTypeError(f"{self.title}: labels must be whole numbers, got {dt.as_dtype(y_true.dtype).name}", site=here())
        if y_true.shape[1] > y_pred.shape[1]:
            raise ShapeError(
                f"{self.title}: {y_pred.shape[1]} steps cannot hold {y_true.shape[1]} labels", site=here(),
                fix="let the network keep more steps (smaller strides), or cut the labels' filling",
            )  # fmt: skip

    def check_targets(self, y_true: Any, outputs: int) -> None:
        values = np.asarray(y_true)
        wrong = (values < 0) | (values >= outputs)
        if wrong.any():
            row = np.argwhere(wrong)[0]
            raise DataError(
                f"{self.title}: the network has {outputs} outputs, so labels are 1 to {outputs - 1}, but row {row[0]} holds "
                f"{values[tuple(row)]}",
                fix="number the labels from 1; 0 is the blank",
            )
        late = (values[:, 1:] != 0) & (values[:, :-1] == 0)
        if late.any():
            raise DataError(f"{self.title}: in row {np.argwhere(late)[0][0]} a label follows a 0", fix="put the zeros behind the labels")

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        rows, length = y_true.shape
        places = 2 * length + 1
        shares = log_softmax(y_pred, axis=-1)
        # blank, first label, blank, second label, ..., blank
        blanks = zeros((rows, length), dtype=y_true.dtype)
        states = concat([reshape(stack([blanks, y_true], axis=2), (rows, 2 * length)), blanks[:, :1]], axis=1)
        said = matmul(shares, matrix_transpose(one_hot(states, y_pred.shape[-1], dtype=y_pred.dtype)))  # (rows, steps, places)
        before = concat([blanks[:, :1], blanks[:, :1], states], axis=1)[:, :places]
        may_jump = logical_and(states != 0, states != before)  # over the blank between two labels that differ
        nothing = zeros((rows, 2), dtype=y_pred.dtype) + _NONE
        counted = sum((y_true != 0).astype("int64"), axis=1)
        steps = moveaxis(said, 1, 0)
        first = asarray(np.arange(places)[None, :] < 2)
        start = where(first, steps[0], _NONE)

        def move(ways: Tensor, own: Tensor) -> tuple[Tensor, None]:
            padded = concat([nothing, ways], axis=1)
            jumped = where(may_jump, padded[:, :places], _NONE)
            reached = logsumexp(stack([ways, padded[:, 1 : places + 1], jumped], axis=2), axis=2)
            return reached + own, None

        ways = scan(move, start, steps[1:])[0] if y_pred.shape[1] > 1 else start
        place = asarray(np.arange(places)[None, :])
        ends = logical_and(place <= 2 * counted[:, None], place >= 2 * counted[:, None] - 1)  # the last label, or the blank behind it
        lost = -logsumexp(where(ends, ways, _NONE), axis=1)
        return where(lost < -_NONE / 2, lost, float("inf"))

"""What every loss is: one number a sample from targets and predictions of exactly one shape. In: config.
Out: losses of both families.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from saltus.base import dtypes as dt
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError
from saltus.nn.checks import one_of
from saltus.nn.config import Record, lookup, register
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here

SMALL = 1e-7  # probabilities are kept this far from 0 and 1, as Keras does
REDUCTIONS = ("sum_over_batch_size", "mean", "sum", "none")


@dataclass(frozen=True, repr=False)
class Loss(Record):
    """Base of all losses; derive from it, write `values`, and put @nn.register above.

    Args:
        reduction: how `reduce` makes one number of a batch: "sum_over_batch_size" (sum / number of
            samples), "mean" (sum / sum of weights), "sum", or "none".
        name: for logs; None takes the class's name.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> nn.losses.MeanSquaredError()(sl.asarray([[0.0], [1.0]]), sl.asarray([[2.0], [1.0]]))
        Tensor([4., 0.], shape=(2,), dtype=float32)
    """

    kind: ClassVar[str] = "losses"
    _: KW_ONLY
    reduction: str = "sum_over_batch_size"
    name: str | None = None

    def __post_init__(self) -> None:
        one_of(self, "reduction", self.reduction, REDUCTIONS)

    def __call__(self, y_true: Any, y_pred: Any) -> Tensor:
        """The loss of each sample.

        Args:
            y_true: targets.
            y_pred: predictions, floats, the batch first.

        Returns:
            A float Tensor of shape (batch,): the mean over all further axes.

        Raises:
            ShapeError, DTypeError: the shapes differ (nothing is broadcast), or the targets are of the
                wrong kind.
        """
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        self.check(true, pred)
        made = self.values(true, pred)
        return made if made.ndim == 1 else mean(made, axis=tuple(range(1, made.ndim)))

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss before the mean over all axes but the batch; to be written by each loss. Shapes have
        been checked.
        """
        raise ArgumentError(f"{type(self).__name__} has no method values(self, y_true, y_pred)")

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        """Refuse targets and predictions that do not fit, before any training.

        Args:
            y_true, y_pred: Tensors, arrays or Specs.
            network: the network that predicts, for messages.

        Raises:
            ShapeError, DTypeError: with the likeliest fix.
        """
        same_shape(self.title, y_true, y_pred)

    def check_targets(self, y_true: Any, outputs: int) -> None:
        """Refuse target values that cannot be, naming the first bad row.

        Args:
            y_true: an array of targets.
            outputs: width of the network's output.

        Raises:
            DataError: a label outside the classes, a NaN, a value the loss is not defined for.
        """
        values = np.asarray(y_true)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise DataError(
                f"{self.title}: the target of row {row} is {values[row]}, not a number",
                fix="drop rows without a target",
            )

    def reduce(self, values: Tensor, weight: Any = None, valid: Tensor | None = None) -> Tensor:
        """One number from the losses of a batch.

        Args:
            values: (batch,), as `__call__` returns them.
            weight: (batch,), the weight of each sample, or None.
            valid: (batch,), 0 for samples that do not count at all (`valid`), or None.

        Returns:
            A Tensor of shape (), or (batch,) for the reduction "none".
        """
        weighted = values if weight is None else values * as_tensor(weight).astype(values.dtype)
        if valid is not None:
            weighted = weighted * valid
        if self.reduction == "none":
            return weighted
        total = sum(weighted)
        if self.reduction == "sum":
            return total
        if valid is None and (weight is None or self.reduction == "sum_over_batch_size"):
            return total * (1 / max(1, values.shape[0]))
        counted = as_tensor(weight).astype(values.dtype) if weight is not None and self.reduction == "mean" else None
        if valid is not None:
            counted = valid if counted is None else counted * valid
        count = sum(counted)
        return total / (count + (count == 0).astype(count.dtype))

    def valid(self, y_true: Any) -> Tensor | None:
        """(batch,) floats, 0 for samples that the loss leaves out (ignore_class), or None when it counts
        all.
        """
        return None

    @property
    def title(self) -> str:
        """Its name in messages."""
        return self.name or type(self).__name__


def same_shape(title: str, y_true: Any, y_pred: Any) -> None:
    """Targets and predictions must have exactly one shape, and predictions must be floats."""
    floats(title, y_pred)
    true, pred = tuple(y_true.shape), tuple(y_pred.shape)
    if true == pred:
        return
    raise ShapeError(
        f"{title}: the targets have the shape {true}, the predictions {pred}; they must be equal",
        site=here(),
        fix=shape_fix(true, pred),
    )


def floats(title: str, y_pred: Any) -> None:
    dtype = dt.as_dtype(y_pred.dtype)
    if not dtype.is_float:
        raise DTypeError(
            f"{title}: predictions must be real floats, got {dtype.name}",
            site=here(),
            fix="convert: y_pred.astype('float32')",
        )
    if not y_pred.shape:
        raise ShapeError(f"{title}: predictions must have the batch first, got the shape ()", site=here())


def vectors_of_classes(title: str, y_true: Any, y_pred: Any) -> None:
    """Refuse all but class numbers (N,) and vectors (N, width)."""
    floats(title, y_pred)
    if len(y_pred.shape) != 2 or tuple(y_true.shape) != tuple(y_pred.shape)[:1]:
        raise ShapeError(
            f"{title}: expected class numbers (N,) and vectors (N, width), got {tuple(y_true.shape)} and {tuple(y_pred.shape)}",
            site=here(), fix="give one class number a sample, and end the network with Dense(width)",
        )  # fmt: skip
    if not dt.as_dtype(y_true.dtype).is_integer:
        raise DTypeError(f"{title}: class numbers must be whole numbers, got {dt.as_dtype(y_true.dtype).name}", site=here())


def shape_fix(true: tuple[int, ...], pred: tuple[int, ...]) -> str:
    """The likeliest remedy for two shapes that differ."""
    if (*true, 1) == pred:
        return "give the targets an axis: y[:, None]; or end the network with nn.Reshape(()), which makes (N,) of (N, 1)"
    if true == (*pred, 1):
        return "drop the last axis of the targets: y[:, 0]"
    if len(true) == 1 and len(pred) == 2 and true[0] == pred[0]:
        return (
            f"class numbers go with sparse_categorical_crossentropy, one-hot targets with categorical_crossentropy; "
            f"for one number a sample end the network with Dense(1), not Dense({pred[1]})"
        )
    if true[:1] != pred[:1]:
        return "targets and predictions must come from the same samples"
    return "end the network with a layer as wide as the targets"


@register
class FunctionLoss(Loss):
    """A loss from a function of (y_true, y_pred) that returns one number a sample, or more axes to take the
    mean over.

    Args:
        function: of two Tensors. To be stored, it must be registered: @nn.register.

    Example:
        >>> import saltus as sl
        >>> from saltus import nn
        >>> cubic = nn.losses.get(lambda y_true, y_pred: abs(y_true - y_pred) ** 3)
        >>> cubic(sl.asarray([0.0, 1.0]), sl.asarray([2.0, 1.0])).tolist()
        [8.0, 0.0]
    """

    function: Any = None

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        made = self.function(y_true, y_pred)
        if not isinstance(made, Tensor) or made.shape[:1] != y_pred.shape[:1]:
            what = f"the shape {made.shape}" if isinstance(made, Tensor) else type(made).__name__
            raise ShapeError(
                f"the loss {self.title} must return one number a sample, shape ({y_pred.shape[0]},), got {what}", site=here(),
                fix="leave the mean over the batch out; it is taken later",
            )  # fmt: skip
        return made

    def check(self, y_true: Any, y_pred: Any, network: Any = None) -> None:
        floats(self.title, y_pred)

    @property
    def title(self) -> str:
        return self.name or getattr(self.function, "__name__", "loss")


# The functions of this package that stand for a loss: function -> the loss.
FUNCTIONS: dict[Callable[..., Any], Callable[[], Loss]] = {}


def get(given: Any, where: str = "loss") -> Loss:
    """The loss for a name, a class, a stored form, a function (y_true, y_pred) -> one number a sample, or
    an object.

    Raises:
        UnknownNameError: no loss has this name; the nearest names are in the message.

    Example:
        >>> from saltus import nn
        >>> nn.losses.get("mse")
        MeanSquaredError()
    """
    if callable(given) and not isinstance(given, (type, Record)):
        return FUNCTIONS[given]() if given in FUNCTIONS else FunctionLoss(function=given)
    return lookup("losses", Loss, given, where)

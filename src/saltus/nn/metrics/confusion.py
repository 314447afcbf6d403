"""Metrics of yes and no: counts of right and wrong, precision, recall, F scores, areas under curves. In:
metrics.base.

Targets are 0 and 1 in the shape of the predictions, or class numbers beside scores of several classes; then
one class is asked about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY
from functools import partial
from typing import Any, ClassVar

from saltus.base.errors import ArgumentError, ShapeError
from saltus.ir.spec import OPS
from saltus.nn.checks import number, one_of, whole
from saltus.nn.config import register
from saltus.nn.losses.base import shape_fix
from saltus.nn.losses.logits import predictions
from saltus.nn.metrics.base import EXACT, Metric, ratio, weights_of
from saltus.tensor.creation import asarray, full, one_hot, zeros
from saltus.tensor.elementwise import ceil, clip, log, logical_and, maximum, where
from saltus.tensor.manipulation import broadcast_to, flip, reshape
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import argmax, cumulative_sum, max, mean, sum
from saltus.tensor.tensor import Tensor, of_node
from saltus.tensor.tracing import here


def yes_and_no(
    title: str, y_true: Any, y_pred: Any, weight: Any, from_logits: bool | None, class_id: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Truth (M,) as 0 and 1, probability of 1 (M,), and weight (M,) or None, of what a classifier says.

    Raises:
        ShapeError: targets and predictions do not fit.
    """
    true, pred = as_tensor(y_true), as_tensor(y_pred)
    weight = weights_of(title, weight, pred.shape[0] if pred.shape else 0)
    if true.shape == pred.shape:
        chance, truth = predictions(title, pred, from_logits, "sigmoid").probabilities, true
        if class_id is not None:
            chance, truth = chance[..., class_id], truth[..., class_id]
    elif true.shape == pred.shape[:-1]:
        classes = pred.shape[-1]
        if class_id is None and classes != 2:
            raise ShapeError(
                f"{title}: it tells yes from no, but there are {classes} classes in predictions of shape {pred.shape}", site=here(),
                fix="say which class counts as yes: class_id=..., or take f1_score, which averages over classes",
            )  # fmt: skip
        place = 1 if class_id is None else class_id
        chance = predictions(title, pred, from_logits, "softmax").probabilities[..., place]
        truth = true == place
    else:
        raise ShapeError(
            f"{title}: the targets have the shape {true.shape}, the predictions {pred.shape}; they must be equal", site=here(),
            fix=shape_fix(true.shape, pred.shape),
        )  # fmt: skip
    truth = (truth if truth.dtype == "bool" else truth > 0.5).astype("float32")
    size = chance.size
    if weight is not None:
        lead = reshape(weight, (weight.shape[0], *(1,) * (chance.ndim - 1)))
        weight = reshape(broadcast_to(lead, chance.shape), (size,)).astype("float32")
    return reshape(truth, (size,)), reshape(chance, (size,)), weight


def _thresholds(owner: object, given: Any) -> Any:
    """None, a number, or a tuple of numbers in [0, 1]."""
    if given is None or isinstance(given, (int, float)):
        return given if given is None else number(owner, "thresholds", given, low=0, high=1)
    return tuple(number(owner, "each of thresholds", t, low=0, high=1) for t in given)


class _Counts(Metric):
    """Base of metrics made of the four counts at thresholds: true and false, positive and negative."""

    needs: ClassVar[tuple[str, ...]] = ("tp", "fp", "tn", "fn")

    def _limits(self) -> tuple[float, ...]:
        given = self.thresholds  # type: ignore[attr-defined]
        return given if isinstance(given, tuple) else (0.5 if given is None else given,)

    def init(self) -> Any:
        return {name: zeros((len(self._limits()),), dtype=EXACT) for name in self.needs}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        truth, chance, weight = yes_and_no(self.title, y_true, y_pred, weight, self.from_logits, self.class_id)  # type: ignore[attr-defined]
        limits = asarray(list(self._limits()), dtype=chance.dtype)
        said = (chance[:, None] > limits).astype("float32")
        truth = truth[:, None]
        made = {
            "tp": lambda: said * truth, "fp": lambda: said * (1.0 - truth), "fn": lambda: (1.0 - said) * truth,
            "tn": lambda: (1.0 - said) * (1.0 - truth),
        }  # fmt: skip
        weighted: Callable[[Tensor], Tensor] = lambda x: x if weight is None else x * weight[:, None]  # noqa: E731
        return {name: state[name] + sum(weighted(made[name]()), axis=0).astype(EXACT) for name in self.needs}

    def _shaped(self, values: Tensor) -> Tensor:
        """One number, unless several thresholds were given."""
        return values if isinstance(self.thresholds, tuple) else values[0]  # type: ignore[attr-defined]


class _Count(_Counts):
    """Base of the four counts."""

    def result(self, state: Any) -> Tensor:
        return self._shaped(state[self.needs[0]].astype("float32"))


_COUNT = """

    Args:
        thresholds: a probability, or several; 0.5 when None. What lies above is taken as 1.
        class_id: the class or output that counts as yes, or None.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network (see `nn.losses`).

    Returns:
        `result`: a float32 Tensor of shape (), or (thresholds,).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.{name}()([0, 1, 1, 0], [0.2, 0.7, 0.4, 0.6]))
        {result}
    """


def _completed(text: str, result: str) -> Callable[[Any], Any]:
    """Complete the documentation with what is the same for several metrics; `result` is that of the example."""

    def complete(record: Any) -> Any:
        record.__doc__ = (record.__doc__ or "").rstrip() + text.format(name=record.__name__, result=result)
        return record

    return complete


_counting = partial(_completed, _COUNT)


@_counting("1.0")
@register
class TruePositives(_Count):
    """Samples predicted 1 that are 1."""

    needs: ClassVar = ("tp",)
    thresholds: Any = None
    _: KW_ONLY
    class_id: int | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        self._set(thresholds=_thresholds(self, self.thresholds))


@_counting("1.0")
@register
class FalsePositives(TruePositives):
    """Samples predicted 1 that are 0."""

    needs: ClassVar = ("fp",)


@_counting("1.0")
@register
class TrueNegatives(TruePositives):
    """Samples predicted 0 that are 0."""

    needs: ClassVar = ("tn",)


@_counting("1.0")
@register
class FalseNegatives(TruePositives):
    """Samples predicted 0 that are 1."""

    needs: ClassVar = ("fn",)


@_counting("0.5")
@register
class Precision(_Counts):
    """Of the samples predicted 1, the share that is 1."""

    needs: ClassVar = ("tp", "fp")
    thresholds: Any = None
    _: KW_ONLY
    class_id: int | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        self._set(thresholds=_thresholds(self, self.thresholds))

    def result(self, state: Any) -> Tensor:
        return self._shaped(ratio(state["tp"], state["tp"] + state[self.needs[1]]))


@_counting("0.5")
@register
class Recall(Precision):
    """Of the samples that are 1, the share predicted 1."""

    needs: ClassVar = ("tp", "fn")


class _Curve(Metric):
    """Base of metrics over all thresholds: two histograms of the probability, of samples that are 1 and
    that are 0.
    """

    def init(self) -> Any:
        n = self.num_thresholds  # type: ignore[attr-defined]
        return {"positive": zeros((n,), dtype=EXACT), "negative": zeros((n,), dtype=EXACT)}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        n = self.num_thresholds  # type: ignore[attr-defined]
        truth, chance, weight = yes_and_no(self.title, y_true, y_pred, weight, self.from_logits, self.class_id)  # type: ignore[attr-defined]
        # thresholds lie at 0 (just below it), 1/(n-1), 2/(n-1) ..; the cell of a probability is how many of them it exceeds
        cell = clip(ceil(chance.astype("float32") * (n - 1)), 1.0, float(n - 1)).astype("int64")
        each = full(truth.shape, 1.0, dtype="float32") if weight is None else weight
        made = {"positive": each * truth, "negative": each * (1.0 - truth)}
        return {name: of_node(OPS["scatter_add"](state[name].node, cell.node, v.astype(EXACT).node, axis=0)) for name, v in made.items()}

    def counts(self, state: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """tp, fp, tn, fn at each threshold, the lowest first: what lies in higher cells is predicted 1."""

        def above(cells: Tensor) -> Tensor:
            return flip(cumulative_sum(flip(cells, axis=0), axis=0), axis=0) - cells

        tp, fp = above(state["positive"]), above(state["negative"])
        return tp, fp, sum(state["negative"]) - fp, sum(state["positive"]) - tp


def _share(part: Tensor, whole: Tensor) -> Tensor:
    some = whole > 0
    return where(some, part / where(some, whole, 1.0), 0.0)


@register
class AUC(_Curve):
    """Area under the ROC curve, or under the curve of precision against recall; approximated by thresholds.

    Args:
        num_thresholds: how many thresholds, evenly from 0 to 1.
        curve: "ROC" or "PR".
        class_id: the class or output that counts as yes, or None.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network
            (see `nn.losses`).

    Returns:
        `result`: a float32 Tensor of shape ().

    Source: Davis and Goadrich, "The relationship between precision-recall and ROC curves", 2006
        (interpolation of PR).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.AUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8]))
        0.75
    """

    num_thresholds: int = 200
    curve: str = "ROC"
    _: KW_ONLY
    class_id: int | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        whole(self, "num_thresholds", self.num_thresholds, low=2)
        one_of(self, "curve", self.curve, ("ROC", "PR"))

    def result(self, state: Any) -> Tensor:
        tp, fp, tn, fn = self.counts(state)
        if self.curve == "ROC":
            x, y = _share(fp, fp + tn), _share(tp, tp + fn)
            # the curve ends in (0, 0), at a threshold above everything
            return sum((x[:-1] - x[1:]) * (y[:-1] + y[1:]) * 0.5).astype("float32")
        said = tp + fp
        slope = _share(tp[:-1] - tp[1:], maximum(said[:-1] - said[1:], 0.0))
        start = tp[1:] - slope * said[1:]
        both = logical_and(said[:-1] > 0, said[1:] > 0)
        growth = where(both, said[:-1] / where(both, said[1:], 1.0), 1.0)
        return sum(_share(slope * (tp[:-1] - tp[1:] + start * log(growth)), tp[1:] + fn[1:])).astype("float32")


class _At(_Curve):
    """Base of "the best of one measure where another is at least a given value"."""

    def _measures(self, tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def result(self, state: Any) -> Tensor:
        held, wanted = self._measures(*self.counts(state))
        return max(where(held >= self.value, wanted, 0.0)).astype("float32")  # type: ignore[attr-defined]


_AT = """

    Args:
        value: the least value of the other measure.
        num_thresholds: how many thresholds, evenly from 0 to 1.
        class_id: the class or output that counts as yes, or None.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network (see `nn.losses`).

    Returns:
        `result`: a float32 Tensor of shape (); 0 where the value is not reached.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.{name}(0.5)([0, 1, 1, 0], [0.2, 0.7, 0.4, 0.6]))
        {result}
    """

_at = partial(_completed, _AT)


@_at("1.0")
@register
class PrecisionAtRecall(_At):
    """The best precision at thresholds where the recall is at least a given value."""

    value: float
    num_thresholds: int = 200
    _: KW_ONLY
    class_id: int | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        number(self, "value", self.value, low=0, high=1)
        whole(self, "num_thresholds", self.num_thresholds, low=2)

    def _measures(self, tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> tuple[Tensor, Tensor]:
        return _share(tp, tp + fn), _share(tp, tp + fp)


@_at("1.0")
@register
class RecallAtPrecision(PrecisionAtRecall):
    """The best recall at thresholds where the precision is at least a given value."""

    def _measures(self, tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> tuple[Tensor, Tensor]:
        return _share(tp, tp + fp), _share(tp, tp + fn)


@_at("1.0")
@register
class SensitivityAtSpecificity(PrecisionAtRecall):
    """The best sensitivity (recall of 1) at thresholds where the specificity (recall of 0) is at least a
    given value.
    """

    def _measures(self, tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> tuple[Tensor, Tensor]:
        return _share(tn, tn + fp), _share(tp, tp + fn)


@_at("1.0")
@register
class SpecificityAtSensitivity(PrecisionAtRecall):
    """The best specificity (recall of 0) at thresholds where the sensitivity (recall of 1) is at least a
    given value.
    """

    def _measures(self, tp: Tensor, fp: Tensor, tn: Tensor, fn: Tensor) -> tuple[Tensor, Tensor]:
        return _share(tp, tp + fn), _share(tn, tn + fp)


@register
class FBetaScore(Metric):
    """(1 + beta^2) precision recall / (beta^2 precision + recall), for each class, and averaged.

    Args:
        average: "macro" (mean over classes), "weighted" (by the number of samples), "micro" (over all
            decisions), or None for one number a class. Keras has None.
        beta: how much recall counts more than precision.
        threshold: probability above which a class is predicted; None predicts the class with the largest
            score (0.5 for one output).
        classes: how many classes or outputs there are; None is filled in from the network's output.
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network.
            It counts with a threshold only.

    Returns:
        `result`: a float32 Tensor of shape (), or (classes,). Targets may be one-hot, or class numbers (N,)
        for predictions (N, classes).

    Example:
        >>> from saltus import nn
        >>> round(float(nn.metrics.FBetaScore(beta=2.0)([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])), 4)
        0.6944
    """

    average: str | None = "macro"
    beta: float = 1.0
    _: KW_ONLY
    threshold: float | None = None
    classes: int | None = None
    from_logits: bool | None = None

    def __post_init__(self) -> None:
        if self.average is not None:
            one_of(self, "average", self.average, ("macro", "micro", "weighted"))
        number(self, "beta", self.beta, low=0, open_low=True)
        if self.threshold is not None:
            number(self, "threshold", self.threshold, low=0, high=1)
        if self.classes is not None:
            whole(self, "classes", self.classes)

    def fitted(self, output_shape: Sequence[int] | None) -> FBetaScore:
        """The metric for predictions of a shape."""
        if self.classes is not None or output_shape is None:
            return self
        return self.replace(classes=output_shape[-1] if len(output_shape) > 1 else 1)

    def init(self) -> Any:
        if self.classes is None:
            raise ArgumentError(
                f"{self.title} must know the number of classes",
                fix=f"nn.metrics.{type(self).__name__}(classes=...), or nn.metrics.get(..., output_shape=...)",
            )
        return {name: zeros((self.classes,), dtype=EXACT) for name in ("tp", "fp", "fn")}

    def __call__(self, y_true: Any, y_pred: Any, weight: Any = None) -> Tensor:
        fitted = self.fitted(as_tensor(y_pred).shape)
        return fitted.result(fitted.update(fitted.init(), y_true, y_pred, weight))

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        if pred.ndim == 1:
            pred, true = pred[:, None], true[:, None] if true.ndim == 1 else true
        classes = pred.shape[-1]
        if self.classes != classes:
            raise ShapeError(
                f"{self.title}: it was made for {self.classes} classes, the predictions have the shape {pred.shape}", site=here()
            )
        if true.shape == pred.shape[:-1] and true.dtype.is_integer and classes > 1:
            true = one_hot(true, classes)
        if true.shape != pred.shape:
            raise ShapeError(
                f"{self.title}: the targets have the shape {true.shape}, the predictions {pred.shape}; they must be equal", site=here(),
                fix=shape_fix(true.shape, pred.shape),
            )  # fmt: skip
        truth = (true if true.dtype == "bool" else true > 0.5).astype("float32")
        if self.threshold is None and classes > 1:
            said = one_hot(argmax(pred, axis=-1), classes)
        else:
            chance = predictions(self.title, pred, self.from_logits, "sigmoid").probabilities
            said = (chance > (0.5 if self.threshold is None else self.threshold)).astype("float32")
        axes = tuple(range(pred.ndim - 1))
        weight = weights_of(self.title, weight, pred.shape[0])
        each = None if weight is None else reshape(weight, (weight.shape[0], *(1,) * (pred.ndim - 1))).astype("float32")
        parts = {"tp": said * truth, "fp": said * (1.0 - truth), "fn": (1.0 - said) * truth}
        return {k: state[k] + sum(v if each is None else v * each, axis=axes).astype(EXACT) for k, v in parts.items()}

    def result(self, state: Any) -> Tensor:
        tp, fp, fn = state["tp"], state["fp"], state["fn"]
        if self.average == "micro":
            tp, fp, fn = sum(tp), sum(fp), sum(fn)
        square = self.beta**2
        score = _share(tp * (1 + square), tp * (1 + square) + fn * square + fp)
        if self.average == "macro":
            score = mean(score)
        elif self.average == "weighted":
            score = _share(sum(score * (tp + fn)), sum(tp + fn))
        return score.astype("float32")


@register(aliases=("f1",))
class F1Score(FBetaScore):
    """Harmonic mean of precision and recall, for each class, and averaged.

    Args:
        average: "macro" (mean over classes), "weighted" (by the number of samples), "micro" (over all
            decisions), or None for one number a class. Keras has None.
        beta: 1.
        threshold, classes, from_logits: as for FBetaScore.

    Returns:
        `result`: a float32 Tensor of shape (), or (classes,).

    Example:
        >>> from saltus import nn
        >>> round(float(nn.metrics.F1Score()([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])), 4)
        0.6667
    """

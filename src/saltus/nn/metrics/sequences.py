"""Metrics of sequences of tokens: perplexity, shared n-grams, longest common part, edit distance. In: metrics.base, losses.

Targets are token numbers (N, length); predictions token numbers (N, steps), or scores (N, steps, tokens), of which the largest
counts. Shorter sequences are filled up at their end with `mask_token_id`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY
from typing import Any

from saltus.base.errors import DTypeError, ShapeError
from saltus.nn.checks import one_of, whole
from saltus.nn.config import register
from saltus.nn.losses.classification import SparseCategoricalCrossentropy
from saltus.nn.metrics.base import EXACT, Averaged, Metric, ratio, weights_of
from saltus.tensor.creation import arange, ones, zeros
from saltus.tensor.elementwise import exp, log, logical_and, maximum, minimum, where
from saltus.tensor.loop import scan
from saltus.tensor.manipulation import broadcast_to, concat, expand_dims, flip, moveaxis, reshape, stack
from saltus.tensor.operands import as_tensor
from saltus.tensor.reduction import all as all_of
from saltus.tensor.reduction import argmax, cumulative_sum, mean, sum
from saltus.tensor.tensor import Tensor
from saltus.tensor.tracing import here


@register
class Perplexity(Metric):
    """exp of the mean cross-entropy of all tokens: among how many equally likely tokens the network hesitates.

    Args:
        from_logits: True: predictions are logits; False: probabilities; None: found out from the network (see `nn.losses`).
        mask_token_id: token that does not count, or None.

    Returns:
        `result`: a float32 Tensor of shape (). For targets (N, ...) and predictions (N, ..., tokens).

    Source: Jelinek, Mercer, Bahl and Baker, "Perplexity: a measure of the difficulty of speech recognition tasks", 1977.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Perplexity()([[0, 1]], [[[0.5, 0.5], [0.5, 0.5]]]))
        2.0
    """

    from_logits: bool | None = None
    _: KW_ONLY
    mask_token_id: int | None = None

    def init(self) -> Any:
        return {"total": zeros((), dtype=EXACT), "count": zeros((), dtype=EXACT)}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred = as_tensor(y_true), as_tensor(y_pred)
        weight = weights_of(self.title, weight, pred.shape[0])
        loss = SparseCategoricalCrossentropy(self.from_logits, ignore_class=self.mask_token_id, name=self.title)
        loss.check(true, pred)
        rows, count = true.size, pred.shape[-1]
        lost = SparseCategoricalCrossentropy.values(loss, reshape(true, (rows,)), reshape(pred, (rows, count)))
        counts = ones((rows,), dtype=EXACT) if self.mask_token_id is None else reshape(true != self.mask_token_id, (rows,)).astype(EXACT)
        if weight is not None:
            each = broadcast_to(reshape(weight.astype(EXACT), (true.shape[0], 1)), (true.shape[0], rows // max(1, true.shape[0])))
            counts = counts * reshape(each, (rows,))
        total = sum(where(counts != 0, lost.astype(EXACT) * counts, 0.0))
        return {"total": state["total"] + total, "count": state["count"] + sum(counts)}

    def result(self, state: Any) -> Tensor:
        return exp(state["total"] / maximum(state["count"], 1e-30)).astype("float32")


def _tokens(title: str, y_true: Any, y_pred: Any, fill: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Tokens of targets and predictions, (N, length) and (N, steps), and how many of each count, (N,)."""
    true, pred = as_tensor(y_true), as_tensor(y_pred)
    pred = argmax(pred, axis=-1) if pred.ndim == 3 else pred
    if true.ndim != 2 or pred.ndim != 2 or true.shape[0] != pred.shape[0]:
        raise ShapeError(
            f"{title}: expected tokens (N, length) and (N, steps) or scores (N, steps, tokens), got {true.shape} and "
            f"{as_tensor(y_pred).shape}", site=here(), fix="fill sequences of different length up at their end",
        )  # fmt: skip
    for what, values in (("targets", true), ("predictions", pred)):
        if not values.dtype.is_integer:
            raise DTypeError(f"{title}: the {what} are no token numbers, but {values.dtype.name}", site=here(), fix=".astype('int64')")
    true, pred = true.astype("int64"), pred.astype("int64")
    return true, pred, _length(true, fill), _length(pred, fill)


def _length(tokens: Tensor, fill: int) -> Tensor:
    """Tokens up to the last that is not filling."""
    held = (tokens != fill).astype("int64")
    behind = flip(cumulative_sum(flip(held, axis=1), axis=1), axis=1)  # how many there are from here on
    return sum((behind > 0).astype("int64"), axis=1)


def _grams(tokens: Tensor, length: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """n-grams (N, places, order), and which of them lie within the sequence (N, places)."""
    places = max(tokens.shape[1] - order + 1, 0)
    made = stack([tokens[:, k : k + places] for k in range(order)], axis=2)
    return made, expand_dims(arange(places), axis=0) + order <= expand_dims(length, axis=1)


def _matches(true: Tensor, pred: Tensor, own: Tensor, said: Tensor, order: int) -> tuple[Tensor, Tensor, Tensor]:
    """How many n-grams of the predictions occur in the targets, each as often as there; and how many both have, all (N,)."""
    rows = true.shape[0]
    if min(true.shape[1], pred.shape[1]) < order:
        nothing = zeros((rows,), dtype=EXACT)
        return nothing, *(maximum(n - order + 1, 0).astype(EXACT) for n in (said, own))
    left, there = _grams(true, own, order)
    right, here_ = _grams(pred, said, order)
    same = all_of(expand_dims(right, axis=2) == expand_dims(left, axis=1), axis=3)
    among = logical_and(same, logical_and(expand_dims(here_, axis=2), expand_dims(there, axis=1)))
    # an n-gram counts when fewer equal ones stand before it in the prediction than there are in the target
    alike = all_of(expand_dims(right, axis=2) == expand_dims(right, axis=1), axis=3)
    before = expand_dims(arange(right.shape[1]), axis=1) > expand_dims(arange(right.shape[1]), axis=0)
    earlier = sum(logical_and(alike, before).astype("int64"), axis=2)
    hits = logical_and(here_, earlier < sum(among.astype("int64"), axis=2))
    return tuple(sum(v.astype(EXACT), axis=1) for v in (hits, here_, there))  # type: ignore[return-value]


@register
class Bleu(Metric):
    """Share of n-grams of the predictions that occur in the targets, the geometric mean over n, less where predictions are too short;
    over all sentences together.

    Args:
        max_order: up to which n.
        smooth: add 1 to both sides of the shares of n above 1, so that one that is 0 does not make all 0.
        mask_token_id: token that sequences are filled up with.

    Returns:
        `result`: a float32 Tensor of shape (), between 0 and 1.

    Source: Papineni, Roukos, Ward and Zhu, "BLEU: a method for automatic evaluation of machine translation", 2002; Lin and Och,
        "ORANGE: a method for evaluating automatic evaluation metrics for machine translation", 2004 (smooth).

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.Bleu(2)([[5, 6, 7, 8]], [[5, 6, 7, 9]]))
        0.7071
    """

    max_order: int = 4
    smooth: bool = False
    _: KW_ONLY
    mask_token_id: int = 0

    def __post_init__(self) -> None:
        whole(self, "max_order", self.max_order)

    def init(self) -> Any:
        made = {name: zeros((self.max_order,), dtype=EXACT) for name in ("hits", "said")}
        return made | {name: zeros((), dtype=EXACT) for name in ("length", "wanted")}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred, own, said = _tokens(self.title, y_true, y_pred, self.mask_token_id)
        weight = weights_of(self.title, weight, true.shape[0])

        def total(values: Tensor) -> Tensor:
            counted = values.astype(EXACT)
            return sum(counted if weight is None else counted * weight.astype(EXACT))

        found = [_matches(true, pred, own, said, n) for n in range(1, self.max_order + 1)]
        return {
            "hits": state["hits"] + stack([total(hits) for hits, _, _ in found]),
            "said": state["said"] + stack([total(count) for _, count, _ in found]),
            "length": state["length"] + total(said), "wanted": state["wanted"] + total(own),
        }  # fmt: skip

    def result(self, state: Any) -> Tensor:
        more = concat([zeros((1,), dtype=EXACT), ones((self.max_order - 1,), dtype=EXACT)]) if self.smooth else 0.0
        hits, said = state["hits"] + more, state["said"] + more
        share = hits / maximum(said, 1e-30)
        some = all_of(hits > 0)
        middle = exp(mean(log(where(hits > 0, share, 1.0))))
        short = exp(minimum(1.0 - state["wanted"] / maximum(state["length"], 1e-30), 0.0))
        return where(some, middle * short, 0.0).astype("float32")


class _Rouge(Averaged):
    """Base: precision, recall or F1 of what predictions and targets share."""

    def _shared(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What they share, what the predictions have and what the targets have, (N,)."""
        raise NotImplementedError

    def values(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        hits, said, own = self._shared(y_true, y_pred)
        precision, recall = (where(n > 0, hits / maximum(n, 1.0), 0.0) for n in (said, own))
        if self.score != "f1":  # type: ignore[attr-defined]
            return precision if self.score == "precision" else recall  # type: ignore[attr-defined]
        both = precision + recall
        return where(both > 0, precision * recall * 2.0 / where(both > 0, both, 1.0), 0.0)


@register
class RougeN(_Rouge):
    """How many n-grams predictions and targets share; the mean over sentences.

    Args:
        order: n.
        score: "f1", "precision" (of the predictions' n-grams) or "recall" (of the targets').
        mask_token_id: token that sequences are filled up with.

    Source: Lin, "ROUGE: a package for automatic evaluation of summaries", 2004.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.RougeN(2)([[5, 6, 7, 8]], [[5, 6, 7, 9]]))
        0.6667
    """

    order: int = 2
    _: KW_ONLY
    score: str = "f1"
    mask_token_id: int = 0

    def __post_init__(self) -> None:
        whole(self, "order", self.order)
        one_of(self, "score", self.score, ("f1", "precision", "recall"))

    def _shared(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        true, pred, own, said = _tokens(self.title, y_true, y_pred, self.mask_token_id)
        return _matches(true, pred, own, said, self.order)


@register
class RougeL(_Rouge):
    """Length of the longest common part of predictions and targets, with gaps; the mean over sentences.

    Args:
        score: "f1", "precision" (over the predictions' length) or "recall" (over the targets').
        mask_token_id: token that sequences are filled up with.

    Source: Lin, "ROUGE: a package for automatic evaluation of summaries", 2004.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.RougeL()([[5, 6, 7, 8]], [[5, 9, 7, 8]]))
        0.75
    """

    _: KW_ONLY
    score: str = "f1"
    mask_token_id: int = 0

    def __post_init__(self) -> None:
        one_of(self, "score", self.score, ("f1", "precision", "recall"))

    def _shared(self, y_true: Tensor, y_pred: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        true, pred, own, said = _tokens(self.title, y_true, y_pred, self.mask_token_id)
        within = expand_dims(arange(true.shape[1]), axis=0) < expand_dims(own, axis=1)
        start = zeros((true.shape[0], true.shape[1] + 1), dtype="int64")

        def row(above: Tensor, step: Any) -> tuple[Tensor, None]:
            token, counts = step
            same = logical_and(logical_and(true == expand_dims(token, axis=1), within), expand_dims(counts, axis=1))
            # either one more than up and left where tokens are equal, or what lies above; then the best so far
            best = maximum(above[:, 1:], above[:, :-1] + same.astype("int64"))
            return concat([above[:, :1], _running(best, largest=True)], axis=1), None

        steps = expand_dims(arange(pred.shape[1]), axis=1) < expand_dims(said, axis=0)
        last, _ = scan(row, start, (moveaxis(pred, 1, 0), steps))
        return last[:, -1].astype(EXACT), said.astype(EXACT), own.astype(EXACT)


def _running(x: Tensor, largest: bool) -> Tensor:
    """The largest (or smallest) of each row's values up to each place."""
    made, step = x, 1
    while step < x.shape[1]:
        moved = concat([made[:, :step], made[:, :-step]], axis=1)
        made, step = (maximum if largest else minimum)(made, moved), step * 2
    return made


@register
class EditDistance(Metric):
    """Insertions, deletions and replacements that make targets of predictions (Levenshtein's distance).

    Args:
        normalize: over the number of tokens of all targets, as word error rates are; False: the mean over sentences.
        mask_token_id: token that sequences are filled up with.

    Source: Levenshtein, "Binary codes capable of correcting deletions, insertions, and reversals", 1966.

    Example:
        >>> from saltus import nn
        >>> float(nn.metrics.EditDistance()([[5, 6, 7, 8]], [[5, 7, 8, 0]]))
        0.25
    """

    normalize: bool = True
    _: KW_ONLY
    mask_token_id: int = 0

    def init(self) -> Any:
        return {"total": zeros((), dtype=EXACT), "count": zeros((), dtype=EXACT)}

    def update(self, state: Any, y_true: Any, y_pred: Any, weight: Any = None) -> Any:
        true, pred, own, said = _tokens(self.title, y_true, y_pred, self.mask_token_id)
        weight = weights_of(self.title, weight, true.shape[0])
        each = ones((true.shape[0],), dtype=EXACT) if weight is None else weight.astype(EXACT)
        found = self._distance(true, pred, own, said).astype(EXACT)
        against = own.astype(EXACT) if self.normalize else ones(own.shape, dtype=EXACT)
        return {"total": state["total"] + sum(found * each), "count": state["count"] + sum(against * each)}

    @staticmethod
    def _distance(true: Tensor, pred: Tensor, own: Tensor, said: Tensor) -> Tensor:
        ramp = arange(true.shape[1] + 1)
        start = broadcast_to(expand_dims(ramp, axis=0), (true.shape[0], true.shape[1] + 1))

        def row(above: Tensor, step: Any) -> tuple[Tensor, None]:
            token, counts = step
            replaced = above[:, :-1] + (true != expand_dims(token, axis=1)).astype("int64")
            best = concat([above[:, :1] + 1, minimum(above[:, 1:] + 1, replaced)], axis=1)
            # to insert costs 1 a place: the smallest of best[j] + (k - j)
            made = _running(best - ramp, largest=False) + ramp
            return where(expand_dims(counts, axis=1), made, above), None

        steps = expand_dims(arange(pred.shape[1]), axis=1) < expand_dims(said, axis=0)
        last, _ = scan(row, start, (moveaxis(pred, 1, 0), steps))
        return sum(where(expand_dims(ramp, axis=0) == expand_dims(own, axis=1), last, 0), axis=1)

    def result(self, state: Any) -> Tensor:
        return ratio(state["total"], state["count"])

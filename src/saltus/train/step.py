"""One training step as a pure function, (state, batch, key) -> (state, seen), and the running totals over
the batches of an epoch.

    state   {"params", "frozen", "state", "optimizer", "step"}: all that a training changes, a tree of Tensors
    batch   {"x": inputs, "y": targets, "weight": one weights array a goal}; "weight" may be missing
    totals  sums over batches, from which `report` makes the loss and the metrics of an epoch
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, ShapeError
from saltus.nn.losses import Loss
from saltus.nn.metrics import Metric
from saltus.optim import Optimizer
from saltus.tensor.creation import full, zeros
from saltus.tensor.reduction import argmax, mean
from saltus.tensor.tensor import Tensor
from saltus.tensor.transforms import value_and_grad

Tree = Any
State = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    """What one output of a network is trained for.

    Attributes:
        name: of the output; "" for a network with one.
        loss: compared with the targets.
        share: weight of this loss in the total.
        metrics: measured without sample weights.
        weighted_metrics: measured with them.
    """

    name: str
    loss: Loss
    share: float = 1.0
    metrics: tuple[tuple[str, Metric], ...] = ()
    weighted_metrics: tuple[tuple[str, Metric], ...] = ()

    @property
    def measured(self) -> tuple[tuple[str, Metric, bool], ...]:
        """Name in the logs, metric, and whether sample weights count."""
        prefix = f"{self.name}_" if self.name else ""
        return (
            *((prefix + n, m, False) for n, m in self.metrics),
            *((prefix + n, m, True) for n, m in self.weighted_metrics),
        )


@dataclass(frozen=True)
class Task:
    """A network with everything that says how it is trained.

    Attributes:
        network: what is trained.
        goals: one for each output.
        optimizer: how.
        description: of the network, for the inputs it was built for.
        inputs: how many inputs it takes; 0 for a single one given as it is.
    """

    network: nn.Layer
    goals: tuple[Goal, ...]
    optimizer: Optimizer
    description: Any = field(compare=False)

    def names(self) -> list[str]:
        """What the logs of an epoch will hold."""
        parts = [f"{g.name}_loss" for g in self.goals] if len(self.goals) > 1 else []
        return ["loss", *parts, *(name for g in self.goals for name, _, _ in g.measured)]


class Seen(NamedTuple):
    """What a step saw, for the totals.

    Attributes:
        loss: mean over the batch, with regularization, shape ().
        losses: of each goal, without shares and regularization.
        targets, outputs: of each goal.
        weights: of each goal, or None.
        rows: how many the batch has.
    """

    loss: Tensor
    losses: Sequence[Tensor]
    targets: Sequence[Tensor]
    outputs: Sequence[Tensor]
    weights: Sequence[Any]
    rows: int


# -- parameters that change and those that do not ----------------------------------------------------------------------


def parted(params: Tree, trainable: Tree) -> tuple[Tree, Tree]:
    """Parameters that training changes, and the others, each as a tree of dicts."""
    kept: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    for (path, value), changes in zip(tree.paths(params), tree.leaves(trainable), strict=True):
        place = kept[0 if changes else 1]
        for word in path[:-1]:
            place = place.setdefault(word, {})
        place[path[-1]] = value
    return kept


def joined(first: Tree, second: Tree) -> Tree:
    """Two trees of dicts as one."""
    made = dict(first)
    for key, value in second.items():
        made[key] = joined(made[key], value) if key in made else value
    return made


def first_state(task: Task, variables: nn.Variables, step: Tensor | None = None) -> State:
    """The state before the first step."""
    params, frozen = parted(variables.params, task.description.trainable())
    return {
        "params": params,
        "frozen": frozen,
        "state": variables.state,
        "optimizer": task.optimizer.init(params),
        "step": full((), 0, dtype="int64") if step is None else step,
    }


# -- the step ----------------------------------------------------------------------------------------------------------


def run_network(task: Task, state: State, x: Tree, *, params: Tree = None, training: bool = False, key: Any = None) -> nn.Applied:
    """The network on a batch, in the type of its parameters."""
    own = state["params"] if params is None else params
    every = joined(own, state["frozen"])
    kind = next((v.dtype for v in tree.leaves(every) if v.dtype.is_float), None)

    def fit(value: Tensor) -> Tensor:
        return value.astype(kind) if kind is not None and value.dtype.is_float and value.dtype is not kind else value

    inputs = tree.map(fit, x)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)
    return nn.apply(task.network, every, state["state"], *inputs, training=training, key=key)


def outputs_of(output: Any, goals: int) -> list[Tensor]:
    """The network's results in the order of the goals."""
    made = [v for v in tree.leaves(output) if isinstance(v, Tensor)]
    if len(made) != goals:
        raise ShapeError(
            f"the network has {len(made)} outputs, but there are losses for {goals}",
            fix="give one loss for each output: loss=[...] in their order, or a dict by their names",
        )
    return made


def loss_of(task: Task, applied: nn.Applied, batch: State) -> Seen:
    """The loss of a batch and what the totals need."""
    outputs = outputs_of(applied.output, len(task.goals))
    targets = [_target(t, o) for t, o in zip(tree.leaves(batch["y"]), outputs, strict=True)]
    weights = batch.get("weight") or [None] * len(outputs)
    losses = []
    for goal, true, pred, weight in zip(task.goals, targets, outputs, weights, strict=True):
        loss = goal.loss
        if _are_shares(loss, true, pred):
            loss = loss.of_shares()
        reduced = loss.reduce(loss(true, pred), weight, loss.valid(true))
        losses.append(mean(reduced) if reduced.shape else reduced)
    total = losses[0] if task.goals[0].share == 1.0 else losses[0] * task.goals[0].share
    for goal, loss in zip(task.goals[1:], losses[1:], strict=True):
        total = total + loss * goal.share
    for extra in applied.losses:
        total = total + extra
    seen = [argmax(t, axis=-1) if _are_shares(g.loss, t, o) else t for g, t, o in zip(task.goals, targets, outputs, strict=True)]
    return Seen(total, losses, seen, outputs, weights, outputs[0].shape[0] if outputs[0].shape else 1)


def _are_shares(loss: Any, target: Tensor, output: Tensor) -> bool:
    """Whether augmentation made shares of classes of what were class numbers; metrics then see the class with the largest share."""
    return hasattr(loss, "of_shares") and target.dtype.is_float and target.shape == output.shape


def _target(target: Tensor, output: Tensor) -> Tensor:
    """Targets that are real numbers, in the type of the output."""
    return target.astype(output.dtype) if target.dtype.is_float and target.dtype is not output.dtype else target


def train_step(task: Task, state: State, batch: State, key: Any) -> tuple[State, Seen]:
    """Forward, backward, update.

    Args:
        task: what is trained and how.
        state: before the step.
        batch: rows to learn from.
        key: for dropout and the like; another one each step.

    Returns:
        The state after the step, and what it saw.
    """

    def objective(params: Tree) -> tuple[Tensor, Any]:
        applied = run_network(task, state, batch["x"], params=params, training=True, key=key)
        seen = loss_of(task, applied, batch)
        held = (list(seen.losses), list(seen.targets), list(seen.outputs), applied.state)
        return seen.loss if scale is None else seen.loss * scale, (seen.loss, *held)

    scale = task.optimizer.loss_scale_factor
    (_, (loss, losses, targets, outputs, network_state)), gradients = value_and_grad(objective, has_aux=True)(state["params"])
    params, optimizer = task.optimizer.update(gradients, state["optimizer"], state["params"], state["step"])
    params = task.description.constrain(params)
    after = {**state, "params": params, "state": network_state, "optimizer": optimizer, "step": state["step"] + 1}
    weights = batch.get("weight") or [None] * len(outputs)
    return after, Seen(loss, losses, targets, outputs, weights, outputs[0].shape[0] if outputs[0].shape else 1)


def test_step(task: Task, state: State, batch: State) -> Seen:
    """Forward only, as at prediction."""
    return loss_of(task, run_network(task, state, batch["x"]), batch)


test_step.__test__ = False  # type: ignore[attr-defined]  # not a test, whatever pytest thinks of its name


# -- totals ------------------------------------------------------------------------------------------------------------


def first_totals(task: Task) -> State:
    """Totals before the first batch."""
    losses = [zeros((), dtype="float64") for _ in task.goals] if len(task.goals) > 1 else []
    metrics = [[m.init() for _, m, _ in g.measured] for g in task.goals]
    return {"count": zeros((), dtype="float64"), "loss": zeros((), dtype="float64"), "losses": losses, "metrics": metrics}


def tally(task: Task, totals: State, seen: Seen) -> State:
    """Totals with one more batch."""
    rows = float(seen.rows)
    metrics = [
        [m.update(own, t, o, w if counts else None) for own, (_, m, counts) in zip(owns, goal.measured, strict=True)]
        for owns, goal, t, o, w in zip(totals["metrics"], task.goals, seen.targets, seen.outputs, seen.weights, strict=True)
    ]
    several = zip(totals["losses"], seen.losses, strict=True) if totals["losses"] else ()
    return {
        "count": totals["count"] + rows,
        "loss": totals["loss"] + seen.loss.astype("float64") * rows,
        "losses": [t + v.astype("float64") * rows for t, v in several],
        "metrics": metrics,
    }


def report(task: Task, totals: State) -> list[Tensor]:
    """The values of `task.names()` from totals."""
    count = totals["count"]
    losses = [totals["loss"] / count, *(t / count for t in totals["losses"])]
    return losses + [
        m.result(s)
        for g, states in zip(task.goals, totals["metrics"], strict=True)
        for s, (_, m, _) in zip(states, g.measured, strict=True)
    ]


Step = Callable[[Task, State, State, Any], tuple[State, Seen]]


def need_trainable(task: Task) -> None:
    """Refuse a network without anything to train."""
    if not any(p.trainable for p in task.description.parameters):
        what = "all its layers are frozen" if task.description.parameters else "it has no parameters"
        raise ArgumentError(f"there is nothing to train in {task.network!r}: {what}", fix="unfreeze a layer (trainable=True), or add one")

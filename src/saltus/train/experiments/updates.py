"""Experiments on how weights are updated: batch sizes of gradient descent, learning rates, optimizers. Above `runner`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from saltus import nn, optim
from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.train.experiments.curvature import sharpness
from saltus.train.experiments.problem import Problem, problem_of
from saltus.train.experiments.record import Experiment, Panel
from saltus.train.experiments.runner import Outcome, Variant, best, listed, made, run, winner
from saltus.train.model import Model

SLOW = 0.5  # a training that took less than this share of the best one's fall of the loss is slow


def usual_network(problem: Problem, hidden: Sequence[int] = (32, 32)) -> nn.Layer:
    """A small network that fits a problem."""
    flat = [nn.Flatten()] if problem.x.ndim > 2 else []
    return nn.Sequential([*flat, *(nn.Dense(width, activation="relu") for width in hidden), nn.Dense(problem.outputs)])


def model_of(problem: Problem, network: nn.Layer, optimizer: Any, seed: int) -> Model:
    """A network with the loss and the metric of a problem."""
    return Model(network, loss=problem.loss, optimizer=optimizer, metrics=[problem.metric], seed=seed)


def compare_gradient_descent(
    x: Any = None, y: Any = None, *, batch_sizes: Mapping[str, int | str] | None = None, epochs: int = 30, learning_rate: float = 0.05,
    network: nn.Layer | None = None, validation: float = 0.25, seed: int = 0, workers: int = 1, target: str | None = None,
) -> Experiment:  # fmt: skip
    """Full, mini-batch and stochastic gradient descent with the same rate and the same number of epochs.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: the penguins.
        batch_sizes: name -> rows of a step; None for all samples, 32 and 1.
        epochs: of each.
        learning_rate: of plain gradient descent.
        network: to train; None for two small layers.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Updates, seconds, losses, and the sharpness of the minimum each found (see `sharpness`).

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Example:
        >>> found = compare_gradient_descent(epochs=3)
        >>> found.table["variant"].to_list(), found.table["updates"].to_list()
        (['full', 'mini-batch', 'stochastic'], [3, 27, 774])
    """
    problem = problem_of(x, y, validation=validation, seed=seed, target=target)
    sizes = {"full": "full", "mini-batch": 32, "stochastic": 1} if batch_sizes is None else dict(batch_sizes)
    own = network or usual_network(problem)
    variants = [
        Variant(name, model_of(problem, own, optim.SGD(learning_rate), seed), size, {"batch_size": str(size)})
        for name, size in sizes.items()
    ]
    outcomes = run(
        problem, variants, epochs=epochs, seed=seed, workers=workers,
        after=lambda model: ({"sharpness": sharpness(model, problem.x, problem.y, seed=seed)}, {}),
    )  # fmt: skip
    most, least = best(outcomes, "updates"), best(outcomes, "updates", largest=False)
    low, quick = best(outcomes, "loss", largest=False), best(outcomes, "seconds", largest=False)
    findings = [
        f"In {epochs} epochs {most.variant.name} made {most.row['updates']:,} updates, {least.variant.name} {least.row['updates']:,}; "
        f"{quick.variant.name} took the least time ({quick.row['seconds']:.3f} s, against {_slowest(outcomes):.3f} s at most).",
        f"The lowest training loss, {low.row['loss']:.4f}, was found by {low.variant.name}.",
        winner(problem, outcomes),
    ]
    bends = [o for o in outcomes if math.isfinite(o.row["sharpness"])]
    if len(bends) > 1:
        flat, sharp = min(bends, key=lambda o: o.row["sharpness"]), max(bends, key=lambda o: o.row["sharpness"])
        findings.append(
            f"The flattest place was reached by {flat.variant.name} (largest eigenvalue of the Hessian {flat.row['sharpness']:.3g}), "
            f"the sharpest by {sharp.variant.name} ({sharp.row['sharpness']:.3g}); a rate above 2 / {sharp.row['sharpness']:.3g} = "
            f"{2 / sharp.row['sharpness']:.3g} would leave the latter."
            if sharp.row["sharpness"] > 0
            else "No direction bends upwards at any of the places reached."
        )
    by_update = Panel(
        "by updates", "updates", "loss", log_x=True, log_y=True,
        series={
            o.variant.name: ([epoch * o.row["updates"] / len(o.history) for epoch in o.history.epoch], o.history["loss"]) for o in outcomes
        },
    )  # fmt: skip
    return made("gradient descent by batch size", problem, outcomes, findings, more=(by_update,))


def compare_learning_rates(
    x: Any = None, y: Any = None, *, rates: Sequence[float] = (1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0), epochs: int = 20,
    optimizer: str = "sgd", network: nn.Layer | None = None, batch_size: int | str = 32, validation: float = 0.25, seed: int = 0,
    workers: int = 1, target: str | None = None,
) -> Experiment:  # fmt: skip
    """The same training with learning rates from far too low to far too high.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: the penguins.
        rates: learning rates.
        epochs, batch_size: of each training.
        optimizer: its name.
        network: to train; None for two small layers.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Losses, and for each rate whether it was too low, too high, or right.

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Example:
        >>> found = compare_learning_rates(rates=[1e-5, 0.1], epochs=5)
        >>> found.table["verdict"].to_list()
        ['too low', 'good']
    """
    problem = problem_of(x, y, validation=validation, seed=seed, target=target)
    if not rates or any(isinstance(r, bool) or not isinstance(r, (int, float)) or r <= 0 for r in rates):
        raise ArgumentError(f"rates are {list(rates)!r}, expected numbers above 0", fix="for example [0.001, 0.01, 0.1]")
    own, kind = network or usual_network(problem), type(optim.get(optimizer))
    variants = [
        Variant(f"{rate:g}", model_of(problem, own, kind(learning_rate=float(rate)), seed), batch_size, {"learning_rate": float(rate)})
        for rate in rates
    ]
    firsts: dict[str, float] = {}
    outcomes = run(
        problem, variants, epochs=epochs, seed=seed, workers=workers,
        before=lambda model: ({"first_loss": model.evaluate(problem.x, problem.y)["loss"]}, {}),
    )  # fmt: skip
    falls = {o.variant.name: 0.0 if o.diverged else o.row["first_loss"] - o.row["loss"] for o in outcomes}
    most = max(falls.values())
    top = max(falls, key=lambda name: falls[name])
    place = float(top)
    for o in outcomes:
        small = falls[o.variant.name] < SLOW * most
        o.row["verdict"] = (
            "diverged" if o.diverged else "good" if not small else "too low" if o.row["learning_rate"] < place else "too high"
        )
        firsts[o.variant.name] = o.row.pop("first_loss")
    findings = []
    for verdict, said in (
        ("too low", "too low: the loss fell by less than half as much as with the best rate, in the same epochs"),
        ("too high", "too high: the updates overshoot, and the loss fell by less than half as much as with the best rate"),
        ("diverged", "far too high: the training diverged, the loss ended above where it began or is no number"),
        ("good", "good rates"),
    ):
        names = [o.variant.name for o in outcomes if o.row["verdict"] == verdict]
        if names:
            findings.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} {said}.".replace("is good rates", "is a good rate"))
    if most > 0:
        findings.append(f"The loss fell furthest with {top}: from {firsts[top]:.4f} to {firsts[top] - falls[top]:.4f}.")
    findings.append(winner(problem, outcomes))
    over = Panel(
        "by learning rate", "learning rate", "training loss at the end", log_x=True, log_y=True,
        series={"loss": ([o.row["learning_rate"] for o in outcomes], [o.row["loss"] for o in outcomes])},
    )  # fmt: skip
    return made(f"learning rates of {optimizer}", problem, outcomes, findings, more=(over,))


OPTIMIZERS = {
    "sgd": optim.SGD(0.05), "momentum": optim.SGD(0.05, momentum=0.9), "rmsprop": optim.RMSprop(0.003), "adagrad": optim.Adagrad(0.05),
    "adam": optim.Adam(0.003), "adamw": optim.AdamW(0.003), "nadam": optim.Nadam(0.003), "lion": optim.Lion(0.0005),
}  # fmt: skip


def compare_optimizers(
    x: Any = None, y: Any = None, *, optimizers: Mapping[str, Any] | None = None, epochs: int = 30, network: nn.Layer | None = None,
    batch_size: int | str = 32, validation: float = 0.25, seed: int = 0, workers: int = 1, target: str | None = None,
) -> Experiment:  # fmt: skip
    """The same network trained by several optimizers, each with a usual rate, and the memory their state takes.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: the penguins.
        optimizers: name -> optimizer; None for eight usual ones.
        epochs, batch_size: of each training.
        network: to train; None for two small layers.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Losses, epochs to the loss that all of them reached, seconds, and bytes of state beside the weights.

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Example:
        >>> import saltus as sl
        >>> found = compare_optimizers(optimizers={"sgd": sl.optim.SGD(0.1), "adam": sl.optim.Adam(0.01)}, epochs=2)
        >>> found.table["state_bytes"].to_list() == [0, 2 * 4 * found.table["parameters"][1]]
        True
    """
    problem = problem_of(x, y, validation=validation, seed=seed, target=target)
    chosen = OPTIMIZERS if optimizers is None else dict(optimizers)
    own = network or usual_network(problem)
    variants = [Variant(name, model_of(problem, own, given, seed), batch_size) for name, given in chosen.items()]
    outcomes = run(
        problem, variants, epochs=epochs, seed=seed, workers=workers, before=lambda model: ({"state_bytes": state_bytes(model)}, {})
    )
    light, heavy = best(outcomes, "state_bytes", largest=False), best(outcomes, "state_bytes")
    weights = 4 * outcomes[0].row["parameters"]
    known = [o for o in outcomes if o.row["epochs_to_same_loss"] is not None]
    low = best(outcomes, "loss", largest=False)
    findings = [f"The lowest training loss was reached with {low.variant.name}.", winner(problem, outcomes)]
    if known:
        quick, slow = (f(known, key=lambda o: o.row["epochs_to_same_loss"]) for f in (min, max))
        findings.append(
            f"{quick.variant.name} reached the loss that all reach in epoch {quick.row['epochs_to_same_loss']}, "
            f"{slow.variant.name} in epoch {slow.row['epochs_to_same_loss']}."
        )
    findings.append(
        f"State beside the {weights:,} bytes of weights: {light.variant.name} keeps {light.row['state_bytes']:,} bytes, "
        f"{heavy.variant.name} {heavy.row['state_bytes']:,} ({heavy.row['state_bytes'] / weights:.1f} times the weights)."
    )
    memory = Panel(
        "memory of the state", "optimizer", "bytes", bars=True,
        series={"bytes": ([o.variant.name for o in outcomes], [float(o.row["state_bytes"]) for o in outcomes])},
    )  # fmt: skip
    return made("optimizers", problem, outcomes, findings, more=(memory,))


def state_bytes(model: Model) -> int:
    """Bytes of what an optimizer keeps for the parameters of a built model; its clock and rates are not counted."""
    kept = tree.paths(model.state()["optimizer"])
    return int(sum(value._values().nbytes for path, value in kept if value.ndim and path[0] != "adjustable"))


def _slowest(outcomes: Sequence[Outcome]) -> float:
    return float(max(o.row["seconds"] for o in outcomes))

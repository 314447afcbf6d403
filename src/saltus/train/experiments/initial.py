"""Experiment on first weights, with statistics of activations and gradients by layer. Above `runner`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from saltus import nn, optim
from saltus.base import tree
from saltus.tensor.creation import asarray
from saltus.tensor.transforms import grad
from saltus.train import step
from saltus.train.experiments.problem import Problem, problem_of, spirals
from saltus.train.experiments.record import Experiment, Panel
from saltus.train.experiments.runner import Outcome, Variant, listed, made, run, winner
from saltus.train.experiments.updates import model_of
from saltus.train.model import Model

Array = np.ndarray[Any, Any]

INITIALIZERS = {
    "zeros": "zeros", "constant": nn.initializers.Constant(0.1), "random": nn.initializers.RandomNormal(stddev=0.05),
    "large random": nn.initializers.RandomNormal(stddev=1.0), "xavier": "glorot_uniform", "he": "he_normal",
}  # fmt: skip
ROWS = 512  # samples that statistics are taken from
ALIKE = 1e-6  # units whose outputs differ by less, relative to their size, are the same


def deep_network(problem: Problem, depth: int, width: int, activation: str, initializer: Any = "glorot_uniform") -> nn.Sequential:
    """Dense layers of one width."""
    flat = [nn.Flatten()] if problem.x.ndim > 2 else []
    hidden = [nn.Dense(width, activation=activation, kernel_initializer=initializer) for _ in range(depth)]
    return nn.Sequential([*flat, *hidden, nn.Dense(problem.outputs, kernel_initializer=initializer)])


def layer_statistics(model: Model, x: Any, y: Any) -> list[dict[str, Any]]:
    """What goes through each layer of a Sequential model: a dict a layer with a kernel.

    Args:
        model: built, with a loss.
        x, y: samples and targets.

    Returns:
        layer, activation_mean, activation_std, zeros (share of outputs that are 0 for a sample), distinct_units (units whose
        outputs differ from each other's), gradient_rms (of the kernel).
    """
    task, own = model._need().task, model.state()
    batch = {"x": asarray(np.ascontiguousarray(x[:ROWS])), "y": asarray(np.ascontiguousarray(y[:ROWS]))}
    slopes = grad(lambda p: step.loss_of(task, step.run_network(task, own, batch["x"], params=p), batch).loss)(own["params"])
    gradients = {tree.format_path(path): np.asarray(value) for path, value in tree.paths(slopes)}
    kernels = [p.path for p in task.description.parameters if p.path.endswith("/kernel")]
    layers = model.network.layers  # type: ignore[attr-defined]
    rows = []
    place = 0
    for count, layer in enumerate(layers, 1):
        if not isinstance(layer, nn.Dense):
            continue
        out = np.asarray(nn.apply(nn.Sequential(layers[:count]), own["params"], own["state"], batch["x"]).output, np.float64)
        gradient = gradients[kernels[place]]
        rows.append(
            {
                "layer": place + 1, "activation_mean": float(out.mean()), "activation_std": float(out.std()),
                "zeros": float((out == 0).mean()), "distinct_units": distinct(out), "units": out.shape[-1],
                "gradient_rms": float(np.sqrt(np.mean(np.square(gradient, dtype=np.float64)))),
            }
        )  # fmt: skip
        place += 1
    return rows


def distinct(outputs: Array) -> int:
    """How many columns of (N, units) differ from all others before them."""
    scale = np.abs(outputs).max() or 1.0
    return len(np.unique(np.round(outputs / (scale * ALIKE)), axis=1).T)


def compare_initializers(
    x: Any = None, y: Any = None, *, initializers: Mapping[str, Any] | None = None, depth: int = 5, width: int = 32,
    activation: str = "relu", epochs: int = 40, learning_rate: float = 0.003, batch_size: int | str = 32, validation: float = 0.25,
    seed: int = 0, workers: int = 1, target: str | None = None,
) -> Experiment:  # fmt: skip
    """The same deep network begun with zeros, one constant, random, Xavier's and He's weights.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: points on spirals.
        initializers: name -> initializer of the kernels; None for six usual ones.
        depth, width, activation: of the hidden layers.
        epochs, learning_rate, batch_size: of each training, by Adam.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Losses; `detail("by layer")` has what went through each layer before the training: spread of activations, gradients, and
        how many units differ from each other, then and after the training.

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010; He et al.,
        "Delving deep into rectifiers", 2015.

    Example:
        >>> found = compare_initializers(epochs=2, depth=2)
        >>> [row["distinct_units"] for row in found.details["by layer"] if row["variant"] == "zeros"]
        [1, 1, 1]
    """
    problem = problem_of(x, y, default=spirals, validation=validation, seed=seed, target=target)
    chosen = INITIALIZERS if initializers is None else dict(initializers)
    variants = [
        Variant(name, model_of(problem, deep_network(problem, depth, width, activation, how), optim.Adam(learning_rate), seed), batch_size)
        for name, how in chosen.items()
    ]

    def signals(model: Model) -> list[dict[str, Any]]:
        return layer_statistics(model, problem.x, problem.y)

    def after(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
        rows = signals(model)
        return {"distinct_units": rows[0]["distinct_units"]}, {"after": [row["distinct_units"] for row in rows]}

    outcomes = run(
        problem, variants, epochs=epochs, seed=seed, workers=workers, before=lambda model: ({}, {"layers": signals(model)}), after=after
    )  # fmt: skip
    layers = [
        {"variant": o.variant.name, **row, "distinct_units_after": late}
        for o in outcomes
        for row, late in zip(o.detail["layers"], o.detail["after"], strict=True)
    ]
    findings = [winner(problem, outcomes)]
    same = [o.variant.name for o in outcomes if o.row["distinct_units"] == 1 and width > 1]
    if same:
        findings.append(
            f"With {listed(same)} all {width} units of the first layer still say the same after {epochs} epochs: equal weights get equal "
            "gradients, so the layer is worth one unit. Only randomness makes them differ."
        )
    for o in outcomes:
        hidden = o.detail["layers"][:depth]
        first, last = hidden[0]["activation_std"], hidden[-1]["activation_std"]
        if o.variant.name in same or first == 0:
            continue
        share = last / first
        said = "hold their spread" if 0.2 <= share <= 5 else "fade" if share < 0.2 else "grow"
        findings.append(
            f"{o.variant.name}: activations {said} from layer 1 to {depth} (spread times {share:.2g}); the gradient of the first kernel is "
            f"{_times(o.detail['layers'][0]['gradient_rms'], o.detail['layers'][depth - 1]['gradient_rms'])} that of layer {depth}'s."
        )
    spread, slope = (
        Panel(
            title, "layer", title, log_y=True,
            series={o.variant.name: by_layer(o, key) for o in outcomes},
        )
        for title, key in (("spread of activations", "activation_std"), ("gradient of the kernel", "gradient_rms"))
    )  # fmt: skip
    notes = (f"{depth} hidden layers of {width} {activation} units",)
    return made("first weights", problem, outcomes, findings, more=(spread, slope), details={"by layer": layers}, notes=notes)


def by_layer(outcome: Outcome, key: str) -> tuple[list[int], list[float]]:
    """A statistic over the layers, for a plot; zeros are left out."""
    layers = outcome.detail["layers"]
    return [row["layer"] for row in layers], [row[key] or np.nan for row in layers]


def _times(one: float, other: float) -> str:
    return "as large as" if one == other else f"{one / other:.2g} times" if other else "above"

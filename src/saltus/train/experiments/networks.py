"""Experiments on the form of a network: depth, activation, dropout, dense against convolutional. Above `initial`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saltus import nn, optim
from saltus.base.errors import ArgumentError, DataError
from saltus.train.experiments.initial import by_layer, deep_network, layer_statistics
from saltus.train.experiments.problem import Problem, noisy, problem_of, shapes, spirals
from saltus.train.experiments.record import Experiment, Panel
from saltus.train.experiments.runner import Outcome, Variant, best, figure, listed, made, run, winner
from saltus.train.experiments.updates import model_of
from saltus.train.model import Model

FADES = 0.1  # a gradient that arrives at the first layer with less than this share of the last hidden one has faded


def width_for(inputs: int, outputs: int, depth: int, parameters: int) -> int:
    """Width of so many hidden Dense layers, at which the network has about so many parameters.

    Args:
        inputs, outputs: of the network.
        depth: hidden layers.
        parameters: wanted.

    Example:
        >>> width_for(2, 3, 1, 600), width_for(2, 3, 4, 600)
        (99, 13)
    """

    def count(width: int) -> int:
        return (inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * outputs

    width = 1
    while count(width + 1) <= parameters:
        width += 1
    return width if parameters - count(width) <= count(width + 1) - parameters else width + 1


def compare_depth(
    x: Any = None, y: Any = None, *, depths: Sequence[int] = (1, 2, 4, 6), parameters: int = 2000, activation: str = "relu",
    epochs: int = 60, learning_rate: float = 0.005, batch_size: int | str = 32, validation: float = 0.25, seed: int = 0,
    workers: int = 1, target: str | None = None,
) -> Experiment:  # fmt: skip
    """Shallow and deep networks of the same number of parameters.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: points on spirals.
        depths: numbers of hidden layers.
        parameters: of each network, as nearly as a common width allows.
        activation: of the hidden layers.
        epochs, learning_rate, batch_size: of each training, by Adam.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Widths, parameters and figures by depth.

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Example:
        >>> found = compare_depth(depths=[1, 3], parameters=500, epochs=2)
        >>> found.table["width"].to_list(), found.table["parameters"].to_list()
        ([83, 14], [501, 507])
    """
    problem = problem_of(x, y, default=spirals, validation=validation, seed=seed, target=target)
    if not depths or any(isinstance(d, bool) or not isinstance(d, int) or d < 1 for d in depths):
        raise ArgumentError(f"depths are {list(depths)!r}, expected whole numbers from 1 on", fix="for example [1, 2, 4]")
    variants = []
    for depth in depths:
        width = width_for(int(problem.x[0].size), problem.outputs, depth, parameters)
        network = deep_network(problem, depth, width, activation, "auto")
        model = model_of(problem, network, optim.Adam(learning_rate), seed)
        name = f"{depth} layer{'s' * (depth > 1)} of {width}"
        variants.append(Variant(name, model, batch_size, {"depth": depth, "width": width}))
    outcomes = run(problem, variants, epochs=epochs, seed=seed, workers=workers)
    findings = [winner(problem, outcomes)]
    flat = [o for o in outcomes if o.row["depth"] == min(depths)]
    deep = best([o for o in outcomes if o.row["depth"] > min(depths)] or outcomes, f"val_{problem.metric}")
    if deep is not flat[0]:
        gain = deep.row[f"val_{problem.metric}"] - flat[0].row[f"val_{problem.metric}"]
        word = "better" if gain > 0.005 else "worse" if gain < -0.005 else "no different"
        findings.append(
            f"With about {parameters:,} parameters each, {deep.variant.name} did {word} than {flat[0].variant.name}: "
            f"{figure(problem, deep)} against {figure(problem, flat[0])}, at a training loss of {deep.row['loss']:.4f} against "
            f"{flat[0].row['loss']:.4f}."
        )
    last = max(outcomes, key=lambda o: o.row["depth"])
    if last is not deep and deep is not flat[0]:
        findings.append(f"More depth did not go on helping: {last.variant.name} came to {figure(problem, last)}.")
    by_depth = Panel(
        "by depth", "hidden layers", problem.metric.replace("_", " "),
        {
            part: ([o.row["depth"] for o in outcomes], [o.row[key] for o in outcomes])
            for part, key in (("trained on", problem.metric), ("not trained on", f"val_{problem.metric}"))
        },
    )  # fmt: skip
    return made("depth at the same number of parameters", problem, outcomes, findings, more=(by_depth,))


ACTIVATIONS = ("sigmoid", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu")


def compare_activations(
    x: Any = None, y: Any = None, *, activations: Sequence[str] = ACTIVATIONS, depth: int = 5, width: int = 32, initializer: Any = "auto",
    epochs: int = 40, learning_rate: float = 0.003, batch_size: int | str = 32, validation: float = 0.25, seed: int = 0, workers: int = 1,
    target: str | None = None,
) -> Experiment:  # fmt: skip
    """The same deep network with different activation functions.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: points on spirals.
        activations: their names.
        depth, width, initializer: of the hidden layers; "auto" takes the weights that suit the activation.
        epochs, learning_rate, batch_size: of each training, by Adam.
        seed: of split, weights and order.
        workers: trainings at once.

    Returns:
        Losses, and `first_gradient`: how large the gradient of the first kernel is beside that of the last hidden one, before the
        training; `detail("by layer")` has activations and gradients of every layer.

    Raises:
        ArgumentError, DataError, UnknownNameError: see `problem_of` and `run`; no such activation.

    Example:
        >>> found = compare_activations(activations=["sigmoid", "relu"], epochs=2)
        >>> sigmoid, relu = found.table["first_gradient"].to_list()
        >>> sigmoid < 0.1 < relu
        True
    """
    problem = problem_of(x, y, default=spirals, validation=validation, seed=seed, target=target)
    networks = {name: deep_network(problem, depth, width, name, initializer) for name in activations}
    variants = [Variant(name, model_of(problem, own, optim.Adam(learning_rate), seed), batch_size) for name, own in networks.items()]

    def before(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
        layers = layer_statistics(model, problem.x, problem.y)
        last = layers[depth - 1]["gradient_rms"]
        return {"first_gradient": layers[0]["gradient_rms"] / last if last else 0.0}, {"layers": layers}

    def after(model: Model) -> tuple[dict[str, Any], dict[str, Any]]:
        layers = layer_statistics(model, problem.x, problem.y)[:depth]
        return {"silent": sum(row["zeros"] for row in layers) / depth}, {}

    outcomes = run(problem, variants, epochs=epochs, seed=seed, workers=workers, before=before, after=after)
    low = best(outcomes, "loss", largest=False)
    findings = [winner(problem, outcomes), f"The lowest training loss was reached with {low.variant.name}."]
    faded = [o for o in outcomes if o.row["first_gradient"] < FADES]
    if faded and depth > 1:
        names = listed([f"{o.variant.name} ({o.row['first_gradient']:.2g})" for o in faded])
        findings.append(
            f"Vanishing gradients: with {names} the gradient of the first layer was below a tenth of that of layer {depth} before the "
            f"training; their best came to {figure(problem, best(faded, f'val_{problem.metric}'))}."
        )
    kept = [o.variant.name for o in outcomes if o not in faded]
    if kept and faded:
        findings.append(f"It arrives with {listed(kept)}.")
    silent = [o for o in outcomes if o.row["silent"] > 0.3]
    if silent:
        names = listed([f"{o.variant.name} ({o.row['silent']:.0%})" for o in silent])
        findings.append(f"Outputs of the hidden layers that are exactly 0 after the training: {names}.")
    layers = [{"variant": o.variant.name, **row} for o in outcomes for row in o.detail["layers"]]
    slope = Panel(
        "gradient of the kernel before training", "layer", "root mean square", log_y=True,
        series={o.variant.name: by_layer(o, "gradient_rms") for o in outcomes},
    )  # fmt: skip
    notes = (f"{depth} hidden layers of {width} units",)
    return made("activation functions", problem, outcomes, findings, more=(slope,), details={"by layer": layers}, notes=notes)


def compare_dropout(
    x: Any = None, y: Any = None, *, rates: Sequence[float] = (0.0, 0.2, 0.5), width: int = 128, epochs: int = 60,
    learning_rate: float = 0.001, batch_size: int | str = 32, validation: float = 0.4, seed: int = 0, workers: int = 1,
    target: str | None = None,
) -> Experiment:  # fmt: skip
    """The same network with several shares of its units left out in training.

    Args:
        x, y, validation, target: the samples; see `problem_of`. Without them: few noisy samples, easy to learn by heart.
        rates: shares left out; 0 for none.
        width: of the two hidden layers.
        epochs, learning_rate, batch_size: of each training, by Adam.
        seed: of split, weights, order and masks.
        workers: trainings at once.

    Returns:
        Figures, `gap` (loss on samples not trained on less that on those trained on), and epochs to the same loss.

    Raises:
        ArgumentError, DataError: see `problem_of` and `run`.

    Source: Srivastava et al., "Dropout: a simple way to prevent neural networks from overfitting", 2014.

    Example:
        >>> found = compare_dropout(rates=[0.0, 0.5], epochs=20)
        >>> found.table["gap"][1] < found.table["gap"][0]
        True
    """
    problem = problem_of(x, y, default=noisy, validation=validation, seed=seed, target=target)
    flat = [nn.Flatten()] if problem.x.ndim > 2 else []
    variants = []
    for rate in rates:
        hidden = [layer for _ in range(2) for layer in (nn.Dense(width, activation="relu"), nn.Dropout(float(rate)))]
        network = nn.Sequential([*flat, *hidden, nn.Dense(problem.outputs)])
        model = model_of(problem, network, optim.Adam(learning_rate), seed)
        variants.append(Variant("none" if not rate else f"{rate:.0%}", model, batch_size, {"rate": float(rate)}))
    outcomes = run(problem, variants, epochs=epochs, seed=seed, workers=workers)
    for o in outcomes:
        o.row["gap"] = o.row["val_loss"] - o.row["loss"]
        o.row["best_val_loss"] = min(o.history["val_loss"])
    wide, narrow = best(outcomes, "gap"), best(outcomes, "gap", largest=False)
    findings = [winner(problem, outcomes)]
    if wide is not narrow:
        findings.append(
            f"The loss on samples not trained on lies {wide.row['gap']:.3f} above that on the others with dropout {wide.variant.name}, and "
            f"{narrow.row['gap']:.3f} with {narrow.variant.name}: {'less' if narrow.row['rate'] > wide.row['rate'] else 'no less'} is "
            "learnt by heart with dropout."
        )
    plain = next((o for o in outcomes if not o.row["rate"]), None)
    base = plain.row["epochs_to_same_loss"] if plain is not None else None
    findings += [
        f"Dropout {o.variant.name} took {o.row['epochs_to_same_loss'] / base:.1f} times the epochs of none to the training loss "
        f"that all reached ({o.row['epochs_to_same_loss']} against {base})."
        for o in outcomes
        if base and o is not plain and o.row["epochs_to_same_loss"]
    ]
    losses = Panel(
        "loss on samples not trained on", "epoch", "loss", {o.variant.name: (o.history.epoch, o.history["val_loss"]) for o in outcomes}
    )
    return made("dropout", problem, outcomes, findings, more=(losses,))


def compare_dense_vs_cnn(
    x: Any = None, y: Any = None, *, filters: Sequence[int] = (8, 16), units: int = 32, wide: int = 128, epochs: int = 25,
    learning_rate: float = 0.003, batch_size: int | str = 32, validation: float = 0.4, seed: int = 0, workers: int = 1,
    target: str | None = None,
) -> Experiment:  # fmt: skip
    """A convolutional network against dense ones on images: a wide one, and one with as many parameters as the convolutional.

    Args:
        x, y, validation: images (N, height, width, channels) or (N, height, width), or a folder or file of them; see `problem_of`.
            Without them: shapes anywhere in noise.
        filters: of the convolutions, each followed by pooling.
        units: of the dense layer behind them.
        wide: of the dense network's hidden layer.
        epochs, learning_rate, batch_size: of each training, by Adam.
        seed: of split, weights and order.
        workers: trainings at once.
        target: not used.

    Returns:
        Parameters, figures on both parts, and `gap`, how much better the network is on what it was trained on.

    Raises:
        DataError: the samples are no images; or as `problem_of`.

    Example:
        >>> found = compare_dense_vs_cnn(epochs=1)
        >>> found.row("cnn")["parameters"] < found.row("dense, wide")["parameters"]
        True
    """
    problem = _images(problem_of(x, y, default=shapes, validation=validation, seed=seed, target=target))
    cnn = _cnn(problem, filters, units)
    count = nn.describe(cnn, nn.Spec((1, *problem.x.shape[1:]))).count
    inputs = int(problem.x[0].size)
    networks: dict[str, nn.Layer] = {
        "cnn": cnn,
        "dense, same size": deep_network(problem, 1, width_for(inputs, problem.outputs, 1, count), "relu", "auto"),
        "dense, wide": deep_network(problem, 1, wide, "relu", "auto"),
    }
    variants = [Variant(name, model_of(problem, own, optim.Adam(learning_rate), seed), batch_size) for name, own in networks.items()]
    outcomes = run(problem, variants, epochs=epochs, seed=seed, workers=workers)
    for o in outcomes:
        o.row["gap"] = o.row[problem.metric] - o.row[f"val_{problem.metric}"]
    first, *others = outcomes
    rival = best(others, f"val_{problem.metric}")
    findings = [
        winner(problem, outcomes),
        f"The convolutional network has {first.row['parameters']:,} parameters and came to {figure(problem, first)}; the better dense "
        f"one, {rival.variant.name}, has {rival.row['parameters']:,} and came to {figure(problem, rival)}.",
        f"On what they were trained on they are better by {_points(problem, first)} (cnn) and {_points(problem, rival)} "
        f"({rival.variant.name}): {'the dense network' if rival.row['gap'] > first.row['gap'] else 'the convolutional network'} "
        "learns more by heart.",
    ]
    sizes = Panel(
        "parameters", "network", "parameters", bars=True,
        series={"parameters": ([o.variant.name for o in outcomes], [float(o.row["parameters"]) for o in outcomes])},
    )  # fmt: skip
    return made("dense against convolutional", problem, outcomes, findings, more=(sizes,))


def _points(problem: Problem, outcome: Outcome) -> str:
    gap = outcome.row["gap"]
    return f"{100 * gap:.1f} points" if problem.classes else f"{gap:.3f}"


def _images(problem: Problem) -> Problem:
    """The problem with images of four axes.

    Raises:
        DataError: its samples are no images.
    """
    if problem.x.ndim == 3:
        return Problem(problem.x[..., None], problem.y, problem.x_held[..., None], problem.y_held, problem.classes, problem.notes)
    if problem.x.ndim != 4:
        raise DataError(
            f"the samples have the shape {problem.x.shape}, which are no images",
            fix="give (N, height, width, channels), or a folder of images",
        )
    return problem


def _cnn(problem: Problem, filters: Sequence[int], units: int) -> nn.Sequential:
    """Convolutions with pooling as long as there is something left to pool."""
    layers: list[nn.Layer] = []
    side = min(problem.x.shape[1:3])
    for count in filters:
        layers.append(nn.Conv2D(count, 3, padding="same", activation="relu", kernel_initializer="he_normal"))
        if side >= 4:
            layers.append(nn.MaxPooling2D(2))
            side //= 2
    return nn.Sequential([*layers, nn.Flatten(), nn.Dense(units, activation="relu"), nn.Dense(problem.outputs)])

"""From the losses and metrics a user names to one goal for each output of a network; above `step`, below `model`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ArgumentError, unknown_name
from saltus.train.step import Goal


def output_names(output: Any) -> list[str]:
    """Names of a network's outputs: keys of a dict, else output_1, ...; "" for a single one.

    Args:
        output: tree of Specs.
    """
    paths = [path for path, _ in tree.paths(output)]
    if len(paths) == 1:
        return [""]
    return [tree.format_path(p) if isinstance(output, dict) else f"output_{i}" for i, p in enumerate(paths, 1)]


def _spread(given: Any, what: str, names: list[str], default: Any) -> list[Any]:
    """One value for each output, from a dict by their names, a list in their order, or one for all."""
    if isinstance(given, Mapping) and "class" not in given:
        wrong = [key for key in given if key not in names]
        if wrong:
            raise unknown_name(f"output in {what}", wrong[0], names)
        return [given.get(name, default) for name in names]
    listed = isinstance(given, (list, tuple)) and len(names) > 1
    if what.endswith("metrics"):  # a plain list of metrics is for every output
        listed = listed and bool(given) and all(isinstance(v, (list, tuple)) for v in given)
    if listed:
        if len(given) != len(names):
            raise ArgumentError(f"{what} has {len(given)} entries, but the network has the outputs {', '.join(names)}")
        return list(given)
    return [given] * len(names)


def _each(values: Any) -> Iterable[Any]:
    return [values] if isinstance(values, (str, nn.metrics.Metric)) or callable(values) else list(values)


def check_names(loss: Any, metrics: Any, weighted_metrics: Any) -> None:
    """Refuse names of losses and metrics that are not known, before anything is built.

    Args:
        loss, metrics, weighted_metrics: as `Model` takes them.

    Raises:
        UnknownNameError: with the nearest names.
    """
    for word in _words(loss):
        nn.losses.get(word)
    for word in (*_words(metrics), *_words(weighted_metrics)):
        if word.lower() not in ("acc", "accuracy"):  # which accuracy it is follows from the loss
            nn.metrics.get(word)


def _words(given: Any) -> list[str]:
    """The names in one value, or in a list or dict of them; stored forms and objects speak for themselves."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping):
        return [] if "class" in given else [word for value in given.values() for word in _words(value)]
    return [word for value in given for word in _words(value)] if isinstance(given, (list, tuple)) else []


def goals_of(output: Any, *, loss: Any, shares: Any, metrics: Any, weighted_metrics: Any) -> tuple[Goal, ...]:
    """One goal for each output; none without a loss.

    Args:
        output: tree of Specs of the network's output.
        loss, shares, metrics, weighted_metrics: as `Model` takes them.

    Raises:
        ArgumentError, UnknownNameError: an output has no loss, or a name is not known.
    """
    if loss is None:
        return ()
    names, specs = output_names(output), tree.leaves(output)
    columns = (
        _spread(loss, "loss", names, None),
        _spread(1.0 if shares is None else shares, "loss_weights", names, 1.0),
        _spread(metrics, "metrics", names, ()),
        _spread(weighted_metrics, "weighted_metrics", names, ()),
    )
    goals = []
    for name, spec, given, share, plain, weighted in zip(names, specs, *columns, strict=True):
        if given is None:
            raise ArgumentError(f"the output {name!r} has no loss", fix=f"give loss a value for each of {', '.join(names)}")
        own = nn.losses.get(given)
        measured = [
            tuple((m.title, m) for m in (nn.metrics.get(v, loss=own, output_shape=spec.shape) for v in _each(values)))
            for values in (plain, weighted)
        ]
        goals.append(Goal(name, own, float(share), *measured))
    return tuple(goals)

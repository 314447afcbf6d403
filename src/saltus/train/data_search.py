"""Searching hyperparameters of a model, or of a network for a table, which is prepared once and trained many times. Above `tuning`
and `tabular`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data import TableEncoder, read_table
from saltus.train import fitted, table_network, tabular
from saltus.train.callbacks import EarlyStopping
from saltus.train.corpus import Corpus, fit_options
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.side import workers_of
from saltus.train.space import Dimension, choice, integer, real, space_of
from saltus.train.tabular import TableOptions, TabularModel
from saltus.train.tuning import Search, Trial, Tuning, search, tune_model, with_numbers

# What can be searched, with the ranges that are searched when no space is given.
SPACE: dict[str, Dimension] = {
    "learning_rate": real(3e-4, 3e-2, log=True),
    "batch_size": choice([32, 64, 128, 256, 512]),
    "width": integer(16, 256, log=True),
    "depth": integer(1, 4),
    "dropout": real(0.0, 0.5),
    "activation": choice(["relu", "gelu", "silu", "tanh"]),
    "initializer": choice(["glorot_uniform", "he_normal"]),
    "optimizer": choice(["adamw", "adam", "rmsprop", "sgd"]),
    "momentum": real(0.0, 0.95),
    "weight_decay": real(1e-5, 1e-1, log=True),
}
KNOWN = (*SPACE, "epochs")


def tune(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    space: Mapping[str, Any] | None = None,
    trials: int = 50,
    method: str = "tpe",
    pruner: str = "none",
    monitor: str = "val_loss",
    validation: Any = 0.2,
    study: str | Path | None = None,
    resume: bool = False,
    time_limit: float | None = None,
    workers: int | None = None,
    seed: int | None = None,
    told: Callable[[Trial], None] | None = None,
    **training: Any,
) -> Any:
    """Search hyperparameters.

    With the same seed and number of workers, and without pruner and time limit, a search gives the same result every time.

    Args:
        model: a pattern: the space then names numbers of its optimizer ("learning_rate", "momentum", "weight_decay", ...), "optimizer",
            "batch_size" and "epochs"; or a function from what was chosen (a dict) to an untrained Model; or a table, as `fit_table`
            takes it: everything can then be searched, see `SPACE` in this file.
        x, y: as for `Model.fit`; for a table x is the name of the target.
        space: name -> `sl.space.real(...)`, `integer(...)`, `choice([...])` or a list.
        trials: how many in all.
        method: "tpe", "random", "grid" (five points of a range) or "cmaes".
        pruner: "none", "median", "hyperband" or "patient": ends hopeless trials early.
        monitor: a figure of the epochs; the best epoch of a trial counts, and its weights are kept.
        validation: rows that judge, a share (the same for all trials) or (x, y).
        study: an SQLite file to keep the search in.
        resume: go on with the study of that file.
        time_limit: seconds; trials that run then end at once.
        workers: trials at once; None for one a core.
        seed: of the search; None takes the model's.
        told: called with each trial that ends.
        training: arguments of `Model.fit`, or options of `fit_table`.

    Returns:
        `Tuning`: best trial, its model, all trials, what mattered. For a table its `model` takes raw rows.

    Raises:
        ArgumentError: the space has nothing in it; Optuna is missing; the study is open, or exists and resume is not given.
        UnknownNameError: a method, pruner, monitor or dimension is not known.
        Interrupted: Ctrl-C came; the study is kept when it has a file.

    Source: Akiba et al., "Optuna: a next-generation hyperparameter optimization framework", 2019; Bergstra et al., "Algorithms for
    hyper-parameter optimization", 2011 (TPE).
    """
    how = Search(
        trials, method, pruner, monitor, None if study is None else Path(study), resume, time_limit, workers_of(workers), seed, told
    )
    if isinstance(model, Model) or callable(model):
        return tune_model(model, x, y, space, how, validation, training)
    return tune_table(model, x, space, how, validation, training)


def tune_table(source: Any, target: Any, space: Mapping[str, Any] | None, how: Search, validation: Any, changes: dict[str, Any]) -> Tuning:
    """See `tune`.

    Args:
        source: a table.
        target: name of its column to predict, or None for the last.
        space: names of `KNOWN`; None takes `SPACE`.
        how: the search.
        validation: share of the rows that judges the trials.
        changes: options of `fit_table`.
    """
    chosen = dict(SPACE) if space is None else space_of(space)
    for name in chosen:
        if name not in KNOWN:
            raise unknown_name("dimension of the search", name, KNOWN)
    given = changes.pop("options", None)
    options = fitted.with_changes(given or TableOptions(), {"verbose": 0, **changes})
    if not isinstance(validation, (int, float)) or not 0 < validation < 1:
        raise ArgumentError(f"validation is {validation!r}, expected a share between 0 and 1: it judges the trials")
    options = replace(options, validation=float(validation))
    table = read_table(source)
    name = tabular.chosen_target(table, target)
    train, held, test = tabular._parts(table, name, options)
    assert held is not None
    encoder = options.encoder or TableEncoder(text_width=tabular._text_width(train.frame.height))
    learnt = encoder.fit_transform(train, name, task=options.task, overrides=options.overrides)
    checked, judged = encoder.transform(held, target=True), None if test is None else encoder.transform(test, target=True)
    if options.told is not None:
        options.told(encoder)
    size, epochs = tabular._sizes(len(learnt), options)

    def build(params: dict[str, Any]) -> Model:
        own = _options(options, params, len(learnt))
        model = tabular._model(encoder, learnt, own, size, epochs)
        updates = training_plan(len(learnt), params.get("batch_size", size), params.get("epochs", epochs)).updates
        optimizer = fitted.optimizer_of(own, updates)
        numbers = {"momentum": params["momentum"]} if "momentum" in params else {}
        return model.clone(optimizer=with_numbers(optimizer, numbers), network=_initialized(model.network, params.get("initializer")))

    training = fit_options(
        {
            "epochs": epochs, "batch_size": size, "validation": (checked.inputs, checked.target),
            "class_weight": "balanced" if options.balanced and encoder.classes else None,
            "callbacks": [*options.callbacks, EarlyStopping(patience=options.patience or max(10, epochs // 10))],
        }
    )  # fmt: skip
    corpus = Corpus(build({}), learnt.inputs, learnt.target)
    how = replace(how, seed=options.seed if how.seed is None else how.seed)
    result = search(build, corpus, np.arange(corpus.rows), None, training, chosen, how)
    made = TabularModel(result.model, encoder, result.best.history, fitted._trivial(encoder, learnt))
    made.rows = {"train": len(learnt), "validation": len(checked), "test": len(judged or ())}
    judgement = made.judge(judged or checked)
    made.keep(judgement)
    if options.judged is not None:
        options.judged(judged or checked, judgement)
    result.model = made  # type: ignore[assignment]  # it takes raw rows
    return result


def _options(options: TableOptions, params: Mapping[str, Any], rows: int) -> TableOptions:
    """Options of a table with what was chosen."""
    changes = {n: params[n] for n in ("learning_rate", "dropout", "activation", "optimizer", "weight_decay") if n in params}
    if "width" in params or "depth" in params:
        widths = options.hidden if options.hidden is not None else table_network.widths(rows)
        width = params.get("width", widths[0] if len(widths) else 64)
        changes["hidden"] = (int(width),) * int(params.get("depth", max(len(widths), 1)))
    return replace(options, **changes)


def _initialized(network: nn.Layer, initializer: Any) -> nn.Layer:
    """The network with another initializer in its Dense layers."""
    if initializer is None or not isinstance(network, nn.Sequential):
        return network
    layers = [replace(layer, kernel_initializer=initializer) if isinstance(layer, nn.Dense) else layer for layer in network.layers]
    return nn.Sequential(layers)

"""Searching hyperparameters of a network for a table: prepared once, trained many times. Above `tuning` and `tabular`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, unknown_name
from saltus.data import TableEncoder, read_table
from saltus.train import fitted, tabular
from saltus.train.callbacks import EarlyStopping
from saltus.train.corpus import Corpus, fit_options
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.space import Dimension, choice, integer, real, space_of
from saltus.train.tabular import TableOptions, TabularModel
from saltus.train.tuning import Search, Tuning, search, with_numbers

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


def tune_table(source: Any, target: Any, space: Mapping[str, Any] | None, how: Search, validation: Any, changes: dict[str, Any]) -> Tuning:
    """See `tuning.tune`.

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
    made.scores, made.baseline, made.confused = judgement.scores, judgement.baseline, judgement.confused
    result.model = made  # type: ignore[assignment]  # it takes raw rows
    return result


def _options(options: TableOptions, params: Mapping[str, Any], rows: int) -> TableOptions:
    """Options of a table with what was chosen."""
    changes = {n: params[n] for n in ("learning_rate", "dropout", "activation", "optimizer", "weight_decay") if n in params}
    if "width" in params or "depth" in params:
        widths = options.hidden if options.hidden is not None else tabular._widths(rows)
        width = params.get("width", widths[0] if len(widths) else 64)
        changes["hidden"] = (int(width),) * int(params.get("depth", max(len(widths), 1)))
    return replace(options, **changes)


def _initialized(network: nn.Layer, initializer: Any) -> nn.Layer:
    """The network with another initializer in its Dense layers."""
    if initializer is None or not isinstance(network, nn.Sequential):
        return network
    layers = [replace(layer, kernel_initializer=initializer) if isinstance(layer, nn.Dense) else layer for layer in network.layers]
    return nn.Sequential(layers)

"""Searching hyperparameters of a model, or of a network for data of any kind, which are prepared once and trained many times. Above
`tuning` and `kinds`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, unknown_name
from saltus.data.supply import Rows
from saltus.train import fitted, kinds, presets, spaces
from saltus.train.callbacks import EarlyStopping
from saltus.train.corpus import Corpus, fit_options
from saltus.train.model import Model
from saltus.train.side import workers_of
from saltus.train.sources import Source
from saltus.train.space import Dimension, space_of
from saltus.train.tuning import Search, Trial, Tuning, search, tune_model, with_numbers


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
            "batch_size" and "epochs"; or a function from what was chosen (a dict) to an untrained Model; or data, as `saltus fit` takes
            them: everything can then be searched, see `train/spaces.py`.
        x, y: as for `Model.fit`; for data x is the name of the target.
        space: name -> `sl.space.real(...)`, `integer(...)`, `choice([...])` or a list; None takes what suits the kind of data.
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
        training: arguments of `Model.fit`; or for data options of their fit, such as those of `fit_table`, and kind= ("table", "text",
            "images", "series") where it is not to be seen from the data.

    Returns:
        `Tuning`: best trial, its model, all trials, what mattered. For data its `model` takes them as they are.

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
    return tune_data(model, x, space, how, validation, training)


def tune_data(source: Any, target: Any, space: Mapping[str, Any] | None, how: Search, validation: Any, changes: dict[str, Any]) -> Tuning:
    """See `tune`.

    Args:
        source: data of any kind.
        target: what to predict, or None to leave it to the kind.
        space: names of the kind's own space, and of `spaces.FURTHER`; None takes its own.
        how: the search.
        validation: share that judges the trials.
        changes: options of the kind's fit.
    """
    given = changes.pop("options", None)
    kind = kinds.of_data(source, changes.pop("kind", None), given)
    chosen = dict(kind.space) if space is None else space_of(space)
    known = (*kind.space, *spaces.FURTHER)
    for name in chosen:
        if name not in known:
            raise unknown_name(f"dimension of the search of {kind.fitted.title}", name, known)
    if "augment" in chosen:
        _check_augments(kind, chosen["augment"])
    options = fitted.with_changes(given or kind.options(), {"verbose": 0, **changes})
    if not isinstance(validation, (int, float)) or not 0 < validation < 1:
        raise ArgumentError(f"validation is {validation!r}, expected a share between 0 and 1: it judges the trials")
    if options.ensemble is not None:
        raise ArgumentError("a search trains single networks", fix="search first, then fit an ensemble with what was found")
    prepared = kind.prepare(source, target, replace(options, validation=float(validation)))
    options, learnt, checked, classes = prepared.options, prepared.learnt, prepared.checked, bool(prepared.encoder.classes)
    if isinstance(learnt.inputs, (Rows, Source)):
        raise ArgumentError("a search needs its data in memory, but these are read while the training runs", fix="raise memory")
    inputs, targets, augment = presets.prepared(kind.name, options.augment, learnt.inputs, learnt.target, options.seed)

    def build(params: dict[str, Any]) -> Model:
        own = spaces.varied(options, params)
        size, epochs = params.get("batch_size", prepared.size), params.get("epochs", prepared.epochs)
        model = prepared.build(own, size, epochs)
        numbers = {"momentum": params["momentum"]} if "momentum" in params else {}
        network = spaces.initialized(model.network, params.get("initializer"))
        return model.clone(optimizer=with_numbers(model.optimizer, numbers), network=network)

    def trained(params: dict[str, Any]) -> dict[str, Any]:
        made = {name: params[name] for name in spaces.TRAINING if name in params}
        return {**made, "augment": presets.wanted(kind.name, made["augment"])[1]} if "augment" in made else made

    training = fit_options(
        {
            "epochs": prepared.epochs, "batch_size": prepared.size, "validation": (checked.inputs, checked.target),
            "class_weight": "balanced" if options.balanced and classes else None, "augment": augment,
            "callbacks": [*options.callbacks, EarlyStopping(patience=options.patience or max(10, prepared.epochs // 10))],
        }
    )  # fmt: skip
    corpus = Corpus(build({}), inputs, targets)
    how = replace(how, seed=options.seed if how.seed is None else how.seed)
    result = search(build, corpus, np.arange(corpus.rows), None, training, chosen, how, trained)
    result.model = prepared.judged(result.model, result.best.history)  # type: ignore[assignment]  # it takes raw data
    return result


def _check_augments(kind: kinds.Kind, dimension: Dimension) -> None:
    """Refuse names of augmentations that are unknown, or are made before the training."""
    for name in getattr(dimension, "values", ()):
        before, _ = presets.wanted(kind.name, name)
        if before:
            raise ArgumentError(f"{before[0]} makes rows before the training: it cannot be searched", fix="compare two searches")

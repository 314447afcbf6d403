"""Optuna behind a few words: studies in memory or in a file, samplers, pruners. Above `space`, below `tuning`.

Optuna is loaded when a search begins.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from saltus.base.errors import ArgumentError, SaltusError, StorageError, unknown_name
from saltus.train.space import Choice, Dimension

METHODS, PRUNERS = ("tpe", "random", "grid", "cmaes"), ("none", "median", "hyperband", "patient")
GRID_POINTS = 5


def optuna() -> Any:
    """The library.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        import optuna as library
    except ImportError:
        raise ArgumentError("searching hyperparameters needs Optuna, which is not installed", fix="pip install 'saltus[tune]'") from None
    library.logging.set_verbosity(library.logging.WARNING)
    return library


def _sampler(library: Any, method: str, space: Mapping[str, Dimension], seed: int) -> Any:
    if method == "random":
        return library.samplers.RandomSampler(seed=seed)
    if method == "grid":
        grid = {name: dimension.grid(GRID_POINTS) for name, dimension in space.items()}
        return library.samplers.GridSampler(grid, seed=seed)
    if method == "cmaes":
        try:
            import cmaes  # noqa: F401
        except ImportError:
            raise ArgumentError('method "cmaes" needs the package cmaes, which is not installed', fix="pip install cmaes") from None
        return library.samplers.CmaEsSampler(seed=seed, warn_independent_sampling=False)
    return library.samplers.TPESampler(seed=seed)


def _pruner(library: Any, name: str, epochs: int) -> Any:
    if name == "median":
        return library.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=max(1, epochs // 10))
    if name == "hyperband":
        return library.pruners.HyperbandPruner(min_resource=max(1, epochs // 27), max_resource=max(2, epochs), reduction_factor=3)
    if name == "patient":
        return library.pruners.PatientPruner(library.pruners.MedianPruner(n_startup_trials=4), patience=max(1, epochs // 10))
    return library.pruners.NopPruner()


class Store:
    """Where a study is kept, held by one process at a time.

    Args:
        path: an SQLite file, or None for memory.
        resume: go on with what the file holds.

    Raises:
        ArgumentError: the file holds a study already, or another process has it open.
        StorageError: the file cannot be written.
    """

    def __init__(self, path: str | Path | None, *, resume: bool) -> None:
        self.path = None if path is None else Path(path)
        self._lock: Path | None = None
        if self.path is None:
            if resume:
                raise ArgumentError("resume=True needs the file of the study", fix='tune(..., study="search.db", resume=True)')
            return
        if self.path.exists() and not resume:
            raise ArgumentError(f"{self.path} holds a study already", fix="go on with it: resume=True; or name another file")
        lock = self.path.with_name(self.path.name + ".lock")
        if (owner := _owner(lock)) is not None:
            raise ArgumentError(
                f"the study {self.path} is open already, in process {owner}", fix="wait until it ends, or name another file"
            )
        try:
            lock.unlink(missing_ok=True)
            handle = os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            os.write(handle, str(os.getpid()).encode())
            os.close(handle)
        except FileExistsError:
            raise ArgumentError(f"the study {self.path} is open already", fix="wait until it ends, or name another file") from None
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror or error}", fix="choose another place") from error
        self._lock = lock

    def close(self) -> None:
        """Let others have the file."""
        if self._lock is not None:
            self._lock.unlink(missing_ok=True)
            self._lock = None


def _owner(lock: Path) -> int | None:
    """The living process that holds a lock."""
    try:
        process = int(lock.read_text())
        os.kill(process, 0)
    except (OSError, ValueError):
        return None
    return process


def open_study(
    store: Store, space: Mapping[str, Dimension], *, method: str, pruner: str, grows: bool, seed: int, epochs: int, monitor: str
) -> Any:
    """An Optuna study, new or gone on with.

    Raises:
        ArgumentError: Optuna is missing, the file is no study, or one of another search.
        UnknownNameError: another method or pruner.
    """
    for what, name, known in (("method of search", method, METHODS), ("pruner", pruner, PRUNERS)):
        if name not in known:
            raise unknown_name(what, name, known)
    library = optuna()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            storage = None if store.path is None else library.storages.RDBStorage(f"sqlite:///{store.path}")
            study = library.create_study(
                study_name="saltus", storage=storage, load_if_exists=True, direction="maximize" if grows else "minimize",
                pruner=_pruner(library, pruner, epochs),
            )  # fmt: skip
        except Exception as error:  # Optuna and SQLAlchemy raise many kinds
            if unwritten(error):
                raise _unwritable(store.path) from error
            raise ArgumentError(f"{store.path} cannot be opened as a study: {error}", fix="name another file") from error
        terms = {"space": {name: repr(d) for name, d in space.items()}, "monitor": monitor, "grows": grows}
        kept = study.user_attrs.get("terms")
        if kept is not None and json.loads(kept) != terms:
            raise ArgumentError(
                f"{store.path} holds a search of another space or monitor: {kept}",
                fix="use the same space and monitor, or name another file",
            )
        study.set_user_attr("terms", json.dumps(terms))
        done = study.get_trials(deepcopy=False)
        study.sampler = _sampler(library, method, space, seed + len(done))
        for trial in done:
            if trial.state == library.trial.TrialState.RUNNING:  # of a process that was killed
                study.tell(trial.number, state=library.trial.TrialState.FAIL)
    return study


_FULL = ("disk is full", "disk i/o error", "readonly database", "unable to open")


def unwritten(error: BaseException) -> bool:
    """Whether an error of Optuna or its database says that the study's file cannot be written."""
    causes, found = error, ""
    while causes is not None:
        found += f" {causes}"
        causes = causes.__cause__ or causes.__context__  # type: ignore[assignment]
    return any(word in found.lower() for word in _FULL)


def _unwritable(path: Path | None) -> StorageError:
    fix = "make room on the disk, or choose another folder; a study goes on with --resume"
    return StorageError(f"the study {path} cannot be written: the disk is full, or nothing may be written there", fix=fix)


@contextlib.contextmanager
def kept_in(store: Store) -> Iterator[None]:
    """What goes wrong with the file of a study while it is used, in words.

    Raises:
        StorageError: the file cannot be written any more; what it has is unharmed.
    """
    try:
        yield
    except SaltusError:
        raise
    except Exception as error:
        if store.path is not None and unwritten(error):
            raise _unwritable(store.path) from error
        raise


def values_of(params: Mapping[str, Any], space: Mapping[str, Dimension]) -> dict[str, Any]:
    """What a finished trial chose; Optuna keeps numbers of choices."""
    return {n: d.values[params[n]] if isinstance(d, Choice) else params[n] for n, d in space.items() if n in params}


def load_importance() -> None:
    """Import what `importance_of` needs, which takes a second or two where scikit-learn is installed."""
    importlib.import_module("optuna.importance")


def importance_of(study: Any, space: Mapping[str, Dimension]) -> dict[str, float]:
    """How much of the difference between trials each dimension explains, adding up to 1; the largest first.

    Source: Watanabe, Bansal and Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in arbitrary subspaces",
    2023.
    """
    library = optuna()
    complete = [t for t in study.get_trials(deepcopy=False) if t.value is not None and math.isfinite(t.value)]
    varied = [n for n in space if len({t.params.get(n) for t in complete if n in t.params}) > 1]
    if len(complete) < 4 or not varied:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = library.importance.get_param_importances(
                study, params=varied, evaluator=library.importance.PedAnovaImportanceEvaluator(), normalize=True
            )
        except (RuntimeError, ValueError):  # all trials equally good
            return {}
    return {name: float(value) for name, value in found.items()}

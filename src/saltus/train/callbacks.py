"""Callbacks: they are told what happens and may ask for a stop or another learning rate; names, hooks and
arguments are Keras's.

The loop knows nothing of them (`model.py` passes its events on), and a hook that no callback writes is never
called. Hooks for single batches make every batch a call of its own; all others leave an epoch in one piece.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus.base.errors import ArgumentError, StorageError, unknown_name
from saltus.train.record import grows

if TYPE_CHECKING:
    from saltus.train.model import Model

Logs = dict[str, Any]

BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end")


class Callback:
    """Base of all callbacks: derive from it and write the hooks you need.

    Attributes:
        model: the model in training. `model.stop_training = True` ends the training after the running epoch
            (or batch, in a batch hook); `model.learning_rate = 0.01` changes the rate.
        params: dict of "epochs", "steps", "samples", "batch_size", and "resumed" (whether the training goes
            on from a checkpoint).

    Example:
        >>> class Print(Callback):
        ...     def on_epoch_end(self, epoch, logs):
        ...         print(epoch, round(logs["loss"], 3))
    """

    model: Model
    params: dict[str, Any]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch, with its logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before an epoch (counted from 0)."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """After an epoch and its validation: loss, metrics, val_..., learning_rate, seconds."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a batch (counted from 0 in each epoch). Writing this hook makes every batch a call of its
        own.
        """

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        """After a batch, with the means over the epoch so far. Writing this hook makes every batch a call of
        its own.
        """

    def on_progress(self, batch: int, logs: Logs) -> None:
        """After each call of the compiled program (many batches, some tenths of a second), with the means so
        far.
        """

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Before `evaluate` (also that of a validation)."""

    def on_test_end(self, logs: Logs) -> None:
        """After `evaluate`."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Before `predict`."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """After `predict`."""

    def monitors(self) -> list[str]:
        """Names this callback looks up in the logs; unknown ones are refused before the training."""
        return []

    def state(self) -> dict[str, Any]:
        """What a checkpoint must keep of this callback: a dict of plain values and trees of arrays."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""


class CallbackList:
    """Callbacks as one; calls only hooks that somebody wrote.

    Args:
        callbacks: the callbacks.
        model: given to each.
    """

    def __init__(self, callbacks: Iterable[Callback], model: Model) -> None:
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise ArgumentError(
                    f"callbacks holds {callback!r}, which is no callback",
                    fix="derive its class from sl.train.Callback, or wrap functions: sl.train.LambdaCallback(on_epoch_end=...)",
                )
            callback.model = model
        self._written: dict[str, list[Callable[..., None]]] = {}

    def written(self, hook: str) -> list[Callable[..., None]]:
        """The callbacks' own versions of a hook."""
        if hook not in self._written:
            own = [c for c in self.callbacks if hook in vars(c) or getattr(type(c), hook) is not getattr(Callback, hook)]
            self._written[hook] = [getattr(c, hook) for c in own]
        return self._written[hook]

    def call(self, hook: str, *args: Any) -> None:
        """Call a hook of every callback that has it."""
        for function in self.written(hook):
            function(*args)

    @property
    def per_batch(self) -> bool:
        """Whether somebody looks at every batch."""
        return any(self.written(hook) for hook in BATCH_HOOKS)

    def begin(self, params: dict[str, Any], names: Iterable[str]) -> None:
        """Check what the callbacks monitor, and tell them that training begins.

        Raises:
            UnknownNameError: a callback monitors a name that will not be there; the message has the valid
                names.
        """
        known = list(names)
        for callback in self.callbacks:
            callback.params = params
            for name in callback.monitors():
                if name not in known:
                    error = unknown_name(f"monitor of {type(callback).__name__}", name, known)
                    hint = "; val_ names need validation=0.2 or validation=(x, y)" if name.startswith("val_") else ""
                    error.fix = f"{error.fix} (there will be {', '.join(known)}){hint}"
                    raise error
        self.call("on_train_begin", {})

    def state(self) -> list[dict[str, Any]]:
        """What a checkpoint keeps of them."""
        return [{"class": type(c).__name__, "state": c.state()} for c in self.callbacks]

    def restore(self, states: list[dict[str, Any]]) -> None:
        """Give each callback its state back; callbacks that are new since the checkpoint begin afresh."""
        left = list(states)
        for callback in self.callbacks:
            own = next((s for s in left if s["class"] == type(callback).__name__), None)
            if own is not None:
                left.remove(own)
                callback.restore(own["state"])


class _Monitor(Callback):
    """A callback that compares one number from epoch to epoch."""

    def __init__(self, monitor: str, mode: str, min_delta: float, verbose: int) -> None:
        self.monitor, self.min_delta, self.verbose = monitor, abs(min_delta), verbose
        self.grows = grows(monitor, mode)
        self.best = -math.inf if self.grows else math.inf

    def monitors(self) -> list[str]:
        return [self.monitor]

    def improved(self, value: float, best: float) -> bool:
        """Whether a value is better than the best by more than min_delta."""
        return value - self.min_delta > best if self.grows else value + self.min_delta < best

    def say(self, text: str) -> None:
        if self.verbose:
            print(text, flush=True)


class EarlyStopping(_Monitor):
    """End the training when a number no longer improves.

    Args:
        monitor: its name.
        min_delta: smaller improvements do not count.
        patience: epochs without improvement that are allowed.
        verbose: 1 says when it stops.
        mode: "min", "max" or "auto" (by the name).
        baseline: a value that must be beaten for an improvement to count.
        restore_best_weights: go back to the weights of the best epoch at the end.
        start_from_epoch: epochs to wait before looking.

    Example:
        >>> EarlyStopping(patience=5, restore_best_weights=True).monitor
        'val_loss'
    """

    def __init__(
        self, monitor: str = "val_loss", min_delta: float = 0, patience: int = 0, verbose: int = 0, mode: str = "auto",
        baseline: float | None = None, restore_best_weights: bool = False, start_from_epoch: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta, verbose)
        self.patience, self.baseline, self.start_from_epoch = patience, baseline, start_from_epoch
        self.restore_best_weights = restore_best_weights
        self._begin()

    def _begin(self) -> None:
        self.best = -math.inf if self.grows else math.inf
        self.wait, self.best_epoch, self.stopped_epoch = 0, -1, -1
        self.best_weights: Any = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if epoch < self.start_from_epoch:
            return
        value = logs[self.monitor]
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.snapshot(averaged=True), epoch
        self.wait += 1
        if self.improved(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.snapshot(averaged=True)
            if self.baseline is None or self.improved(value, self.baseline):
                self.wait = 0
                return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = f"{self.monitor} has not improved for {self.wait} epochs"

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self.stopped_epoch >= 0:
            self.say(f"epoch {self.stopped_epoch + 1}: stopped early; best {self.monitor} {self.best:.6g} in epoch {self.best_epoch + 1}")
        if self.restore_best_weights and self.best_weights is not None:
            self.model.restore(self.best_weights)

    def state(self) -> dict[str, Any]:
        kept = {k: getattr(self, k) for k in ("best", "wait", "best_epoch", "stopped_epoch", "best_weights")}
        return kept

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class ReduceLROnPlateau(_Monitor):
    """Lower the learning rate when a number no longer improves.

    Args:
        monitor: its name.
        factor: what the rate is multiplied by.
        patience: epochs without improvement that are allowed.
        verbose: 1 says what it does.
        mode: "min", "max" or "auto" (by the name).
        min_delta: smaller improvements do not count.
        cooldown: epochs to wait after each change.
        min_lr: the rate never goes below.

    Example:
        >>> ReduceLROnPlateau(factor=0.5, patience=3).min_delta
        0.0001
    """

    def __init__(
        self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: int = 0, mode: str = "auto",
        min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, min_delta, verbose)
        if not 0 < factor < 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor is {factor}, expected a number between 0 and 1")
        self.factor, self.patience, self.cooldown, self.min_lr = factor, patience, cooldown, min_lr
        self._begin()

    def _begin(self) -> None:
        self.best = -math.inf if self.grows else math.inf
        self.wait = self.resting = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._begin()
        _ = self.model.learning_rate
        self.model.require_changeable_rate("ReduceLROnPlateau")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.resting:
            self.resting -= 1
            self.wait = 0
        if self.improved(logs[self.monitor], self.best):
            self.best, self.wait = logs[self.monitor], 0
            return
        if self.resting:
            return
        self.wait += 1
        rate = self.model.learning_rate
        if self.wait >= self.patience and rate > self.min_lr:
            self.model.learning_rate = max(rate * self.factor, self.min_lr)
            self.say(f"epoch {epoch + 1}: learning rate lowered to {self.model.learning_rate:.4g}")
            self.resting, self.wait = self.cooldown, 0

    def state(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in ("best", "wait", "resting")}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class ModelCheckpoint(_Monitor):
    """Save the model during training.

    Args:
        filepath: the file, with names in braces filled in: "{epoch:02d}-{val_loss:.2f}.saltus" (epoch
            counted from 1).
        monitor: name of the number to judge by.
        verbose: 1 says what is saved.
        save_best_only: only when that number has improved.
        save_weights_only: only the parameters.
        mode: "min", "max" or "auto" (by the name).
        save_freq: "epoch", or a number of batches.
        initial_value_threshold: a value that must be beaten first.

    Example:
        >>> ModelCheckpoint("best.saltus", save_best_only=True).save_freq
        'epoch'
    """

    def __init__(
        self, filepath: str | Path, monitor: str = "val_loss", verbose: int = 0, save_best_only: bool = False,
        save_weights_only: bool = False, mode: str = "auto", save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(monitor, mode, 0.0, verbose)
        self.filepath, self.save_best_only, self.save_weights_only = str(filepath), save_best_only, save_weights_only
        if initial_value_threshold is not None:
            self.best = initial_value_threshold
        if save_freq != "epoch" and (isinstance(save_freq, (str, bool)) or save_freq < 1):
            raise ArgumentError(f"ModelCheckpoint: save_freq is {save_freq!r}", fix='use "epoch" or a number of batches')
        self.save_freq, self._batches, self._epoch = save_freq, 0, 0
        if save_freq != "epoch":
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def monitors(self) -> list[str]:
        return [self.monitor] if self.save_best_only else []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        if self.save_freq == "epoch":
            self._save(logs)

    def _after_batch(self, batch: int, logs: Logs) -> None:
        self._batches += 1
        if self._batches % int(self.save_freq) == 0:
            self._save({**logs, "batch": batch + 1})

    def _save(self, logs: Logs) -> None:
        value = logs.get(self.monitor)
        if self.save_best_only:
            if value is None or not self.improved(value, self.best):
                return
            self.best = value
        try:
            path = self.filepath.format(**{**logs, "epoch": self._epoch + 1})
        except (KeyError, ValueError, IndexError) as error:
            raise ArgumentError(
                f"ModelCheckpoint: filepath {self.filepath!r} cannot be filled in: {error}",
                fix=f"the names there are: {', '.join(['epoch', *(k for k in logs if k != 'epoch')])}",
            ) from error
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)
        self.say(f"epoch {self._epoch + 1}: saved {path}")

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "_batches": self._batches}

    def restore(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)


class LearningRateScheduler(Callback):
    """Set the learning rate at the beginning of each epoch.

    Args:
        schedule: (epoch from 0, rate so far) -> rate.
        verbose: 1 says what it does.

    Example:
        >>> LearningRateScheduler(lambda epoch, rate: rate * 0.9).verbose
        0
    """

    def __init__(self, schedule: Callable[[int, float], float], verbose: int = 0) -> None:
        self.schedule, self.verbose = schedule, verbose

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.model.require_changeable_rate("LearningRateScheduler")

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.learning_rate = float(self.schedule(epoch, self.model.learning_rate))
        if self.verbose:
            print(f"epoch {epoch + 1}: learning rate {self.model.learning_rate:.4g}", flush=True)


class TerminateOnNaN(Callback):
    """End the training when the loss is no longer a number.

    Example:
        >>> TerminateOnNaN().monitors()
        []
    """

    def on_progress(self, batch: int, logs: Logs) -> None:
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = f"the loss is {logs['loss']} after {batch + 1} batches of an epoch"


class CSVLogger(Callback):
    """Write the record of each epoch as a line of a CSV file.

    Args:
        filename: the file.
        separator: between values.
        append: go on with a file that is there.

    Example:
        >>> CSVLogger("log.csv").separator
        ','
    """

    def __init__(self, filename: str | Path, separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = Path(filename), separator, append
        self._names: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if not self.append and not self.params["resumed"]:
            self._write("w", "")
            self._names = []
        elif self.filename.exists():
            first = self.filename.read_text(encoding="utf-8").split("\n", 1)[0]
            self._names = first.split(self.separator) if first else []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        text = ""
        if not self._names:
            self._names = ["epoch", *(k for k in logs if k != "epoch")]
            text = self.separator.join(self._names) + "\n"
        row = {**logs, "epoch": epoch + 1}
        self._write("a", text + self.separator.join(str(row.get(n, "")) for n in self._names) + "\n")

    def _write(self, mode: str, text: str) -> None:
        try:
            with self.filename.open(mode, encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise StorageError(f"{self.filename} cannot be written: {error.strerror or error}", fix="choose another place") from error

    def state(self) -> dict[str, Any]:
        return {"names": self._names, "lines": len(self.filename.read_text(encoding="utf-8").splitlines())}

    def restore(self, state: dict[str, Any]) -> None:
        self._names = state["names"]
        if self.filename.exists():  # lines after the checkpoint come again
            lines = self.filename.read_text(encoding="utf-8").splitlines(keepends=True)
            self._write("w", "".join(lines[: state["lines"]]))


class LambdaCallback(Callback):
    """Hooks from functions.

    Args:
        hooks: name of a hook = function with its arguments; see Callback.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).monitors()
        []
    """

    def __init__(self, **hooks: Callable[..., None] | None) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in hooks.items():
            if name not in known:
                raise unknown_name("hook", name, known)
            if function is not None:
                setattr(self, name, function)


class BackupAndRestore(Callback):
    """Keep a checkpoint in a folder, and go on from it when the same `fit` is called again after a crash.

    The same as fit(..., checkpoint=backup_dir, resume=True); the checkpoint is removed when the training
    ends.

    Args:
        backup_dir: the folder.
        save_freq: "epoch", or seconds between two checkpoints at least.
        delete_checkpoint: remove it at the end.

    Example:
        >>> BackupAndRestore("backup").delete_checkpoint
        True
    """

    def __init__(self, backup_dir: str | Path, save_freq: str | float = "epoch", delete_checkpoint: bool = True) -> None:
        self.backup_dir, self.save_freq, self.delete_checkpoint = Path(backup_dir), save_freq, delete_checkpoint

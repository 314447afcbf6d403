"""Callbacks that hand the record of a training to other tools: TensorBoard, MLflow. Above `callbacks` and `events`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saltus.base import tree
from saltus.base.errors import ArgumentError
from saltus.train.callbacks import Callback, Logs
from saltus.train.events import EventFile, histogram, scalars


class TensorBoard(Callback):
    """Write event files for TensorBoard: `tensorboard --logdir logs` shows them. Writing needs no package.

    Figures of the training lie in log_dir/train, those of the validation in log_dir/validation, under the same names, so that
    they are drawn into one picture.

    Args:
        log_dir: the folder.
        histogram_freq: every so many epochs the spread of each parameter is written; 0 for never.
        update_freq: "epoch"; or "batch", or a number of batches, for the figures within an epoch too (every batch is then a call
            of its own).

    Source: names and tags are those of Keras.

    Example:
        >>> TensorBoard("logs", histogram_freq=5).update_freq
        'epoch'
    """

    def __init__(self, log_dir: str | Path = "logs", *, histogram_freq: int = 0, update_freq: str | int = "epoch") -> None:
        every = 1 if update_freq == "batch" else update_freq
        if every != "epoch" and (isinstance(every, (str, bool)) or every < 1):
            raise ArgumentError(f"TensorBoard: update_freq is {update_freq!r}", fix='use "epoch", "batch" or a number of batches')
        if isinstance(histogram_freq, bool) or not isinstance(histogram_freq, int) or histogram_freq < 0:
            raise ArgumentError(f"TensorBoard: histogram_freq is {histogram_freq!r}", fix="use a number of epochs, or 0 for none")
        self.log_dir, self.histogram_freq, self.update_freq = Path(log_dir), histogram_freq, update_freq
        self._files: dict[str, EventFile] = {}
        self._batches = 0
        if every != "epoch":
            self._every = int(every)
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._files = {}
        if not self.params["resumed"]:
            self._batches = 0

    def _file(self, part: str) -> EventFile:
        if part not in self._files:
            self._files[part] = EventFile(self.log_dir / part)
        return self._files[part]

    def _after_batch(self, batch: int, logs: Logs) -> None:
        self._batches += 1
        if self._batches % self._every == 0:
            self._file("train").write(scalars({f"batch_{name}": value for name, value in logs.items()}), self._batches)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        kept = {name: value for name, value in logs.items() if name not in ("epoch", "seconds")}
        for part, begin in (("train", ""), ("validation", "val_")):
            own = {f"epoch_{n.removeprefix('val_')}": v for n, v in kept.items() if n.startswith("val_") == bool(begin)}
            if own:
                self._file(part).write(scalars(own), epoch)
        if self.histogram_freq and (epoch + 1) % self.histogram_freq == 0:
            spread = b"".join(histogram(tree.format_path(path), np.asarray(value)) for path, value in tree.paths(self.model.params))
            self._file("train").write(spread, epoch)

    def state(self) -> dict[str, Any]:
        return {"batches": self._batches}

    def restore(self, state: dict[str, Any]) -> None:
        self._batches = state["batches"]


def mlflow() -> Any:
    """The library.

    Raises:
        ArgumentError: it is not installed.
    """
    try:
        import mlflow as library
    except ImportError:
        raise ArgumentError("MLflow is not installed", fix='pip install "saltus[mlflow]"') from None
    return library


class MLflow(Callback):
    """Keep the training as a run of MLflow: its settings, the figures of each epoch, and, if wanted, the model file.

    A training that is resumed from a checkpoint goes on with its run.

    Args:
        experiment: the name of the experiment; made when it is not there.
        run_name: of the run; None leaves it to MLflow.
        tracking_uri: where MLflow keeps its runs; None asks MLflow.
        tags: of the run.
        log_model: keep the model file among the run's artifacts.

    Raises:
        ArgumentError: mlflow is not installed.

    Example:
        >>> MLflow(run_name="first try").experiment  # doctest: +SKIP
        'saltus'
    """

    def __init__(
        self, experiment: str = "saltus", run_name: str | None = None, *, tracking_uri: str | None = None,
        tags: Mapping[str, str] | None = None, log_model: bool = False,
    ) -> None:  # fmt: skip
        self._client = mlflow().MlflowClient(tracking_uri=tracking_uri)
        self.experiment, self.run_name, self.tags, self.log_model = experiment, run_name, dict(tags or {}), log_model
        self.run_id: str | None = None
        self._resumed: str | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.run_id = None

    def _run(self) -> str:
        """The run of this training, made when something is to be written."""
        if self.run_id is None and self._resumed is not None and self.params["resumed"]:
            self.run_id = self._resumed
        if self.run_id is None:
            found = self._client.get_experiment_by_name(self.experiment)
            number = self._client.create_experiment(self.experiment) if found is None else found.experiment_id
            made = self._client.create_run(number, run_name=self.run_name, tags=self.tags)
            self.run_id = made.info.run_id
            settings = {**{k: v for k, v in self.params.items() if k != "resumed"}, **self._settings()}
            for name, value in settings.items():
                self._client.log_param(self.run_id, name, value)
        return self.run_id  # type: ignore[return-value]

    def _settings(self) -> dict[str, Any]:
        optimizer = self.model.optimizer
        return {
            "optimizer": type(optimizer).__name__, "learning_rate": str(optimizer.learning_rate), "parameters": self.model.count,
            "network": repr(self.model.network)[:500], "seed": self.model.seed,
        }  # fmt: skip

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        run = self._run()
        for name, value in logs.items():
            if name != "epoch" and isinstance(value, (int, float)) and math.isfinite(value):
                self._client.log_metric(run, name, float(value), step=epoch + 1)

    def on_train_end(self, logs: Logs | None = None) -> None:
        run = self._run()
        if self.log_model:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "model.saltus"
                self.model.save(file)
                self._client.log_artifact(run, str(file))
        self._client.set_terminated(run)

    def state(self) -> dict[str, Any]:
        return {"run_id": self.run_id}

    def restore(self, state: dict[str, Any]) -> None:
        self._resumed = state["run_id"]

"""Model files: network, weights, loss, metrics, optimizer and preprocessing in one file; above `storage`,
below `model`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saltus import nn
from saltus.base import tree
from saltus.base.errors import ModelFileError, SaltusError
from saltus.optim import from_config
from saltus.tensor.tensor import of_array
from saltus.train import storage
from saltus.train.given import PARTS

if TYPE_CHECKING:
    from saltus.train.model import Model

KIND, WEIGHTS = "model", "weights"
IN_FOLDER = "model.saltus"  # the model in the folder of a run
_FORMAT = 1


def _plain(value: Any) -> Any:
    """Losses and metrics as plain values, in the lists and dicts they came in."""
    if isinstance(value, dict):
        return {"of": {k: _plain(v) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (nn.losses.Loss, nn.metrics.Metric)):
        return nn.to_config(value)
    if callable(value):
        made = nn.losses.get(value)
        return nn.to_config(made)
    return value


def _given(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _given(v) for k, v in value["of"].items()} if "of" in value else nn.from_config(value)
    return [_given(v) for v in value] if isinstance(value, list) else value


def config_of(model: Model) -> dict[str, Any]:
    """A model without its weights as plain values."""
    specs = None if model._built is None else _plain_specs(model._built.specs)
    return {
        "format": _FORMAT,
        "network": nn.to_config(model.network),
        "loss": _plain(model._loss),
        "metrics": _plain(model._metrics),
        "weighted_metrics": _plain(model._weighted),
        "loss_weights": model._shares,
        "optimizer": model.optimizer.to_config(),
        "seed": model.seed,
        "preprocessing": model.preprocessing,
        "dtype": model.dtype,
        "inputs": specs,
    }


def _plain_specs(specs: Any) -> Any:
    if isinstance(specs, dict):
        return {"named": {k: _plain_specs(v) for k, v in specs.items()}}
    if isinstance(specs, tuple):
        return {"several": [_plain_specs(v) for v in specs]}
    return {"shape": list(specs.shape), "dtype": specs.dtype}


def _specs(config: Any) -> Any:
    if "named" in config:
        return {k: _specs(v) for k, v in config["named"].items()}
    if "several" in config:
        return tuple(_specs(v) for v in config["several"])
    return nn.Spec(tuple(config["shape"]), config["dtype"])


def save(model: Model, path: Path, *, include_optimizer: bool) -> None:
    """See `Model.save`."""
    storage.write(path, KIND, _values_of(model, include_optimizer))


def packed(model: Model) -> bytes:
    """The bytes of the file that `save` would write."""
    return storage.packed(KIND, _values_of(model, True))


def _values_of(model: Model, include_optimizer: bool) -> dict[str, Any]:
    """Everything a file keeps of a model."""
    values: dict[str, Any] = {"config": config_of(model), "history": model.history.records}
    if model._built is not None:
        state = model.state()
        values["weights"] = {k: state[k] for k in ("params", "frozen", "state")}
        if include_optimizer:
            values["training"] = {k: state[k] for k in ("optimizer", "step")}
    return values


def save_weights(model: Model, path: Path) -> None:
    """See `Model.save_weights`."""
    storage.write(path, WEIGHTS, {"weights": model.snapshot()})


def read_weights(path: Path) -> dict[str, Any]:
    """Weights of a file of weights or of a model."""
    try:
        values = storage.read(path, WEIGHTS)
    except ModelFileError as error:
        if "holds a model" not in str(error):
            raise
        values = storage.read(path, KIND)
    if "weights" not in values:
        raise ModelFileError(f"{path} holds a network without weights", fix="save the model after it was trained")
    return values["weights"]  # type: ignore[no-any-return]


def read_model(path: Path, make: type[Model]) -> Model:
    """The model of a file.

    Args:
        path: the file.
        make: the class of models.

    Raises:
        StorageError, ModelFileError: see `load`.
    """
    path = path / IN_FOLDER if path.is_dir() else path
    return _model_of(storage.read(path, KIND), make, path)


def unpacked(data: bytes, make: type[Model]) -> Model:
    """The model of `packed` bytes.

    Args:
        data: the bytes.
        make: the class of models.

    Raises:
        ModelFileError: they are damaged.
    """
    return _model_of(storage.unpacked(data, KIND, "the model in these bytes"), make, "the model in these bytes")


def _model_of(values: dict[str, Any], make: type[Model], path: Any) -> Model:
    """A model from what a file keeps of it."""
    try:
        config = values["config"]
        if config["format"] != _FORMAT:
            raise ModelFileError(
                f"{path} has the format {config['format']!r}, this saltus reads {_FORMAT}",
                fix="use the version of saltus that wrote it, or a later one",
            )
        model = make(
            nn.from_config(config["network"]),
            loss=_given(config["loss"]),
            optimizer=from_config(config["optimizer"]),
            metrics=_given(config["metrics"]),
            weighted_metrics=_given(config["weighted_metrics"]),
            loss_weights=config["loss_weights"],
            seed=config["seed"],
            preprocessing=config["preprocessing"],
            dtype=config.get("dtype", "float32"),
        )
        model.history.records.extend(values["history"])
        if config["inputs"] is not None:
            model.build(_specs(config["inputs"]), {name: values["weights"][name] for name in PARTS})
            if "training" in values:
                _take_training(model, values["training"])
    except ModelFileError:
        raise
    except SaltusError as error:
        raise ModelFileError(f"{path} cannot be used: {error.what}", fix=error.fix) from error
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ModelFileError(f"{path} is damaged: its description lacks {error}", fix="take another copy, or save it again") from error
    return model


def _take_training(model: Model, training: dict[str, Any]) -> None:
    """Optimizer state and step."""
    built = model._built
    given = {tree.format_path(p): v for p, v in tree.paths(training)}
    assert built is not None
    for place, (path, _) in enumerate(tree.paths(built.programs.form)):
        if path[0] in ("optimizer", "step"):
            built.state[place] = of_array(given[tree.format_path(path)]._values().copy(), built.programs.shapes[place].dtype)._values()

"""The record of a training goes to TensorBoard, MLflow and Parquet as it is."""

import math
import struct
import sys

import numpy as np
import polars as pl
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, StorageError
from saltus.train import History, MLflow, Model, TensorBoard
from saltus.train.events import crc32c, record

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = X.sum(axis=1, keepdims=True)


def model():
    return Model(nn.Sequential([nn.Dense(4, activation="tanh"), nn.Dense(1)]), loss="mse", optimizer=sl.optim.SGD(0.05), metrics=["mae"])


def records_of(path):
    """The messages of an event file, with every check sum checked."""
    data, made = path.read_bytes(), []
    while data:
        length = struct.unpack("<Q", data[:8])[0]
        message = data[12 : 12 + length]
        assert data[: 16 + length] == record(message)
        made.append(message)
        data = data[16 + length :]
    return made


# -- TensorBoard -------------------------------------------------------------------------------------------------------


def test_the_check_sum_is_castagnolis():
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(b"") == 0
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720


def test_a_record_is_that_of_tensorflow():
    # length, masked sum of it, data, masked sum of them, as tf.io.TFRecordWriter writes b"abc"
    made = record(b"abc")
    assert made[:8] == b"\x03" + bytes(7) and made[12:15] == b"abc" and len(made) == 19
    rotated = (crc32c(b"abc") >> 15 | crc32c(b"abc") << 17) & 0xFFFFFFFF
    assert struct.unpack("<I", made[15:])[0] == (rotated + 0xA282EAD8) % 2**32


def test_tensorboard_gets_the_figures_of_both_parts_in_files_of_their_own(tmp_path):
    model().fit(X, Y, epochs=3, validation=0.25, verbose=0, callbacks=[TensorBoard(tmp_path / "logs")])
    for part in ("train", "validation"):
        (file,) = (tmp_path / "logs" / part).iterdir()
        assert file.name.startswith("events.out.tfevents.")
        messages = records_of(file)
        assert b"brain.Event:2" in messages[0] and len(messages) == 4
        assert all(b"epoch_loss" in m and b"epoch_mae" in m for m in messages[1:])
        assert (b"epoch_learning_rate" in messages[1]) == (part == "train")


def test_tensorboards_own_reader_finds_what_the_history_has(tmp_path):
    pytest.importorskip("tensorboard")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = model().fit(X, Y, epochs=4, validation=0.25, verbose=0, callbacks=[TensorBoard(tmp_path, histogram_freq=2)])
    found = reader.EventAccumulator(str(tmp_path / "train"), size_guidance={"histograms": 0})
    found.Reload()
    assert [e.value for e in found.Scalars("epoch_loss")] == pytest.approx(run["loss"], rel=1e-6)
    assert [e.step for e in found.Scalars("epoch_loss")] == [0, 1, 2, 3]
    assert sorted(found.Tags()["histograms"]) == ["dense/bias", "dense/kernel", "dense_1/bias", "dense_1/kernel"]
    first = found.Histograms("dense/kernel")
    assert [e.step for e in first] == [1, 3]
    assert first[0].histogram_value.num == 12 and sum(first[0].histogram_value.bucket) == 12
    held = reader.EventAccumulator(str(tmp_path / "validation"))
    held.Reload()
    assert [e.value for e in held.Scalars("epoch_mae")] == pytest.approx(run["val_mae"], rel=1e-6)


def test_tensorboard_can_have_every_batch(tmp_path):
    model().fit(X, Y, epochs=2, batch_size=10, verbose=0, callbacks=[TensorBoard(tmp_path, update_freq=2)])
    messages = records_of(next((tmp_path / "train").iterdir()))
    assert sum(b"batch_loss" in m for m in messages) == 4


def test_a_loss_that_is_no_number_is_written(tmp_path):
    own = TensorBoard(tmp_path)
    own.params = {"resumed": False}
    own.on_train_begin()
    own.on_epoch_end(0, {"loss": math.nan, "mae": 1e60})
    assert len(records_of(next((tmp_path / "train").iterdir()))) == 2


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        model().fit(X, Y, verbose=0, callbacks=[TensorBoard(tmp_path / "file" / "logs")])


@pytest.mark.parametrize("wrong", [{"update_freq": "epcoh"}, {"update_freq": 0}, {"histogram_freq": -1}])
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ArgumentError, match="_freq"):
        TensorBoard(**wrong)


# -- MLflow ------------------------------------------------------------------------------------------------------------


def test_without_mlflow_the_command_that_installs_it_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ArgumentError, match=r'pip install "saltus\[mlflow\]"'):
        MLflow()


class Client:
    """A stand-in for MLflow's client that keeps what it is told."""

    def __init__(self, tracking_uri=None):
        self.uri, self.experiments, self.params, self.metrics, self.artifacts, self.ended, self.runs = tracking_uri, {}, {}, [], [], [], 0

    def get_experiment_by_name(self, name):
        return self.experiments.get(name)

    def create_experiment(self, name):
        self.experiments[name] = type("Experiment", (), {"experiment_id": "1"})()
        return "1"

    def create_run(self, experiment, run_name=None, tags=None):
        self.runs += 1
        return type("Run", (), {"info": type("Info", (), {"run_id": f"run{self.runs}"})()})()

    def log_param(self, run, name, value):
        self.params[run, name] = value

    def log_metric(self, run, name, value, step):
        self.metrics.append((run, name, value, step))

    def log_artifact(self, run, path):
        self.artifacts.append((run, path, sl.load(path)))

    def set_terminated(self, run):
        self.ended.append(run)


@pytest.fixture
def client(monkeypatch):
    made = Client()
    monkeypatch.setitem(sys.modules, "mlflow", type("mlflow", (), {"MlflowClient": lambda tracking_uri=None: made}))
    return made


def test_mlflow_gets_settings_figures_and_the_model(client):
    run = model().fit(X, Y, epochs=2, batch_size=8, validation=0.25, verbose=0, callbacks=[MLflow("tries", log_model=True)])
    assert [(n, s) for _, n, _, s in client.metrics if n == "val_loss"] == [("val_loss", 1), ("val_loss", 2)]
    assert [v for _, n, v, _ in client.metrics if n == "loss"] == run["loss"]
    assert client.params["run1", "batch_size"] == 8 and client.params["run1", "optimizer"] == "SGD"
    assert client.params["run1", "parameters"] == 21
    assert client.ended == ["run1"] and client.artifacts[0][1].endswith("model.saltus")
    assert client.artifacts[0][2].count == 21
    assert list(client.experiments) == ["tries"]


def test_a_resumed_training_goes_on_with_its_run(client, tmp_path):
    model().fit(X, Y, epochs=2, verbose=0, checkpoint=tmp_path, callbacks=[MLflow()])
    model().fit(X, Y, epochs=4, verbose=0, checkpoint=tmp_path, resume=True, callbacks=[MLflow()])
    assert client.runs == 1
    assert [(r, s) for r, n, _, s in client.metrics if n == "loss"] == [("run1", s) for s in (1, 2, 3, 4)]


@pytest.mark.filterwarnings("ignore")
def test_mlflow_itself_keeps_the_run(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path}/runs.db"
    try:
        mlflow.MlflowClient(tracking_uri=uri).search_experiments()
    except Exception as error:
        pytest.skip(f"this MLflow keeps no runs here: {error}")
    own = MLflow("tries", "first", tracking_uri=uri)
    run = model().fit(X, Y, epochs=3, verbose=0, callbacks=[own])
    kept = mlflow.MlflowClient(tracking_uri=uri)
    assert [m.value for m in kept.get_metric_history(own.run_id, "loss")] == pytest.approx(run["loss"])
    assert kept.get_run(own.run_id).info.status == "FINISHED"


# -- Parquet -----------------------------------------------------------------------------------------------------------


def test_a_history_is_a_parquet_file_with_a_row_an_epoch(tmp_path):
    run = model().fit(X, Y, epochs=3, validation=0.25, verbose=0)
    run.to_parquet(tmp_path / "history.parquet")
    kept = pl.read_parquet(tmp_path / "history.parquet")
    assert kept["epoch"].to_list() == [1, 2, 3]
    assert kept["val_mae"].to_list() == run["val_mae"]
    assert kept.columns == ["epoch", *run.names]


def test_what_an_epoch_has_not_is_null_in_a_frame():
    frame = History([{"epoch": 1, "loss": 1}, {"epoch": 2, "loss": 0.5, "val_loss": math.inf}]).to_frame()
    assert frame["val_loss"].to_list() == [None, math.inf]
    assert frame["loss"].to_list() == [1.0, 0.5]
    assert History().to_frame().height == 0


def test_a_history_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        History([{"epoch": 1, "loss": 1.0}]).to_parquet(tmp_path / "nowhere" / "history.parquet")

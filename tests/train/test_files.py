"""A model file holds everything: it predicts the same, trains on exactly, and is refused by name when it is
damaged or foreign.
"""

import json

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ModelFileError, ShapeError, StorageError
from saltus.train import Model, load

RNG = np.random.default_rng(6)
X = RNG.normal(size=(60, 4)).astype("float32")
LABELS = (X[:, 0] > 0).astype("int64")


@nn.register
def twice(x):
    return x * 2.0


def model(**more):
    network = nn.Sequential([nn.Dense(8, activation="gelu"), nn.BatchNormalization(), nn.Lambda(twice), nn.Dropout(0.1), nn.Dense(2)])
    return Model(
        network, loss=nn.losses.SparseCategoricalCrossentropy(ignore_class=9), optimizer=sl.optim.AdamW(sl.optim.Warmup(0.01, 5)),
        metrics=["accuracy"], seed=3, **more,
    )  # fmt: skip


@pytest.fixture
def trained(tmp_path):
    made = model(preprocessing={"kind": "test", "mean": [1.5, None, "x"]})
    made.fit(X, LABELS, epochs=3, verbose=0)
    path = tmp_path / "model.saltus"
    made.save(path)
    return made, path


def test_a_saved_model_predicts_and_judges_the_same(trained):
    made, path = trained
    back = load(path)
    assert back.network == made.network
    assert (back.predict(X) == made.predict(X)).all()
    assert back.evaluate(X, LABELS) == made.evaluate(X, LABELS)
    assert back.preprocessing == {"kind": "test", "mean": [1.5, None, "x"]}
    assert back.history["loss"] == made.history["loss"]
    assert back.optimizer == made.optimizer
    assert back.seed == 3


def test_training_goes_on_exactly_after_loading(trained):
    made, path = trained
    back = load(path)
    for trainee in (made, back):
        trainee.fit(X, LABELS, epochs=2, verbose=0)
    assert (made.predict(X) == back.predict(X)).all()


def test_the_optimizers_state_may_be_left_out(trained, tmp_path):
    made, path = trained
    small = tmp_path / "small.saltus"
    made.save(small, include_optimizer=False)
    assert small.stat().st_size < path.stat().st_size
    assert (load(small).predict(X) == made.predict(X)).all()


def test_several_inputs_and_outputs_are_kept(tmp_path):
    left, right = nn.Input((2,), name="left"), nn.Input((1,), name="right")
    both = nn.Concatenate()(left, right)
    network = nn.Network((left, right), (nn.Dense(1)(both), nn.Dense(3)(both)))
    made = Model(network, loss=["mse", "sparse_categorical_crossentropy"], metrics=[["mae"], []], loss_weights=[1.0, 0.5])
    y = (X[:, :1].copy(), LABELS)
    made.fit((X[:, :2].copy(), X[:, 2:3].copy()), y, epochs=1, verbose=0)
    made.save(tmp_path / "m")
    back = load(tmp_path / "m")
    inputs = (X[:, :2].copy(), X[:, 2:3].copy())
    for a, b in zip(made.predict(inputs), back.predict(inputs), strict=True):
        assert (a == b).all()
    assert back.evaluate(inputs, y) == made.evaluate(inputs, y)


def test_a_model_that_was_never_built_is_kept_as_such(tmp_path):
    model().save(tmp_path / "m")
    back = load(tmp_path / "m")
    back.fit(X, LABELS, epochs=1, verbose=0)
    with pytest.raises(ModelFileError, match="without weights"):
        back.load_weights(tmp_path / "m")


def test_the_file_is_safetensors_with_json_and_nothing_that_runs(trained):
    from safetensors import safe_open

    made, path = trained
    with safe_open(path, "numpy") as file:
        own = json.loads(file.metadata()["saltus"])
        kernel = file.get_tensor("weights/params/dense/kernel")
    assert own["kind"] == "model"
    assert own["values"]["config"]["network"]["class"] == "layers.Sequential"
    assert (kernel == made.params["dense"]["kernel"].numpy()).all()


def test_weights_alone_can_be_taken_over(trained, tmp_path):
    made, path = trained
    made.save_weights(tmp_path / "w")
    for source in (tmp_path / "w", path):
        other = model()
        other.build(X)
        other.load_weights(source)
        assert (other.predict(X) == made.predict(X)).all()
    wide = Model(nn.Sequential([nn.Dense(9)]), loss="mse")
    wide.build(X)
    with pytest.raises(ShapeError, match="same network"):
        wide.load_weights(tmp_path / "w")


def rewritten(path, change):
    """The file with its description changed."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    own = json.loads(header["__metadata__"]["saltus"])
    change(own["values"])
    header["__metadata__"]["saltus"] = json.dumps(own)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["config"].update(format=99), "format 99"),
        (lambda v: v["config"].pop("network"), "network"),
        (lambda v: v["config"]["network"].update({"class": "layers.Unheard"}), "Unheard"),
        (lambda v: v["config"]["optimizer"].update({"class": "Unheard"}), "Unheard"),
        (lambda v: v["weights"]["params"].pop("dense"), "dense"),
        (lambda v: v.pop("weights"), "weights"),
        (lambda v: v["config"]["network"]["layers"][0].update(units=5), "shape"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(trained, change, words):
    _, path = trained
    rewritten(path, change)
    with pytest.raises(ModelFileError) as caught:
        load(path)
    assert words in str(caught.value)


def test_damaged_missing_and_foreign_files_are_refused(trained, tmp_path):
    _, path = trained
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=str(path)):
        load(path)
    with pytest.raises(StorageError, match="missing"):
        load(tmp_path / "missing")
    (tmp_path / "text").write_text("hello, I am no model at all")
    with pytest.raises(ModelFileError, match="not written by saltus"):
        load(tmp_path / "text")


def test_what_cannot_be_kept_is_said_before_anything_is_written(tmp_path):
    secret = Model(nn.Sequential([nn.Lambda(lambda x: x + 1), nn.Dense(1)]), loss="mse")
    secret.build(X)
    with pytest.raises(ArgumentError, match="register"):
        secret.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []
    scheduled = Model(nn.Dense(1), loss="mse", optimizer=sl.optim.SGD(lambda step: 0.1))
    with pytest.raises(ArgumentError, match="register"):
        scheduled.save(tmp_path / "m")

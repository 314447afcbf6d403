"""Data that cannot be learnt from are refused before training, with the place and the likeliest fix."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, SaltusError, ShapeError, UnknownNameError
from saltus.train import Model

RNG = np.random.default_rng(4)
X = RNG.normal(size=(30, 4)).astype("float32")
LABELS = RNG.integers(0, 3, 30)
VALUES = RNG.normal(size=(30, 1)).astype("float32")


def classifier(units=3, **more):
    return Model(nn.Sequential([nn.Dense(units)]), loss="sparse_categorical_crossentropy", **more)


def regressor(units=1):
    return Model(nn.Sequential([nn.Dense(units)]), loss="mse")


def with_value(value, row=7, column=2):
    made = X.copy()
    made[row, column] = value
    return made


def changed(labels, row, value):
    made = labels.copy()
    made[row] = value
    return made


CASES = {
    "different numbers of samples": (lambda: classifier().fit(X, LABELS[:-2]), DataError, ["x has 30", "y has 28"]),
    "no samples": (lambda: classifier().fit(X[:0], LABELS[:0]), DataError, ["x has no samples"]),
    "no targets": (lambda: classifier().fit(X), ArgumentError, ["y is missing", "fit(x, x)"]),
    "text as x": (lambda: classifier().fit(X.astype(str), LABELS), DTypeError, ["x holds str", "encode"]),
    "text as y": (lambda: classifier().fit(X, np.array(["a", "b", "c"] * 10)), DTypeError, ["'a'", "numpy.unique"]),
    "ragged lists": (lambda: classifier().fit([[1, 2], [3]], [0, 1]), DataError, ["x", "equally long"]),
    "NaN": (lambda: classifier().fit(with_value(np.nan), LABELS), DataError, ["x has nan in row 7, column 2", "1 such"]),
    "a masked value": (
        lambda: classifier().fit(np.ma.masked_equal(X, X[7, 2]), LABELS), DataError, ["x has nan in row 7, column 2", "1 such"],
    ),
    "infinity": (lambda: classifier().fit(with_value(-np.inf), LABELS), DataError, ["x has -inf in row 7, column 2"]),
    "NaN in y": (lambda: regressor().fit(X, changed(VALUES, 3, np.nan)), DataError, ["y has nan in row 3"]),
    "a label too large": (lambda: classifier().fit(X, changed(LABELS, 5, 3)), DataError, ["row 5", "0 to 2", "4 units"]),
    "a label below 0": (lambda: classifier().fit(X, changed(LABELS, 5, -1)), DataError, ["row 5", "from 0"]),
    "float labels": (lambda: classifier().fit(X, LABELS.astype(float)), DTypeError, ["whole numbers", "astype"]),
    "labels as a column": (lambda: classifier().fit(X, LABELS[:, None]), ShapeError, ["(30, 1)", "y[:, 0]"]),
    "(N,) against (N, 1)": (lambda: regressor().fit(X, VALUES[:, 0]), ShapeError, ["(30,)", "(30, 1)", "y[:, None]"]),
    "(N, 1) against (N, 3)": (lambda: regressor(3).fit(X, VALUES), ShapeError, ["(30, 1)", "(30, 3)"]),
    "one class only": (lambda: classifier().fit(X, np.ones(30, int)), DataError, ["y is 1 in all 30 rows"]),
    "one value only": (lambda: regressor().fit(X, np.full((30, 1), 2.5)), DataError, ["y is 2.5 in all 30 rows"]),
    "one output for classes": (lambda: classifier(1).fit(X, LABELS), ShapeError, ["one class", "binary_crossentropy"]),
    "class numbers for one-hot": (
        lambda: Model(nn.Sequential([nn.Dense(3)]), loss="categorical_crossentropy").fit(X, LABELS),
        ShapeError,
        ["sparse_categorical_crossentropy"],
    ),
    "softmax given to logits": (
        lambda: Model(
            nn.Sequential([nn.Dense(3, activation="softmax")]), loss=nn.losses.SparseCategoricalCrossentropy(from_logits=True)
        ).fit(X, LABELS),
        ArgumentError,
        ["from_logits=True", "softmax", "twice"],
    ),
    "another width": (lambda: _built().predict(X[:, :3]), ShapeError, ["(30, 3)", "(N, 4)"]),
    "no rows a call": (lambda: _built().predict(X, batch_size=0), ArgumentError, ["batch_size is 0"]),
    "a sample without its axis": (lambda: _built().predict(X[0]), ShapeError, ["x[None]"]),
    "another number of inputs": (lambda: _built().predict((X, X)), ArgumentError, ["built for the inputs one array"]),
    "validation of another width": (lambda: classifier().fit(X, LABELS, validation=(X[:, :2], LABELS)), ShapeError, ["(N, 4)"]),
    "validation with NaN": (lambda: classifier().fit(X, LABELS, validation=(with_value(np.nan), LABELS)), DataError, ["row 7"]),
    "validation of no sense": (lambda: classifier().fit(X, LABELS, validation="0.2"), ArgumentError, ["share such as 0.2"]),
    "validation of everything": (lambda: classifier().fit(X, LABELS, validation=1.0), ArgumentError, ["share"]),
    "weights too short": (lambda: classifier().fit(X, LABELS, sample_weight=[1, 2]), DataError, ["(2,)", "(30,)"]),
    "negative weights": (lambda: classifier().fit(X, LABELS, sample_weight=changed(np.ones(30), 4, -1)), DataError, ["row 4 is -1"]),
    "weights of nothing": (lambda: classifier().fit(X, LABELS, sample_weight=np.zeros(30)), DataError, ["0 everywhere"]),
    "weights of unknown classes": (lambda: classifier().fit(X, LABELS, class_weight={7: 2.0}), ArgumentError, ["class 7", "0, 1, 2"]),
    "class weights of values": (lambda: regressor().fit(X, VALUES, class_weight="balanced"), ArgumentError, ["sample_weight"]),
    "class weights of no sense": (lambda: classifier().fit(X, LABELS, class_weight="even"), ArgumentError, ["balanced"]),
    "batch size": (lambda: classifier().fit(X, LABELS, batch_size=0), ArgumentError, ["batch_size is 0", "full"]),
    "epochs": (lambda: classifier().fit(X, LABELS, epochs=1.5), ArgumentError, ["epochs is 1.5"]),
    "no network": (lambda: Model("net", loss="mse"), ArgumentError, ["network"]),
    "a class for a layer": (lambda: Model(nn.Dense, loss="mse"), ArgumentError, ["network"]),
    "unknown loss": (lambda: Model(nn.Dense(1), loss="msee").fit(X, VALUES), UnknownNameError, ["'mse'"]),
    "unknown metric": (lambda: regressor_with("maee").fit(X, VALUES), UnknownNameError, ["'mae'"]),
    "accuracy of values": (lambda: regressor_with("accuracy").fit(X, VALUES), ArgumentError, ["'mae'"]),
    "unknown optimizer": (lambda: Model(nn.Dense(1), loss="mse", optimizer="adamm"), UnknownNameError, ["'adam'"]),
    "no loss": (lambda: Model(nn.Dense(1)).fit(X, VALUES), ArgumentError, ["no loss"]),
    "not built": (lambda: Model(nn.Dense(1)).summary(), ArgumentError, ["build(x)"]),
    "weights of another network": (lambda: _built().restore(_built(units=5).snapshot()), ShapeError, ["dense/", "(3,)"]),
    "learning rate": (lambda: setattr(_built(), "learning_rate", -1.0), ArgumentError, ["-1.0"]),
}  # fmt: skip


def regressor_with(metric):
    return Model(nn.Dense(1), loss="mse", metrics=[metric])


def _built(units=3):
    model = classifier(units)
    model.build(X)
    return model


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_with_the_place_and_the_fix(case, capsys):
    make, error, words = CASES[case]
    with pytest.raises(SaltusError) as caught:
        make()
    message = str(caught.value)
    assert isinstance(caught.value, error), message
    for word in words:
        assert word in message
    assert capsys.readouterr().out == ""  # refused before anything was trained


def test_columns_of_frames_are_named():
    import polars as pl

    frame = pl.DataFrame({"age": [1.0, 2.0], "city": ["Rome", "Bern"]})
    with pytest.raises(DTypeError, match="'city'"):
        classifier().fit(frame, [0, 1])


def test_a_failed_fit_leaves_the_weights_as_they_were():
    model = _built()
    before = model.params["dense"]["kernel"].numpy().copy()
    with pytest.raises(DataError):
        model.fit(with_value(np.nan), LABELS, verbose=0)
    assert (model.params["dense"]["kernel"].numpy() == before).all()


def test_an_error_in_a_callback_keeps_what_was_learnt():
    class Fail(sl.train.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1:
                raise RuntimeError("disk on fire")

    model = classifier()
    with pytest.raises(RuntimeError, match="disk on fire"):
        model.fit(X, LABELS, epochs=5, callbacks=[Fail()], verbose=0)
    assert model.state()["step"].item() == 2
    assert len(model.history) == 2
    model.fit(X, LABELS, epochs=1, verbose=0)


def test_large_finite_numbers_are_not_taken_for_infinity():
    model = regressor()
    model.build(X)
    huge = np.full((2, 4), 3e38, "float32")
    assert sl.train.arrays.need_finite([("x", huge)]) is None


def test_habits_from_other_systems_are_told_what_to_write_here():
    network = nn.Sequential([nn.Dense(3)])
    for call, words in (
        (lambda: Model(nn.Input((4,)), network), ["one network", "nn.Network(inputs, outputs)"]),
        (lambda: Model([network]), ["got list"]),
    ):
        with pytest.raises((SaltusError, AttributeError)) as error:
            call()
        for word in words:
            assert word in str(error.value)
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    np.testing.assert_array_equal(model(X), model.predict_on_batch(X))

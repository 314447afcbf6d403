"""What `fit`, `evaluate` and `predict` promise: they learn, count every sample, and do not depend on how the
work is cut.
"""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import UnknownNameError
from saltus.data import TableEncoder, sets
from saltus.train import Model, plan

RNG = np.random.default_rng(1)
X = RNG.normal(size=(203, 5)).astype("float32")
LABELS = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype("int64") + (X[:, 3] > 0.8)
VALUES = (X @ RNG.normal(size=(5, 2))).astype("float32")


def classifier(seed=0, **more):
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dropout(0.1), nn.Dense(3)])
    return Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(1e-2), metrics=["accuracy"], seed=seed, **more)


def weights(model):
    return [v.numpy().copy() for v in sl.train.program.tree.leaves(model.state())]


def same(first, second):
    return all((a == b).all() for a, b in zip(weights(first), weights(second), strict=True))


def test_the_species_of_penguins_are_learnt():
    table = TableEncoder().fit_transform(sets.path("penguins"), "species")
    network = nn.Sequential([nn.TableInput(table.cardinalities), nn.Dense(16, activation="relu"), nn.Dense(3)])
    model = Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(1e-2), metrics=["accuracy"])
    run = model.fit((table.numbers, table.categories), table.target, epochs=20, validation=0.2, verbose=0)
    assert run["val_accuracy"][-1] > 0.95
    assert run["loss"][-1] < 0.2 * run["loss"][0]


@pytest.mark.parametrize("size", ["full", 1, 32, 64])
def test_every_batch_size_learns(size):
    model = classifier()
    run = model.fit(X, LABELS, epochs=30 if size == "full" else 3, batch_size=size, verbose=0)
    assert run["loss"][-1] < run["loss"][0]


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    models = [classifier(seed) for seed in (3, 3, 4)]
    for model in models:
        model.fit(X, LABELS, epochs=2, verbose=0)
    assert same(models[0], models[1])
    assert not same(models[0], models[2])


def test_the_result_does_not_depend_on_how_an_epoch_is_cut_into_calls(monkeypatch):
    models = [classifier() for _ in range(3)]
    models[0].fit(X, LABELS, epochs=2, batch_size=8, verbose=0)
    models[1].fit(
        X, LABELS, epochs=2, batch_size=8, verbose=0, callbacks=[sl.train.LambdaCallback(on_train_batch_end=lambda b, logs: None)]
    )
    monkeypatch.setattr(plan, "CALL_SECONDS", 2e-4)
    models[2].fit(X, LABELS, epochs=2, batch_size=8, verbose=0)
    assert same(models[0], models[1])
    assert same(models[0], models[2])


def test_single_steps_by_hand_equal_fit():
    by_hand, fitted = classifier(), classifier()
    fitted.fit(X, LABELS, epochs=1, batch_size=50, shuffle=False, verbose=0)
    for begin in range(0, 203, 50):
        by_hand.train_on_batch(X[begin : begin + 50], LABELS[begin : begin + 50])
    assert by_hand.state()["step"].item() == fitted.state()["step"].item() == 5
    for a, b in zip(weights(by_hand), weights(fitted), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_training_can_go_on_where_it_ended():
    once, twice = classifier(), classifier()
    once.fit(X, LABELS, epochs=4, verbose=0)
    twice.fit(X, LABELS, epochs=2, verbose=0)
    twice.fit(X, LABELS, epochs=4, initial_epoch=2, verbose=0)
    assert same(once, twice)


def test_without_shuffling_rows_come_in_their_order():
    model = Model(nn.Sequential([nn.Dense(1, kernel_initializer="zeros", use_bias=False)]), loss="mse", optimizer=sl.optim.SGD(0.5))
    model.fit(np.array([[1.0], [0.0]], "float32"), np.array([[1.0], [5.0]], "float32"), batch_size=1, shuffle=False, verbose=0)
    assert model.params["dense"]["kernel"].tolist() == [[1.0]]


def test_data_stays_in_its_own_type():
    images = RNG.integers(0, 256, (64, 4, 4), dtype="uint8")
    labels = (images[:, 0, 0] > 127).astype("uint8")
    network = nn.Sequential([nn.Rescaling(1 / 255), nn.Flatten(), nn.Dense(8, activation="relu"), nn.Dense(2)])
    model = Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(0.02), metrics=["accuracy"])
    run = model.fit(images, labels, epochs=40, verbose=0)
    assert run["accuracy"][-1] > 0.9
    assert model.params["dense"]["kernel"].dtype == sl.float32


def test_float64_lists_frames_and_tensors_are_taken_as_they_come():
    import polars as pl

    wide, values = X[:40].astype("float64"), VALUES[:40].astype("float64")
    frame = pl.DataFrame({f"c{i}": wide[:, i] for i in range(5)})
    made = []
    for x, y in ((wide, values), (wide.tolist(), values.tolist()), (frame, values), (sl.asarray(X[:40]), sl.asarray(VALUES[:40])),
                 (np.asfortranarray(X[:40]), VALUES[:40])):  # fmt: skip
        model = Model(nn.Sequential([nn.Dense(2)]), loss="mse")
        made.append(model.fit(x, y, epochs=2, verbose=0)["loss"])
        assert model.predict(x).dtype == np.float32
    for losses in made[1:]:
        assert losses == pytest.approx(made[0], rel=1e-5)


def test_inputs_may_be_several_arrays_or_named_ones():
    class Named(nn.Layer):
        def call(self, scope, x):
            return scope.run(nn.Dense(2), sl.concat([x["left"], x["right"]], axis=1))

    parts = {"left": X[:, :2].copy(), "right": X[:, 2:].copy()}
    run = Model(Named(), loss="mse").fit(parts, VALUES, epochs=2, verbose=0)
    assert run["loss"][1] < run["loss"][0]
    pair = Model(nn.TableInput((4,)), loss="mse")
    assert pair.predict((X[:3], np.array([[0], [1], [3]]))).shape == (3, 5 + nn.embedding_width(4))


def test_a_validation_share_is_drawn_at_random_and_keeps_the_classes():
    y = np.repeat([0, 1], [150, 50])  # sorted: the last rows are of one class (keras-team/keras issue 10571)
    x = np.arange(200, dtype="float32")[:, None]
    seen = []

    class Look(sl.train.Callback):
        def on_train_begin(self, logs=None):
            seen.append(self.params["samples"])

    network = nn.Sequential([nn.Lambda(nn.activations.relu), nn.Dense(2, kernel_initializer="zeros")])
    model = Model(network, loss="sparse_categorical_crossentropy", metrics=["accuracy"], optimizer=sl.optim.SGD(0.0))
    model.build(x)
    run = model.fit(x, y, validation=0.2, callbacks=[Look()], verbose=0)
    assert seen == [160]
    assert run["val_accuracy"] == [0.75]  # all are predicted as class 0, which is three quarters of both parts
    assert run["accuracy"] == [0.75]


def test_given_validation_data_are_judged_as_evaluate_judges_them():
    model = classifier()
    run = model.fit(X[:150], LABELS[:150], epochs=2, validation=(X[150:], LABELS[150:]), verbose=0)
    logs = model.evaluate(X[150:], LABELS[150:])
    assert run["val_loss"][-1] == pytest.approx(logs["loss"], rel=1e-5)
    assert run["val_accuracy"][-1] == logs["accuracy"]


@pytest.mark.parametrize("size", [1, 7, 64, 203, "full"])
def test_evaluation_counts_every_sample_whatever_the_batch_size(size):
    model = classifier()
    model.build(X)
    logs = model.evaluate(X, LABELS, batch_size=size)
    scores = model.predict(X).astype("float64")
    shifted = scores - scores.max(axis=1, keepdims=True)
    expected = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(203), LABELS]
    assert logs["loss"] == pytest.approx(expected.mean(), rel=1e-5)
    assert logs["accuracy"] == pytest.approx((scores.argmax(axis=1) == LABELS).mean())


def test_train_metrics_are_those_of_the_steps_over_all_samples():
    model = Model(nn.Sequential([nn.Dense(2, kernel_initializer="zeros")]), loss="mse", optimizer=sl.optim.SGD(0.0), metrics=["mae"])
    run = model.fit(X, VALUES, batch_size=10, verbose=0)
    assert run["loss"][0] == pytest.approx(float((VALUES**2).mean()), rel=1e-5)
    assert run["mae"][0] == pytest.approx(float(np.abs(VALUES).mean()), rel=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 100, 203])
def test_prediction_is_the_same_in_any_portion(rows):
    model = classifier()
    model.build(X)
    whole = model.predict(X)
    for size in (None, 1, 64):
        np.testing.assert_allclose(model.predict(X[:rows], batch_size=size), whole[:rows], rtol=2e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(X[:rows]), whole[:rows], rtol=2e-5, atol=1e-6)


def test_prediction_follows_the_weights():
    model = classifier()
    model.build(X)
    before = [model.predict_on_batch(X[:2]) for _ in range(3)]
    model.fit(X, LABELS, epochs=1, verbose=0)
    after = [model.predict_on_batch(X[:2]) for _ in range(3)]
    assert (before[0] == before[2]).all()
    assert (after[0] == after[2]).all()
    assert (before[0] != after[0]).all()


def test_kerass_names_for_validation_are_understood_and_others_refused():
    own, kerass = classifier(), classifier()
    held = (X[:20], LABELS[:20])
    first = own.fit(X, LABELS, validation=0.2, verbose=0)
    assert kerass.fit(X, LABELS, validation_split=0.2, verbose=0)["val_loss"] == first["val_loss"]
    assert "val_loss" in classifier().fit(X, LABELS, validation_data=held, verbose=0).names
    with pytest.raises(UnknownNameError, match="batch_size"):
        classifier().fit(X, LABELS, batchsize=4)


def test_repeating_fit_and_predict_makes_no_new_program():
    # memory grew in such loops elsewhere (keras-team/keras issue 20552)
    model = classifier()
    for _ in range(2):
        model.fit(X, LABELS, verbose=0)
        model.predict(X)
        model.evaluate(X, LABELS)
    made = len(model._built.programs._made)
    for _ in range(3):
        model.fit(X, LABELS, verbose=0)
        model.predict(X)
        model.evaluate(X, LABELS)
    assert len(model._built.programs._made) == made


def test_balanced_class_weights_make_a_rare_class_count():
    x = RNG.normal(size=(400, 2)).astype("float32")
    y = (x[:, 0] > 1.6).astype("int64")
    network = nn.Sequential([nn.Dense(2)])

    def recall(**more):
        model = Model(network, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(0.02))
        model.fit(x, y, epochs=20, verbose=0, **more)
        return float((model.predict(x).argmax(axis=1) == 1)[y == 1].mean())

    assert recall(class_weight="balanced") > recall() + 0.2
    assert recall(class_weight={0: 0.05}) > recall() + 0.2


def test_class_and_sample_weights_are_multiplied():
    y = np.array([0, 0, 1, 1])
    model = Model(
        nn.Sequential([nn.Dense(2, kernel_initializer="zeros")]), loss="sparse_categorical_crossentropy", optimizer=sl.optim.SGD(0.0)
    )
    run = model.fit(X[:4], y, class_weight={1: 3.0}, sample_weight=[1, 0, 2, 0], verbose=0)
    assert run["loss"][0] == pytest.approx(np.log(2) * (1 + 6) / 4, rel=1e-6)


def test_the_moving_average_takes_the_parameters_place_at_the_end():
    network = nn.Sequential([nn.Dense(2)])
    plain = Model(network, loss="mse", optimizer=sl.optim.SGD(0.1))
    smooth = Model(network, loss="mse", optimizer=sl.optim.SGD(0.1, use_ema=True, ema_momentum=0.9))
    for model in (plain, smooth):
        model.fit(X, VALUES, epochs=2, verbose=0)
    average = smooth.state()["optimizer"]["average"]["dense"]["kernel"]
    assert (smooth.params["dense"]["kernel"].numpy() == average.numpy()).all()
    assert (smooth.params["dense"]["kernel"].numpy() != plain.params["dense"]["kernel"].numpy()).any()


def test_a_perceptron_learns_what_is_linearly_separable():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
    model = Model(nn.Perceptron(1), loss="perceptron", optimizer=sl.optim.SGD(1.0))
    model.fit(x, np.array([[0.0], [0.0], [0.0], [1.0]], "float32"), epochs=20, batch_size=1, verbose=0)
    assert model.predict(x)[:, 0].tolist() == [0, 0, 0, 1]


def test_a_summary_counts_layers_and_parameters():
    model = classifier()
    model.build(nn.Spec((1, 5)))
    text = str(model.summary())
    assert "dense_1" in text
    assert f"{5 * 16 + 16 + 16 * 3 + 3:,}" in text
    assert model.count == 5 * 16 + 16 + 16 * 3 + 3


def test_compiling_again_keeps_the_weights():
    model = classifier()
    model.fit(X, LABELS, epochs=1, verbose=0)
    before = model.predict(X)
    model.compile(optimizer="sgd", metrics=[])
    assert (model.predict(X) == before).all()
    assert set(model.evaluate(X, LABELS)) == {"loss"}
    assert model.state()["step"].item() == 0

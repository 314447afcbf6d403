"""A loss refuses what does not fit, says how to repair it, and finds out by itself whether predictions are logits."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError, UnknownNameError
from saltus.nn import losses

REGRESSIONS = [
    losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.MeanAbsolutePercentageError(), losses.MeanSquaredLogarithmicError(),
    losses.Huber(), losses.SmoothL1(), losses.LogCosh(), losses.Poisson(), losses.Hinge(), losses.SquaredHinge(), losses.KLDivergence(),
    losses.BinaryCrossentropy(), losses.BinaryFocalCrossentropy(), losses.Perceptron(),
]  # fmt: skip


@pytest.mark.parametrize("loss", REGRESSIONS, ids=lambda v: type(v).__name__)
@pytest.mark.parametrize(
    ("true", "pred", "fix"),
    [
        ((8,), (8, 1), "y[:, None]"),
        ((8, 1), (8,), "y[:, 0]"),
        ((8, 3), (8, 1), "as wide as the targets"),
        ((8,), (8, 3), "sparse_categorical_crossentropy"),
        ((1, 3), (8, 3), "same samples"),
        ((4, 3), (8, 3), "same samples"),
    ],
)
def test_shapes_that_would_broadcast_are_refused_with_the_fix(loss, true, pred, fix):
    with pytest.raises(ShapeError) as caught:
        loss(sl.zeros(true), sl.zeros(pred))
    assert str(true) in str(caught.value)
    assert str(pred) in str(caught.value)
    assert fix in str(caught.value)
    with pytest.raises(ShapeError):
        loss.check(nn.Spec(true), nn.Spec(pred))


@pytest.mark.parametrize(
    ("loss", "true", "pred", "error", "words", "fix"),
    [
        ("sparse_categorical_crossentropy", nn.Spec((8, 1), "int64"), nn.Spec((8, 3)), ShapeError, "class numbers of shape", "y[:, 0]"),
        (
            "sparse_categorical_crossentropy",
            nn.Spec((8, 3), "int64"),
            nn.Spec((8, 3)),
            ShapeError,
            "class numbers",
            "categorical_crossentropy",
        ),
        ("sparse_categorical_crossentropy", nn.Spec((8,)), nn.Spec((8, 3)), DTypeError, "whole numbers, got float32", "astype('int64')"),
        ("sparse_categorical_crossentropy", nn.Spec((8,), "int64"), nn.Spec((8, 1)), ShapeError, "only one class", "binary_crossentropy"),
        ("sparse_categorical_crossentropy", nn.Spec((8,), "int64"), nn.Spec((8,)), ShapeError, "axis of classes", "Dense(classes)"),
        ("sparse_categorical_crossentropy", nn.Spec((7,), "int64"), nn.Spec((8, 3)), ShapeError, "class numbers of shape", "same samples"),
        ("categorical_crossentropy", nn.Spec((8,), "int64"), nn.Spec((8, 3)), ShapeError, "must be equal", "one_hot"),
        ("categorical_crossentropy", nn.Spec((8, 4)), nn.Spec((8, 3)), ShapeError, "must be equal", "as wide as"),
        ("categorical_crossentropy", nn.Spec((8, 1)), nn.Spec((8, 1)), ShapeError, "only one class", "binary_crossentropy"),
        ("categorical_hinge", nn.Spec((8,), "int64"), nn.Spec((8, 3)), ShapeError, "must be equal", "one_hot"),
        ("cosine_similarity", nn.Spec((8,)), nn.Spec((8,)), ShapeError, "compares vectors", "(N, features)"),
        ("mse", nn.Spec((8,)), nn.Spec((8,), "int64"), DTypeError, "must be real floats, got int64", "astype('float32')"),
        ("mse", nn.Spec(()), nn.Spec(()), ShapeError, "batch first", None),
        ("bce", nn.Spec((8,)), nn.Spec((8, 1)), ShapeError, "must be equal", "y[:, None]"),
    ],
)
def test_targets_of_another_kind_are_refused_with_the_fix(loss, true, pred, error, words, fix):
    with pytest.raises(error, match=words) as caught:
        losses.get(loss).check(true, pred)
    assert fix is None or fix in str(caught.value)


@pytest.mark.parametrize(
    ("loss", "values", "outputs", "words"),
    [
        (
            losses.SparseCategoricalCrossentropy(),
            [0, 1, 3, 2, 5],
            3,
            "classes are 0 to 2, but the target of row 2 is 3 .outside: 3, 5, 2 in all",
        ),
        (losses.SparseCategoricalCrossentropy(), [1, -1], 3, "row 1 is -1"),
        (losses.SparseCategoricalCrossentropy(ignore_class=255), [1, 255, 254], 3, "row 2 is 254"),
        (losses.BinaryCrossentropy(), [0.0, 1.0, 2.0], 1, "row 2 is 2"),
        (losses.BinaryCrossentropy(), [-1.0, 1.0], 1, "between 0 and 1, but that of row 0 is -1"),
        (losses.Perceptron(), [0.0, 0.5], 1, "must be 0 or 1, but that of row 1 is 0.5"),
        (losses.MeanSquaredError(), [0.0, np.nan], 1, "target of row 1 is nan"),
        (losses.Huber(), [np.inf], 1, "target of row 0 is inf"),
    ],
)
def test_target_values_that_cannot_be_are_refused_by_row(loss, values, outputs, words):
    with pytest.raises(DataError, match=words):
        loss.check_targets(np.asarray(values), outputs)


@pytest.mark.parametrize(
    ("loss", "values", "outputs"),
    [
        (losses.SparseCategoricalCrossentropy(), [0, 1, 2], 3),
        (losses.SparseCategoricalCrossentropy(ignore_class=-1), [-1, 2], 3),
        (losses.BinaryCrossentropy(), [0.0, 0.5, 1.0], 1),
        (losses.BinaryCrossentropy(), [True, False], 1),
        (losses.MeanSquaredError(), [1e30, -4.0], 1),
    ],
)
def test_good_target_values_pass(loss, values, outputs):
    loss.check_targets(np.asarray(values), outputs)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: losses.Huber(0.0), ArgumentError, r"Huber: delta must be a number in \(0, inf\], got 0.0"),
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.5), ArgumentError, "label_smoothing must be a number in"),
        (lambda: losses.CategoricalCrossentropy(label_smoothing="no"), ArgumentError, "label_smoothing must be a number"),
        (lambda: losses.MeanSquaredError(reduction="average"), UnknownNameError, "MeanSquaredError reduction 'average'"),
        (lambda: losses.get(3), ArgumentError, "loss must be a name or a Loss, got 3"),
        (lambda: losses.get(nn.Dense(1)), ArgumentError, "loss must be a name or a Loss"),
    ],
)
def test_wrong_arguments_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_function_that_takes_the_mean_itself_is_refused():
    loss = losses.get(lambda y_true, y_pred: ((y_true - y_pred) ** 2).mean())
    with pytest.raises(ShapeError, match="one number a sample") as caught:
        loss(sl.zeros(4), sl.zeros(4))
    assert "leave the mean over the batch out" in str(caught.value)


# -- probabilities or logits ------------------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(6, 4)).astype("float32")
Y = np.array([0, 1, 2, 2, 1, 0])


def step_loss(network, loss, y):
    """The loss of a network as a training step computes it."""
    params, state = nn.init(network, X, key=sl.random.key(0))

    @sl.jit
    def run(params, x, y):
        def total(params):
            return losses.get(loss)(y, nn.apply(network, params, state, x).output).mean()

        return sl.value_and_grad(total)(params)

    value, gradient = run(params, X, y)
    return float(value), gradient, params


def sparse(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return float(-(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))[np.arange(6), Y].mean())


def test_a_network_may_end_in_scores_or_in_softmax_and_the_loss_is_the_same():
    scores = nn.Sequential([nn.Dense(3)])
    shares = nn.Sequential([nn.Dense(3, activation="softmax")])
    layers = nn.Sequential([nn.Dense(3), nn.Softmax()])
    made = [step_loss(network, "sparse_categorical_crossentropy", Y) for network in (scores, shares, layers)]
    params = made[0][2]
    expected = sparse(X @ params["dense"]["kernel"].numpy())
    for value, gradient, _ in made:
        assert value == pytest.approx(expected, rel=1e-5)
        np.testing.assert_array_equal(gradient["dense"]["kernel"].numpy(), made[0][1]["dense"]["kernel"].numpy())


def test_a_sigmoid_is_looked_through_too():
    y = (Y > 0).astype("float32")[:, None]
    made = [step_loss(nn.Dense(1, activation=a), "bce", y) for a in (None, "sigmoid")]
    assert made[0][0] == made[1][0]
    np.testing.assert_array_equal(made[0][1]["kernel"].numpy(), made[1][1]["kernel"].numpy())


def test_a_softmax_that_is_certain_still_learns():
    """Probabilities that round to 0 and 1 have no slope; the scores behind them have."""
    network = nn.Dense(3, activation="softmax")
    params = {"kernel": sl.zeros((4, 3)), "bias": sl.asarray([200.0, 0.0, 0.0])}

    def total(params):
        return losses.sparse_categorical_crossentropy(sl.asarray([1]), nn.apply(network, params, {}, sl.zeros((1, 4))).output).mean()

    value, gradient = sl.value_and_grad(total)(params)
    assert float(value) == pytest.approx(200.0)
    np.testing.assert_allclose(gradient["bias"].numpy(), [1.0, -1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    ("function", "made"),
    [
        (lambda x, w: x @ w, "dense"),
        (lambda x, w: x @ w + 1.0, "dense"),
        (lambda x, w: sl.reshape((x @ w) / 2.0, (6, 3)), "dense"),
        (lambda x, w: x @ (w * 0.5 + w), "dense"),
        (lambda x, w: sl.softmax(x @ w), "softmax"),
        (lambda x, w: nn.activations.softmax(sl.relu(x @ w)), "softmax"),
        (lambda x, w: sl.sigmoid(x @ w), "sigmoid"),
        (lambda x, w: sl.softmax(x @ w) * 0.5 + sl.softmax(x) @ sl.softmax(w) * 0.5, ""),
        (lambda x, w: sl.softmax(x) @ sl.softmax(w), ""),
        (lambda x, w: sl.clip(x @ w, 0.0, 1.0), ""),
        (lambda x, w: w[:1] * 1.0, ""),
    ],
)
def test_what_made_the_predictions_is_read_from_the_graph(function, made):
    said = []

    @sl.jit
    def run(x, w):
        said.append(losses.made_by(function(x, w)))
        return x

    run(X, np.ones((4, 3), "float32"))
    assert said == [made]


def test_softmax_into_a_loss_that_wants_logits_is_refused():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ArgumentError, match="come from a softmax; they would go through it twice") as caught:
        step_loss(nn.Dense(3, activation="softmax"), loss, Y)
    assert "leave the softmax out of the last layer" in str(caught.value)
    with pytest.raises(ArgumentError, match="come from a sigmoid"):
        step_loss(nn.Dense(1, activation="sigmoid"), losses.BinaryCrossentropy(from_logits=True), Y[:, None])


def test_outside_a_program_scores_are_not_taken_for_probabilities():
    with pytest.raises(ArgumentError, match=r"from -3 to 2 are no probabilities") as caught:
        losses.sparse_categorical_crossentropy([0], sl.asarray([[2.0, -3.0]]))
    assert "from_logits=True" in str(caught.value)
    with pytest.raises(ArgumentError, match="no probabilities"):
        losses.binary_crossentropy(sl.asarray([0.0]), sl.asarray([1.5]))
    scores = sl.asarray(X) @ sl.ones((4, 3))
    with pytest.raises(ArgumentError, match="no probabilities"):
        losses.sparse_categorical_crossentropy(Y, scores)  # whether it was printed before or not
    assert float(losses.sparse_categorical_crossentropy(Y, scores, from_logits=True).mean()) == pytest.approx(
        sparse(scores.numpy()), rel=1e-5
    )

"""Losses equal those of another library or their published formulas, have right gradients, and are reduced as asked."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import UnknownNameError
from saltus.nn import losses

LOGITS = np.array([[2.0, -1.0, 0.5], [0.0, 1.5, -2.0], [-0.3, 0.2, 0.1], [5.0, 4.0, -6.0]])
CLASSES = np.array([0, 2, 1, 1])
SCORES = np.array([[0.3, -2.0], [4.0, 1.0], [-0.7, 0.0], [30.0, -40.0]])
TRUTH = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.25], [0.0, 1.0]])
PREDICTED = np.array([[1.5, -2.0, 0.3], [0.0, 4.0, 1.0], [2.0, 2.0, 2.0]])
TARGETS = np.array([[1.0, -1.0, 3.0], [0.5, 4.0, -2.0], [2.0, 0.0, 1.0]])
SHARES = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
TRUE_SHARES = np.array([[0.3, 0.3, 0.4], [0.6, 0.2, 0.2]])
COUNTS, EXPECTED = np.array([[1.0, 2.0], [0.0, 4.0]]), np.array([[0.5, 2.0], [3.0, 0.1]])


def one_hot(classes, count=3):
    return np.eye(count)[classes]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def value(loss, true, pred):
    return loss(sl.asarray(true), sl.asarray(pred)).numpy()


# PyTorch 2.13, torch.nn.functional on the arrays above in float64 with reduction="none", means over the last axis, ten digits.
PYTORCH = {
    "cross_entropy": (losses.SparseCategoricalCrossentropy(from_logits=True), CLASSES, LOGITS,
                      [0.2413112967, 3.725802049, 0.9208276556, 1.313273897]),
    "cross_entropy with shares": (losses.CategoricalCrossentropy(from_logits=True), one_hot(CLASSES), LOGITS,
                                  [0.2413112967, 3.725802049, 0.9208276556, 1.313273897]),
    "cross_entropy(label_smoothing=0.1)": (losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1), one_hot(CLASSES), LOGITS,
                                           [0.3913112967, 3.542468716, 0.9408276556, 1.613273897]),
    "cross_entropy(label_smoothing=0.1) of class numbers": (losses.SparseCategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
                                                            CLASSES, LOGITS, [0.3913112967, 3.542468716, 0.9408276556, 1.613273897]),
    "nll_loss of log softmax": (losses.SparseCategoricalCrossentropy(from_logits=False), CLASSES, softmax(LOGITS),
                                [0.2413112967, 3.725802049, 0.9208276556, 1.313273897]),
    "binary_cross_entropy_with_logits": (losses.BinaryCrossentropy(from_logits=True), TRUTH, SCORES,
                                         [0.3406416278, 0.1657058077, 0.5481666147, 35.0]),
    "binary_cross_entropy": (losses.BinaryCrossentropy(from_logits=False), TRUTH[:3], 1 / (1 + np.exp(-SCORES[:3])),
                             [0.3406416278, 0.1657058077, 0.5481666147]),
    "mse_loss": (losses.MeanSquaredError(), TARGETS, PREDICTED, [2.846666667, 3.083333333, 1.666666667]),
    "l1_loss": (losses.MeanAbsoluteError(), TARGETS, PREDICTED, [1.4, 1.166666667, 1.0]),
    "huber_loss": (losses.Huber(), TARGETS, PREDICTED, [0.9416666667, 0.875, 0.6666666667]),
    "huber_loss(delta=0.5)": (losses.Huber(0.5), TARGETS, PREDICTED, [0.575, 0.5, 0.4166666667]),
    "smooth_l1_loss(beta=0.5)": (losses.SmoothL1(0.5), TARGETS, PREDICTED, [1.15, 1.0, 0.8333333333]),
    "cosine_similarity": (losses.CosineSimilarity(), TARGETS, PREDICTED, [-0.5268799898, -0.7545552779, -0.7745966692]),
    "kl_div": (losses.KLDivergence(), TRUE_SHARES, SHARES, [0.03238211191, 0.9364262454]),
    "poisson_nll_loss(log_input=False, eps=1e-7)": (losses.Poisson(), COUNTS, EXPECTED, [0.9034262597, 6.155168186]),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTORCH)
def test_losses_equal_those_of_pytorch(name):
    loss, true, pred, expected = PYTORCH[name]
    np.testing.assert_allclose(value(loss, true, pred), expected, rtol=2e-8)


def test_gradients_equal_those_of_pytorch():
    # torch.autograd.grad of the summed losses by the logits, as above
    sparse = sl.grad(lambda z: losses.SparseCategoricalCrossentropy(from_logits=True)(sl.asarray(CLASSES), z).sum())(sl.asarray(LOGITS))
    expected = [-0.2144029654, 0.03911257327, 0.1752903921, 0.1780302055, 0.7978760262, -0.9759062317, 0.2415140437, -0.601810659,
                0.3602966152, 0.7310496526, -0.7310618623, 1.220977256e-05]  # fmt: skip
    np.testing.assert_allclose(sparse.numpy().ravel(), expected, rtol=1e-8)
    binary = sl.grad(lambda z: losses.BinaryCrossentropy(from_logits=True)(sl.asarray(TRUTH), z).sum())(sl.asarray(SCORES))
    expected = [-0.2127787416, 0.05960146101, -0.008993104981, -0.1344707107, 0.1659061139, 0.125, 0.5, -0.5]
    np.testing.assert_allclose(binary.numpy().ravel(), expected, rtol=1e-8)


P, T = softmax(LOGITS), one_hot(CLASSES)
B = 1 / (1 + np.exp(-SCORES[:3]))
BT = TRUTH[:3]
BINARY = -(BT * np.log(B) + (1 - BT) * np.log(1 - B))
FOCUS = (1 - (BT * B + (1 - BT) * (1 - B))) ** 2
POSITIVE, POSITIVE_TARGETS = np.abs(PREDICTED), np.abs(TARGETS)
SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, -1.0, 1.0], [1.0, 1.0, 1.0]])

# The formulas that the Keras 3 documentation gives, written out in NumPy.
FORMULAS = {
    "categorical focal": (losses.CategoricalFocalCrossentropy(from_logits=True), T, LOGITS,
                          -(T * 0.25 * (1 - P) ** 2 * np.log(P)).sum(axis=1)),
    "categorical focal of probabilities": (losses.CategoricalFocalCrossentropy(alpha=0.5, gamma=1.5, from_logits=False), T, P,
                                           -(T * 0.5 * (1 - P) ** 1.5 * np.log(P)).sum(axis=1)),
    "binary focal": (losses.BinaryFocalCrossentropy(from_logits=True), BT, SCORES[:3], (FOCUS * BINARY).mean(axis=1)),
    "binary focal, balanced": (losses.BinaryFocalCrossentropy(apply_class_balancing=True, from_logits=False), BT, B,
                               (FOCUS * BINARY * (BT * 0.25 + (1 - BT) * 0.75)).mean(axis=1)),
    "binary smoothed": (losses.BinaryCrossentropy(from_logits=False, label_smoothing=0.2), BT, B,
                        -((BT * 0.8 + 0.1) * np.log(B) + (1 - BT * 0.8 - 0.1) * np.log(1 - B)).mean(axis=1)),
    "mape": (losses.MeanAbsolutePercentageError(), TARGETS[:2], PREDICTED[:2],
             (100 * np.abs((TARGETS - PREDICTED) / np.maximum(np.abs(TARGETS), 1e-7)))[:2].mean(axis=1)),
    "msle": (losses.MeanSquaredLogarithmicError(), POSITIVE_TARGETS, POSITIVE,
             ((np.log(np.maximum(POSITIVE, 1e-7) + 1) - np.log(np.maximum(POSITIVE_TARGETS, 1e-7) + 1)) ** 2).mean(axis=1)),
    "log cosh": (losses.LogCosh(), TARGETS, PREDICTED, np.log(np.cosh(TARGETS - PREDICTED)).mean(axis=1)),
    "hinge": (losses.Hinge(), SIGNS, PREDICTED, np.maximum(1 - SIGNS * PREDICTED, 0).mean(axis=1)),
    "hinge of 0 and 1": (losses.Hinge(), (SIGNS + 1) / 2, PREDICTED, np.maximum(1 - SIGNS * PREDICTED, 0).mean(axis=1)),
    "squared hinge": (losses.SquaredHinge(), SIGNS, PREDICTED, (np.maximum(1 - SIGNS * PREDICTED, 0) ** 2).mean(axis=1)),
    "categorical hinge": (losses.CategoricalHinge(), one_hot([0, 1, 2]), PREDICTED,
                          np.maximum(((1 - np.eye(3)) * PREDICTED).max(axis=1) - (np.eye(3) * PREDICTED).sum(axis=1) + 1, 0)),
    "perceptron": (losses.Perceptron(), np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([0.5, 0.0])),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_equal_their_published_formulas(name):
    loss, true, pred, expected = FORMULAS[name]
    np.testing.assert_allclose(value(loss, true, pred), expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", [*PYTORCH, *FORMULAS])
def test_gradients_equal_differences(name, slopes):
    loss, true, pred, _ = (PYTORCH | FORMULAS)[name]
    if name.startswith("binary_cross_entropy_with"):
        pred = pred.clip(-5, 5)
    if name == "huber_loss" or name.startswith("smooth") or "hinge" in name or name in ("l1_loss", "mape", "huber_loss(delta=0.5)", "msle"):
        pred = pred + 0.0123  # off the corners
    gradient = sl.grad(lambda p: loss(sl.asarray(true), p).sum())(sl.asarray(pred)).numpy()
    np.testing.assert_allclose(gradient, slopes(lambda p: loss(sl.asarray(true), sl.asarray(p)).sum(), pred), rtol=1e-5, atol=1e-7)


def test_cross_entropy_stays_finite_and_exact_for_large_logits():
    huge = sl.asarray([[1000.0, 0.0, -1000.0], [-1000.0, 1000.0, 0.0]])
    loss = losses.SparseCategoricalCrossentropy(from_logits=True)
    np.testing.assert_allclose(loss(sl.asarray([1, 1]), huge).numpy(), [1000.0, 0.0])
    assert np.isfinite(sl.grad(lambda z: loss(sl.asarray([1, 1]), z).sum())(huge).numpy()).all()
    certain = losses.BinaryCrossentropy(from_logits=True)(sl.asarray([1.0, 0.0]), sl.asarray([-1000.0, 1000.0]))
    np.testing.assert_allclose(certain.numpy(), [1000.0, 1000.0])


def test_probabilities_of_0_and_1_give_large_but_finite_losses():
    wrong = losses.SparseCategoricalCrossentropy(from_logits=False)(sl.asarray([1]), sl.asarray([[1.0, 0.0]])).item()
    assert wrong == pytest.approx(-np.log(1e-7), rel=1e-3)
    assert losses.BinaryCrossentropy(from_logits=False)(sl.asarray([1.0]), sl.asarray([0.0])).item() == pytest.approx(
        -np.log(1e-7), rel=1e-3
    )


def test_classes_may_lie_on_another_axis_and_samples_have_more_axes():
    rng = np.random.default_rng(0)
    scores, classes = rng.normal(size=(2, 5, 3)), rng.integers(0, 3, size=(2, 5))
    last = value(losses.SparseCategoricalCrossentropy(from_logits=True), classes, scores)
    first = value(losses.SparseCategoricalCrossentropy(from_logits=True, axis=1), classes, scores.transpose(0, 2, 1).copy())
    np.testing.assert_allclose(last, first, rtol=1e-12)
    assert last.shape == (2,)
    log_p = np.log(softmax(scores))
    np.testing.assert_allclose(last, [-np.mean([log_p[i, j, classes[i, j]] for j in range(5)]) for i in range(2)], rtol=1e-12)
    categorical = value(losses.CategoricalCrossentropy(from_logits=True, axis=1), one_hot(classes).transpose(0, 2, 1).copy(),
                        scores.transpose(0, 2, 1).copy())  # fmt: skip
    np.testing.assert_allclose(categorical, last, rtol=1e-12)


def test_an_ignored_class_counts_neither_in_the_loss_nor_in_its_mean():
    loss = losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=-1)
    classes = sl.asarray([0, -1, 1, 1])
    values = loss(classes, sl.asarray(LOGITS))
    assert values.numpy()[1] == 0.0
    # torch.nn.functional.cross_entropy(..., ignore_index=-1), mean
    assert loss.reduce(values, valid=loss.valid(classes)).item() == pytest.approx(0.8251376165, rel=1e-9)
    parts = loss(sl.asarray([[0, -1], [-1, -1]]), sl.asarray(LOGITS.reshape(2, 2, 3)))
    np.testing.assert_allclose(parts.numpy(), [0.2413112967, 0.0], rtol=1e-8)
    assert loss.valid(sl.asarray([[0, -1], [-1, -1]])).tolist() == [1.0, 0.0]


def test_a_class_that_does_not_exist_is_nan_and_never_a_loss_of_0():
    made = losses.sparse_categorical_crossentropy(sl.asarray([3, -1, 0]), sl.asarray(np.full((3, 3), 1 / 3))).numpy()
    assert np.isnan(made).tolist() == [True, True, False]


def test_reductions():
    loss = losses.MeanSquaredError
    values, weight = sl.asarray([1.0, 2.0, 6.0]), sl.asarray([1.0, 0.0, 0.5])
    assert loss().reduce(values).item() == 3.0
    assert loss(reduction="sum").reduce(values).item() == 9.0
    assert loss(reduction="none").reduce(values, weight).tolist() == [1.0, 0.0, 3.0]
    assert loss().reduce(values, weight).item() == pytest.approx(4 / 3)
    assert loss(reduction="mean").reduce(values, weight).item() == pytest.approx(4 / 1.5)
    assert loss(reduction="mean").reduce(values, sl.zeros(3)).item() == 0.0


def test_names_aliases_and_functions_lead_to_the_same_losses():
    for name, record in {
        "mse": losses.MeanSquaredError, "mae": losses.MeanAbsoluteError, "mape": losses.MeanAbsolutePercentageError,
        "msle": losses.MeanSquaredLogarithmicError, "bce": losses.BinaryCrossentropy, "kld": losses.KLDivergence,
        "huber": losses.Huber, "log_cosh": losses.LogCosh, "logcosh": losses.LogCosh, "cosine_similarity": losses.CosineSimilarity,
        "SparseCategoricalCrossentropy": losses.SparseCategoricalCrossentropy, "squared_error": losses.MeanSquaredError,
        "categorical_focal_crossentropy": losses.CategoricalFocalCrossentropy, "perceptron": losses.Perceptron,
    }.items():  # fmt: skip
        assert losses.get(name) == record()
    assert losses.get("CrossEntropyLoss") == losses.SparseCategoricalCrossentropy(from_logits=True)
    assert losses.get("BCEWithLogitsLoss") == losses.BinaryCrossentropy(from_logits=True)
    assert losses.get(losses.Huber(2.0)) == losses.Huber(2.0)
    assert losses.get(losses.Huber) == losses.Huber()
    assert losses.get(losses.mean_squared_error) == losses.MeanSquaredError()
    made = losses.huber(sl.asarray([[0.0]]), sl.asarray([[3.0]]), delta=2.0)
    assert made.item() == losses.Huber(2.0)(sl.asarray([[0.0]]), sl.asarray([[3.0]])).item() == 4.0


def test_a_misspelt_loss_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown loss 'sparse_crossentropy'") as caught:
        losses.get("sparse_crossentropy")
    assert "sparse_categorical_crossentropy" in str(caught.value)


def test_a_function_is_a_loss(trained):
    def quartic(y_true, y_pred):
        return (y_true - y_pred) ** 4

    x = np.linspace(-1, 1, 20, dtype="float32")[:, None]
    _, _, values = trained(nn.Dense(1), quartic, x, 0.5 * x, steps=300, rate=0.3)
    assert values[-1] < 1e-3 * values[0]
    assert losses.get(quartic).title == "quartic"

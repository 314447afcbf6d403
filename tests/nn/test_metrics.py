"""Metrics over batches equal the same numbers computed in one piece, inside a compiled program, with weights, for every form of targets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError
from saltus.nn import losses, metrics

RNG = np.random.default_rng(7)
N = 103
CLASSES = RNG.integers(0, 4, N)
SHARES = RNG.dirichlet(np.ones(4) * 0.7, N).astype("float32")
ONE_HOT = np.eye(4, dtype="float32")[CLASSES]
BINARY = RNG.integers(0, 2, N)
CHANCE = np.clip(RNG.normal(0.35 + 0.3 * BINARY, 0.25), 0, 1).astype("float32")
WEIGHT = RNG.uniform(0, 2, N).astype("float32")
NUMBERS = (RNG.normal(size=(N, 2)) * 3 + 100).astype("float32")
GUESSES = (NUMBERS + RNG.normal(size=(N, 2))).astype("float32")


def streamed(metric, true, pred, weight=None, size=16):
    """The metric over batches of one compiled program each size."""

    @sl.jit
    def update(state, true, pred, weight):
        return metric.update(state, true, pred, weight)

    state = metric.init()
    for start in range(0, len(pred), size):
        rows = slice(start, start + size)
        state = update(state, true[rows], pred[rows], None if weight is None else weight[rows])
    return metric.result(state).numpy()


def counts(truth, said, weight):
    return {
        "tp": (weight * truth * said).sum(), "fp": (weight * (1 - truth) * said).sum(), "fn": (weight * truth * (1 - said)).sum(),
        "tn": (weight * (1 - truth) * (1 - said)).sum(),
    }  # fmt: skip


def mean(values, weight):
    return (values * weight).sum() / weight.sum()


def exact_auc(truth, chance, weight=None):
    """Share of pairs of a 1 and a 0 in the right order, ties half."""
    weight = np.ones(len(truth)) if weight is None else weight
    ones, zeros = truth == 1, truth == 0
    order = (chance[ones][:, None] > chance[zeros]) + 0.5 * (chance[ones][:, None] == chance[zeros])
    pairs = weight[ones][:, None] * weight[zeros]
    return (order * pairs).sum() / pairs.sum()


HARD = (CHANCE > 0.5).astype(float)
TOP = SHARES.argmax(axis=1)
LOG = np.log(np.clip(SHARES, 1e-7, 1))


def f_scores(weight, beta=1.0):
    parts = [counts((k == CLASSES).astype(float), (k == TOP).astype(float), weight) for k in range(4)]
    return np.array([(1 + beta**2) * p["tp"] / ((1 + beta**2) * p["tp"] + beta**2 * p["fn"] + p["fp"]) for p in parts])


def support(weight):
    return np.array([weight[k == CLASSES].sum() for k in range(4)])


def r2(weight):
    middle = (weight[:, None] * NUMBERS).sum(axis=0) / weight.sum()
    return 1 - (weight[:, None] * (NUMBERS - GUESSES) ** 2).sum(axis=0) / (weight[:, None] * (NUMBERS - middle) ** 2).sum(axis=0)


# metric, targets, predictions, expected value for given weights (all in one piece, in float64)
CASES = {
    "accuracy": (metrics.SparseCategoricalAccuracy(), CLASSES, SHARES, lambda w: mean(TOP == CLASSES, w)),
    "one-hot accuracy": (metrics.CategoricalAccuracy(), ONE_HOT, SHARES, lambda w: mean(TOP == CLASSES, w)),
    "binary accuracy": (metrics.BinaryAccuracy(), BINARY, CHANCE, lambda w: mean(HARD == BINARY, w)),
    "binary accuracy at 0.3": (metrics.BinaryAccuracy(0.3), BINARY, CHANCE, lambda w: mean((CHANCE > 0.3) == BINARY, w)),
    "equal": (metrics.Accuracy(), BINARY, HARD.astype("float32"), lambda w: mean(HARD == BINARY, w)),
    "top 2": (metrics.SparseTopKCategoricalAccuracy(2), CLASSES, SHARES,
              lambda w: mean((np.argsort(-SHARES, axis=1)[:, :2] == CLASSES[:, None]).any(axis=1), w)),
    "one-hot top 3": (metrics.TopKCategoricalAccuracy(3), ONE_HOT, SHARES,
                      lambda w: mean((np.argsort(-SHARES, axis=1)[:, :3] == CLASSES[:, None]).any(axis=1), w)),
    "true positives": (metrics.TruePositives(), BINARY, CHANCE, lambda w: counts(BINARY, HARD, w)["tp"]),
    "true negatives": (metrics.TrueNegatives(), BINARY, CHANCE, lambda w: counts(BINARY, HARD, w)["tn"]),
    "false positives": (metrics.FalsePositives(), BINARY, CHANCE, lambda w: counts(BINARY, HARD, w)["fp"]),
    "false negatives": (metrics.FalseNegatives((0.25, 0.75)), BINARY, CHANCE,
                        lambda w: [counts(BINARY, t < CHANCE, w)["fn"] for t in (0.25, 0.75)]),
    "precision": (metrics.Precision(), BINARY, CHANCE, lambda w: counts(BINARY, HARD, w)["tp"] / (w * HARD).sum()),
    "recall": (metrics.Recall(), BINARY[:, None], CHANCE[:, None], lambda w: counts(BINARY, HARD, w)["tp"] / (w * BINARY).sum()),
    "recall of a class": (metrics.Recall(class_id=2), CLASSES, SHARES, lambda w: mean(SHARES[:, 2] > 0.5, w * (CLASSES == 2))),
    "recall of an output": (metrics.Recall(class_id=2), ONE_HOT, SHARES, lambda w: mean(SHARES[:, 2] > 0.5, w * (CLASSES == 2))),
    "f1": (metrics.F1Score(classes=4), CLASSES, SHARES, lambda w: f_scores(w).mean()),
    "f1 of each class": (metrics.F1Score(None, classes=4), ONE_HOT, SHARES, f_scores),
    "f1 weighted": (metrics.F1Score("weighted", classes=4), CLASSES, SHARES, lambda w: mean(f_scores(w), support(w))),
    "f1 micro": (metrics.F1Score("micro", classes=4), CLASSES, SHARES, lambda w: mean(TOP == CLASSES, w)),
    "f2": (metrics.FBetaScore(beta=2.0, classes=4), CLASSES, SHARES, lambda w: f_scores(w, 2.0).mean()),
    "f1 of one output": (metrics.F1Score(classes=1), BINARY, CHANCE,
                         lambda w: 2 * (p := counts(BINARY, HARD, w))["tp"] / (2 * p["tp"] + p["fp"] + p["fn"])),
    "area under ROC": (metrics.AUC(2001), BINARY, CHANCE, lambda w: exact_auc(BINARY, CHANCE, w)),
    "mse": (metrics.MeanSquaredError(), NUMBERS, GUESSES, lambda w: mean(((NUMBERS - GUESSES) ** 2).mean(axis=1), w)),
    "rmse": (metrics.RootMeanSquaredError(), NUMBERS, GUESSES, lambda w: np.sqrt(mean(((NUMBERS - GUESSES) ** 2).mean(axis=1), w))),
    "mae": (metrics.MeanAbsoluteError(), NUMBERS, GUESSES, lambda w: mean(np.abs(NUMBERS - GUESSES).mean(axis=1), w)),
    "mape": (metrics.MeanAbsolutePercentageError(), NUMBERS, GUESSES, lambda w: mean(100 * np.abs(1 - GUESSES / NUMBERS).mean(axis=1), w)),
    "msle": (metrics.MeanSquaredLogarithmicError(), NUMBERS, GUESSES,
             lambda w: mean(((np.log1p(NUMBERS.astype(float)) - np.log1p(GUESSES.astype(float))) ** 2).mean(axis=1), w)),
    "log cosh": (metrics.LogCoshError(), NUMBERS, GUESSES, lambda w: mean(np.log(np.cosh(NUMBERS - GUESSES)).mean(axis=1), w)),
    "cosine": (metrics.CosineSimilarity(), NUMBERS, GUESSES,
               lambda w: mean((NUMBERS * GUESSES).sum(axis=1) / np.linalg.norm(NUMBERS, axis=1) / np.linalg.norm(GUESSES, axis=1), w)),
    "r2": (metrics.R2Score(outputs=2), NUMBERS, GUESSES, lambda w: r2(w).mean()),
    "r2 of each output": (metrics.R2Score(None, outputs=2), NUMBERS, GUESSES, r2),
    "r2 of a vector": (metrics.R2Score(), NUMBERS[:, 0], GUESSES[:, 0], lambda w: r2(w)[0]),
    "cross-entropy": (metrics.SparseCategoricalCrossentropy(), CLASSES, SHARES, lambda w: mean(-LOG[np.arange(N), CLASSES], w)),
    "one-hot cross-entropy": (metrics.CategoricalCrossentropy(), ONE_HOT, SHARES, lambda w: mean(-LOG[np.arange(N), CLASSES], w)),
    "binary cross-entropy": (metrics.BinaryCrossentropy(), BINARY[:, None], np.clip(CHANCE, 0.01, 0.99)[:, None],
                             lambda w: mean(-np.log(np.where(BINARY, np.clip(CHANCE, 0.01, 0.99), 1 - np.clip(CHANCE, 0.01, 0.99))), w)),
    "divergence": (metrics.KLDivergence(), ONE_HOT * 0.6 + 0.1, SHARES,
                   lambda w: mean(((ONE_HOT * 0.6 + 0.1) * (np.log(ONE_HOT * 0.6 + 0.1) - LOG)).sum(axis=1), w)),
    "poisson": (metrics.Poisson(), NUMBERS, GUESSES, lambda w: mean((GUESSES - NUMBERS * np.log(GUESSES.astype(float))).mean(axis=1), w)),
    "hinge": (metrics.Hinge(), BINARY[:, None] * 2 - 1, CHANCE[:, None], lambda w: mean(np.maximum(1 - (BINARY * 2 - 1) * CHANCE, 0), w)),
    "squared hinge": (metrics.SquaredHinge(), BINARY[:, None] * 2 - 1, CHANCE[:, None],
                      lambda w: mean(np.maximum(1 - (BINARY * 2 - 1) * CHANCE, 0) ** 2, w)),
    "categorical hinge": (metrics.CategoricalHinge(), ONE_HOT, SHARES,
                          lambda w: mean(np.maximum(((1 - ONE_HOT) * SHARES).max(axis=1) - SHARES[np.arange(N), CLASSES] + 1, 0), w)),
    "mean": (metrics.Mean(), BINARY, CHANCE, lambda w: mean(CHANCE, w)),
    "sum": (metrics.Sum(), BINARY, CHANCE, lambda w: (CHANCE * w).sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["plain", "weighted"])
def test_a_metric_over_batches_equals_the_whole(name, weight):
    metric, true, pred, expected = CASES[name]
    exact = expected(np.ones(N) if weight is None else weight.astype(float))
    tolerance = 2e-3 if name == "area under ROC" else 1e-4 if name == "msle" else 2e-6
    np.testing.assert_allclose(streamed(metric, true, pred, weight), exact, rtol=tolerance)
    np.testing.assert_allclose(metric(true, pred, weight).numpy(), exact, rtol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_no_sample_gives_0_and_not_nan(name):
    metric = CASES[name][0]
    assert np.all(metric.result(metric.init()).numpy() == 0)


@pytest.mark.parametrize("name", CASES)
def test_a_metric_comes_back_from_its_stored_form(name):
    metric = CASES[name][0]
    assert nn.from_config(nn.to_config(metric)) == metric


def test_a_sample_of_weight_0_counts_in_no_way():
    pred = np.array([[0.5], [np.nan], [2.0]], "float32")
    weight = np.array([1.0, 0.0, 1.0], "float32")
    assert float(metrics.MeanAbsoluteError()(np.zeros((3, 1), "float32"), pred, weight)) == 1.25


def test_counts_stay_exact_where_single_precision_does_not():
    metric = metrics.BinaryAccuracy()
    state = {"total": sl.asarray(2.0**24, dtype="float64"), "count": sl.asarray(2.0**25, dtype="float64")}
    state = metric.update(state, [1], [0.9])
    assert float(state["total"]) == 2**24 + 1
    assert float(state["count"]) == 2**25 + 1


@settings(max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50)), min_size=2, max_size=60).filter(lambda v: len({t for t, _ in v}) == 2))
def test_the_area_under_roc_is_exact_for_probabilities_on_the_thresholds(pairs):
    truth = np.array([t for t, _ in pairs]).astype(float)
    chance = np.array([c for _, c in pairs]) / 50
    # thresholds at 0, 1/50, ..: each value has a cell of its own, but 0 and 1/50 share one
    chance = np.where(chance == 0, 1 / 50, chance)
    assert float(metrics.AUC(51)(truth, chance.astype("float32"))) == pytest.approx(exact_auc(truth, chance), abs=1e-6)


def test_the_area_under_precision_and_recall_is_interpolated():
    # the worked example of tf.keras.metrics.AUC's documentation, [0, 0, 1, 1] and [0, 0.5, 0.3, 0.9] with 3 thresholds:
    # tp = [2, 1, 0], fp = [2, 0, 0], thresholds [-1e-7, 0.5, 1 + 1e-7]; ROC area 0.75
    true, pred = [0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]
    assert float(metrics.AUC(3)(true, pred)) == pytest.approx(0.75)
    # between tp=2, fp=2 and tp=1, fp=0: slope 1/3, intercept 2/3; the area of this piece is (1/3 + 2/3 * 1/3 * log(4)) / 2, of the last 1/2
    expected = (1 / 3 * (1 + 2 / 3 * np.log(4 / 1))) / 2 + 1 / 2
    assert float(metrics.AUC(3, "PR")(true, pred)) == pytest.approx(expected, rel=1e-6)


def test_measures_at_a_given_other_measure():
    true = np.array([0, 0, 0, 1, 1, 1, 1, 0])
    pred = np.array([0.1, 0.3, 0.55, 0.35, 0.6, 0.7, 0.9, 0.8], "float32")

    def best(held, wanted, value):
        pairs = []
        for t in np.arange(0, 1, 1 / 199):
            c = counts(true, pred > t, np.ones(8))
            pairs.append({
                "recall": c["tp"] / 4, "specificity": c["tn"] / 4, "precision": c["tp"] / max(1, c["tp"] + c["fp"]),
            })  # fmt: skip
        return max(p[wanted] for p in pairs if p[held] >= value)

    assert float(metrics.PrecisionAtRecall(0.75)(true, pred)) == pytest.approx(best("recall", "precision", 0.75))
    assert float(metrics.RecallAtPrecision(0.75)(true, pred)) == pytest.approx(best("precision", "recall", 0.75))
    assert float(metrics.SensitivityAtSpecificity(0.75)(true, pred)) == pytest.approx(best("specificity", "recall", 0.75))
    assert float(metrics.SpecificityAtSensitivity(0.75)(true, pred)) == pytest.approx(best("recall", "specificity", 0.75))


def test_two_classes_of_a_softmax_have_an_area_under_roc():
    two = np.stack([1 - CHANCE, CHANCE], axis=1)
    assert float(metrics.AUC()(BINARY, two)) == float(metrics.AUC()(BINARY, CHANCE))


def test_logits_are_recognised_inside_a_program():
    x = RNG.normal(size=(40, 3)).astype("float32")
    y = (x[:, :1] > 0.1).astype("float32")
    params = {"kernel": np.array([[2.0], [0.0], [0.0]], "float32"), "bias": np.array([-0.2], "float32")}

    @sl.jit
    def run(params, x, y):
        output = nn.apply(nn.Dense(1), params, {}, x).output
        return metrics.BinaryAccuracy()(y, output), metrics.Precision()(y, output), metrics.AUC()(y, output)

    assert [float(v) for v in run(params, x, y)] == [1.0, 1.0, 1.0]


def test_r2_survives_targets_far_from_0():
    t = (np.arange(50) % 7 + 1e6).astype("float32")[:, None]
    p = t + np.where(np.arange(50)[:, None] % 2, 0.5, -0.5).astype("float32")
    expected = 1 - 0.25 * 50 / ((t - t.mean(dtype="float64")) ** 2).sum()
    assert float(metrics.R2Score(outputs=1)(t, p)) == pytest.approx(expected, abs=1e-3)


def test_r2_of_equal_targets_is_0():
    assert float(metrics.R2Score(outputs=1)(np.full((9, 1), 0.1, "float32"), np.zeros((9, 1), "float32"))) == 0.0


def test_an_ignored_class_does_not_count():
    pred = np.eye(3, dtype="float32")[[0, 1, 2, 0]]
    assert float(metrics.SparseCategoricalAccuracy(ignore_class=-1)([0, -1, 1, 0], pred)) == pytest.approx(2 / 3)
    pred = pred * 0.7 + 0.1
    made = float(metrics.SparseCategoricalCrossentropy(ignore_class=-1)([0, -1, 1, 0], pred))
    assert made == pytest.approx(-(2 * np.log(0.8) + np.log(0.1)) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "shape", "expected"),
    [
        ("sparse_categorical_crossentropy", (None, 3), metrics.SparseCategoricalAccuracy),
        ("categorical_crossentropy", (None, 3), metrics.CategoricalAccuracy),
        ("categorical_focal_crossentropy", (None, 3), metrics.CategoricalAccuracy),
        ("binary_crossentropy", (None, 1), metrics.BinaryAccuracy),
        ("perceptron", (None, 1), metrics.BinaryAccuracy),
        ("hinge", (None, 1), metrics.BinaryAccuracy),
        ("mse", (None, 3), metrics.CategoricalAccuracy),
        (None, (None, 1), metrics.BinaryAccuracy),
    ],
)
def test_accuracy_takes_the_form_that_fits_the_loss(loss, shape, expected):
    for name in ("accuracy", "acc"):
        made = metrics.get(name, loss=loss, output_shape=shape)
        assert type(made) is expected
        assert made.title == name
    if loss == "hinge":
        assert made.threshold == 0.0


def test_names_aliases_and_functions():
    for name, record in {
        "mse": metrics.MeanSquaredError, "rmse": metrics.RootMeanSquaredError, "mae": metrics.MeanAbsoluteError, "auc": metrics.AUC,
        "AUC": metrics.AUC, "r2": metrics.R2Score, "r2_score": metrics.R2Score, "f1": metrics.F1Score, "f1_score": metrics.F1Score,
        "precision": metrics.Precision, "log_loss": metrics.SparseCategoricalCrossentropy, "binary_accuracy": metrics.BinaryAccuracy,
        "top_k_categorical_accuracy": metrics.TopKCategoricalAccuracy, "mean_squared_error": metrics.MeanSquaredError,
    }.items():  # fmt: skip
        made = metrics.get(name, output_shape=(None, 3))
        assert type(made) is record
        assert made.title == name.lower()
    assert metrics.get("f1", output_shape=(None, 3)).classes == 3

    def worst(y_true, y_pred):
        return sl.max(abs(y_true - y_pred), axis=1)

    assert metrics.get(worst).title == "worst"
    assert float(metrics.get(worst)(NUMBERS, GUESSES)) == pytest.approx(np.abs(NUMBERS - GUESSES).max(axis=1).mean(), rel=1e-5)
    assert metrics.get(metrics.Recall(0.7)) == metrics.Recall(0.7)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: metrics.get("acuracy"), UnknownNameError, "accuracy"),
        (lambda: metrics.get("accuracy", loss="mse", output_shape=(None, 1)), ArgumentError, "the loss MeanSquaredError is for numbers"),
        (lambda: metrics.get("accuracy"), ArgumentError, "depends on the loss"),
        (lambda: metrics.get("precision_at_recall"), ArgumentError, "needs arguments"),
        (lambda: metrics.SparseCategoricalAccuracy()(CLASSES[:, None], SHARES), ShapeError, r"y\[:, 0\]"),
        (lambda: metrics.SparseCategoricalAccuracy()(ONE_HOT, SHARES), ShapeError, "categorical_accuracy"),
        (lambda: metrics.BinaryAccuracy()(BINARY, CHANCE[:, None]), ShapeError, r"y\[:, None\]"),
        (lambda: metrics.Precision()(BINARY[:, None], CHANCE), ShapeError, r"y\[:, 0\]"),
        (lambda: metrics.AUC()(CLASSES, SHARES), ShapeError, "class_id"),
        (lambda: metrics.AUC(1), ArgumentError, "num_thresholds"),
        (lambda: metrics.AUC(curve="roc"), UnknownNameError, "'ROC'"),
        (lambda: metrics.Precision(1.5), ArgumentError, "thresholds must be a number in"),
        (lambda: metrics.F1Score("mean"), UnknownNameError, "F1Score average 'mean'"),
        (lambda: metrics.F1Score().init(), ArgumentError, "must know the number of classes"),
        (lambda: metrics.F1Score(classes=3)(CLASSES, SHARES), ShapeError, "made for 3 classes"),
        (lambda: metrics.MeanSquaredError()(NUMBERS[:, 0], GUESSES), ShapeError, "must be equal"),
        (lambda: metrics.R2Score(outputs=2)(NUMBERS[:, :1], GUESSES), ShapeError, "must be equal"),
        (lambda: metrics.MeanSquaredError()(NUMBERS, GUESSES, WEIGHT[:5]), ShapeError, r"sample weights have the shape \(5,\)"),
        (lambda: metrics.get(lambda t, p: sl.sum(p))(NUMBERS, GUESSES), ShapeError, "one number a sample"),
        (lambda: metrics.SparseTopKCategoricalAccuracy(0), ArgumentError, "k must be a whole number from 1 on"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_a_loss_and_a_metric_of_one_name_are_two_things():
    assert nn.to_config(losses.MeanSquaredError())["class"] == "losses.MeanSquaredError"
    assert nn.to_config(metrics.MeanSquaredError())["class"] == "metrics.MeanSquaredError"

"""Losses and metrics of masks, vectors, label sequences and correlation equal published formulas or another library."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError
from saltus.nn import losses, metrics

RNG = np.random.default_rng(0)
MASKS = (RNG.uniform(size=(3, 4, 5)) > 0.6).astype("float64")
CHANCES = RNG.uniform(0.02, 0.98, size=(3, 4, 5))

# PyTorch 2.13, torch.nn.functional.ctc_loss(reduction="none", blank=0) of log_softmax of these logits in float64, and its gradient.
CTC_LOGITS = np.array([
    [[2.04, -2.56, 0.42, -0.57], [-0.45, -0.22, -2.02, -0.23], [-0.87, 3.32, 0.23, -0.35], [-0.28, -0.67, -1.06, -0.39],
     [0.48, -0.24, 0.96, -0.2], [0.02, 1.55, 0.55, -0.51]],
    [[-0.18, 0.54, 1.94, -0.27], [-0.24, 1.0, -0.89, -0.29], [0.88, 0.58, 0.09, 0.67], [-2.83, 1.02, -0.96, -1.67],
     [0.28, 0.7, -0.44, -1.08], [0.03, -0.05, 1.41, 0.75]],
    [[0.19, 1.11, -0.21, -0.93], [0.58, 0.58, -0.21, -0.78], [0.23, -2.49, 0.69, 0.49], [-1.64, 0.06, -0.96, 0.76],
     [-2.03, -0.91, 0.71, 1.16], [-2.16, -0.5, 0.33, -0.61]],
])  # fmt: skip
CTC_LABELS = np.array([[1, 2, 0], [3, 3, 1], [2, 0, 0]])
CTC_LOSSES = [2.68843715599718, 7.475306722907993, 6.301755341447224]
CTC_GRADIENT = [0.13766194024532583, 0.2465082424548673, 0.15101745571186315, -0.5351876384120563]  # of sample 1, step 2


# -- losses ------------------------------------------------------------------------------------------------------------


def test_dice_is_one_less_twice_the_overlap_over_both_sizes():
    hits = (MASKS * CHANCES).sum(axis=(1, 2))
    expected = 1 - 2 * hits / (MASKS.sum(axis=(1, 2)) + CHANCES.sum(axis=(1, 2)))
    np.testing.assert_allclose(losses.Dice(from_logits=False)(MASKS, CHANCES).numpy(), expected, rtol=1e-5)
    logits = np.log(CHANCES / (1 - CHANCES))
    np.testing.assert_allclose(losses.Dice(from_logits=True)(MASKS, logits).numpy(), expected, rtol=1e-5)


def test_tversky_weighs_what_is_invented_and_what_is_missed():
    hits = (MASKS * CHANCES).sum(axis=(1, 2))
    invented, missed = ((1 - MASKS) * CHANCES).sum(axis=(1, 2)), (MASKS * (1 - CHANCES)).sum(axis=(1, 2))
    found = losses.Tversky(0.3, 0.7, from_logits=False)(MASKS, CHANCES).numpy()
    np.testing.assert_allclose(found, 1 - hits / (hits + 0.3 * invented + 0.7 * missed), rtol=1e-5)


def test_overlap_can_be_counted_by_channel():
    by_channel = losses.Dice(axis=1, from_logits=False)(MASKS, CHANCES).numpy()
    hits = (MASKS * CHANCES).sum(axis=1)
    sizes = MASKS.sum(axis=1) + CHANCES.sum(axis=1)
    np.testing.assert_allclose(by_channel, (1 - (2 * hits + 2e-7) / (sizes + 2e-7)).mean(axis=1), rtol=1e-4)


def test_empty_masks_that_are_left_empty_cost_nothing():
    empty = np.zeros((1, 6))
    assert float(losses.Dice(from_logits=False)(empty, empty)[0]) == pytest.approx(0, abs=1e-6)


def test_ctc_and_its_gradient_are_pytorchs():
    loss = losses.CTC()
    np.testing.assert_allclose(loss(CTC_LABELS, CTC_LOGITS).numpy(), CTC_LOSSES, rtol=1e-10)
    slope = sl.grad(lambda x: sl.sum(loss(CTC_LABELS, x)))(sl.asarray(CTC_LOGITS))
    np.testing.assert_allclose(slope.numpy()[1, 2], CTC_GRADIENT, rtol=1e-9)


def test_ctc_of_one_step_is_the_cross_entropy():
    logits = CTC_LOGITS[:, :1]
    expected = losses.SparseCategoricalCrossentropy(from_logits=True)(np.array([1, 3, 2]), logits[:, 0]).numpy()
    np.testing.assert_allclose(losses.CTC()(np.array([[1], [3], [2]]), logits).numpy(), expected, rtol=1e-9)


def test_ctc_is_infinite_where_a_label_cannot_follow_itself():
    assert losses.CTC()(np.array([[1, 1]]), np.zeros((1, 2, 3))).tolist() == [float("inf")]
    assert losses.CTC()(np.array([[1, 2]]), np.zeros((1, 2, 3))).tolist() == pytest.approx([2 * np.log(3)])


def test_a_network_learns_to_write_down_a_sequence_by_ctc():
    y = RNG.integers(1, 4, size=(60, 2))
    y[:, 1] = np.where(y[:, 0] == y[:, 1], y[:, 1] % 3 + 1, y[:, 1])
    x = np.zeros((60, 6, 3), "float32")
    x[np.arange(60), 1, y[:, 0] - 1] = x[np.arange(60), 4, y[:, 1] - 1] = 1
    model = sl.Model(nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(4)]), loss="ctc", optimizer=sl.optim.Adam(0.03))
    run = model.fit(x, y, epochs=40, batch_size=20, verbose=0)
    assert run["loss"][-1] < 0.2 < run["loss"][0]
    said = model.predict(x).argmax(axis=-1)
    assert [[c for c in row if c] for row in said.tolist()] == y.tolist()


def test_circle_follows_its_formula():
    vectors, labels = RNG.normal(size=(5, 3)), np.array([0, 1, 0, 1, 2])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine, gamma, margin = unit @ unit.T, 16.0, 0.25
    expected = []
    for i in range(5):
        same = [cosine[i, j] for j in range(5) if labels[j] == labels[i] and j != i]
        other = [cosine[i, j] for j in range(5) if labels[j] != labels[i]]
        pull = sum(np.exp(-gamma * max(1 + margin - s, 0) * (s - 1 + margin)) for s in same)
        push = sum(np.exp(gamma * max(s + margin, 0) * (s - margin)) for s in other)
        expected.append(np.log1p(pull * push))
    found = losses.Circle(gamma=gamma, margin=margin)(labels, vectors).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found[4] == 0


def test_circle_brings_vectors_of_a_class_together():
    x = RNG.normal(size=(90, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    network = nn.Sequential([nn.Dense(16, activation="relu"), nn.Dense(2)])
    model = sl.Model(network, loss=losses.Circle(gamma=16), optimizer=sl.optim.Adam(0.02))
    model.fit(x, y, epochs=60, batch_size=30, verbose=0)
    unit = model.predict(x)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    cosine, alike = unit @ unit.T, y[:, None] == y[None]
    assert cosine[alike].mean() > cosine[~alike].mean() + 0.8


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: losses.Dice()(np.zeros((2, 3)), np.zeros((2, 4))), ShapeError, "Dice"),
        (lambda: losses.Dice(axis=0)(np.zeros((2, 3)), np.zeros((2, 3))), ArgumentError, "batch"),
        (lambda: losses.Dice(alpha=0.3), ArgumentError, "Tversky"),
        (lambda: losses.Tversky(-1.0), ArgumentError, "alpha"),
        (lambda: losses.CTC()(np.ones((2, 3)), np.zeros((2, 5, 4))), DTypeError, "whole numbers"),
        (lambda: losses.CTC()(np.ones((2, 6), int), np.zeros((2, 5, 4))), ShapeError, "5 steps cannot hold 6"),
        (lambda: losses.CTC()(np.ones(2, int), np.zeros((2, 5, 4))), ShapeError, "length"),
        (lambda: losses.CTC().check_targets(np.array([[1, 4]]), 4), DataError, "labels are 1 to 3"),
        (lambda: losses.CTC().check_targets(np.array([[0, 1]]), 4), DataError, "follows a 0"),
        (lambda: losses.Circle()(np.zeros(3), np.zeros((3, 2))), DTypeError, "whole numbers"),
        (lambda: losses.Circle()(np.zeros((3, 2), int), np.zeros((3, 2))), ShapeError, "vectors"),
        (lambda: losses.Circle(margin=2.0), ArgumentError, "margin"),
    ],
)
def test_losses_refuse_what_does_not_fit(call, error, said):
    with pytest.raises(error, match=said):
        call()


@pytest.mark.parametrize("name", ["dice", "tversky", "circle", "ctc"])
def test_losses_are_found_by_name_and_kept_in_files(name):
    loss = losses.get(name)
    assert nn.from_config(nn.to_config(loss)) == loss
    assert losses.get(getattr(losses, name)) == loss


# -- overlap of masks --------------------------------------------------------------------------------------------------

TRUE, PRED = np.array([0, 0, 1, 1, 2, 2, 2]), np.array([0, 1, 1, 1, 2, 0, 2])


def iou(true, pred, c, weight=None):
    w = np.ones(len(true)) if weight is None else weight
    both, either = (true == c) & (pred == c), (true == c) | (pred == c)
    return (w * both).sum() / (w * either).sum()


def test_mean_iou_is_the_mean_over_classes():
    expected = np.mean([iou(TRUE, PRED, c) for c in range(3)])
    assert float(metrics.MeanIoU(3)(TRUE, PRED)) == pytest.approx(expected)
    assert float(metrics.IoU(3, [1, 2])(TRUE, PRED)) == pytest.approx(np.mean([iou(TRUE, PRED, c) for c in (1, 2)]))
    assert float(metrics.MeanIoU(3)(TRUE, np.eye(3)[PRED])) == pytest.approx(expected), "scores of classes"
    assert float(metrics.OneHotMeanIoU(3)(np.eye(3)[TRUE], np.eye(3)[PRED])) == pytest.approx(expected)


def test_classes_that_occur_nowhere_do_not_count():
    assert float(metrics.MeanIoU(5)(TRUE, PRED)) == pytest.approx(float(metrics.MeanIoU(3)(TRUE, PRED)))


def test_weights_and_an_ignored_class_count_as_said():
    weight = np.array([1.0, 2.0, 0.0, 1.0, 3.0, 1.0, 0.5])
    assert float(metrics.IoU(3, 2)(TRUE, PRED, weight)) == pytest.approx(iou(TRUE, PRED, 2, weight))
    kept = TRUE != 1
    assert float(metrics.IoU(3, 0, ignore_class=1)(TRUE, PRED)) == pytest.approx(iou(TRUE[kept], PRED[kept], 0))


def test_iou_over_batches_equals_the_whole():
    metric = metrics.MeanIoU(3)
    state = metric.init()
    for part in (slice(0, 3), slice(3, 7)):
        state = metric.update(state, TRUE[part], PRED[part])
    assert float(metric.result(state)) == pytest.approx(float(metric(TRUE, PRED)))


def test_binary_iou_takes_probabilities_at_a_threshold():
    said = (CHANCES > 0.3).astype(int)
    expected = [iou(MASKS.astype(int).reshape(-1), said.reshape(-1), c) for c in (0, 1)]
    assert float(metrics.BinaryIoU(threshold=0.3)(MASKS, CHANCES)) == pytest.approx(np.mean(expected))
    assert float(metrics.BinaryIoU([1], 0.3)(MASKS > 0.5, CHANCES)) == pytest.approx(expected[1])


def test_iou_is_measured_in_training():
    x = RNG.normal(size=(40, 6)).astype("float32")
    network = nn.Sequential([nn.Dense(6)])
    model = sl.Model(network, loss="dice", optimizer=sl.optim.Adam(0.1), metrics=["binary_iou", metrics.BinaryIoU([1], name="mask")])
    run = model.fit(x, (x > 0).astype("float32"), epochs=40, verbose=0)
    assert run["mask"][-1] > 0.8 and run["binary_io_u"][-1] > 0.8


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: metrics.IoU(3, [3]), ArgumentError, "0 to 2"),
        (lambda: metrics.IoU(3, []), ArgumentError, "0 to 2"),
        (lambda: metrics.MeanIoU(3)(TRUE, PRED[:3]), ShapeError, "same places"),
        (lambda: metrics.MeanIoU(3)(TRUE.astype(float), PRED), DTypeError, "targets are no class numbers"),
        (lambda: metrics.BinaryIoU(threshold=2.0), ArgumentError, "threshold"),
        (lambda: metrics.PearsonCorrelation(axis=-1)(np.zeros((3, 1)), np.zeros((3, 1))), ShapeError, "axis=0"),
        (lambda: metrics.PearsonCorrelation()(np.zeros((3, 2)), np.zeros((3, 1))), ShapeError, "must be equal"),
    ],
)
def test_metrics_refuse_what_does_not_fit(call, error, said):
    with pytest.raises(error, match=said):
        call()


# -- correlation -------------------------------------------------------------------------------------------------------

A = RNG.normal(3, 2, size=(50, 2))
B = 0.5 * A + RNG.normal(size=(50, 2)) + [0.0, 10.0]


def concordance(a, b):
    return 2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)


def test_correlations_over_the_samples_are_those_of_numpy():
    pearson = np.mean([np.corrcoef(A[:, k], B[:, k])[0, 1] for k in range(2)])
    assert float(metrics.PearsonCorrelation(axis=0)(A, B)) == pytest.approx(pearson, rel=1e-6)
    assert float(metrics.ConcordanceCorrelation(axis=0)(A, B)) == pytest.approx(
        np.mean([concordance(A[:, k], B[:, k]) for k in range(2)]), rel=1e-6
    )
    assert float(metrics.PearsonCorrelation()(A[:, 0], B[:, 0])) == pytest.approx(np.corrcoef(A[:, 0], B[:, 0])[0, 1], rel=1e-6)


def test_correlations_within_samples_are_averaged_over_them():
    a, b = RNG.normal(size=(6, 9)), RNG.normal(size=(6, 9))
    pearson, lin = (np.mean([f(a[k], b[k]) for k in range(6)]) for f in (lambda u, v: np.corrcoef(u, v)[0, 1], concordance))
    assert float(metrics.PearsonCorrelation(axis=-1)(a, b)) == pytest.approx(pearson, rel=1e-6)
    assert float(metrics.ConcordanceCorrelation(axis=-1)(a, b)) == pytest.approx(lin, rel=1e-6)


def test_whole_weights_count_as_repeated_samples():
    counts = RNG.integers(0, 3, size=50)
    rows = np.repeat(np.arange(50), counts)
    for metric in (metrics.PearsonCorrelation(), metrics.ConcordanceCorrelation()):
        assert float(metric(A, B, counts.astype("float32"))) == pytest.approx(float(metric(A[rows], B[rows])), rel=1e-6)


def test_correlation_over_batches_equals_the_whole():
    metric = metrics.get("pearson_correlation", output_shape=(None, 2))
    state = metric.init()
    for begin in range(0, 50, 20):
        state = metric.update(state, A[begin : begin + 20], B[begin : begin + 20])
    assert float(metric.result(state)) == pytest.approx(float(metrics.PearsonCorrelation()(A, B)), rel=1e-6)


def test_what_does_not_vary_has_no_correlation():
    assert float(metrics.PearsonCorrelation()(np.ones(4), np.arange(4.0))) == 0


@pytest.mark.parametrize(
    "metric",
    [metrics.IoU(3, [0, 2]), metrics.MeanIoU(4), metrics.OneHotIoU(2), metrics.BinaryIoU([1], 0.4), metrics.PearsonCorrelation(axis=-1),
     metrics.ConcordanceCorrelation()],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_metrics_are_kept_in_files(metric):
    assert nn.from_config(nn.to_config(metric)) == metric

"""Losses of distributions, quantiles, pairs and triplets equal PyTorch's values or their formulas, and can be trained with."""

import json

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError, UnknownNameError
from saltus.nn import losses

# Numbers for which PyTorch 2.13, torch.nn.functional in float64 with reduction="none", gave what stands in PYTORCH.
VECTORS = np.array([
    [[0.0, 0.3, -0.27, -0.89, -0.45], [-0.99, 0.06, 1.34, -0.49, -0.62], [0.49, 0.36, 0.11, -0.93, -0.03]],
    [[0.7, -1.34, -0.46, -1.9, -1.29], [-1.84, -0.24, -1.27, 0.27, 0.16], [-0.19, -2.52, -0.54, -0.05, 0.11]],
    [[-1.53, -0.48, -0.98, -0.81, 1.06], [-0.81, -0.03, 0.88, -0.58, -0.11], [0.11, 0.06, -1.23, 0.08, 1.36]],
    [[-1.55, 0.86, 0.12, -0.64, 2.0], [0.76, -1.2, 0.07, 0.58, -0.19], [0.68, -0.07, 0.67, 1.44, -0.68]],
])  # fmt: skip
PARTS = np.array([
    [[0.2, -0.46, 0.13], [-1.19, -0.58, -0.2]], [[0.9, 1.15, -1.32], [-0.79, 0.65, -1.99]],
    [[-0.46, -0.1, 1.26], [0.69, -0.33, -0.37]], [[-0.25, 1.52, -0.43], [-0.3, 0.35, -0.12]],
])  # fmt: skip
SIGNS = np.array([1.0, -1.0, 1.0, -1.0])
COUNTS = np.array([[0.0, 1.0, 5.0], [2.0, 0.0, 3.0], [1.0, 1.0, 0.0], [4.0, 7.0, 2.0]])
TRUE, MEANS, SPREADS = PARTS[:, 0], PARTS[:, 1], np.abs(VECTORS[:, 0, :3])
LIKELY = VECTORS[:, 0] - np.log(np.exp(VECTORS[:, 0]).sum(axis=1, keepdims=True))

PYTORCH = {
    "triplet_margin_loss": (losses.TripletMargin(), np.zeros(4), VECTORS, [2.201754688, 2.13763332, 1.385555352, 0.782219947]),
    "triplet_margin_loss(2, p=1, swap)": (losses.TripletMargin(2.0, 1, swap=True), np.zeros(4), VECTORS,
                                          [4.020004, 5.039998, 2.81, 6.670002]),
    "triplet_margin_loss(0.5, p=3)": (losses.TripletMargin(0.5, 3), np.zeros(4), VECTORS,
                                      [1.608060299, 1.406525307, 0.7966023867, 0.2913365096]),
    "cosine_embedding_loss(-0.5)": (losses.CosineEmbedding(-0.5), SIGNS, VECTORS[:, :2], [0.8129393529, 0.3259477647, 0.7578623094, 0.0]),
    "margin_ranking_loss(0.5)": (losses.MarginRanking(0.5), SIGNS, VECTORS[:, 0, :2], [0.8, 2.54, 1.55, 0.0]),
    "gaussian_nll_loss": (losses.GaussianNLL(log_variance=False), TRUE[1:], np.concatenate([MEANS, SPREADS], axis=1)[1:],
                          [0.7336742445, 0.55946762, 0.09355982127]),
    "gaussian_nll_loss(full, eps=0.3)": (losses.GaussianNLL(log_variance=False, full=True, epsilon=0.3), TRUE,
                                         np.concatenate([MEANS, SPREADS], axis=1), [1.45884102, 1.652612778, 1.478406153, 1.085130143]),
    "gaussian_nll_loss of logarithms": (losses.GaussianNLL(), TRUE[1:], np.concatenate([MEANS, np.log(SPREADS + 1e-300)], axis=1)[1:],
                                        [0.7336742445, 0.55946762, 0.09355982127]),
    "poisson_nll_loss": (losses.PoissonNLL(), COUNTS, MEANS, [1.087616795, 3.352027017, 1.014457866, 0.678935402]),
    "poisson_nll_loss(full)": (losses.PoissonNLL(full=True), COUNTS, MEANS, [2.677899145, 4.157323026, 1.014457866, 4.786380167]),
    "poisson_nll_loss(full, log_input=False)": (losses.PoissonNLL(False, True), COUNTS[1:], SPREADS[1:],
                                                [2.652941397, 1.099567137, 6.131867199]),
    "binary_cross_entropy_with_logits(pos_weight)": (losses.BinaryCrossentropy(True, pos_weight=(2.0, 0.5, 3.0)), (TRUE > 0) * 1.0, MEANS,
                                                     [1.916749846, 0.8888587438, 1.441234159, 0.4853308079]),
    "binary_cross_entropy_with_logits(4)": (losses.BinaryCrossentropy(True, pos_weight=4), (TRUE > 0) * 1.0, MEANS,
                                            [3.153200223, 2.155064389, 1.739621809, 1.107609989]),
    "binary_cross_entropy(4)": (losses.BinaryCrossentropy(False, pos_weight=4), (TRUE > 0) * 1.0, 1 / (1 + np.exp(-MEANS)),
                                [3.153200223, 2.155064389, 1.739621809, 1.107609989]),
    "nll_loss": (losses.NLL(), np.array([0, 4, 2, 1]), LIKELY, [1.425880922, 2.493489115, 2.493336447, 1.592663553]),
}  # fmt: skip

CLASSES = np.array([0, 1, 0, 1, 0, 2, 2])
POINTS = np.random.default_rng(5).normal(size=(7, 3))


def distances(x):
    return np.sqrt(((x[:, None] - x[None]) ** 2).sum(axis=2))


def semi_hard(x, y, margin, apart):
    """The mean over all pairs of one class, written as loops."""
    found = []
    for a in range(len(x)):
        for p in range(len(x)):
            if a == p or y[a] != y[p]:
                continue
            others = apart[a][y != y[a]]
            beyond = others[others > apart[a, p]]
            found.append(max(apart[a, p] - (beyond.min() if beyond.size else others.max()) + margin, 0))
    return np.mean(found)


P = np.exp(LIKELY)
CHOSEN = P[np.arange(4), [0, 4, 2, 1]]
ERROR = TRUE[:, :, None] - VECTORS[:, :, :2]
D = np.sqrt(((VECTORS[:, 0] - VECTORS[:, 1]) ** 2).sum(axis=1))
HARD = [
    max(distances(POINTS)[a][CLASSES[a] == CLASSES].max() - distances(POINTS)[a][CLASSES[a] != CLASSES].min() + 0.2, 0) for a in range(7)
]

FORMULAS = {
    "generalized cross-entropy": (losses.CategoricalGeneralizedCrossEntropy(False, q=0.7), np.array([0, 4, 2, 1]), P,
                                  (1 - CHOSEN**0.7) / 0.7),
    "generalized cross-entropy of logits": (losses.CategoricalGeneralizedCrossEntropy(True), np.array([0, 4, 2, 1]), VECTORS[:, 0],
                                            (1 - CHOSEN**0.5) / 0.5),
    "quantile": (losses.Quantile(0.8), TRUE, MEANS, np.maximum(0.8 * (TRUE - MEANS), -0.2 * (TRUE - MEANS)).mean(axis=1)),
    "two quantiles": (losses.Quantile((0.1, 0.9)), TRUE, VECTORS[:, :, :2].reshape(4, 6),
                      np.maximum(np.array([0.1, 0.9]) * ERROR, np.array([-0.9, -0.1]) * ERROR).mean(axis=(1, 2))),
    "contrastive of distances": (losses.Contrastive(1.5), np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.5, 1.0, 2.0, 3.0]),
                                 [0.25, 0.25, 4.0, 0.0]),
    "contrastive of vectors": (losses.Contrastive(3.0), np.array([1.0, 0.0, 1.0, 0.0]), VECTORS[:, :2],
                               np.array([1, 0, 1, 0]) * D**2 + np.array([0, 1, 0, 1]) * np.maximum(3.0 - D, 0) ** 2),
    "hard triplets": (losses.TripletHard(0.2), CLASSES, POINTS, HARD),
}  # fmt: skip


@pytest.mark.parametrize("name", PYTORCH)
def test_losses_equal_those_of_pytorch(name):
    loss, true, pred, expected = PYTORCH[name]
    np.testing.assert_allclose(loss(sl.asarray(true), sl.asarray(pred)).numpy(), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", FORMULAS)
def test_losses_equal_their_formulas(name):
    loss, true, pred, expected = FORMULAS[name]
    np.testing.assert_allclose(loss(sl.asarray(true), sl.asarray(pred)).numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("metric", ["L2", "squared-L2", "angular"])
def test_semi_hard_triplets_are_those_that_loops_find(metric):
    unit = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    apart = {"L2": distances(POINTS), "squared-L2": distances(POINTS) ** 2, "angular": 1 - unit @ unit.T}[metric]
    loss = losses.TripletSemiHard(0.5, metric)
    found = float(sl.mean(loss(sl.asarray(CLASSES), sl.asarray(POINTS))))
    assert found == pytest.approx(semi_hard(POINTS, CLASSES, 0.5, apart), rel=1e-9)


@pytest.mark.parametrize("name", [*PYTORCH, *FORMULAS, "semi-hard", "soft"])
def test_gradients_equal_differences(name, slopes):
    made = {"semi-hard": (losses.TripletSemiHard(), CLASSES, POINTS, 0), "soft": (losses.TripletHard(soft=True), CLASSES, POINTS, 0)}
    loss, true, pred, _ = (PYTORCH | FORMULAS | made)[name]
    gradient = sl.grad(lambda p: loss(sl.asarray(true), p).sum())(sl.asarray(pred)).numpy()
    np.testing.assert_allclose(gradient, slopes(lambda p: loss(sl.asarray(true), sl.asarray(p)).sum(), pred), rtol=1e-5, atol=1e-6)


def test_distances_of_equal_vectors_have_finite_gradients():
    same = sl.asarray(np.ones((4, 3)))
    for loss, true, pred in (
        (losses.TripletSemiHard(), sl.asarray([0, 0, 1, 1]), same),
        (losses.TripletHard(), sl.asarray([0, 0, 1, 1]), same),
        (losses.Contrastive(), sl.asarray([0.0, 1.0]), sl.ones((2, 2, 3))),
        (losses.TripletMargin(eps=0.0), sl.zeros(2), sl.ones((2, 3, 4))),
    ):
        assert np.isfinite(sl.grad(lambda p, loss=loss, true=true: loss(true, p).sum())(pred).numpy()).all()


def test_targets_of_one_number_need_no_axis():
    pred = np.array([[0.0, 1.0], [2.0, 3.0]])
    true = np.array([0.5, 2.5])
    for loss in (losses.GaussianNLL(), losses.Quantile((0.2, 0.8))):
        np.testing.assert_allclose(loss(true, pred).numpy(), loss(true[:, None], pred).numpy())


def test_an_ignored_class_does_not_count():
    loss = losses.CategoricalGeneralizedCrossEntropy(False, ignore_class=-1)
    kept = losses.CategoricalGeneralizedCrossEntropy(False)
    shares = np.array([[[0.5, 0.5], [0.25, 0.75]]])
    assert loss(np.array([[1, -1]]), shares).tolist() == pytest.approx(kept(np.array([1]), shares[:, 0]).tolist())
    assert losses.NLL(ignore_class=0)(np.array([0, 1]), np.log(shares[0])).tolist() == pytest.approx([0.0, -np.log(0.75)])


def test_names_of_pytorch_lead_to_them_and_configuration_survives_json():
    for name, cls in {
        "TripletMarginLoss": losses.TripletMargin, "CosineEmbeddingLoss": losses.CosineEmbedding, "GaussianNLLLoss": losses.GaussianNLL,
        "MarginRankingLoss": losses.MarginRanking, "PoissonNLLLoss": losses.PoissonNLL, "NLLLoss": losses.NLL,
        "KLDivLoss": losses.KLDivergence, "pinball": losses.Quantile, "triplet_semi_hard": losses.TripletSemiHard,
        "categorical_generalized_cross_entropy": losses.CategoricalGeneralizedCrossEntropy,
    }.items():  # fmt: skip
        assert isinstance(losses.get(name), cls), name
    for loss, *_ in (PYTORCH | FORMULAS).values():
        assert nn.from_config(json.loads(json.dumps(nn.to_config(loss)))) == loss
    with pytest.raises(UnknownNameError, match="triplet_margin"):
        losses.get("triplet_margn")


def test_a_network_says_how_sure_it_is():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, size=(512, 1)).astype("float32")
    y = (3 * x + rng.normal(size=(512, 1)) * (0.1 + x)).astype("float32")
    model = sl.Model(nn.Sequential([nn.Dense(16, activation="tanh"), nn.Dense(2)]), loss="gaussian_nll", optimizer=sl.optim.Adam(0.02))
    model.fit(x, y, epochs=40, verbose=0)
    low, high = np.exp(model.predict(np.array([[0.05], [0.95]], "float32"))[:, 1] / 2)
    assert low == pytest.approx(0.15, rel=0.5)
    assert high == pytest.approx(1.05, rel=0.5)


def test_quantiles_lie_where_they_should():
    rng = np.random.default_rng(0)
    x, y = np.zeros((2000, 1), "float32"), rng.normal(size=(2000, 1)).astype("float32")
    model = sl.Model(nn.Sequential([nn.Dense(3)]), loss=losses.Quantile((0.1, 0.5, 0.9)), optimizer=sl.optim.Adam(0.02))
    model.fit(x, y, epochs=20, verbose=0)
    np.testing.assert_allclose(model.predict(x[:1])[0], np.quantile(y, [0.1, 0.5, 0.9]), atol=0.12)


def test_vectors_of_one_class_come_together(trained, blobs):
    x, y = blobs
    network = nn.Sequential([nn.Dense(8, activation="tanh"), nn.Dense(2), nn.UnitNormalization()])
    _, _, values = trained(network, losses.TripletSemiHard(0.5), x, y, steps=60, rate=0.2)
    assert values[-1] < 0.3 * values[0]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: losses.GaussianNLL()(np.zeros((4, 2)), np.zeros((4, 3))), ShapeError, "end the network with Dense(4)"),
        (lambda: losses.Quantile((0.1, 0.9))(np.zeros(4), np.zeros((4, 3))), ShapeError, "end the network with Dense(2)"),
        (lambda: losses.Quantile(1.0), ArgumentError, "quantiles must be a number in (0, 1)"),
        (lambda: losses.Quantile(()), ArgumentError, "there are no quantiles"),
        (lambda: losses.TripletMargin()(np.zeros(4), np.zeros((4, 2, 5))), ShapeError, "(N, 3, width)"),
        (lambda: losses.CosineEmbedding()(np.zeros(4), np.zeros((4, 5))), ShapeError, "(N, 2, width)"),
        (lambda: losses.MarginRanking()(np.zeros(4), np.zeros((4, 3))), ShapeError, "the two numbers"),
        (lambda: losses.MarginRanking().check_targets(np.array([1, 0]), 2), DataError, "must be 1 or -1, but that of row 1 is 0"),
        (lambda: losses.Contrastive().check_targets(np.array([0, 2]), 2), DataError, "row 1 is 2"),
        (lambda: losses.PoissonNLL().check_targets(np.array([[0.0], [-1.0]]), 1), DataError, "counts start at 0"),
        (lambda: losses.TripletSemiHard()(np.zeros(3), np.zeros((3, 2))), DTypeError, "whole numbers"),
        (lambda: losses.TripletSemiHard(distance_metric="L3"), UnknownNameError, "'L2'"),
        (lambda: losses.CategoricalGeneralizedCrossEntropy(q=1.0), ArgumentError, "q must be a number in (0, 1)"),
        (lambda: losses.BinaryCrossentropy(True, pos_weight=(1.0, 2.0))(np.zeros((4, 3)), np.zeros((4, 3))), ShapeError, "2 numbers"),
        (lambda: losses.BinaryCrossentropy(pos_weight=0), ArgumentError, "pos_weight must be a number"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)

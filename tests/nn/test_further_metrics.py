"""Metrics of forecasts, pictures, agreement and token sequences equal other libraries' values or plain loops, batch by batch too."""

import json
from collections import Counter

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, ShapeError, UnknownNameError
from saltus.nn import metrics
from saltus.train.record import grows

RNG = np.random.default_rng(0)
TRUE, PRED = RNG.normal(size=(12, 3)), RNG.normal(size=(12, 3))
WEIGHT = RNG.uniform(0, 2, size=12)
CLASSES, SAID = np.array([0, 2, 1, 1, 0, 2, 2, 1, 0, 1]), np.array([0, 1, 1, 2, 0, 2, 0, 1, 1, 1])
SCORES, TENTHS = np.eye(3)[SAID] * 0.8 + 0.1, np.arange(1, 11) / 4


def in_batches(metric, true, pred, weight=None, sizes=(5, 4, 100)):
    """The metric over several batches, of which the last may be short."""
    metric = metric.fitted(np.shape(pred))
    state, start = metric.init(), 0
    for size in sizes:
        rows = slice(start, start + size)
        if len(true[rows]):
            state = metric.update(
                state, sl.asarray(true[rows]), sl.asarray(pred[rows]), None if weight is None else sl.asarray(weight[rows])
            )
        start += size
    return float(metric.result(state))


ERROR = np.abs(TRUE - PRED)
QUANTILES = (0.2, 0.5)
SPREAD = RNG.normal(size=(12, 6))
OFF = TRUE[:, :, None] - SPREAD.reshape(12, 3, 2)
PINBALL = np.maximum(np.array(QUANTILES) * OFF, (np.array(QUANTILES) - 1) * OFF)


def weighted(each, weight):
    return (each.mean(axis=1) * weight).sum() / weight.sum()


NUMBERS = {
    "smape": (metrics.SMAPE(), PRED, lambda w: weighted(200 * ERROR / (np.abs(TRUE) + np.abs(PRED)), w)),
    "wape": (metrics.WAPE(), PRED, lambda w: 100 * (ERROR.sum(axis=1) * w).sum() / (np.abs(TRUE).sum(axis=1) * w).sum()),
    "mase": (metrics.MASE(0.7), PRED, lambda w: weighted(ERROR / 0.7, w)),
    "rmsse": (metrics.RMSSE(0.3), PRED, lambda w: np.sqrt(weighted(ERROR**2 / 0.3, w))),
    "wql": (metrics.WQL(QUANTILES), SPREAD,
            lambda w: 2 * (PINBALL.mean(axis=(1, 2)) * w).sum() / (np.abs(TRUE).mean(axis=1) * w).sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_errors_of_forecasts_equal_their_formulas(name):
    metric, pred, formula = NUMBERS[name]
    assert float(metric(TRUE, pred)) == pytest.approx(formula(np.ones(12)), rel=1e-6)
    assert in_batches(metric, TRUE, pred, WEIGHT) == pytest.approx(formula(WEIGHT), rel=1e-6)


def test_the_scale_of_a_forecast_is_the_error_of_the_seasonal_naive_one():
    series = np.array([1.0, 5.0, 2.0, 7.0, 4.0, 9.0])
    assert metrics.naive_scale(series, 2) == pytest.approx((1 + 2 + 2 + 2) / 4)
    assert metrics.naive_scale(series, 2, squared=True) == pytest.approx((1 + 4 + 4 + 4) / 4)
    assert metrics.naive_scale([1.0, np.nan, 3.0, 5.0]) == pytest.approx(2.0)


# TensorFlow 2.21, tf.image.psnr and tf.image.ssim.
PLACE = np.arange(2 * 14 * 13 * 3).reshape(2, 14, 13, 3)
PICTURES = (PLACE * 37 % 101) / 101
NOISY = np.clip(PICTURES + 0.2 * np.sin(PLACE * 0.7), 0, 1)


def test_pictures_are_compared_as_in_tensorflow():
    assert float(metrics.PSNR()(PICTURES, NOISY)) == pytest.approx((17.50642 + 17.51542) / 2, rel=1e-6)
    assert float(metrics.PSNR(255)(PICTURES * 255, NOISY * 255)) == pytest.approx((17.50642 + 17.51542) / 2, rel=1e-6)
    assert float(metrics.SSIM()(PICTURES, NOISY)) == pytest.approx((0.9003919 + 0.8996926) / 2, rel=1e-6)
    other = metrics.SSIM(2.0, filter_size=5, filter_sigma=1.0, k1=0.02, k2=0.05)
    assert float(other(PICTURES, NOISY)) == pytest.approx((0.90044683 + 0.8997397) / 2, rel=1e-6)
    assert in_batches(metrics.SSIM(), PICTURES, NOISY, np.array([1.0, 0.0]), (1, 1)) == pytest.approx(0.9003919, rel=1e-6)
    assert float(metrics.PSNR()(PICTURES, PICTURES)) == pytest.approx(200)


# scikit-learn 1.9 with these classes, and with TENTHS as sample_weight.
AGREEMENT = {
    "matthews": (metrics.MatthewsCorrelation(), 0.3908158746754515, 0.3645722035117319),
    "kappa": (metrics.CohenKappa(), 0.3846153846153846, 0.3563829787234042),
    "linear kappa": (metrics.CohenKappa(weightage="linear"), None, 0.28314606741573034),
    "quadratic kappa": (metrics.CohenKappa(weightage="quadratic"), None, 0.18867924528301883),
    "balanced accuracy": (metrics.BalancedAccuracy(), 0.5833333333333333, 0.5466666666666667),
}


@pytest.mark.parametrize("name", AGREEMENT)
def test_agreement_is_that_of_scikit_learn(name):
    metric, plain, by_weight = AGREEMENT[name]
    if plain is not None:
        assert float(metric(CLASSES, SCORES)) == pytest.approx(plain, rel=1e-6)
    assert in_batches(metric, CLASSES, SCORES, TENTHS) == pytest.approx(by_weight, rel=1e-6)
    assert float(metric(np.eye(3)[CLASSES], SCORES, TENTHS)) == pytest.approx(by_weight, rel=1e-6)


def test_agreement_of_one_output_is_that_of_two_classes():
    yes, chance = np.array([0, 1, 1, 0, 1]), np.array([0.2, 0.9, 0.4, 0.6, 0.8])
    for cls in (metrics.MatthewsCorrelation, metrics.CohenKappa, metrics.BalancedAccuracy):
        two = float(cls(2)(yes, np.stack([1 - chance, chance], axis=1)))
        assert float(cls()(yes, chance)) == pytest.approx(two)
        assert float(cls()(yes[:, None], chance[:, None])) == pytest.approx(two)
        assert float(cls()(yes[:2] * 0, chance[:2] * 0)) in (0.0, 1.0)  # one class only: no division by 0


# -- sequences of tokens -------------------------------------------------------------------------------------------------


def sentences(seed, count=12, longest=9, words=4):
    """Random sentences with zeros behind them, as an array and as lists."""
    rng = np.random.default_rng(seed)
    made = np.zeros((count, longest), "int64")
    for row in made:
        n = rng.integers(1, longest + 1)
        row[:n] = rng.integers(1, words, n)
    return made, [row[row > 0].tolist() for row in made]


A, LISTS_A = sentences(1)
B, LISTS_B = sentences(2, longest=7)


def grams(tokens, n):
    return Counter(tuple(tokens[k : k + n]) for k in range(len(tokens) - n + 1))


def bleu(references, candidates, order, smooth):
    hits, said = np.zeros(order), np.zeros(order)
    for reference, candidate in zip(references, candidates, strict=True):
        for n in range(1, order + 1):
            hits[n - 1] += (grams(reference, n) & grams(candidate, n)).total()
            said[n - 1] += grams(candidate, n).total()
    if smooth:
        hits[1:] += 1
        said[1:] += 1
    if (hits == 0).any():
        return 0.0
    length, wanted = (sum(map(len, v)) for v in (candidates, references))
    return np.exp(np.log(hits / said).mean()) * np.exp(min(0, 1 - wanted / length))


def common(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1))
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1, j + 1] = table[i, j] + 1 if x == y else max(table[i, j + 1], table[i + 1, j])
    return table[-1, -1]


def edits(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        new = [i]
        for j, y in enumerate(b, 1):
            new.append(min(row[j] + 1, new[-1] + 1, row[j - 1] + (x != y)))
        row = new
    return row[-1]


def f1(hits, said, own):
    return np.mean([0 if not (h and p and r) else 2 * (h / p) * (h / r) / (h / p + h / r) for h, p, r in zip(hits, said, own, strict=True)])


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("smooth", [False, True])
def test_bleu_equals_counting(order, smooth):
    expected = bleu(LISTS_A, LISTS_B, order, smooth)
    assert float(metrics.Bleu(order, smooth)(A, B)) == pytest.approx(expected, rel=1e-6)
    assert in_batches(metrics.Bleu(order, smooth), A, B) == pytest.approx(expected, rel=1e-6)
    assert float(metrics.Bleu(order)(A, A)) == pytest.approx(1.0)


def test_nothing_shared_makes_bleu_0_and_longer_n_grams_than_sentences_are_no_error():
    assert float(metrics.Bleu(1)([[1, 2]], [[3, 4]])) == 0.0
    assert float(metrics.Bleu(4)([[1, 2]], [[1, 2]])) == 0.0
    assert float(metrics.RougeN(3)([[1, 2]], [[1, 2]])) == 0.0


@pytest.mark.parametrize("order", [1, 2])
def test_rouge_n_equals_counting(order):
    hits = [(grams(a, order) & grams(b, order)).total() for a, b in zip(LISTS_A, LISTS_B, strict=True)]
    said, own = ([grams(v, order).total() for v in lists] for lists in (LISTS_B, LISTS_A))
    assert float(metrics.RougeN(order)(A, B)) == pytest.approx(f1(hits, said, own), rel=1e-6)
    recall = np.mean([h / max(n, 1) for h, n in zip(hits, own, strict=True)])
    assert in_batches(metrics.RougeN(order, score="recall"), A, B) == pytest.approx(recall, rel=1e-6)


def test_rouge_l_is_the_longest_common_part():
    hits = [common(a, b) for a, b in zip(LISTS_A, LISTS_B, strict=True)]
    said, own = ([len(v) for v in lists] for lists in (LISTS_B, LISTS_A))
    assert float(metrics.RougeL()(A, B)) == pytest.approx(f1(hits, said, own), rel=1e-6)
    precision = np.mean([h / n for h, n in zip(hits, said, strict=True)])
    assert in_batches(metrics.RougeL(score="precision"), A, B) == pytest.approx(precision, rel=1e-6)


def test_edit_distance_is_levenshteins():
    found = [edits(a, b) for a, b in zip(LISTS_A, LISTS_B, strict=True)]
    assert float(metrics.EditDistance(normalize=False)(A, B)) == pytest.approx(np.mean(found))
    assert in_batches(metrics.EditDistance(), A, B) == pytest.approx(sum(found) / sum(map(len, LISTS_A)))
    assert float(metrics.EditDistance()(A, A)) == 0.0


def test_scores_count_by_their_largest_and_perplexity_over_tokens():
    scores = np.random.default_rng(3).normal(size=(12, 7, 5))
    assert float(metrics.EditDistance()(A, scores)) == float(metrics.EditDistance()(A, scores.argmax(axis=2)))
    shares = np.exp(scores) / np.exp(scores).sum(axis=2, keepdims=True)
    lost = -np.log(np.take_along_axis(shares, B[:, :, None], axis=2))[:, :, 0]
    assert float(metrics.Perplexity(from_logits=True)(B, scores)) == pytest.approx(np.exp(lost.mean()), rel=1e-6)
    held = (B != 0) * WEIGHT[:, None]
    made = in_batches(metrics.Perplexity(from_logits=False, mask_token_id=0), B, shares, WEIGHT)
    assert made == pytest.approx(np.exp((lost * held).sum() / held.sum()), rel=1e-6)


# -- names and use -------------------------------------------------------------------------------------------------------


def test_names_of_scikit_learn_lead_to_them_and_what_is_negated_is_refused_with_the_remedy():
    assert metrics.get("roc_auc") == metrics.AUC(name="roc_auc")
    assert metrics.get("f1_macro", output_shape=(1, 3)).average == "macro"
    assert isinstance(metrics.get("mcc"), metrics.MatthewsCorrelation)
    with pytest.raises(UnknownNameError, match="use 'log_loss'"):
        metrics.get("neg_log_loss")
    with pytest.raises(ArgumentError, match="needs arguments"):
        metrics.get("mase")


@pytest.mark.parametrize("name", ["mcc", "cohen_kappa", "psnr", "ssim", "bleu", "rouge_l", "balanced_accuracy"])
def test_more_of_them_is_better(name):
    assert grows(f"val_{metrics.get(name).title}")
    assert not grows("val_smape")


def test_they_are_stored_with_their_arguments():
    for metric in [m for m, *_ in (NUMBERS | AGREEMENT).values()] + [
        metrics.Bleu(2, True),
        metrics.SSIM(filter_size=5),
        metrics.RougeL(score="recall"),
    ]:
        assert nn.from_config(json.loads(json.dumps(nn.to_config(metric)))) == metric


def test_fit_computes_them_inside_its_step():
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    y = (x[:, 0] > 0).astype("int64")
    model = sl.Model(
        nn.Sequential([nn.Dense(2)]), loss="sparse_categorical_crossentropy", metrics=["mcc", "cohen_kappa", "balanced_accuracy"]
    )
    run = model.fit(x, y, epochs=3, validation=0.25, verbose=0)
    said = model.predict(x).argmax(axis=1)
    assert float(model.evaluate(x, y)["balanced_accuracy"]) == pytest.approx(np.mean([(said[y == k] == k).mean() for k in (0, 1)]))
    assert len(run["val_mcc"]) == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: metrics.naive_scale([1.0, 2.0], 2), DataError, "needs more than 2 values"),
        (lambda: metrics.naive_scale([1.0, 1.0]), DataError, "never changes"),
        (lambda: metrics.MASE(0), ArgumentError, "scale must be a number"),
        (lambda: metrics.SSIM()(np.zeros((1, 8, 8, 1)), np.zeros((1, 8, 8, 1))), ShapeError, "smaller filter_size"),
        (lambda: metrics.SMAPE()(np.zeros((2, 1)), np.zeros((2, 2))), ShapeError, "must be equal"),
        (lambda: metrics.Bleu()(A, B[:3]), ShapeError, "expected tokens"),
        (lambda: metrics.Bleu()(A, B * 1.0), DTypeError, "no token numbers"),
        (lambda: metrics.RougeN(score="f2"), UnknownNameError, "f1"),
        (lambda: metrics.CohenKappa(weightage="cubic"), UnknownNameError, "quadratic"),
        (lambda: metrics.CohenKappa().init(), ArgumentError, "number of classes"),
        (lambda: metrics.CohenKappa()(CLASSES[:4], SCORES), ShapeError, "do not fit"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)

"""Layers of scaling, bins, codes, sound and named axes give what Keras gives; what they know of data is saved with the network."""

import json

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, DataError, DTypeError, SaltusError, ShapeError, UnknownNameError


def made(layer, *inputs):
    return nn.apply(layer, {}, {}, *(sl.asarray(x) for x in inputs)).output.numpy()


TIME = np.arange(64)
SOUND = np.stack([np.sin(0.3 * TIME) + 0.1 * np.cos(TIME), np.cos(0.05 * TIME * TIME / 8)], axis=1)[None].astype("float32")

# Keras 3.15.1 (TensorFlow) on SOUND: arguments -> shape, and the elements 0, 1, 5, 17 and last of the flat result.
STFT = [
    ({"mode": "log"}, (1, 7, 18), [0.5562252, 0.4679848, -5.259771, -7.717945, -7.149623]),
    ({"mode": "psd", "frame_step": 6, "window": "hamming", "periodic": True, "scaling": "spectrum"}, (1, 9, 18),
     [0.1784474, 0.4539255, 5.852221e-05, 1.942369e-05, 2.444671e-05]),
    ({"mode": "stft", "fft_length": 20, "window": None}, (1, 7, 44), [3.588438, 0.7869903, 0.47725, 0.3541975, -2.009014e-06]),
    ({"mode": "angle", "padding": "same", "expand_dims": True}, (1, 8, 9, 2), [0.0, 0.0, 0.8838818, 6.417806e-06, 3.141592]),
    ({"mode": "magnitude", "window": "blackman", "scaling": None}, (1, 7, 18),
     [3.778208, 3.364551, 0.01093337, 0.0003162278, 0.0005606931]),
]  # fmt: skip
# ... and the elements 0, 1, 7, 20 and last.
MEL = [
    ({"num_mel_bins": 4, "min_freq": 10}, (1, 4, 13), [-0.6619361, 9.910797, 9.970047, 8.956996, -11.4811]),
    ({"num_mel_bins": 5, "min_freq": 100, "max_freq": 3000, "sequence_length": 10, "window": "hamming", "power_to_db": False,
      "mag_exp": 1.0},
     (1, 5, 13), [0.5648619, 1.491768, 1.38706, 2.073162, 0.2254039]),
    ({"num_mel_bins": 4, "min_freq": 10, "top_db": 5.0, "ref_power": 2.0}, (1, 4, 13), [2.157837, 6.900497, 6.959747, 5.946696, 2.157837]),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "shape", "expected"), STFT, ids=[c[0]["mode"] for c in STFT])
def test_spectra_of_frames_are_those_of_keras(arguments, shape, expected):
    found = made(nn.STFTSpectrogram(frame_length=16, **arguments), SOUND)
    assert found.shape == shape
    if arguments["mode"] == "angle":  # the angle of what is nearly 0 is chance
        found, expected = found.ravel()[[0, 5]], [expected[0], expected[2]]
    else:
        found = found.ravel()[[0, 1, 5, 17, -1]]
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=5e-6)


@pytest.mark.parametrize(("arguments", "shape", "expected"), MEL, ids=["plain", "hertz", "decibels"])
def test_spectra_of_pitches_are_those_of_keras(arguments, shape, expected):
    found = made(nn.MelSpectrogram(fft_length=16, sequence_stride=5, sampling_rate=8000, **arguments), SOUND[:, :, 0])
    assert found.shape == shape
    np.testing.assert_allclose(found.ravel()[[0, 1, 7, 20, -1]], expected, rtol=1e-4)


def test_a_network_on_spectra_learns_to_tell_high_from_low():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 96)
    x = np.sin(np.arange(256) * np.where(y, 0.9, 0.3)[:, None] + rng.uniform(0, 6, (96, 1))).astype("float32")
    network = nn.Sequential([nn.MelSpectrogram(64, 32, num_mel_bins=16), nn.Flatten(), nn.Dense(2)])
    model = sl.Model(network, loss="sparse_categorical_crossentropy", metrics=["accuracy"], optimizer=sl.optim.Adam(0.01))
    assert model.fit(x, y, epochs=10, verbose=0)["accuracy"][-1] == 1.0


def test_known_statistics_scale_and_scale_back():
    data = np.array([[1.0, 2.0, 3.0], [4.0, 2.0, 0.0], [7.0, 2.0, 9.0]])
    layer = nn.Normalization().adapt(data)
    expected = [[-1.224745, 0.0, -0.2672612], [0.0, 0.0, -1.069045], [1.224745, 0.0, 1.336306]]  # Keras's
    np.testing.assert_allclose(made(layer, data), expected, atol=1e-5)
    np.testing.assert_allclose(made(layer.replace(invert=True), made(layer, data)), data, rtol=1e-5)
    holes = np.vstack([data, [np.nan, np.nan, np.nan]])
    assert nn.Normalization().adapt(holes) == layer
    whole = nn.Normalization(axis=None).adapt(data)
    np.testing.assert_allclose(made(whole, data), (data - data.mean()) / data.std(), rtol=1e-5)
    images = np.random.default_rng(0).normal(size=(5, 2, 3, 4))
    place = nn.Normalization(axis=(1, 3)).adapt(images)
    assert np.shape(place.mean) == (2, 4)
    np.testing.assert_allclose(made(place, images).mean(axis=(0, 2)), 0, atol=1e-6)


def test_bins_and_codes_are_those_of_keras():
    np.testing.assert_array_equal(
        made(nn.Discretization((0.0, 1.0, 2.0), output_mode="multi_hot"), [[-1.5, 1.0], [3.4, 0.5]]), [[1, 0, 1, 0], [0, 1, 0, 1]]
    )
    numbers, weights = np.array([[0, 1], [1, 1]]), np.array([[0.1, 0.2], [0.3, 0.4]])
    np.testing.assert_allclose(made(nn.CategoryEncoding(4, "count"), numbers, weights), [[0.1, 0.2, 0, 0], [0, 0.7, 0, 0]], rtol=1e-6)
    lookup = nn.IntegerLookup([12, 1138, 42], num_oov_indices=2, mask_token=0)
    np.testing.assert_array_equal(made(lookup, [[1138, 0, 7, 8, 42, 12]]), [[4, 0, 2, 1, 5, 3]])
    assert lookup.size == 6
    np.testing.assert_array_equal(made(nn.CategoryEncoding(3, "one_hot"), np.array([2, 0])), np.eye(3)[[2, 0]])
    np.testing.assert_array_equal(made(nn.CategoryEncoding(3, "one_hot"), np.array([[2], [0]])), np.eye(3)[[2, 0]])


def test_bins_hold_about_equally_many_values():
    data = np.random.default_rng(0).exponential(size=1000)
    layer = nn.Discretization(num_bins=4).adapt(data)
    assert np.bincount(made(layer, data[:, None])[:, 0]).tolist() == [250, 250, 250, 250]


def test_the_most_frequent_values_come_first_and_unknown_ones_are_minus_1_where_there_is_no_number_for_them():
    layer = nn.IntegerLookup(max_tokens=2, num_oov_indices=0).adapt([[7, 3], [3, 9], [9, 3]])
    assert layer.vocabulary == (3, 9)
    assert made(layer, [[9, 7]]).tolist() == [[1, -1]]


def test_hashes_are_spread_evenly_and_the_same_each_time():
    numbers = np.arange(0, 80_000, 10)[:, None]
    bins = made(nn.Hashing(8), numbers)
    assert np.bincount(bins[:, 0]).min() > 900
    np.testing.assert_array_equal(bins, made(nn.Hashing(8), numbers))
    assert (bins != made(nn.Hashing(8, salt=1), numbers)).mean() > 0.8
    masked = made(nn.Hashing(8, mask_value=10), numbers)[:, 0]
    assert np.flatnonzero(masked == 0).tolist() == [1]


def test_the_middle_of_images_is_that_of_keras():
    images = np.arange(2 * 7 * 6, dtype="float32").reshape(2, 7, 6, 1)
    assert made(nn.CenterCrop(4, 3), images).ravel()[:6].tolist() == [7, 8, 9, 13, 14, 15]
    small = made(nn.CenterCrop(8, 4), images).ravel()[:8]
    np.testing.assert_allclose(small, [1.0, 1.625, 2.375, 3.0, 5.875, 6.5, 7.25, 7.875], atol=0.6)  # the box may lie half a pixel off


def test_alpha_dropout_keeps_mean_and_variance_and_does_nothing_at_prediction():
    x = np.random.default_rng(0).normal(size=(400, 200)).astype("float32")
    out = nn.apply(nn.AlphaDropout(0.4), {}, {}, x, training=True, key=sl.random.key(3)).output.numpy()
    assert abs(out.mean()) < 0.02
    assert abs(out.std() - 1) < 0.02
    spread = ((1 - 0.4) * (1 + 0.4 * 1.7580993408473766**2)) ** -0.5
    dropped = -1.7580993408473766 * spread + spread * 1.7580993408473766 * 0.4
    assert np.isclose(out, dropped, atol=1e-5).mean() == pytest.approx(0.4, abs=0.01)
    np.testing.assert_array_equal(nn.apply(nn.AlphaDropout(0.4), {}, {}, x).output.numpy(), x)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("ij,kj", (2, 3), (4, 3)), ("...i,ij->...j", (2, 5, 3), (3, 4)),
    ("bi,bi->b", (4, 3), (4, 3)), ("i,j->ji", (3,), (4,)), ("ijk,k->j", (2, 3, 4), (4,)), ("ij->", (2, 3)), ("ijk->kji", (2, 3, 4)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)), ("bqhd,bkhd->bhqk", (2, 3, 4, 5), (2, 6, 4, 5)), ("i,i->", (3,), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ab,cd->", (2, 3), (4, 5)), ("ba", (2, 3)),
]  # fmt: skip


@pytest.mark.parametrize("case", EQUATIONS, ids=[c[0] for c in EQUATIONS])
def test_einsum_is_numpys_and_so_is_its_gradient(case, slopes):
    rng = np.random.default_rng(0)
    given = [rng.normal(size=shape) for shape in case[1:]]
    expected = np.einsum(case[0], *given)
    found = sl.einsum(case[0], *map(sl.asarray, given))
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-10, atol=1e-12)
    others = [sl.asarray(g) for g in given[1:]]
    gradient = sl.grad(lambda x: (sl.einsum(case[0], x, *others) ** 2).sum())(sl.asarray(given[0])).numpy()
    np.testing.assert_allclose(gradient, slopes(lambda x: (np.einsum(case[0], x, *given[1:]) ** 2).sum(), given[0]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("equation", "output", "bias", "shapes"),
    [("abc,cd->abd", (None, 8), "d", ((3, 8), (8,))), ("...x,xy->...y", None, "y", None),
     ("abc,cde->abde", (None, 8, 2), "be", ((3, 8, 2), (5, 1, 2)))],
)  # fmt: skip
def test_named_axes_make_a_dense_layer(equation, output, bias, shapes):
    x = np.random.default_rng(0).normal(size=(4, 5, 3)).astype("float32")
    layer = nn.EinsumDense(equation, output or (None, 8), activation="tanh", bias_axes=bias, bias_initializer="ones")
    params, state = nn.init(layer, x, key=sl.random.key(0))
    if shapes:
        assert (params["kernel"].shape, params["bias"].shape) == shapes
    found = nn.apply(layer, params, state, x).output.numpy()
    np.testing.assert_allclose(
        found, np.tanh(np.einsum(equation, x, params["kernel"].numpy()) + params["bias"].numpy()), rtol=2e-5, atol=1e-6
    )


def test_what_they_know_of_data_is_saved_with_the_network(tmp_path):
    x = np.random.default_rng(0).normal(5, 3, size=(32, 4)).astype("float32")
    network = nn.Sequential([nn.Normalization().adapt(x), nn.EinsumDense("ab,bc->ac", 8, "relu", "c"), nn.AlphaDropout(0.1), nn.Dense(1)])
    model = sl.Model(network, loss="mse")
    model.fit(x, x[:, :1], epochs=2, verbose=0)
    model.save(tmp_path / "m.saltus")
    np.testing.assert_array_equal(sl.load(tmp_path / "m.saltus").predict(x), model.predict(x))
    for layer in (nn.Discretization((0.0, 1.0)), nn.IntegerLookup([5, 9]), nn.Hashing(4), nn.CenterCrop(2, 2), nn.STFTSpectrogram(),
                  nn.MelSpectrogram(), nn.CategoryEncoding(3)):  # fmt: skip
        assert nn.from_config(json.loads(json.dumps(nn.to_config(layer)))) == layer


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: made(nn.Normalization(), np.ones((2, 3))), ArgumentError, "nn.Normalization().adapt(x)"),
        (lambda: nn.Normalization(mean=1.0), ArgumentError, "both mean and variance"),
        (lambda: nn.Normalization().adapt([]), DataError, "no data"),
        (lambda: made(nn.Normalization().adapt(np.ones((2, 3))), np.ones((2, 4))), ShapeError, "means of shape (3,)"),
        (lambda: made(nn.Discretization(), np.ones((2, 3))), ArgumentError, "num_bins=10"),
        (lambda: nn.Discretization((1.0, 0.0)), ArgumentError, "must rise"),
        (lambda: made(nn.CategoryEncoding(3), np.ones((2, 3))), DTypeError, "takes whole numbers"),
        (lambda: nn.CategoryEncoding(3, "multihot"), UnknownNameError, "multi_hot"),
        (lambda: made(nn.IntegerLookup(), np.ones((2, 3), "int64")), ArgumentError, "no vocabulary"),
        (lambda: nn.IntegerLookup([1, 1]), ArgumentError, "twice"),
        (lambda: made(nn.STFTSpectrogram(), np.ones((2, 512))), ShapeError, "x[..., None]"),
        (lambda: nn.STFTSpectrogram(frame_step=300), ArgumentError, "must hold"),
        (lambda: nn.MelSpectrogram(max_freq=9000), ArgumentError, "must hold"),
        (lambda: made(nn.MelSpectrogram(), np.ones((2, 100))), ShapeError, "smaller fft_length"),
        (lambda: sl.einsum("ij,jk->ik", np.ones((2, 3)), np.ones((4, 5))), ShapeError, "axis 'j' has 3 elements"),
        (lambda: sl.einsum("ii->i", np.ones((2, 2))), ArgumentError, "stands twice"),
        (lambda: sl.einsum("ij->k", np.ones((2, 2))), ArgumentError, "no operand has"),
        (lambda: sl.einsum("ij", np.ones((2, 2, 2))), ShapeError, "3 that an operand has"),
        (lambda: sl.einsum("ij,jk", np.ones((2, 2))), ArgumentError, "2 operands, but there are 1"),
        (lambda: sl.einsum("i1->i", np.ones((2, 2))), ArgumentError, "not understood"),
        (lambda: nn.EinsumDense("abc"), ArgumentError, "input, kernel and result"),
        (lambda: nn.describe(nn.EinsumDense("ab,bc->ac"), nn.Spec((1, 3))), ShapeError, "axis 'c' is not known"),
        (lambda: nn.describe(nn.EinsumDense("ab,bc->ac", (2, 3)), nn.Spec((1, 3))), ShapeError, "give a length"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, words):
    assert issubclass(error, SaltusError)
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)

"""Pooling, unpooling, upsampling and resizing layers: shapes, values by hand, masks, and what they refuse."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError

RNG = np.random.default_rng(0)
SHAPES = {1: (2, 9, 3), 2: (2, 9, 7, 3), 3: (2, 5, 7, 6, 3)}


def run(layer, *inputs):
    made = nn.apply(layer, {}, {}, *[sl.asarray(x) for x in inputs]).output
    return [m.numpy() for m in made] if isinstance(made, tuple) else made.numpy()


def layer(name, rank, *args, **kwargs):
    return getattr(nn, f"{name}{rank}D")(*args, **kwargs)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_shapes_follow_keras(rank):
    x = RNG.normal(size=SHAPES[rank])
    lengths = SHAPES[rank][1:-1]
    for kind in ("MaxPooling", "AveragePooling"):
        assert run(layer(kind, rank), x).shape[1:-1] == tuple(n // 2 for n in lengths)
        assert run(layer(kind, rank, 3, strides=2, padding="same"), x).shape[1:-1] == tuple(-(-n // 2) for n in lengths)
        assert run(layer(kind, rank, 3, strides=1), x).shape[1:-1] == tuple(n - 2 for n in lengths)
    for kind in ("GlobalMaxPooling", "GlobalAveragePooling"):
        assert run(layer(kind, rank), x).shape == (2, 3)
        assert run(layer(kind, rank, keepdims=True), x).shape == (2, *[1] * rank, 3)
    for kind in ("AdaptiveMaxPooling", "AdaptiveAveragePooling"):
        assert run(layer(kind, rank, 4), x).shape == (2, *[4] * rank, 3)
    assert run(layer("UpSampling", rank), x).shape[1:-1] == tuple(2 * n for n in lengths)


def test_values_by_hand():
    x = np.array([[1.0, 4.0, 2.0], [0.0, 3.0, 8.0], [5.0, 7.0, 6.0]]).reshape(1, 3, 3, 1)
    assert run(nn.MaxPooling2D(2, strides=1), x)[0, :, :, 0].tolist() == [[4, 8], [7, 8]]
    assert run(nn.MaxPooling2D(2, padding="same"), x)[0, :, :, 0].tolist() == [[4, 8], [7, 6]]
    assert run(nn.AveragePooling2D(2, padding="same"), x)[0, :, :, 0].tolist() == [[2, 5], [6, 6]]
    assert run(nn.GlobalAveragePooling2D(), x).tolist() == [[4]]
    assert run(nn.GlobalMaxPooling2D(), x).tolist() == [[8]]
    assert run(nn.UpSampling2D((1, 2)), x)[0, 0, :, 0].tolist() == [1, 1, 4, 4, 2, 2]


def test_windows_with_gaps():
    x = np.arange(8.0).reshape(1, 8, 1)
    assert run(nn.MaxPooling1D(2, strides=1, dilation_rate=3), x)[0, :, 0].tolist() == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_unpooling_undoes_pooling_where_the_largest_were(rank):
    x = RNG.normal(size=(2, *[6] * rank, 3))
    top, places = run(layer("MaxPooling", rank, 2, return_indices=True), x)
    back = run(layer("MaxUnpooling", rank), top, places)
    assert back.shape == x.shape
    np.testing.assert_array_equal(run(layer("MaxPooling", rank), np.where(back == 0, -np.inf, back)), top)
    assert run(layer("MaxUnpooling", rank, output_size=7), top, places).shape[1:-1] == (7,) * rank


def test_steps_that_are_masked_do_not_count_in_the_mean():
    net = nn.Sequential([nn.Masking(), nn.GlobalAveragePooling1D()])
    x = np.array([[[2.0], [4.0], [0.0], [0.0]], [[3.0], [0.0], [0.0], [0.0]]], "float32")
    assert run(net, x).tolist() == [[3.0], [3.0]]
    assert run(nn.GlobalAveragePooling1D(), x).tolist() == [[1.5], [0.75]]


def test_resizing_keeps_proportions_where_asked():
    x = np.zeros((1, 4, 8, 1))
    x[:, :, 2:6] = 1.0
    assert run(nn.Resizing(4, 4), x).mean() == 0.5
    np.testing.assert_allclose(run(nn.Resizing(4, 4, crop_to_aspect_ratio=True), x), 1.0)
    padded = run(nn.Resizing(8, 8, pad_to_aspect_ratio=True, fill_value=-1.0), x)
    assert (padded[0, :2] == -1).all()
    assert (padded[0, 6:] == -1).all()
    np.testing.assert_array_equal(padded[:, 2:6], x)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_upsampling_is_resizing(interpolation):
    x = RNG.normal(size=(2, 4, 5, 3))
    found = run(nn.UpSampling2D((2, 3), interpolation=interpolation), x)
    np.testing.assert_array_equal(found, run(nn.Resizing(8, 15, interpolation), x))


def test_every_layer_survives_a_round_trip():
    for made in (
        nn.MaxPooling2D((2, 3), strides=1, padding="same", dilation_rate=2), nn.AveragePooling1D(3, padding=1), nn.MaxUnpooling2D((4, 4)),
        nn.GlobalMaxPooling3D(keepdims=True), nn.AdaptiveAveragePooling2D((3, None)), nn.UpSampling1D(3), nn.Resizing(3, 4, antialias=True),
    ):  # fmt: skip
        assert nn.from_config(nn.to_config(made)) == made


def test_a_network_with_pooling_learns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 8, 8, 1)).astype("float32")
    y = (x[:, :4].max(axis=(1, 2, 3)) > x[:, 4:].max(axis=(1, 2, 3))).astype("int64")
    first = nn.Conv2D(8, 3, padding="same", activation="relu")
    net = nn.Sequential([first, nn.MaxPooling2D(2), nn.AveragePooling2D(2), nn.Flatten(), nn.Dense(2)])
    model = sl.Model(net, loss="sparse_categorical_crossentropy", optimizer=sl.optim.Adam(0.01))
    losses = model.fit(x, y, epochs=30, batch_size=16, verbose=0)["loss"]
    assert losses[-1] < 0.5 * losses[0]


X = np.ones((1, 6, 6, 2), "float32")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: run(nn.MaxPooling2D(7), X), ShapeError, "the window is larger than the input: along height it spans 7"),
        (lambda: run(nn.MaxPooling2D(2), X[:, :0]), ShapeError, "there is nothing to pool"),
        (lambda: run(nn.MaxPooling1D(2), X), ShapeError, r"\(N, steps, channels\), got \(1, 6, 6, 2\)"),
        (lambda: run(nn.GlobalAveragePooling2D(), X[0]), ShapeError, "got"),
        (lambda: nn.MaxPooling2D(0), ArgumentError, "pool_size"),
        (lambda: nn.MaxPooling2D((2, 2, 2)), ArgumentError, "pool_size must be a whole number or 2 of them"),
        (lambda: nn.MaxPooling2D(2, strides=0), ArgumentError, "strides"),
        (lambda: nn.MaxPooling2D(2, padding="full"), ArgumentError, "padding must be 'valid', 'same'"),
        (lambda: nn.AveragePooling2D(2, data_format="channels_first"), ArgumentError, "channels_last"),
        (lambda: nn.AdaptiveMaxPooling2D((2, 2, 2)), ArgumentError, "output_size must be a whole number, or 2 numbers or None"),
        (lambda: nn.UpSampling2D(interpolation="cubic"), UnknownNameError, "interpolation"),
        (lambda: nn.Resizing(4, 4, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True), ArgumentError, "choose one"),
    ],
)
def test_refusals(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_steps_that_are_masked_are_never_the_largest():
    network = nn.Sequential([nn.Masking(-1.0), nn.GlobalMaxPooling1D()])
    x = np.array([[[-5.0, 2.0], [-1.0, -1.0], [-7.0, 1.0]], [[-1.0, -1.0]] * 3], "float32")
    params, state = nn.init(network, nn.Spec(x.shape), key=sl.random.key(0))
    assert np.asarray(nn.apply(network, params, state, sl.asarray(x)).output).tolist() == [[-5.0, 2.0], [0.0, 0.0]]


@pytest.mark.parametrize("padding", ["same", "causal"])
def test_a_convolution_takes_masked_steps_for_what_lies_beyond_the_end_and_hands_the_mask_on(padding):
    network = nn.Sequential([nn.Embedding(9, 4, mask_zero=True), nn.Conv1D(5, 3, padding=padding), nn.GlobalMaxPooling1D()])
    words = np.array([[3, 1, 4, 0, 0, 0]], "int32")
    params, state = nn.init(network, nn.Spec(words.shape, "int32"), key=sl.random.key(1))
    long, short = (np.asarray(nn.apply(network, params, state, sl.asarray(x)).output) for x in (words, words[:, :3]))
    np.testing.assert_allclose(long, short, rtol=1e-6)

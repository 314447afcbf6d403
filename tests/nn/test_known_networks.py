"""Known networks: numbers of parameters told in their papers or worked out by hand, shapes, and that one trains."""

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError
from saltus.nn import networks


def test_vgg16_is_that_of_the_paper():
    found = nn.summary(networks.vgg16())
    assert found.parameters == 138_357_544
    assert [r.parameters for r in found.rows if r.kind == "Dense"] == [102_764_544, 16_781_312, 4_097_000]
    assert sum(r.flops for r in found.rows if r.kind in ("Conv2D", "Dense")) == pytest.approx(2 * 15.47e9, rel=2e-3)
    assert networks.vgg16(10, (64, 64, 3)).specs()[0].shape == (1, 64, 64, 3)
    assert sum(r.kind == "Conv2D" for r in found.rows) == 13


def test_the_small_convolutional_network():
    found = nn.summary(networks.cnn())
    assert [r.parameters for r in found.rows if r.parameters] == [320, 18_496, 401_536, 1_290]
    assert nn.describe(networks.cnn(3, (32, 32, 3), filters=(8, 8, 8), dropout=0.5)).output.shape == (1, 3)


def test_the_residual_network():
    def stage(before, n, blocks):
        block = [9 * before * n + 9 * n * n + 4 * n + (before * n + 2 * n if before != n else 0)]
        return sum(block + [18 * n * n + 4 * n] * (blocks - 1))

    expected = 27 * 32 + 64 + stage(32, 32, 2) + stage(32, 64, 2) + stage(64, 128, 2) + 128 * 10 + 10
    found = nn.summary(networks.resnet())
    assert found.trained == expected
    assert [r.output[0] for r in found.rows if r.kind == "Residual"][-1] == (1, 8, 8, 128)
    deep = nn.summary(networks.resnet(100, filters=(16, 32, 64), blocks=3))
    assert sum(r.kind == "Conv2D" for r in deep.rows) == 1 + 9 * 2 + 2  # ResNet-20 with its two projections


def test_the_depthwise_separable_network():
    found = nn.summary(networks.xception_like())
    assert [r.output[0][1:3] for r in found.rows if r.kind == "Residual"] == [(16, 16), (8, 8), (4, 4), (4, 4), (4, 4)]
    separable = [r for r in found.rows if r.kind == "SeparableConv2D"]
    assert len(separable) == 12 and separable[0].parameters == 9 * 64 + 64 * 64


def test_generators_and_autoencoders_give_images():
    assert nn.describe(networks.dcgan_generator()).output.shape == (1, 32, 32, 3)
    assert nn.describe(networks.dcgan_generator(8, (28, 28, 1), filters=(16, 8))).output.shape == (1, 28, 28, 1)
    generator = networks.dcgan_generator(8, (8, 8, 1), filters=(8,))
    made = nn.apply(generator, *nn.init(generator, key=sl.random.key(0)), sl.random.normal(sl.random.key(1), (3, 8))).output.numpy()
    assert made.shape == (3, 8, 8, 1) and abs(made).max() <= 1
    assert nn.describe(networks.convolutional_autoencoder()).output.shape == (1, 28, 28, 1)
    assert [r.output[0] for r in nn.summary(networks.dense_autoencoder(6, units=(4, 2))).rows] == [(1, 4), (1, 2), (1, 4), (1, 6)]


@pytest.mark.parametrize("name", networks.__all__)
def test_every_network_can_be_stored(name):
    network = getattr(networks, name)()
    assert nn.from_config(nn.to_config(network)) == network


def test_a_small_residual_network_learns_where_the_bright_side_is():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, size=64)
    x = rng.normal(scale=0.3, size=(64, 8, 8, 1)).astype("float32")
    x[y == 0, :, :4] += 1
    x[y == 1, :4] += 1
    model = sl.Model(networks.resnet(2, (8, 8, 1), filters=(4, 8), blocks=1), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=12, batch_size=16, verbose=0)
    assert history.records[-1]["accuracy"] > 0.9
    network, params, state = nn.fold(model.network, *model.variables)
    folded = nn.apply(network, params, state, x).output.numpy()
    np.testing.assert_allclose(folded, model.predict(x), rtol=1e-3, atol=1e-3)
    assert "BatchNormalization" not in repr(network)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: networks.vgg16(input_shape=(28, 28, 1)), r"(?s)vgg16: input_shape must be .* at least 32 x 32.*resize the images"),
        (lambda: networks.cnn(input_shape=(28, 28)), "must be .height, width, channels."),
        (lambda: networks.dcgan_generator(output_shape=(36, 36, 3)), "3 doublings cannot make 36 x 36"),
        (lambda: networks.convolutional_autoencoder((30, 30, 1)), "30 x 30 pixels cannot be halved 2 times"),
        (lambda: networks.resnet(blocks=0), "resnet: blocks must be a whole number from 1 on"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(make, words):
    with pytest.raises(ArgumentError, match=words):
        make()

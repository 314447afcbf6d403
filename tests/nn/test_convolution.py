"""Convolution layers against plain loops written from the rules of TensorFlow, their shapes, and what they refuse."""

import itertools

import numpy as np
import pytest

import saltus as sl
from saltus import nn
from saltus.base.errors import ArgumentError, ShapeError, UnknownNameError

KEY = sl.random.key(0)
RNG = np.random.default_rng(0)


def made(layer, x, training=False, key=None):
    """Output and parameters, as float64 arrays."""
    x = np.asarray(x, "float64")
    params, state = nn.init(layer, x, key=KEY, dtype="float64")
    params = {k: sl.asarray(RNG.normal(size=v.shape)) for k, v in params.items()}
    out = nn.apply(layer, params, state, x, training=training, key=key).output
    return out.numpy(), {k: v.numpy() for k, v in params.items()}


def same(size, kernel, stride, dilation):
    """Zeros before and after by TensorFlow's rule: ceil(size / stride) results, an odd zero at the end."""
    places = (size + stride - 1) // stride
    total = max((places - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
    return total // 2, total - total // 2


def looped(x, w, *, stride, dilation, pads, groups=1):
    """Convolution, number by number."""
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    spans = [(k - 1) * d + 1 for k, d in zip(w.shape[:-2], dilation, strict=True)]
    out = [(n - r) // s + 1 for n, r, s in zip(x.shape[1:-1], spans, stride, strict=True)]
    each_in, each_out = x.shape[-1] // groups, w.shape[-1] // groups
    result = np.zeros((x.shape[0], *out, w.shape[-1]))
    for n, f in itertools.product(range(x.shape[0]), range(w.shape[-1])):
        first = f // each_out * each_in
        for place in np.ndindex(*out):
            for k in np.ndindex(*w.shape[:-2]):
                at = tuple(p * s + i * d for p, s, i, d in zip(place, stride, k, dilation, strict=True))
                result[(n, *place, f)] += x[(n, *at)][first : first + each_in] @ w[k][:, f]
    return result


def spread(x, w, *, stride, dilation, size, low):
    """Transposed convolution: every number adds its kernel to the result, where that lies inside."""
    result = np.zeros((x.shape[0], *size, w.shape[-2]))
    for n in range(x.shape[0]):
        for place in np.ndindex(*x.shape[1:-1]):
            for k in np.ndindex(*w.shape[:-2]):
                at = tuple(p * s + i * d - b for p, s, i, d, b in zip(place, stride, k, dilation, low, strict=True))
                if all(0 <= a < m for a, m in zip(at, size, strict=True)):
                    result[(n, *at)] += w[k] @ x[(n, *place)]
    return result


@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize(("size", "kernel"), [((7, 8), (3, 2)), ((9, 5), (4, 5)), ((6, 4), (1, 3))])
def test_same_padding_follows_tensorflow_at_every_stride(stride, size, kernel):
    layer = nn.Conv2D(3, kernel, strides=stride, padding="same", bias_initializer="ones")
    x = RNG.normal(size=(2, *size, 2))
    out, params = made(layer, x)
    assert out.shape[1:-1] == tuple(-(-n // stride) for n in size)
    pads = [same(n, k, stride, 1) for n, k in zip(size, kernel, strict=True)]
    expected = looped(x, params["kernel"], stride=(stride,) * 2, dilation=(1, 1), pads=pads) + params["bias"]
    np.testing.assert_allclose(out, expected, rtol=1e-10, atol=1e-10)


def test_same_padding_at_a_stride_puts_the_odd_zero_at_the_end():
    """What TensorFlow gives: [1, 2, 3, 4] and a kernel of ones over three, at stride 2."""
    layer = nn.Conv1D(1, 3, strides=2, padding="same", kernel_initializer="ones", use_bias=False)
    params, state = nn.init(layer, nn.Spec((1, 4, 1)), key=KEY)
    out = nn.apply(layer, params, state, sl.asarray([[[1.0], [2.0], [3.0], [4.0]]])).output
    assert out[0, :, 0].tolist() == [6.0, 7.0]


@pytest.mark.parametrize(
    ("layer", "shape", "pads", "stride", "dilation"),
    [
        (nn.Conv1D(3, 4), (2, 9, 2), [(0, 0)], 1, 1),
        (nn.Conv1D(4, 3, padding="causal", dilation_rate=2), (2, 9, 2), [(4, 0)], 1, 2),
        (nn.Conv1D(4, 3, padding="causal", strides=2), (2, 9, 2), [(2, 0)], 2, 1),
        (nn.Conv2D(4, 3, padding="same", dilation_rate=2), (1, 6, 7, 2), [(2, 2), (2, 2)], 1, 2),
        (nn.Conv2D(4, 3, padding=1, strides=2), (1, 6, 7, 2), [(1, 1), (1, 1)], 2, 1),
        (nn.Conv2D(4, 3, padding=((2, 0), (1, 3))), (1, 6, 7, 2), [(2, 0), (1, 3)], 1, 1),
        (nn.Conv2D(6, 3, groups=2), (1, 6, 7, 4), [(0, 0), (0, 0)], 1, 1),
        (nn.Conv2D(6, 3, groups=3), (1, 5, 5, 3), [(0, 0), (0, 0)], 1, 1),
        (nn.Conv3D(2, 2, strides=(1, 2, 1)), (1, 4, 5, 3, 2), [(0, 0)] * 3, (1, 2, 1), 1),
        (nn.Conv3D(2, (1, 2, 3), padding="same"), (1, 4, 5, 3, 2), [(0, 0), (0, 1), (1, 1)], 1, 1),
    ],
)
def test_convolutions_equal_plain_loops(layer, shape, pads, stride, dilation):
    rank = len(pads)
    x = RNG.normal(size=shape)
    out, params = made(layer, x)
    stride = stride if isinstance(stride, tuple) else (stride,) * rank
    expected = looped(x, params["kernel"], stride=stride, dilation=(dilation,) * rank, pads=pads, groups=layer.groups)
    np.testing.assert_allclose(out, expected + params["bias"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 2), (5, 2), (2, 3), (1, 2)])
def test_transposed_convolutions_are_the_transpose_of_tensorflows(kernel, stride, padding, dilation):
    """Size and place follow from the convolution that makes the input's size of the output's."""
    if dilation > 1 and kernel == 2 and stride == 3:
        stride = 2
    n, span = 4, (kernel - 1) * dilation + 1
    size = n * stride if padding == "same" else n * stride + max(span - stride, 0)
    low = same(size, kernel, stride, dilation)[0] if padding == "same" else 0
    x = RNG.normal(size=(2, n, n, 3))
    out, params = made(nn.Conv2DTranspose(2, kernel, strides=stride, padding=padding, dilation_rate=dilation), x)
    expected = spread(x, params["kernel"], stride=(stride,) * 2, dilation=(dilation,) * 2, size=(size,) * 2, low=(low,) * 2)
    assert out.shape == (2, size, size, 2)
    np.testing.assert_allclose(out, expected + params["bias"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("kernel", "stride", "extra"), [(3, 2, 0), (3, 2, 1), (4, 2, 1), (5, 3, 2), (1, 3, 2), (2, 3, 0)])
def test_output_padding_fixes_the_size(kernel, stride, extra, padding):
    n = 4
    size = (n - 1) * stride + (kernel if padding == "valid" else kernel % 2) + extra
    total = (n - 1) * stride + kernel - size
    low = max(total, 0) // 2 if padding == "same" else 0
    x = RNG.normal(size=(1, n, 2))
    out, params = made(nn.Conv1DTranspose(3, kernel, strides=stride, padding=padding, output_padding=extra), x)
    assert out.shape == (1, size, 3)
    expected = spread(x, params["kernel"], stride=(stride,), dilation=(1,), size=(size,), low=(low,))
    np.testing.assert_allclose(out, expected + params["bias"], rtol=1e-10, atol=1e-10)


# Keras 3.15.1 (TensorFlow), Conv1DTranspose(1, kernel, strides, padding="same", output_padding, dilation_rate=dilation) of the numbers
# 1, 2, ... with the kernel 1, 2, ...: (elements, kernel, strides, dilation, output_padding) -> result.
KERAS_OUTPUT_PADDING = {
    (3, 3, 2, 1, 1): [1, 2, 5, 4, 9, 6],
    (3, 3, 2, 1, 0): [2, 5, 4, 9, 6],
    (4, 2, 3, 1, 2): [1, 2, 0, 2, 4, 0, 3, 6, 0, 4, 8],
    (3, 5, 2, 1, 1): [2, 5, 8, 14, 14, 19],
    (2, 1, 3, 1, 2): [1, 0, 0, 2, 0, 0],
    (3, 3, 1, 2, 0): [5, 4, 9],
    (3, 2, 2, 1, 1): [1, 2, 2, 4, 3],
}  # fmt: skip


@pytest.mark.parametrize("case", KERAS_OUTPUT_PADDING)
def test_output_padding_of_the_function_is_that_of_keras(case):
    n, k, stride, dilation, extra = case
    x, w = (sl.asarray(np.arange(1.0, m + 1)) for m in (n, k))
    found = sl.conv_transpose(x[None, :, None], w[:, None, None], stride=stride, dilation=dilation, padding="same", output_padding=extra)
    assert found[0, :, 0].tolist() == KERAS_OUTPUT_PADDING[case]


def test_a_transposed_convolution_with_numbers_of_zeros_is_that_of_pytorch():
    """torch.nn.functional.conv_transpose1d([1, 2, 3], [1, 2, 3], stride=2, padding=1, output_padding=1)."""
    layer = nn.Conv1DTranspose(1, 3, strides=2, padding=1, output_padding=1, use_bias=False)
    kernel = sl.asarray([[[1.0]], [[2.0]], [[3.0]]])
    out = nn.apply(layer, {"kernel": kernel}, {}, sl.asarray([[[1.0], [2.0], [3.0]]])).output
    assert out[0, :, 0].tolist() == [2.0, 5.0, 4.0, 9.0, 6.0, 9.0]


def test_a_transposed_convolution_of_volumes():
    x = RNG.normal(size=(1, 2, 3, 2, 2))
    out, params = made(nn.Conv3DTranspose(2, 3, strides=2), x)
    expected = spread(x, params["kernel"], stride=(2,) * 3, dilation=(1,) * 3, size=(5, 7, 5), low=(0,) * 3)
    np.testing.assert_allclose(out, expected + params["bias"], rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("multiplier", [1, 2])
@pytest.mark.parametrize(("stride", "padding"), [(1, "valid"), (2, "same")])
def test_depthwise_convolution_keeps_channels_apart(multiplier, stride, padding):
    x = RNG.normal(size=(2, 6, 5, 3))
    out, params = made(nn.DepthwiseConv2D(3, strides=stride, padding=padding, depth_multiplier=multiplier), x)
    pads = [same(n, 3, stride, 1) if padding == "same" else (0, 0) for n in (6, 5)]
    for c in range(3):
        alone = looped(x[..., c : c + 1], params["kernel"][:, :, c : c + 1], stride=(stride,) * 2, dilation=(1, 1), pads=pads)
        np.testing.assert_allclose(
            out[..., c * multiplier : (c + 1) * multiplier], alone + params["bias"][c * multiplier : (c + 1) * multiplier], rtol=1e-10
        )


def test_separable_convolution_is_depthwise_then_pointwise():
    x = RNG.normal(size=(2, 8, 3))
    out, params = made(nn.SeparableConv1D(4, 3, padding="causal", depth_multiplier=2, activation="tanh"), x)
    assert params["depthwise_kernel"].shape == (3, 3, 2) and params["pointwise_kernel"].shape == (1, 6, 4)
    depthwise = nn.DepthwiseConv1D(3, padding="causal", depth_multiplier=2, use_bias=False)
    middle = nn.apply(depthwise, {"kernel": params["depthwise_kernel"]}, {}, x).output.numpy()
    np.testing.assert_allclose(out, np.tanh(middle @ params["pointwise_kernel"][0] + params["bias"]), rtol=1e-10)
    assert made(nn.SeparableConv2D(4, 3, strides=2), RNG.normal(size=(1, 7, 7, 2)))[0].shape == (1, 3, 3, 4)


def test_parameters_have_the_shapes_and_paths_of_keras():
    network = nn.Sequential(
        [nn.Conv2D(8, 3), nn.Conv2D(4, (3, 1), groups=2, use_bias=False), nn.Conv2DTranspose(6, 2), nn.DepthwiseConv2D(3)]
    )
    assert {p.path: p.shape for p in nn.describe(network, nn.Spec((1, 9, 9, 3))).parameters} == {
        "conv2d/kernel": (3, 3, 3, 8), "conv2d/bias": (8,), "conv2d_1/kernel": (3, 1, 4, 4), "conv2d_transpose/kernel": (2, 2, 6, 4),
        "conv2d_transpose/bias": (6,), "depthwise_conv2d/kernel": (3, 3, 6, 1), "depthwise_conv2d/bias": (6,),
    }  # fmt: skip


def test_layers_show_and_store_what_makes_them():
    layer = nn.Conv2D(8, 3, strides=2, padding="same", activation="relu", kernel_initializer="he_normal", kernel_regularizer="l2")
    assert repr(nn.Conv2D(8, 3, strides=(2, 2))) == "Conv2D(8, kernel_size=(3, 3), strides=(2, 2))"
    for each in (layer, nn.Conv2DTranspose(3, 4, strides=2, output_padding=1), nn.DepthwiseConv1D(3), nn.SeparableConv2D(4, 3),
                 nn.ZeroPadding2D(((1, 2), (3, 4))), nn.Cropping3D(2), nn.SpatialDropout2D(0.3)):  # fmt: skip
        assert nn.from_config(nn.to_config(each)) == each
    assert nn.Conv2D(8, 3) == nn.Conv2D(8, (3, 3), 1, "valid")


def test_auto_initializers_see_the_activation():
    layer = nn.Conv2D(64, 3, activation="relu", kernel_initializer="auto")
    kernel = nn.init(layer, nn.Spec((1, 8, 8, 32)), key=KEY).params["kernel"].numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 32)), rel=0.05)


def test_gradients_of_every_layer(slopes):
    for layer, shape in (
        (nn.Conv2D(2, 3, strides=2, padding="same", activation="tanh"), (1, 5, 4, 2)),
        (nn.Conv1D(2, 2, padding="causal", groups=2), (1, 5, 2)),
        (nn.Conv2DTranspose(2, 3, strides=2, padding="same"), (1, 3, 2, 2)), (nn.DepthwiseConv2D(2, depth_multiplier=2), (1, 3, 3, 2)),
        (nn.SeparableConv2D(2, 2), (1, 3, 3, 2)), (nn.ZeroPadding2D(1), (1, 2, 2, 1)), (nn.Cropping2D(1), (1, 4, 3, 1)),
    ):  # fmt: skip
        x = RNG.normal(size=shape)
        params, _ = nn.init(layer, x, key=KEY, dtype="float64")

        def total(x, layer=layer, params=params):
            return (nn.apply(layer, params, {}, x).output ** 2).sum()

        np.testing.assert_allclose(sl.grad(total)(sl.asarray(x)).numpy(), slopes(total, x), rtol=1e-5, atol=1e-6)


# -- borders and dropout ----------------------------------------------------------------------------------------------


def test_padding_and_cropping_undo_each_other():
    for rank, (pad, crop) in enumerate(
        ((nn.ZeroPadding1D, nn.Cropping1D), (nn.ZeroPadding2D, nn.Cropping2D), (nn.ZeroPadding3D, nn.Cropping3D)), 1
    ):
        x = RNG.normal(size=(*(2, 4, 5, 3)[: rank + 1], 2)).astype("float32")
        width = tuple((i + 1, i) for i in range(rank))
        wider = nn.apply(pad(width), {}, {}, x).output.numpy()
        np.testing.assert_array_equal(wider, np.pad(x, [(0, 0), *width, (0, 0)]))
        np.testing.assert_array_equal(nn.apply(crop(width), {}, {}, wider).output.numpy(), x)
        assert nn.apply(pad(2), {}, {}, x).output.shape[1:-1] == tuple(n + 4 for n in x.shape[1:-1])
    assert nn.ZeroPadding1D((2, 1)).padding == ((2, 1),)
    assert nn.ZeroPadding2D((2, 1)).padding == ((2, 2), (1, 1))


@pytest.mark.parametrize(("layer", "shape"), [(nn.SpatialDropout1D, (6, 5, 40)), (nn.SpatialDropout2D, (6, 3, 4, 40)),
                                              (nn.SpatialDropout3D, (6, 2, 3, 2, 40))])  # fmt: skip
def test_spatial_dropout_drops_whole_channels(layer, shape):
    x = np.ones(shape, "float32")
    out = nn.apply(layer(0.5), {}, {}, x, training=True, key=KEY).output.numpy().reshape(6, -1, 40)
    assert (out == out[:, :1]).all()
    assert set(np.unique(out)) == {0.0, 2.0}
    assert 0.3 < (out == 0).mean() < 0.7
    assert nn.apply(layer(0.5), {}, {}, x).output.numpy().min() == 1


# -- what is refused --------------------------------------------------------------------------------------------------


def run(layer, *shape):
    return nn.init(layer, nn.Spec(shape), key=KEY)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: run(nn.Conv2D(8, 5), 1, 9, 3, 1), ShapeError, r"Conv2D.*kernel is larger.*along width it has 5.*\(1, 9, 3, 1\).*only 3"),
        (lambda: run(nn.Sequential([nn.Conv2D(8, 3, name="first"), nn.Conv2D(8, 3, name="second")]), 1, 4, 4, 1), ShapeError,
         r"(?s)^second = .*along height it has 3.*\(1, 2, 2, 8\).*fix: use padding=\"same\""),
        (lambda: run(nn.Conv1D(8, 3, dilation_rate=4), 1, 8, 1), ShapeError, r"spans 9 \(dilation 4\)"),
        (lambda: run(nn.Conv2D(8, 5, padding=1), 1, 2, 9, 1), ShapeError, "only 2 with 2 of padding"),
        (lambda: run(nn.DepthwiseConv2D(5), 1, 4, 9, 1), ShapeError, "kernel is larger"),
        (lambda: run(nn.Conv2D(8, 3, padding="same"), 1, 0, 9, 1), ShapeError, "nothing to slide a kernel over"),
        (lambda: run(nn.Conv2DTranspose(8, 3), 1, 0, 9, 1), ShapeError, "nothing to spread"),
        (lambda: run(nn.Conv2DTranspose(8, 3, padding=9), 1, 2, 2, 1), ShapeError, "cuts off all"),
        (lambda: run(nn.Conv2D(8, 3), 5, 28, 28), ShapeError, r"(?s)\(N, height, width, channels\), got \(5, 28, 28\).*x\[\.\.\., None\]"),
        (lambda: run(nn.Conv2D(8, 3), 5, 8, 8, 8, 1), ShapeError, "(?s)fix: use the 3D layer"),
        (lambda: run(nn.Conv1D(8, 3), 5, 8, 8, 1), ShapeError, "(?s)fix: use the 2D layer"),
        (lambda: run(nn.Conv3D(8, 3), 5, 8), ShapeError, "(?s)fix: bring it into that shape"),
        (lambda: run(nn.Conv2D(6, 3, groups=3), 1, 9, 9, 4), ShapeError, r"3 groups do not divide the 4 channels of the input \(1, 9,"),
        (lambda: nn.Conv2D(8, 3, groups=3), ArgumentError, "(?s)3 groups do not divide the 8 filters.*filters=9"),
        (lambda: nn.apply(nn.Conv2D(8, 3), run(nn.Conv2D(8, 3), 1, 9, 9, 3).params, {}, sl.ones((1, 9, 9, 1))), ShapeError,
         r"(?s)Conv2D.*kernel.*\(3, 3, 3, 8\), but this input needs \(3, 3, 1, 8\).*fix"),
        (lambda: nn.Conv2D(8, 3, data_format="channels_first"), ArgumentError, r"(?s)channels_last.*fix:.*moveaxis\(x, 1, -1\)"),
        (lambda: nn.Conv2D(8, 3, padding="sane"), ArgumentError, "'valid', 'same', a number of zeros"),
        (lambda: nn.Conv2D(8, 3, padding="causal"), ArgumentError, "causal is for layers along time"),
        (lambda: nn.Conv2D(8, 3, padding=(1, 2, 3)), ArgumentError, "for each of 2 axes"),
        (lambda: nn.Conv2D(8, (3, 3, 3)), ArgumentError, "kernel_size must be a whole number or 2 of them"),
        (lambda: nn.Conv2D(8, 3, strides=0), ArgumentError, "strides must be a whole number from 1 on, got 0"),
        (lambda: nn.Conv2D(8, 3, dilation_rate=0.5), ArgumentError, "dilation_rate must be a whole number"),
        (lambda: nn.Conv2D(0, 3), ArgumentError, "filters must be a whole number from 1 on"),
        (lambda: nn.DepthwiseConv2D(3, depth_multiplier=0), ArgumentError, "depth_multiplier must be"),
        (lambda: nn.Conv2D(8, 3, activation="rleu"), UnknownNameError, "Conv2D: activation: unknown activation 'rleu'"),
        (lambda: nn.Conv2DTranspose(8, 3, strides=2, output_padding=2), ArgumentError, "must be below strides"),
        (lambda: run(nn.Cropping2D(2), 1, 4, 9, 1), ShapeError, "2 and 2 away along height.*has 4; nothing is left"),
        (lambda: run(nn.Cropping2D(1), 1, 4, 9), ShapeError, "must have the shape"),
        (lambda: nn.ZeroPadding2D(-1), ArgumentError, "padding must be a whole number from 0 on, got -1"),
        (lambda: nn.ZeroPadding2D((1, 2, 3)), ArgumentError, "2 of them"),
        (lambda: nn.apply(nn.SpatialDropout2D(0.5), {}, {}, sl.ones((2, 3, 4)), training=True, key=KEY), ShapeError, "must have 4 axes"),
    ],
)  # fmt: skip
def test_wrong_use_is_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()

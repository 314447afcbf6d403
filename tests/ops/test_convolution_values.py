"""Padding "same" at every stride gives what TensorFlow gives, odd zeros at the end included.

`values/tensorflow_same.npz` holds images and kernels of small whole numbers and what TensorFlow 2.21 made of them by `tf.nn.conv2d`,
`depthwise_conv2d`, `conv2d_transpose`, `max_pool2d` and `avg_pool2d` with padding "SAME": the results of one operation one after the
other, flat, over sizes, then kernels, then strides (or dilations) in the order of the lists below; transposed ones of the last size.
"""

from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import saltus as sl

VALUES = dict(np.load(Path(__file__).with_name("values") / "tensorflow_same.npz"))
SIZES, KERNELS, STRIDES, DILATIONS = ((7, 8), (6, 5), (3, 4)), (1, 2, 3, 4, 5), (1, 2, 3, 4), (2, 3)

OPERATIONS = {
    "conv": lambda x, w, n: sl.conv(x, w, stride=n, padding="same"),
    "dilated": lambda x, w, n: sl.conv(x, w, dilation=n, padding="same"),
    "depthwise": lambda x, w, n: sl.conv(x, sl.permute_dims(w[..., :1], (0, 1, 3, 2)), stride=n, padding="same", groups=2),
    "transpose": lambda x, w, n: sl.conv_transpose(x, w, stride=n, padding="same"),
    "max": lambda x, w, n: sl.max_pool(x, w.shape[:2], stride=n, padding="same"),
    "average": lambda x, w, n: sl.average_pool(x, w.shape[:2], stride=n, padding="same"),
}


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_padding_same_gives_the_values_of_tensorflow(name, compiled):
    made, sizes = [], SIZES[-1:] if name == "transpose" else SIZES
    for size, kernel, n in product(sizes, KERNELS, DILATIONS if name == "dilated" else STRIDES):
        image = sl.asarray(VALUES[f"image {size[0]} {size[1]}"].astype("float32"))
        weights = sl.asarray(VALUES[f"kernel {kernel}"].astype("float32"))
        function = partial(OPERATIONS[name], n=n)
        result = np.asarray((sl.jit(function) if compiled else function)(image, weights))
        scale = n if name == "transpose" else 1 if name == "dilated" else 1 / n
        assert result.shape == (1, *(int(np.ceil(length * scale)) for length in size), 2), (size, kernel, n)
        made.append(result.ravel())
    np.testing.assert_allclose(np.concatenate(made), VALUES[name], rtol=0, atol=1e-4)

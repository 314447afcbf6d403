"""Networks as plain data: a list of records that every system builds for itself, with weights that come from here.

Shapes are those of one sample, images are (height, width, channels), kernels and gates have the order Keras has:
convolutions (height, width, in, out), transposed ones (height, width, out, in), LSTM input, forget, cell, output, GRU
update, reset, candidate. Padding "same" is even, (kernel - 1) // 2 zeros on every side, which all systems can do; where a stride
follows it differs from TensorFlow's rule. NumPy only: every system's interpreter reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod, sqrt

import numpy as np

SEED = 20
FLOAT = np.float32

Shape = tuple[int, ...]
Forms = dict[str, tuple[Shape, float]]  # a weight's shape and the spread of its values; 0 zeros, -1 ones
Weights = dict[str, dict[str, np.ndarray]]  # the weights of each layer that has any, by its path


@dataclass(frozen=True)
class Dense:
    units: int
    bias: bool = True

    def forms(self, shape: Shape) -> Forms:
        return {"kernel": ((shape[-1], self.units), he(shape[-1]))} | bias_of(self.units, self.bias)

    def out(self, shape: Shape) -> Shape:
        return *shape[:-1], self.units


@dataclass(frozen=True)
class Conv:
    filters: int
    kernel: int = 3
    stride: int = 1
    padding: str = "same"
    bias: bool = True

    @property
    def border(self) -> int:
        """Zeros on every side."""
        return (self.kernel - 1) // 2 if self.padding == "same" else 0

    def forms(self, shape: Shape) -> Forms:
        patch = (self.kernel, self.kernel, shape[-1])
        return {"kernel": ((*patch, self.filters), he(prod(patch)))} | bias_of(self.filters, self.bias)

    def out(self, shape: Shape) -> Shape:
        return *((n + 2 * self.border - self.kernel) // self.stride + 1 for n in shape[:2]), self.filters


@dataclass(frozen=True)
class Depthwise:
    """One filter a channel, without bias, padding "same"."""

    kernel: int = 3
    stride: int = 1

    @property
    def border(self) -> int:
        return (self.kernel - 1) // 2

    def forms(self, shape: Shape) -> Forms:
        return {"kernel": ((self.kernel, self.kernel, shape[-1], 1), he(self.kernel**2))}

    def out(self, shape: Shape) -> Shape:
        return *(-(-n // self.stride) for n in shape[:2]), shape[-1]


@dataclass(frozen=True)
class ConvTranspose:
    """Makes an image `stride` times larger; padding "same"."""

    filters: int
    kernel: int = 4
    stride: int = 2
    bias: bool = True

    @property
    def border(self) -> int:
        """Pixels cut off on every side, as the convolution that this one transposes has zeros there."""
        return (self.kernel - 1) // 2

    @property
    def extra(self) -> int:
        """Pixels more at the end, so that the image becomes `stride` times larger."""
        return self.stride - self.kernel + 2 * self.border

    def forms(self, shape: Shape) -> Forms:
        own = (self.kernel, self.kernel, self.filters, shape[-1])
        spread = he(self.kernel**2 * shape[-1] // self.stride**2)
        return {"kernel": (own, spread)} | bias_of(self.filters, self.bias)

    def out(self, shape: Shape) -> Shape:
        return *(n * self.stride for n in shape[:2]), self.filters


@dataclass(frozen=True)
class BatchNorm:
    """Statistics of the batch, moving ones kept beside; epsilon and momentum are Keras's."""

    epsilon: float = 1e-3
    momentum: float = 0.99

    def forms(self, shape: Shape) -> Forms:
        return {"gamma": ((shape[-1],), -1.0), "beta": ((shape[-1],), 0.0)}

    def out(self, shape: Shape) -> Shape:
        return shape


class Unchanged:
    """A layer without weights that keeps the shape."""

    def forms(self, shape: Shape) -> Forms:
        return {}

    def out(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True)
class Activation(Unchanged):
    """`relu`, `tanh` or `sigmoid`."""

    function: str


@dataclass(frozen=True)
class MaxPool(Unchanged):
    """The largest of 2 x 2 pixels; a last odd row or column is left out."""

    def out(self, shape: Shape) -> Shape:
        return shape[0] // 2, shape[1] // 2, shape[2]


@dataclass(frozen=True)
class Mean(Unchanged):
    """The mean of each channel over all pixels or steps."""

    def out(self, shape: Shape) -> Shape:
        return shape[-1:]


@dataclass(frozen=True)
class Flatten(Unchanged):
    def out(self, shape: Shape) -> Shape:
        return (prod(shape),)


@dataclass(frozen=True)
class Reshape(Unchanged):
    shape: Shape

    def out(self, shape: Shape) -> Shape:
        return self.shape


@dataclass(frozen=True)
class Residual(Unchanged):
    """What `inside` makes, plus what `shortcut` makes, or the input where that is empty."""

    inside: tuple[Layer, ...]
    shortcut: tuple[Layer, ...] = ()

    def out(self, shape: Shape) -> Shape:
        return after(self.inside, shape)


@dataclass(frozen=True)
class Lstm:
    """The last output of an LSTM over (steps, features)."""

    units: int
    gates = 4
    biases: Shape = ()

    def forms(self, shape: Shape) -> Forms:
        wide = self.gates * self.units
        return {
            "kernel": ((shape[-1], wide), 1 / sqrt(shape[-1])),
            "recurrent_kernel": ((self.units, wide), 1 / sqrt(self.units)),
            "bias": ((*self.biases, wide), 0.0),
        }

    def out(self, shape: Shape) -> Shape:
        return (self.units,)


@dataclass(frozen=True)
class Gru(Lstm):
    """The last output of a GRU whose reset gate acts after the product: two rows of biases."""

    gates = 3
    biases: Shape = (2,)


@dataclass(frozen=True)
class Encoder(Unchanged):
    """A Transformer encoder block: attention and two Dense layers with relu, each normalised after its sum."""

    heads: int
    hidden: int
    epsilon: float = 1e-5

    def forms(self, shape: Shape) -> Forms:
        width, forms = shape[-1], {}
        for name in ("query", "key", "value", "output"):
            forms[f"{name}_kernel"] = ((width, width), 1 / sqrt(width))
            forms[f"{name}_bias"] = ((width,), 0.0)
        for name in ("attention", "hidden"):
            forms[f"{name}_gamma"], forms[f"{name}_beta"] = ((width,), -1.0), ((width,), 0.0)
        return forms | {
            "up_kernel": ((width, self.hidden), he(width)),
            "up_bias": ((self.hidden,), 0.0),
            "down_kernel": ((self.hidden, width), 1 / sqrt(self.hidden)),
            "down_bias": ((width,), 0.0),
        }


Layer = (
    Dense | Conv | Depthwise | ConvTranspose | BatchNorm | Activation | MaxPool | Mean | Flatten | Reshape
    | Residual | Lstm | Gru | Encoder
)  # fmt: skip


def he(inputs: int) -> float:
    return sqrt(2 / inputs)


def bias_of(units: int, wanted: bool) -> Forms:
    return {"bias": ((units,), 0.0)} if wanted else {}


def after(layers: tuple[Layer, ...], shape: Shape) -> Shape:
    """The shape that layers make of one."""
    for layer in layers:
        shape = layer.out(shape)
    return shape


def named(layers: tuple[Layer, ...], path: str = "") -> Iterator[tuple[str, Layer]]:
    """The layers of one level, each with its path: "3", or "3.inside.0" within a residual."""
    return ((f"{path}{place}", layer) for place, layer in enumerate(layers))


def walk(layers: tuple[Layer, ...], shape: Shape, path: str = "") -> Iterator[tuple[str, Layer, Shape]]:
    """Every layer in depth, with its path and the shape it is given."""
    for name, layer in named(layers, path):
        yield name, layer, shape
        if isinstance(layer, Residual):
            yield from walk(layer.inside, shape, f"{name}.inside.")
            yield from walk(layer.shortcut, shape, f"{name}.shortcut.")
        shape = layer.out(shape)


@dataclass(frozen=True)
class Network:
    """Layers, and the shape of one sample they are given."""

    input: Shape
    layers: tuple[Layer, ...]

    @property
    def output(self) -> Shape:
        return after(self.layers, self.input)

    def weights(self) -> Weights:
        """The initial values of all weights: the same in every process."""
        generator = np.random.default_rng(SEED)

        def values(shape: Shape, spread: float) -> np.ndarray:
            if spread <= 0:
                return np.full(shape, -spread, FLOAT)
            return generator.standard_normal(shape, dtype=FLOAT) * FLOAT(spread)

        forms = ((path, layer.forms(shape)) for path, layer, shape in walk(self.layers, self.input))
        return {path: {name: values(*form) for name, form in own.items()} for path, own in forms if own}

    def shapes(self) -> list[Shape]:
        """The shapes all layers are given, those within residuals included."""
        return [shape for _, _, shape in walk(self.layers, self.input)]

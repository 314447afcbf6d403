"""TensorFlow on the networks: Keras layers, the whole training step in one `tf.function`, through XLA in one mode."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from keras import layers as kl
from workloads import layers as data
from workloads.adam import Adam
from workloads.layers import Layer
from workloads.network_work import NetworkInference, NetworkTraining

from systems import Prepared, mean_magnitude

VERSION = tf.__version__


def even(border: int) -> list[list[int]]:
    """Padding in TensorFlow's own form."""
    return [[0, 0], [border, border], [border, border], [0, 0]]


class Conv(kl.Conv2D):
    """A strided convolution with as many zeros before as behind, which Keras has no word for."""

    border = 0

    def convolution_op(self, inputs, kernel):
        return tf.nn.conv2d(inputs, kernel, self.strides, even(self.border))


class Depthwise(kl.DepthwiseConv2D):
    border = 0

    def call(self, inputs):
        return tf.nn.depthwise_conv2d(inputs, self.kernel, (1, *self.strides, 1), even(self.border))


class ConvTranspose(kl.Conv2DTranspose):
    border = 0

    def call(self, inputs):
        rows, height, width = tf.shape(inputs)[0], inputs.shape[1] * self.strides[0], inputs.shape[2] * self.strides[1]
        shape = (rows, height, width, self.filters)
        made = tf.nn.conv2d_transpose(inputs, self.kernel, shape, self.strides, even(self.border))
        return made if self.bias is None else made + self.bias


class Encoder(kl.Layer):
    """Attention and two Dense layers, each normalised after its sum."""

    def __init__(self, layer: data.Encoder, width: int, name: str) -> None:
        super().__init__(name=name)
        self.attention = kl.MultiHeadAttention(layer.heads, width // layer.heads)
        self.first = kl.LayerNormalization(epsilon=layer.epsilon)
        self.second = kl.LayerNormalization(epsilon=layer.epsilon)
        self.up, self.down = kl.Dense(layer.hidden, activation="relu"), kl.Dense(width)

    def build(self, shape):
        self.attention.build(shape, shape)
        for part in (self.first, self.second, self.up):
            part.build(shape)
        self.down.build((*shape[:-1], self.up.units))

    def call(self, x):
        x = self.first(x + self.attention(x, x))
        return self.second(x + self.down(self.up(x)))

    def fill(self, values: dict[str, np.ndarray]) -> None:
        heads = self.attention.num_heads
        apart = [
            values[f"{name}_{kind}"].reshape(*values[f"{name}_{kind}"].shape[:-1], heads, -1)
            for name in ("query", "key", "value")
            for kind in ("kernel", "bias")
        ]
        joined = values["output_kernel"].reshape(heads, -1, values["output_kernel"].shape[-1])
        self.attention.set_weights([*apart, joined, values["output_bias"]])
        self.first.set_weights([values["attention_gamma"], values["attention_beta"]])
        self.second.set_weights([values["hidden_gamma"], values["hidden_beta"]])
        self.up.set_weights([values["up_kernel"], values["up_bias"]])
        self.down.set_weights([values["down_kernel"], values["down_bias"]])


def layer_of(layer: Layer, name: str, channels: int):
    """A Keras layer for one of the data, by a name made of its path."""
    match layer:
        case data.Dense(units, bias):
            return kl.Dense(units, use_bias=bias, name=name)
        case data.Conv(filters, kernel, stride, padding, bias):
            if stride == 1:
                return kl.Conv2D(filters, kernel, padding=padding, use_bias=bias, name=name)
            made = Conv(filters, kernel, stride, padding="same", use_bias=bias, name=name)
            made.border = layer.border
            return made
        case data.Depthwise(kernel, stride):
            if stride == 1:
                return kl.DepthwiseConv2D(kernel, padding="same", use_bias=False, name=name)
            made = Depthwise(kernel, stride, padding="same", use_bias=False, name=name)
            made.border = layer.border
            return made
        case data.ConvTranspose(filters, kernel, stride, bias):
            made = ConvTranspose(filters, kernel, stride, padding="same", use_bias=bias, name=name)
            made.border = layer.border
            return made
        case data.BatchNorm(epsilon, momentum):
            return kl.BatchNormalization(epsilon=epsilon, momentum=momentum, name=name)
        case data.Activation(function):
            return kl.Activation(function, name=name)
        case data.MaxPool():
            return kl.MaxPooling2D(2, name=name)
        case data.Flatten():
            return kl.Flatten(name=name)
        case data.Reshape(target):
            return kl.Reshape(target, name=name)
        case data.Gru(units):
            return kl.GRU(units, name=name)
        case data.Lstm(units):
            return kl.LSTM(units, name=name)
        case data.Encoder():
            return Encoder(layer, channels, name)
    raise NotImplementedError(type(layer).__name__)


def sequence(layers: tuple[Layer, ...], path: str, x):
    for name, layer in data.named(layers, path):
        match layer:
            case data.Residual(inside, shortcut):
                x = kl.Add()([sequence(inside, f"{name}.inside.", x), sequence(shortcut, f"{name}.shortcut.", x)])
            case data.Mean():
                x = kl.GlobalAveragePooling2D()(x) if len(x.shape) == 4 else kl.GlobalAveragePooling1D()(x)
            case _:
                x = layer_of(layer, "at_" + name.replace(".", "_"), x.shape[-1])(x)
    return x


def network(work: NetworkTraining | NetworkInference, threads: int):
    """The network as a Keras model, holding the given weights."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # may be set before the first operation only
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    x = keras.Input(work.network.input)
    made = keras.Model(x, sequence(work.network.layers, "", x))
    for path, values in work.weights().items():
        layer = made.get_layer("at_" + path.replace(".", "_"))
        if isinstance(layer, Encoder):
            layer.fill(values)
            continue
        present = [values[w.name] for w in layer.weights if w.name in values]
        missing = [w.numpy() for w in layer.weights if w.name not in values]  # moving statistics, states of random numbers
        layer.set_weights(present + missing)
    return made


def optimizer(adam: Adam) -> keras.optimizers.Adam:
    return keras.optimizers.Adam(adam.learning_rate, adam.beta_1, adam.beta_2, adam.epsilon)


def network_training(work: NetworkTraining, mode: str, threads: int) -> Prepared:
    net = network(work, threads)
    xs, ys = work.data()
    classes = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    measure = classes if work.target == "classes" else keras.losses.MeanSquaredError()
    updates = optimizer(work.adam)
    updates.build(net.trainable_variables)

    @tf.function(jit_compile="XLA" in mode)
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = measure(y, net(x, training=True))
        updates.apply(tape.gradient(loss, net.trainable_variables), net.trainable_variables)
        return loss

    batches = [(tf.constant(x), tf.constant(y)) for x, y in zip(xs, ys, strict=True)]
    done, last = 0, tf.zeros(())

    def run(n: int) -> None:
        nonlocal done, last
        for i in range(done, done + n):
            last = step(*batches[i % len(batches)])
        done += n
        last.numpy()  # waits

    return Prepared(run, lambda: float(last))


def network_inference(work: NetworkInference, mode: str, threads: int) -> Prepared:
    net, x, last = network(work, threads), work.inputs(), np.zeros(1)
    call = tf.function(lambda x: net(x, training=False), jit_compile="XLA" in mode)

    def run(n: int) -> None:
        nonlocal last
        for _ in range(n):
            last = call(tf.constant(x)).numpy()

    return Prepared(run, lambda: mean_magnitude(last))

"""Whole jobs by TensorFlow: the augmentation layers of Keras."""

from __future__ import annotations

import keras
import tensorflow as tf
from workloads.jobs import Augmentation

from systems import Prepared, repeated

VERSION = tf.__version__


def augmentation(work: Augmentation, mode: str, threads: int) -> Prepared:
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    layers = keras.Sequential([
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomTranslation(work.shift, work.shift),
        keras.layers.RandomRotation(work.turn),
        keras.layers.RandomBrightness(work.brightness, value_range=(0, 1)),
        keras.layers.RandomContrast(work.contrast, value_range=(0, 1)),
    ])  # fmt: skip
    x = tf.constant(work.data())

    @tf.function
    def call(x: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(layers(x, training=True))

    return repeated(lambda: float(call(x)), checked=False)

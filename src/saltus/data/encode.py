"""Turns a clean column into what a network takes: numbers, category codes and words; one encoder a kind (that of images
is `image_column`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.data.column import ColumnPlan, ParsedColumn
from saltus.data.features import EncodeOptions, Encoder, Features
from saltus.data.image_column import ImageColumnEncoder
from saltus.data.lazy import LazyModule
from saltus.data.normalise import Scaler
from saltus.data.records import Change, counted
from saltus.data.spelling import CategoryRule, keys_of
from saltus.data.text import hashed_counts
from saltus.data.tokens import Tokenizer, Vocabulary

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

_DAY = 86_400_000_000  # microseconds
_WORDS_FOR_WORDS = 2.5
_WORDS_FOR_VOCABULARY = 6.0  # words a text, and texts, from which learnt vectors of words tell more than hashed counts
_TEXTS_FOR_VOCABULARY = 500
_ENOUGH_ROWS = 50  # a category of so many rows is never rare
_LARGEST_RARE_SHARE = 0.1  # of all rows; where more rows are rare, the more frequent of them are kept
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class NumberEncoder:
    """Rescales a number; a missing one becomes the training median, beside a column that says so.

    Attributes:
        plan: how the column is read.
        scaler: the fitted rescaling.
        fill: what a missing value is replaced by, in the column's own unit.
        indicator: the training rows had missing values, so a 0/1 column tells where they are.
        varies: the training rows had more than one value.
    """

    plan: ColumnPlan
    scaler: Scaler
    fill: float
    indicator: bool
    varies: bool = True

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[NumberEncoder, list[Change]]:
        known = column.values[~column.missing]
        fill = float(np.median(known)) if len(known) else 0.0
        if column.plan.kind == "boolean":
            fill = round(fill)
        kind = scaler or ("none" if column.plan.kind == "boolean" else "auto")
        varies = bool(len(known)) and float(known.min()) != float(known.max())
        indicator = len(known) < len(column.values)
        changes = []
        if indicator:
            count = len(column.values) - len(known)
            what = counted(count, "missing value")
            text = f"{what} replaced by the median {fill:.6g}, and marked in a column of its own"
            changes.append(Change(column.plan.name, "imputed", count, text))
        return cls(column.plan, Scaler.fit(known, kind), float(fill), indicator, varies), changes

    def encode(self, column: ParsedColumn) -> Features:
        gone, name = column.missing, self.plan.name
        numbers = {}
        if self.varies:
            scaled = self.scaler.apply(np.where(gone, self.fill, column.values))
            numbers[name] = np.clip(scaled, -_LARGEST, _LARGEST)
        if self.indicator:
            numbers[f"{name} (missing)"] = gone
        return Features(numbers)

    def treatment(self) -> str:
        how = "as it is" if self.scaler.kind == "none" else self.scaler.kind
        why = f" ({self.scaler.reason})" if self.scaler.reason else ""
        return f"{how}{why}" + (", missing marked" if self.indicator else "")

    def to_config(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_config(), "scaler": self.scaler.to_config(), "fill": self.fill,
            "indicator": self.indicator, "varies": self.varies,
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> NumberEncoder:
        return cls(
            **{
                **config,
                "plan": ColumnPlan.from_config(config["plan"]),
                "scaler": Scaler.from_config(config["scaler"]),
            }
        )


@dataclass(frozen=True)
class CategoryEncoder:
    """Numbers the categories: 0 is unseen or rare, then the known ones by frequency, then missing.

    Attributes:
        plan: how the column is read.
        labels: the known categories; label i has code i + 1.
        has_missing: missing has a code of its own, the last one; without it a missing value has code 0.
    """

    plan: ColumnPlan
    labels: tuple[str, ...]
    has_missing: bool

    @property
    def cardinality(self) -> int:
        return 1 + len(self.labels) + self.has_missing

    @property
    def _rule(self) -> CategoryRule:
        return self.plan.rule if isinstance(self.plan.rule, CategoryRule) else CategoryRule()

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[CategoryEncoder, list[Change]]:
        assert column.words is not None  # categories are read into words
        counts = np.bincount(column.values[column.values >= 0], minlength=len(column.words))
        order = np.lexsort((np.arange(len(counts)), -counts))
        order = order[counts[order] > 0]
        least = min(options.rare_share * len(column.values), _ENOUGH_ROWS)
        below = np.cumsum(counts[order][::-1])[::-1]  # rows of this category and all rarer ones
        keep = (counts[order] >= least) | (below > _LARGEST_RARE_SHARE * len(column.values))
        common = order[keep][: options.max_categories]
        rare = order[len(common) :]
        changes = []
        if len(rare):
            rows = int(counts[rare].sum())
            what = f"{counted(len(rare), 'rare category', 'rare categories')} ({counted(rows, 'row')})"
            text = f"{what} read as one with the unseen"
            shown = tuple(repr(word) for word in column.words.gather(rare[:3].tolist()).to_list())
            changes.append(Change(column.plan.name, "rare", rows, text, shown))
        labels = tuple(column.words.gather(common.tolist()).to_list())
        return cls(column.plan, labels, bool(column.missing.any())), changes

    def encode(self, column: ParsedColumn) -> Features:
        codes = self.codes(column)
        return Features(categories={self.plan.name: (codes, self.cardinality)})

    def codes(self, column: ParsedColumn) -> np.ndarray:
        """int32 (N,) codes of a column read by this encoder's plan."""
        assert column.words is not None
        known = keys_of(pl.Series(self.labels, dtype=pl.String), self._rule)
        words = keys_of(column.words, self._rule)
        places = np.zeros(len(words) + 1, np.int32)
        if len(known) and len(words):
            new = pl.Series(np.arange(1, len(known) + 1, dtype=np.int32))
            places[:-1] = words.replace_strict(known, new, default=0, return_dtype=pl.Int32).to_numpy()
        places[-1] = self.cardinality - 1 if self.has_missing else 0
        return places[column.values]

    def treatment(self) -> str:
        missing = " and missing" if self.has_missing else ""
        why = f" ({self.plan.reason})" if self.plan.reason else ""
        return f"embedded, {counted(len(self.labels), 'category', 'categories')}{missing}{why}"

    def to_config(self) -> dict[str, Any]:
        return {"plan": self.plan.to_config(), "labels": list(self.labels), "has_missing": self.has_missing}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CategoryEncoder:
        return cls(ColumnPlan.from_config(config["plan"]), tuple(config["labels"]), config["has_missing"])


@dataclass(frozen=True)
class DateEncoder:
    """Expands a date into elapsed time, year, month, weekday, place in the year, and time of day if any.

    Attributes:
        plan: how the column is read.
        origin: the earliest training date, microseconds since 1970.
        fill: the median training date, which stands in for a missing one.
        parts: the features that vary over the training rows, in order.
        scalers: the fitted rescaling of those parts that are plain numbers.
        indicator: the training rows had missing values.
    """

    plan: ColumnPlan
    origin: int
    fill: int
    parts: tuple[str, ...]
    scalers: dict[str, Scaler]
    indicator: bool

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[DateEncoder, list[Change]]:
        known = column.values[~column.missing].view(np.int64)
        origin = int(known.min()) if len(known) else 0
        fill = int(np.sort(known)[len(known) // 2]) if len(known) else 0
        clock = column.plan.kind == "time"
        values = _date_parts(known, origin)
        timed = bool((known % _DAY).any())
        wanted = [part for part in values if (timed if part.startswith("hour") else not clock)]
        parts = tuple(part for part in wanted if len(known) and float(np.ptp(values[part])) > 1e-9)
        scalers = {part: Scaler.fit(values[part], scaler or "standard") for part in parts if part in ("elapsed", "year", "hour")}
        indicator = len(known) < len(column.values)
        changes = [Change(column.plan.name, "expanded", len(parts), f"expanded into {', '.join(parts)}")] if parts else []
        return cls(column.plan, origin, fill, parts, scalers, indicator), changes

    def encode(self, column: ParsedColumn) -> Features:
        gone, name, features = column.missing, self.plan.name, Features()
        values = _date_parts(np.where(gone, self.fill, column.values.view(np.int64)), self.origin)
        for part in self.parts:
            if part in _CALENDAR:
                features.categories[f"{name}: {part}"] = (
                    np.where(gone, 0, values[part]).astype(np.int32),
                    _CALENDAR[part] + 1,
                )
            else:
                scaled = self.scalers[part].apply(values[part]) if part in self.scalers else np.where(gone, 0.0, values[part])
                features.numbers[f"{name}: {part}"] = scaled
        if self.indicator:
            features.numbers[f"{name} (missing)"] = gone
        return features

    def treatment(self) -> str:
        return f"expanded into {', '.join(self.parts) or 'nothing'}" + (", missing marked" if self.indicator else "")

    def to_config(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_config(),
            "origin": self.origin,
            "fill": self.fill,
            "parts": list(self.parts),
            "scalers": {part: scaler.to_config() for part, scaler in self.scalers.items()},
            "indicator": self.indicator,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> DateEncoder:
        scalers = {part: Scaler.from_config(scaler) for part, scaler in config["scalers"].items()}
        return cls(
            **{
                **config,
                "plan": ColumnPlan.from_config(config["plan"]),
                "parts": tuple(config["parts"]),
                "scalers": scalers,
            }
        )


_CALENDAR = {"month": 12, "day of week": 7}  # parts that are categories, code 0 being missing


def _date_parts(micros: np.ndarray, origin: int) -> dict[str, np.ndarray]:
    """The calendar parts of times (N,), microseconds since 1970; months and weekdays (Monday) are from 1."""
    times = micros.astype("datetime64[us]")
    days, months, years = (times.astype(f"datetime64[{unit}]") for unit in "DMY")
    place = 2 * np.pi * (days - years.astype("datetime64[D]")).astype(np.int64) / 365.25
    hour = (micros % _DAY) / (_DAY / 24)
    turn = 2 * np.pi * hour / 24
    return {
        "elapsed": (micros - origin) / _DAY, "year": years.astype(np.int64) + 1970.0,
        "month": months.astype(np.int64) % 12 + 1, "day of week": (days.astype(np.int64) + 3) % 7 + 1,
        "day of year sin": np.sin(place), "day of year cos": np.cos(place),
        "hour": hour, "hour sin": np.sin(turn), "hour cos": np.cos(turn),
    }  # fmt: skip


@dataclass(frozen=True)
class TextEncoder:
    """Hashes a text into a fixed number of features.

    Attributes:
        plan: how the column is read.
        width: features a text.
        grams: counts groups of three letters, for texts of one or two words; else words.
        indicator: the training rows had missing values.
    """

    plan: ColumnPlan
    width: int
    grams: bool
    indicator: bool

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[TextEncoder, list[Change]]:
        assert column.words is not None
        spaces = column.words.str.count_matches(r"\s+").mean()
        grams = 1.0 + (float(spaces) if isinstance(spaces, int | float) else 0.0) < _WORDS_FOR_WORDS
        what = "groups of three letters" if grams else "words"
        limit = f"{options.text_width} features; text_width= changes the limit"
        text = f"free text read as {what} hashed into {limit}"
        made = cls(column.plan, options.text_width, grams, bool(column.missing.any()))
        return made, [Change(column.plan.name, "hashed", options.text_width, text)]

    def encode(self, column: ParsedColumn) -> Features:
        assert column.words is not None
        table = hashed_counts(column.words, self.width, grams=self.grams)
        rows = np.concatenate([table, np.zeros((1, self.width), np.float32)])[column.values]
        numbers = {f"{self.plan.name} (text)": rows}
        if self.indicator:
            numbers[f"{self.plan.name} (missing)"] = column.missing
        return Features(numbers)

    def treatment(self) -> str:
        return f"{'letter groups' if self.grams else 'words'} hashed into {self.width}" + (", missing marked" if self.indicator else "")

    def to_config(self) -> dict[str, Any]:
        return {
            "plan": self.plan.to_config(),
            "width": self.width,
            "grams": self.grams,
            "indicator": self.indicator,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> TextEncoder:
        return cls(**{**config, "plan": ColumnPlan.from_config(config["plan"])})


@dataclass(frozen=True)
class WordsEncoder:
    """Numbers the words of a text, so that the network learns a vector for each.

    Attributes:
        plan: how the column is read.
        vocabulary: the numbers.
        indicator: the training rows had missing values.
        learnt: the training texts and their numbers, until they are asked for: cutting texts takes long.
    """

    plan: ColumnPlan
    vocabulary: Vocabulary
    indicator: bool
    learnt: list[tuple[pl.Series, np.ndarray]] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def fit(cls, column: ParsedColumn, options: EncodeOptions, scaler: str) -> tuple[WordsEncoder, list[Change]]:
        assert column.words is not None
        texts = column.words.gather(np.unique(column.values[~column.missing]))
        tokenizer = Tokenizer.of(options.tokenizer or "words", texts, size=options.tokenizer_size)
        grams, most = (1 if options.ordered else options.grams), options.most_words
        vocabulary, table = Vocabulary.fit(texts, tokenizer, grams=grams, longest=options.longest, most=most, ordered=options.ordered)
        made = cls(column.plan, vocabulary, bool(column.missing.any()), [(texts, table)])
        return made, [Change(column.plan.name, "words", vocabulary.size - 1, f"free text: {made.treatment()}")]

    def encode(self, column: ParsedColumn) -> Features:
        assert column.words is not None
        used, place = np.unique(column.values, return_inverse=True)
        known = used[used >= 0]
        texts = column.words.gather(known)
        training, table = self.learnt.pop() if self.learnt else (None, None)
        if table is None or training is None or not texts.equals(training):
            table = self.vocabulary.encode(texts)
        blank = np.zeros((len(used) - len(known), table.shape[1]), np.int32)
        numbers = {self.plan.name: (np.concatenate([blank, table])[place], self.vocabulary.size)}
        return Features({f"{self.plan.name} (missing)": column.missing} if self.indicator else {}, texts=numbers)

    def treatment(self) -> str:
        words = self.vocabulary
        kind = {"words": "words", "characters": "characters"}.get(words.tokenizer.kind, f"tokens ({words.tokenizer.kind})")
        groups = "" if words.grams == 1 else " and pairs of them" if words.grams == 2 else f" and groups of up to {words.grams}"
        order = ", in order" if words.ordered else ""
        missing = ", missing marked" if self.indicator else ""
        return f"{words.size - 1:,} {kind}{groups}, the first {words.longest:,} of a text{order}{missing}"

    def to_config(self) -> dict[str, Any]:
        return {"plan": self.plan.to_config(), "vocabulary": self.vocabulary.to_config(), "indicator": self.indicator}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WordsEncoder:
        vocabulary = Vocabulary.from_config(config["vocabulary"])
        return cls(ColumnPlan.from_config(config["plan"]), vocabulary, config["indicator"])


_ENCODERS: dict[str, Any] = {
    "number": NumberEncoder, "boolean": NumberEncoder, "category": CategoryEncoder,
    "date": DateEncoder, "time": DateEncoder, "text": TextEncoder, "image": ImageColumnEncoder,
}  # fmt: skip


def fit_encoder(column: ParsedColumn, options: EncodeOptions, scaler: str = "") -> tuple[Encoder, list[Change]]:
    """Fit the encoder of a column's kind to its training rows; `scaler` names a rescaling, "" chooses one."""
    kind = WordsEncoder if column.plan.kind == "text" and _by_words(column, options) else _ENCODERS[column.plan.kind]
    made: tuple[Encoder, list[Change]] = kind.fit(column, options, scaler)
    return made


def _by_words(column: ParsedColumn, options: EncodeOptions) -> bool:
    """Whether a free text is read word by word: as asked, or when there are enough long ones to learn from."""
    if options.tokenizer or column.words is None:
        return bool(options.tokenizer)
    words = 1.0 + float(column.words.str.count_matches(r"\s+").mean() or 0.0)  # type: ignore[arg-type]
    return words >= _WORDS_FOR_VOCABULARY and int((~column.missing).sum()) >= _TEXTS_FOR_VOCABULARY


def encoder_from_config(config: dict[str, Any]) -> Encoder:
    """The encoder that its `to_config` wrote."""
    made: Encoder = (WordsEncoder if "vocabulary" in config else _ENCODERS[config["plan"]["kind"]]).from_config(config)
    return made

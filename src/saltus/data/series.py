"""Time series for networks: windows of the past, scaled by themselves, and what comes one or more horizons later.

The way of a series: `lines` (regular grids) -> `SeriesEncoder` -> `SeriesWindows`. What is learnt (spreads, means, whether
to take logarithms) is learnt from the steps before `end` only, and a window sees nothing after its origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, ModelFileError, unknown_name
from saltus.data.lines import Layout, Line, describe_lines, find_layout, read_lines
from saltus.data.read import Table, read_table
from saltus.data.records import Change, counted
from saltus.data.table import TableReport

Array = np.ndarray[Any, Any]

_FORMAT = 1
_CLIP = 8.0  # spreads from the middle at which an input is cut off
_BACK = 8  # steps of another column that are seen
_LOG_RANGE = 2.5  # a positive series whose level grows by more is learnt in logarithms
_LONGEST = 256
_AT_ONCE = 65_536  # windows of a series that are looked at together


@dataclass(frozen=True)
class SeriesWindows:
    """Windows as a network takes them, with what is needed to read its results.

    Attributes:
        numbers: float32 (N, F): the past, calendars, other columns.
        codes: int32 (N, 1), the series' number, 0 for one not known; (N, 0) with a single series.
        target: float32 (N, H), the change until each horizon in spreads; None where the future is not known.
        level: float64 (N,), the last value, in logarithms where these are taken.
        spread: float64 (N, H), the unit of the changes.
        actual: float64 (N, H), the values to forecast, NaN where not known.
        naive, seasonal: float64 (N, H), the last value, and the last one of the same season.
        unit: float64 (N,), the mean absolute error of the seasonal-naive forecast in training, for MASE.
        line: int64 (N,), which series of the data.
        origin: int64 (N,), number of the last step that is seen.
        notes: what was noticed.
    """

    numbers: Array
    codes: Array
    target: Array | None
    level: Array
    spread: Array
    actual: Array
    naive: Array
    seasonal: Array
    unit: Array
    line: Array
    origin: Array
    notes: tuple[Change, ...] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def inputs(self) -> Any:
        """Numbers, and the series' number where there are several."""
        return (self.numbers, self.codes) if self.codes.shape[1] else self.numbers


class SeriesEncoder:
    """Turns tables of series into windows; fitted on the past only.

    Args:
        target: the column to forecast; None takes the last column of numbers.
        time: the column of times; None finds it.
        key: the column that tells series apart; None finds it.
        horizons: how far ahead: steps, or names such as "month" and "quarter".
        window: steps of the past that are seen; None chooses by season and horizons.
        frequency: such as "day"; None finds it.
        repeated: what to do with several values of one time: "error", "mean", "last", "sum".
        known: columns whose future is known when forecasting, such as holidays.
        overrides: how single columns are read; "drop" leaves one out.

    Example:
        >>> rows = {"day": np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]"), "sold": np.arange(60.0) % 7}
        >>> encoder = SeriesEncoder(horizons=(1, "week"), window=14)
        >>> lines, notes = encoder.open(read_table(rows))
        >>> encoder.fit(lines)
        >>> encoder.steps, encoder.windows(lines).target.shape
        ((1, 7), (40, 2))
    """

    task = "regression"
    classes: tuple[Any, ...] = ()

    def __init__(
        self, target: str | None = None, *, time: str | None = None, key: str | None = None, horizons: Sequence[int | str] = (1,),
        window: int | None = None, frequency: str | None = None, repeated: str = "error", known: Sequence[str] = (),
        overrides: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        if not horizons:
            raise ArgumentError("horizons is empty: there is nothing to forecast", fix='give steps ahead or names, such as (1, "month")')
        if window is not None and window < 2:
            raise ArgumentError(f"window is {window}, expected steps from 2 on")
        self.asked = {
            "target": target, "time": time, "key": key, "frequency": frequency, "repeated": repeated, "overrides": dict(overrides or {}),
        }  # fmt: skip
        self.horizons, self.window, self.known = tuple(horizons), window, tuple(known)
        self.layout: Layout | None = None
        self.logarithm = False
        self.spreads: dict[str, float] = {}
        self.units: dict[str, float] = {}
        self.growth: list[float] = []
        self.scales: list[list[float]] = []
        self.notes: tuple[Change, ...] = ()
        self.said = ""

    # -- reading -------------------------------------------------------------------------------------------------------

    def open(self, table: Table) -> tuple[list[Line], list[Change]]:
        """The series of a table; the first table settles columns, frequency and horizons.

        Returns:
            The series, and what there is to say.

        Raises:
            DataError, UnknownNameError: see `find_layout` and `read_lines`.
        """
        notes: list[Change] = []
        if self.layout is None:
            self.layout, notes = find_layout(table, **self.asked)
            wrong = [name for name in self.known if name not in self.layout.others]
            if wrong:
                raise unknown_name("known column", wrong[0], self.layout.others)
        lines, more = read_lines(table, self.layout)
        return lines, [*notes, *more]

    @property
    def columns(self) -> Layout:
        """The columns and the frequency."""
        if self.layout is None:
            raise ArgumentError("the series encoder has not seen a table yet", fix="call open(table) first")
        return self.layout

    @property
    def steps(self) -> tuple[int, ...]:
        """The horizons in steps, rising."""
        made = [self.columns.frequency.steps(horizon) for horizon in self.horizons]
        return tuple(sorted(set(made)))

    @property
    def labels(self) -> tuple[str, ...]:
        """A word for each horizon: its name, or the steps with a plus."""
        by_name = {self.columns.frequency.steps(h): str(h) for h in self.horizons if isinstance(h, str) and not h.isdigit()}
        return tuple(by_name.get(step, f"+{step}") for step in self.steps)

    # -- fitting -------------------------------------------------------------------------------------------------------

    def fit(self, lines: Sequence[Line], end: int | None = None) -> None:
        """Learn from the steps before `end` how the series are scaled.

        Args:
            lines: the series.
            end: number of the first step that is not to be seen; None for all.

        Raises:
            DataError: every series is shorter than a window and the furthest horizon.
        """
        past = [_before(line, end) for line in lines]
        past = [line for line in past if len(line.values)]
        season, furthest = self.columns.frequency.season, self.steps[-1]
        longest = max((len(line.values) for line in past), default=0)
        if self.window is None:
            usual = min(max(2 * season, furthest, 16), _LONGEST)
            self.window = max(2, min(usual, (longest - furthest) // 2))
        need = self.window + furthest
        if longest < need + 1:
            whose = "the longest series" if len(lines) > 1 else "the series"
            needed = f"a window of {self.window} and a horizon of {furthest} need {need + 1:,} at least"
            what = f"{whose} has {longest:,} steps to learn from; {needed}"
            raise DataError(what, fix="give more rows, a shorter window (--set window=N) or a nearer horizon")
        values = np.concatenate([line.values for line in past])
        low, high = np.quantile(values, [0.02, 0.98])
        self.logarithm = bool(values.min() > 0 and high > _LOG_RANGE * low)
        self.spreads, self.units = {}, {}
        for line in past:
            y = self._level(line.values)
            self.spreads[line.name] = float(np.sqrt(np.mean(np.diff(y) ** 2))) if len(y) > 1 else 0.0
            lag = season if len(y) > season else 1
            self.units[line.name] = float(np.mean(np.abs(line.values[lag:] - line.values[:-lag]))) if len(y) > lag else 0.0
        others = np.concatenate([line.others for line in past])
        self.scales = [_scale(column) for column in others.T]
        self.growth = [1.0] * len(self.steps)
        places = self.places(past)
        count = sum(map(len, places))
        if not count:
            raise DataError("no window has all of its horizons measured", fix="give more rows, or a nearer horizon")
        power = np.zeros(len(self.steps))
        for line, at in zip(past, places, strict=True):
            for first in range(0, len(at), _AT_ONCE):
                target = self.windows_at([line], [at[first : first + _AT_ONCE]]).target
                assert target is not None
                power += np.sum(np.clip(target, -1e3, 1e3) ** 2, axis=0, dtype=np.float64)
        self.growth = [max(float(g), 1e-3) for g in np.sqrt(power / count)]

    def _level(self, values: Array) -> Array:
        # an unusual value at or below nothing, where training had none, stays finite
        return np.log(np.maximum(values, 1e-9)) if self.logarithm else values

    # -- windows -------------------------------------------------------------------------------------------------------

    def windows(self, lines: Sequence[Line], begin: int | None = None, end: int | None = None) -> SeriesWindows:
        """All windows whose horizons were measured and lie from `begin` to before `end`, by series and time.

        Args:
            lines: the series.
            begin: number of the first step that may be forecast; None for the first there is.
            end: number of the first step that may not; None for the last there is.
        """
        return self.windows_at(lines, self.places(lines, begin, end))

    def windows_at(self, lines: Sequence[Line], places: Sequence[Array]) -> SeriesWindows:
        """Windows that end at some of the places of series, whose horizons were measured."""
        return self._made(lines, places, known=True)

    def places(self, lines: Sequence[Line], begin: int | None = None, end: int | None = None) -> list[Array]:
        """Where the windows of `windows` end: for each series places in its steps, rising."""
        furthest, steps = self.steps[-1], np.array(self.steps)
        places = []
        for line in lines:
            first = max(self._width - 1, 0 if begin is None else begin - 1 - line.start)
            last = min(line.last, len(line.values) - 1 if end is None else end - 1 - line.start) - furthest
            origins = np.arange(first, max(first, last + 1))
            places.append(origins[line.seen[origins[:, None] + steps].all(axis=1)])
        return places

    def latest(self, lines: Sequence[Line]) -> SeriesWindows:
        """The window of each series that ends with its last measured value.

        Raises:
            DataError: a series is shorter than the window; it is named.
        """
        for line in lines:
            if line.last + 1 < self._width:
                whose = f"the series {line.name!r}" if line.name else "the series"
                what = f"{whose} has {counted(line.last + 1, 'value')}, the model looks back over {self._width}"
                raise DataError(what, fix="give at least so many rows before the first forecast")
        return self._made(lines, [np.array([line.last]) for line in lines], known=False)

    @property
    def _width(self) -> int:
        assert self.window is not None
        return self.window

    def _made(self, lines: Sequence[Line], places: Sequence[Array], *, known: bool) -> SeriesWindows:
        parts = [self._of_line(line, at, known=known) for line, at in zip(lines, places, strict=True)]
        which = np.repeat(np.arange(len(lines)), [len(at) for at in places])
        origin = np.concatenate([line.start + at for line, at in zip(lines, places, strict=True)])
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        target = joined.pop("target").astype(np.float32)
        numbers = joined.pop("numbers").astype(np.float32)
        codes = joined.pop("codes").astype(np.int32)
        return SeriesWindows(numbers, codes, target if known else None, **joined, line=which, origin=origin)

    def _of_line(self, line: Line, at: Array, *, known: bool) -> dict[str, Array]:
        """Everything about the windows of one series that end at the places `at` (n,)."""
        width, steps, season = self._width, np.array(self.steps), self.columns.frequency.season
        seen = self._level(line.values[at[:, None] + np.arange(1 - width, 1)])
        level = seen[:, -1]
        own = np.sqrt(np.mean(np.diff(seen, axis=1) ** 2, axis=1))
        spread = np.maximum(own, 0.1 * self.spreads.get(line.name, 0.0))
        spread = np.where(spread > 0, spread, 1.0)
        back = np.sqrt(np.arange(width - 1, 0, -1))
        parts = [(seen[:, :-1] - level[:, None]) / (spread[:, None] * back)]
        before = at[:, None] + steps - season * -(-steps // season)  # the same season, at or before the origin
        repeated = before >= 0
        again = np.where(repeated, self._level(line.values[np.maximum(before, 0)]), level[:, None])
        unit = spread[:, None] * np.array(self.growth)
        if season > 1:
            parts.append((again - level[:, None]) / unit)
        ahead = np.concatenate([[0], steps]) if len(steps) <= 6 else np.array([0])
        calendar = self.columns.frequency.calendar(self.columns.frequency.times(line.start + at[:, None] + ahead))
        parts.append(2 * calendar.reshape(len(at), calendar.shape[1] * calendar.shape[2]))
        for place, (centre, scale) in enumerate(self.scales):
            back_then = line.others[at[:, None] - np.arange(min(_BACK, width)), place]
            recent = np.nan_to_num((back_then - centre) / scale)
            parts += [recent[:, :1], recent[:, 1:] - recent[:, :1]]
            if self.columns.others[place] in self.known:
                later = line.others[self._ahead(line, at[:, None] + steps, self.columns.others[place], known=known), place]
                parts.append(np.nan_to_num((later - centre) / scale))
        inside = at[:, None] + steps < len(line.values)
        future = np.minimum(at[:, None] + steps, len(line.values) - 1)
        actual = np.where(inside & line.seen[future], line.values[future], np.nan)
        code = list(self.spreads).index(line.name) + 1 if line.name in self.spreads else 0
        fallback = float(np.median(list(self.units.values())))
        return {
            "numbers": np.clip(np.concatenate(parts, axis=1), -_CLIP, _CLIP),
            "codes": np.full((len(at), 1 if len(self.spreads) > 1 else 0), code),
            "target": (self._level(line.values[future]) - level[:, None]) / unit,
            "level": level,
            "spread": unit,
            "actual": actual,
            "naive": np.repeat(line.values[at][:, None], len(steps), axis=1),
            "seasonal": np.where(repeated, line.values[np.maximum(before, 0)], line.values[at][:, None]),
            "unit": np.full(len(at), self.units.get(line.name, fallback) or fallback),
        }

    def _ahead(self, line: Line, places: Array, name: str, *, known: bool) -> Array:
        """Places of a known column in the future, which the data must reach."""
        short = int(places.max(initial=0)) - len(line.values) + 1
        if short > 0 and not known:
            whose = f" of {line.name!r}" if line.name else ""
            what = f"the future of the known column {name!r}{whose} is {counted(short, 'step')} too short for the horizons"
            raise DataError(what, fix="add rows with their times and the known columns, the target left blank")
        return np.minimum(places, len(line.values) - 1)

    def decode(self, windows: SeriesWindows, outputs: Array) -> Array:
        """Forecasts (N, H) in the target's own unit."""
        found = windows.level[:, None] + np.asarray(outputs, np.float64).reshape(len(windows), -1) * windows.spread
        return np.exp(np.minimum(found, 700.0)) if self.logarithm else found

    # -- as any encoder ------------------------------------------------------------------------------------------------

    def transform(self, source: Any, *, target: bool | None = None) -> SeriesWindows:
        """The latest window of each series, or with a target all windows whose future is measured.

        Raises:
            DataError: a column is missing, a time comes twice, or a series is shorter than the window.
        """
        lines, notes = self.open(read_table(source))
        made = self.windows(lines) if target else self.latest(lines)
        if not len(made):
            what = f"no series has {self._width + self.steps[-1]} steps in a row: a window of {self._width} and the furthest horizon"
            raise DataError(what, fix="give more rows")
        return SeriesWindows(**{**{f: getattr(made, f) for f in made.__dataclass_fields__}, "notes": tuple(notes)})

    def decode_target(self, predictions: Any) -> Array:
        """Changes as they are: their unit differs from window to window; see `decode`."""
        return np.asarray(predictions, np.float64)

    def describe(self) -> TableReport:
        """The columns, and what was done to them."""
        layout = self.columns
        how = {layout.time: "the time", layout.key: "tells the series apart", layout.target: f"forecast {', '.join(self.labels)} ahead"}
        if self.window is not None:
            scale = "logarithms, " if self.logarithm else ""
            how[layout.target] += f" from {self.window} steps; {scale}scaled by each window's own changes"
        columns = []
        for name, plan in layout.plans.items():
            done = how.get(name) or ("standardised; its future is known" if name in self.known else "standardised, the past only")
            facts = {"name": name, "kind": plan.kind, "missing": plan.missing, "distinct": plan.distinct, "example": plan.example}
            columns.append({**facts, "treatment": done})
        return TableReport(tuple(columns), self.notes)

    def told(self, lines: Sequence[Line]) -> str:
        """One line on what was read."""
        return describe_lines(lines, self.columns)

    def to_config(self) -> dict[str, Any]:
        """The fitted encoder as plain values."""
        return {
            "format": _FORMAT, "layout": self.columns.to_config(), "horizons": list(self.horizons), "window": self.window,
            "known": list(self.known), "logarithm": self.logarithm, "spreads": self.spreads, "units": self.units,
            "growth": self.growth, "scales": self.scales, "notes": [note.to_config() for note in self.notes],
        }  # fmt: skip

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SeriesEncoder:
        """The encoder that `to_config` wrote.

        Raises:
            ModelFileError: it is damaged, or of a later format.
        """
        if config.get("format") != _FORMAT:
            raise ModelFileError(f"the series encoder has the format {config.get('format')!r}, this saltus reads {_FORMAT}")
        try:
            made = cls(horizons=config["horizons"], window=config["window"], known=config["known"])
            made.layout = Layout.from_config(config["layout"])
            made.logarithm, made.spreads, made.units = config["logarithm"], config["spreads"], config["units"]
            made.growth, made.scales = config["growth"], config["scales"]
            made.notes = tuple(Change.from_config(note) for note in config["notes"])
        except (KeyError, TypeError) as error:
            raise ModelFileError(f"the series encoder's configuration is damaged: {error!r}", fix="save the model again") from error
        return made


def _before(line: Line, end: int | None) -> Line:
    """A series up to a step."""
    size = len(line.values) if end is None else max(0, min(len(line.values), end - line.start))
    return Line(line.name, line.start, line.values[:size], line.seen[:size], line.others[:size])


def _scale(column: Array) -> list[float]:
    """Mean and spread of a column, by its middle: a few wild values do not count."""
    known = column[~np.isnan(column)]
    if not len(known):
        return [0.0, 1.0]
    low, centre, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349 or float(known.std())
    return [float(centre), float(spread) or 1.0]

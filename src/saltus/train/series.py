"""From a raw table of time series to a model that forecasts from raw rows. Above `fitted` and `data`.

    model = fit_series("sales.csv", "sold", horizons=("week", "month"))
    model.predictions("sales.csv").beside
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus import nn
from saltus.base.errors import ArgumentError, DataError
from saltus.data import read_table
from saltus.data.lazy import LazyModule
from saltus.data.lines import Line
from saltus.data.normalise import shortest
from saltus.data.records import Change
from saltus.data.series import SeriesEncoder, SeriesWindows
from saltus.data.window_rows import StreamedWindows, WindowRows
from saltus.train.fitted import FitOptions, Fitted, Judgement, Predictions, chosen_plan, optimizer_of, with_changes
from saltus.train.model import Model
from saltus.train.plan import training_plan
from saltus.train.prepared import Prepared

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

Array = np.ndarray[Any, Any]

SEASONAL = "seasonal naive"
_WIDTHS = (64, 32)


@dataclass(frozen=True)
class SeriesOptions(FitOptions):
    """How series are learnt: `FitOptions`, and what only series have.

    Attributes:
        test, validation: shares of the time at the end, the validation before the test; test also takes another
            table.
        network: a network of one's own; it gets numbers (N, F) and, of several series, their numbers (N, 1), and
            returns a change for each horizon (N, H).
        horizon: how far ahead: steps, or names such as "month" and "quarter".
        window: steps of the past that are seen; None chooses by season and horizons.
        time, key: the columns of times, and of what tells series apart; None finds them.
        frequency: such as "day" or "15 minutes"; None finds it.
        repeated: what to do with several values of one time: "error", "mean", "last", "sum".
        known: columns whose future is known when forecasting, such as holidays.
        overrides: how single columns are read, by name; "drop" leaves one out.
        hidden: units of the hidden layers beside the linear way.
        activation: of the hidden layers.
        memory: bytes that the windows may take. Where they would take more, they are cut while the training runs, with the
            same weights, bit for bit, and validation and test take 100,000 windows each at most. In memory are then the series
            alone: 9 bytes a step, and 8 for each further column.
    """

    weight_decay: float | None = 0.01
    dropout: float = 0.2
    validation: float = 0.15
    horizon: Sequence[int | str] = (1,)
    window: int | None = None
    time: str | None = None
    key: str | None = None
    frequency: str | None = None
    repeated: str = "error"
    known: Sequence[str] = ()
    overrides: Mapping[str, Any] | None = None
    hidden: Sequence[int] = _WIDTHS
    activation: Any = "relu"
    memory: float = 1e9


class SeriesModel(Fitted):
    """A network with the encoder of its series: raw rows in, forecasts out. See `Fitted`.

    Its baseline says that nothing changes (naive); `others` holds the forecast by the last value of the same season.

    A forecast is the naive one plus a share of the change that the network says; the share of each horizon is chosen on
    the validation part, so that a network that has found nothing falls back to saying so.
    """

    kind = "series"
    title = "time series"
    beside = "naive"
    encoders = SeriesEncoder

    @property
    def target(self) -> str:
        """Name of the column that is forecast."""
        return str(self.encoder.columns.target)

    @property
    def shares(self) -> Array:
        """Share of the network's change that is believed, a horizon (H,); kept as `trivial`."""
        return np.asarray(self.trivial)

    def predict(self, source: Any) -> Array:
        """Forecasts from the end of the data.

        Args:
            source: anything `read_table` takes.

        Returns:
            float64 (series, horizons), in the target's own unit; series by name, horizons rising.

        Raises:
            DataError: a column is missing, a time comes twice, or a series is shorter than the window.
        """
        return self.forecasts(self.encoder.transform(source, target=False))

    def forecasts(self, windows: SeriesWindows) -> Array:
        """Forecasts of encoded windows, float64 (N, H)."""
        return self.encoder.decode(windows, self.outputs(windows).reshape(len(windows), -1) * self.shares)  # type: ignore[no-any-return]

    def predictions(self, source: Any) -> Predictions:
        lines, notes = self.encoder.open(read_table(source))
        windows = self.encoder.latest(lines)
        layout, steps = self.encoder.columns, np.array(self.encoder.steps)
        given: dict[str, Any] = {}
        if layout.key:
            given[layout.key] = [lines[i].name for i in windows.line for _ in steps]
        times = layout.frequency.times((windows.origin[:, None] + steps).reshape(-1))
        whole_days = bool((times == times.astype("datetime64[D]")).all())
        given[layout.time] = times.astype("datetime64[D]") if whole_days else times
        given["ahead"] = [label for _ in windows.line for label in self.encoder.labels]
        made = {f"{self.target} (predicted)": shortest(self.forecasts(windows).reshape(-1))}
        return Predictions(pl.DataFrame(made), pl.DataFrame(given), tuple(str(note) for note in notes))

    def judge(self, encoded: SeriesWindows) -> Judgement:
        """As `evaluate`, of encoded windows."""
        if not len(encoded):
            raise DataError("no window has all of its horizons measured", fix="give more rows")
        labels = self.encoder.labels
        methods = (self.forecasts(encoded), encoded.naive, encoded.seasonal)
        model, naive, seasonal = (series_scores(encoded.actual, made, encoded.unit, labels) for made in methods)
        others = {SEASONAL: seasonal} if self.encoder.columns.frequency.season > 1 else {}
        notes = tuple(str(note) for note in encoded.notes)
        return Judgement(len(encoded), model, naive, (), notes, others, true=encoded.actual, said=methods[0])

    def settle(self, checked: Any) -> None:
        self.trivial = (1.0,) * len(self.encoder.steps)
        if checked is not None:
            self.choose_shares(checked)

    def choose_shares(self, checked: SeriesWindows) -> None:
        """Choose how much of the network's change is believed, on windows that it was not trained on.

        It is the share of least squares, shrunk by its own uncertainty: to nothing where it does not exceed its standard
        error. Errors of the same time, and of windows that overlap, go together and count as one.

        Source: the positive-part estimate of James and Stein, "Estimation with quadratic loss", 1961, with standard
        errors clustered by time.
        """
        assert checked.target is not None
        made = self.outputs(checked).reshape(len(checked), -1).astype(np.float64)
        power = np.maximum(np.sum(made**2, axis=0), 1e-12)
        best = np.sum(made * checked.target, axis=0) / power
        times, place = np.unique(checked.origin, return_inverse=True)
        pulls = np.zeros((len(times), made.shape[1]))
        np.add.at(pulls, place, made * (checked.target - best * made))
        doubt = np.array(self.encoder.steps) * np.sum(pulls**2, axis=0) / power**2
        self.trivial = tuple((np.clip(best, 0.0, 1.0) * np.maximum(0.0, 1.0 - doubt / np.maximum(best**2, 1e-12))).tolist())


def series_scores(actual: Array, forecast: Array, unit: Array, labels: Sequence[str]) -> dict[str, float]:
    """Mean absolute error, root mean square error and scaled error, over all horizons and of each.

    Args:
        actual, forecast: (N, H), in the target's own unit.
        unit: (N,), what the absolute error is divided by for MASE: that of the seasonal-naive forecast in training.
        labels: a word for each horizon.

    Source: Hyndman and Koehler, "Another look at measures of forecast accuracy", 2006.

    Example:
        >>> series_scores(np.array([[1.0, 2.0]]), np.array([[1.0, 3.0]]), np.array([2.0]), ("+1", "+2"))["mase"]
        0.25
    """
    error = forecast - actual
    scaled = np.abs(error) / np.where(unit > 0, unit, np.nan)[:, None]
    made = {"mae": float(np.mean(np.abs(error))), "rmse": float(np.sqrt(np.mean(error**2)))}
    if np.isfinite(scaled).any():
        made["mase"] = float(np.nanmean(scaled))
    if len(labels) > 1:
        for place, label in enumerate(labels):
            made[f"mae {label}"] = float(np.mean(np.abs(error[:, place])))
            made[f"rmse {label}"] = float(np.sqrt(np.mean(error[:, place] ** 2)))
            if "mase" in made:
                made[f"mase {label}"] = float(np.nanmean(scaled[:, place]))
    return made


def fit_series(source: Any, target: str | None = None, options: SeriesOptions | None = None, **changes: Any) -> SeriesModel:
    """Train a network to forecast time series.

    The last part of the time is held out to judge by, the part before it to choose the epoch by; nothing is learnt
    from either, no window reaches from one part's forecasts into the next, and a window sees its own past only. The
    test walks forward: every step of the held-out time is an origin once.

    Args:
        source: anything `read_table` takes, with a column of times, one of numbers, and, for several series, one
            that tells them apart.
        target: the column to forecast; None takes the last column of numbers.
        options: how; None for the defaults.
        changes: single options by name.

    Returns:
        The trained model, with its figures on the held-out time beside the naive and the seasonal-naive forecast.

    Raises:
        UnknownNameError: no such column, horizon, frequency or option.
        DataError: no times, repeated or irregular ones, or series that are too short for window and horizons.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written when there is a folder for it.

    Example:
        >>> days = np.arange("2023-01-01", "2024-01-01", dtype="datetime64[D]")
        >>> rows = {"day": days, "sold": 10 + np.arange(365) % 7 + np.arange(365) / 50}
        >>> model = fit_series(rows, "sold", horizon=(1, "week"), epochs=30, verbose=0)
        >>> model.predict(rows).shape, model.scores["mae"] < model.baseline["mae"]
        ((1, 2), True)
    """
    return prepare_series(source, target, with_changes(options or SeriesOptions(), changes)).fit()


def prepare_series(source: Any, target: str | None, options: SeriesOptions) -> Prepared[SeriesModel]:
    """Series split by time and cut into windows; see `fit_series`."""
    encoder = series_encoder(target, options)
    lines, notes = encoder.open(read_table(source))
    encoder.notes = tuple(notes)
    begin, middle = cuts(lines, options)
    return prepare_lines(encoder, lines, options, begin, middle)


def prepare_lines(
    encoder: SeriesEncoder, lines: Sequence[Line], options: SeriesOptions, begin: int, middle: int | None, end: int | None = None
) -> Prepared[SeriesModel]:
    """As `prepare_series`, of series that were opened.

    Args:
        encoder: that opened them, not fitted yet.
        lines: the series.
        options: how.
        begin, middle, end: first steps of the validation, of the test, and of what is not used; None for no such part.
    """
    encoder.fit(lines, begin)
    learnt: SeriesWindows | StreamedWindows
    rows = WindowRows(encoder, lines, encoder.places(lines, end=begin))
    width = rows.windows(np.arange(1)).numbers.shape[1]
    if len(rows) * width * 4 <= options.memory:
        learnt, cut = encoder.windows(lines, end=begin), encoder.windows
    else:
        learnt = StreamedWindows.of(rows)
        text = f"{len(rows):,} windows of {width} numbers are cut while the training runs; the series stay in memory"
        encoder.notes += (Change("", "streamed", len(rows), text),)

        def cut(lines: Sequence[Line], begin: int | None = None, end: int | None = None) -> SeriesWindows:
            return WindowRows(encoder, lines, encoder.places(lines, begin, end)).some()

    checked = cut(lines, begin, middle) if options.validation else None
    if isinstance(options.test, (int, float)):
        test = cut(lines, middle, end) if options.test else None
    else:
        test = None if options.test is None else encoder.transform(options.test, target=True)
    for part, windows in (("validation", checked), ("test", test)):
        if windows is not None and not len(windows):
            what = f"the {part} part of the time is too short for a horizon of {encoder.steps[-1]}"
            raise DataError(what, fix=f"raise the share of {part}, give more rows, or a nearer horizon")
    if options.told is not None:
        options.told(encoder)
    size, epochs = chosen_plan(
        len(learnt), options, min(256, max(16, 2 ** round(np.log2(max(len(learnt), 1) / 100)))), updates=3000, low=15, high=200
    )
    return Prepared(SeriesModel, encoder, learnt, checked, test, options, size, epochs, partial(_model, encoder, learnt))


def series_encoder(target: str | None, options: SeriesOptions) -> SeriesEncoder:
    """An encoder as the options ask, not fitted yet."""
    return SeriesEncoder(
        target, time=options.time, key=options.key, horizons=options.horizon, window=options.window, frequency=options.frequency,
        repeated=options.repeated, known=options.known, overrides=options.overrides,
    )  # fmt: skip


def cuts(lines: Sequence[Line], options: SeriesOptions) -> tuple[int, int | None]:
    """First steps of the validation and of the test part, so that each holds its share of all measured values."""
    numbers = np.sort(np.concatenate([line.start + np.flatnonzero(line.seen) for line in lines]))
    share = float(options.test) if isinstance(options.test, (int, float)) else 0.0
    if not 0 <= share < 1 or not 0 <= options.validation < 1:
        raise ArgumentError(f"test={share}, validation={options.validation}: expected shares from 0 to below 1")
    middle = len(numbers) * (1 - share)
    end = int(numbers[-1]) + 1
    at = [middle * (1 - options.validation), middle]
    begin, last = (end if place >= len(numbers) else int(numbers[int(place)]) for place in at)
    return begin, last


def _model(encoder: SeriesEncoder, learnt: Any, options: SeriesOptions, size: int | str, epochs: int) -> Model:
    network = options.network if options.network is not None else _network(encoder, learnt, options)
    optimizer = optimizer_of(options, training_plan(len(learnt), size, epochs).updates)
    return Model(network, loss="huber", optimizer=optimizer, metrics=["mae"], seed=options.seed)


def _network(encoder: SeriesEncoder, learnt: Any, options: SeriesOptions) -> nn.Layer:
    """A linear way and dense layers beside it, both beginning with "nothing changes"."""
    outputs = len(encoder.steps)
    inputs = [nn.Input((learnt.numbers.shape[1],))]
    if learnt.codes.shape[1]:
        inputs.append(nn.Input((1,), "int32"))
        joined = nn.TableInput((len(encoder.spreads) + 1,), names=("series",))(*inputs)
    else:
        joined = inputs[0]
    straight = nn.Dense(outputs, kernel_initializer="zeros", name="linear")(joined)
    layers: list[nn.Layer] = []
    for units in options.hidden:
        layers += [nn.Dense(int(units), activation=options.activation), nn.Dropout(options.dropout)]
    if not layers:
        return nn.Network(inputs, straight)
    deep = nn.Sequential([*layers, nn.Dense(outputs, kernel_initializer="zeros")])(joined)
    return nn.Network(inputs, nn.Add()(straight, deep))

"""Dates and times that were written as text, in the usual orders and several at once; above `dictionary`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saltus.data.dictionary import Dictionary
from saltus.data.lazy import LazyModule
from saltus.data.records import Change, counted

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

SMALLEST_DATE_SHARE = 0.95
NOT_A_TIME = np.datetime64("NaT", "us")
_PIVOT = 69  # two-digit years up to 68 are 20xx, the others 19xx (POSIX)

# English, German, French, Spanish, Italian, Portuguese; no abbreviation means two different months
_MONTH_WORDS = (
    "jan january januar jänner janvier janv ene enero gen gennaio janeiro",
    "feb february februar février févr fév febrero febbraio fev fevereiro",
    "mar march märz mär mrz mars marzo março",
    "apr april avril avr abr abril aprile",
    "may mai mayo mag maggio maio",
    "jun june juni juin junio giu giugno junho",
    "jul july juli juillet juil julio lug luglio julho",
    "aug august août aou ago agosto",
    "sep sept september septembre septiembre set settembre setembro",
    "oct october okt oktober octobre octubre ott ottobre out outubro",
    "nov november novembre noviembre novembro",
    "dec december dez dezember déc décembre dic diciembre dicembre dezembro",
)
MONTHS = {word: number for number, words in enumerate(_MONTH_WORDS, 1) for word in words.split()}

_CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?"
    r"\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[-+][0-9]{2}:?[0-9]{2}|[-+][0-9]{2})?"
)
_TIME = rf"(?:(?:T|[ ,]+|, ?at |\s+um\s+){_CLOCK})?$"
_YEAR, _WORD = r"(?P<year>[0-9]{4}|[0-9]{2})", r"(?P<word>\p{L}{3,10})"
_DAY = r"(?P<day>[0-9]{1,2})"
_WEEKDAY = r"^(?:\p{L}{2,12}\.?,?\s+)?"
# shape -> pattern; year, month (number), word (month name), day; first and second where either may be the day
_SHAPES = {
    "year-month-day": rf"^(?P<year>[0-9]{{4}})[-/.](?P<month>[0-9]{{1,2}})[-/.]{_DAY}{_TIME}",
    "day and month, year": (
        rf"^(?P<first>[0-9]{{1,2}})(?P<mark>[-/.])\s?(?P<second_field>[0-9]{{1,2}})[-/.]\s?{_YEAR}{_TIME}"
    ),
    "day, month name, year": (
        rf"{_WEEKDAY}{_DAY}(?:st|nd|rd|th|\.)?[- ]?\s?(?:de |of )?{_WORD}"
        rf"\.?[-, ]\s?(?:de )?{_YEAR}{_TIME}"
    ),
    "month name, day, year": (
        rf"{_WEEKDAY}{_WORD}\.?[- ]{_DAY}(?:st|nd|rd|th)?(?:,\s?|[- ])(?P<year>[0-9]{{4}}){_TIME}"
    ),
    "yyyymmdd": rf"^(?P<year>(?:19|20)[0-9]{{2}})(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}}){_TIME}",
    "year and month": r"^(?P<year>(?:19|20)[0-9]{2})[-/](?P<month>[0-9]{1,2})$",
    "month name and year": r"^(?P<word>\p{L}{3,10})\.?[- ,]\s?(?P<year>[0-9]{4})$",
    "year and quarter": r"^(?P<year>(?:19|20)[0-9]{2})[- ]?[Qq](?P<quarter>[1-4])$",
    "quarter and year": r"^[Qq](?P<quarter>[1-4])[- /]?(?P<year>(?:19|20)[0-9]{2})$",
}  # fmt: skip
_TIME_ALONE = rf"^{_CLOCK}$"


@dataclass(frozen=True)
class DateRule:
    """How the dates of one column are written.

    Attributes:
        day_first: whether a doubtful "3/4/2020" is the third of April.
        clock: the texts hold a time of day and no date.
        strays: texts (lower case) of the training column that are no dates, and count as missing.
    """

    day_first: bool = True
    clock: bool = False
    strays: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Reading:
    times: np.ndarray  # datetime64[us] (D,), NaT where a text is no date
    shape: np.ndarray  # which of _SHAPES, -1 for none
    order: np.ndarray  # +1 the text must be day first, -1 month first, 0 open or of another shape
    open_order: np.ndarray  # bool: day and month could change places
    slash: np.ndarray  # bool: the order is open and the mark is a slash
    zoned: np.ndarray  # bool: the text names a time zone


def _integers(frame: pl.DataFrame, name: str, default: int) -> np.ndarray:
    if name not in frame.columns:
        return np.full(frame.height, default, np.int64)
    return frame[name].cast(pl.Int64, strict=False).fill_null(default).to_numpy()


def _clock(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Microseconds after midnight (UTC where a zone is given), validity, and whether a zone was given."""
    if "hour" not in frame.columns:
        nothing = np.zeros(frame.height, np.int64)
        return nothing, nothing == 0, nothing != 0
    hour, minute, second = (_integers(frame, name, 0) for name in ("hour", "minute", "second"))
    fraction = ("0." + frame["fraction"].fill_null("0")).cast(pl.Float64).to_numpy()
    half = frame["half"].fill_null("").str.slice(0, 1).str.to_lowercase().to_numpy()
    valid = (hour <= np.where(half == "", 24, 12)) & (minute < 60) & (second < 61) & ((hour < 24) | (minute + second == 0))
    hour = np.where(half == "", hour, hour % 12 + np.where(half == "p", 12, 0))
    zone = frame["zone"].fill_null("")
    parts = zone.str.extract_groups(r"^(?P<sign>[-+])(?P<h>[0-9]{2}):?(?P<m>[0-9]{2})?$").struct.unnest()
    offset = (_integers(parts, "h", 0) * 60 + _integers(parts, "m", 0)) * np.where(
        (parts["sign"] == "-").fill_null(False).to_numpy(), -1, 1
    )
    seconds = (hour * 60 + minute - offset) * 60 + second
    return seconds * 1_000_000 + np.round(fraction * 1e6).astype(np.int64), valid, (zone != "").to_numpy()


def _calendar(year: np.ndarray, month: np.ndarray, day: np.ndarray) -> np.ndarray:
    """datetime64[us] of each (year, month, day), NaT where the calendar has no such day."""
    months = (year - 1970).astype("datetime64[Y]").astype("datetime64[M]") + (month - 1)
    days = months.astype("datetime64[D]") + (day - 1)
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (days.astype("datetime64[M]") == months) & (year >= 1000)
    times: np.ndarray = days.astype("datetime64[us]")
    times[~valid] = NOT_A_TIME
    return times


def _read(words: pl.Series, *, day_first: bool, clock: bool) -> _Reading:
    size = len(words)
    result = _Reading(
        np.full(size, NOT_A_TIME),
        np.full(size, -1),
        np.zeros(size, int),
        *(np.zeros(size, bool) for _ in range(3)),
    )
    shapes = {"time of day": _TIME_ALONE} if clock else _SHAPES
    left = np.arange(size)
    for number, pattern in enumerate(shapes.values()):
        frame = words.gather(left).alias("").str.extract_groups(pattern).struct.unnest()
        key = "hour" if clock else "year"
        found = frame[key].is_not_null().to_numpy()
        if found.any():
            frame, places = frame.filter(found), left[found]
            micros, valid, zoned = _clock(frame)
            times = np.zeros(len(places), "datetime64[us]") if clock else _date(frame, places, result, day_first=day_first)
            times = times + micros.astype("timedelta64[us]")
            times[~valid] = NOT_A_TIME
            result.times[places], result.shape[places], result.zoned[places] = times, number, zoned
            left = left[~found]
        if not len(left):
            break
    return result


def _date(frame: pl.DataFrame, places: np.ndarray, result: _Reading, *, day_first: bool) -> np.ndarray:
    year = _integers(frame, "year", 0)
    year = np.where(year >= 100, year, np.where(year < _PIVOT, year + 2000, year + 1900))
    if "first" in frame.columns:
        first, second = _integers(frame, "first", 0), _integers(frame, "second_field", 0)
        mark = frame["mark"].to_numpy()
        order = np.where(first > 12, 1, np.where(second > 12, -1, 0))
        open_order = (order == 0) & (first != second)
        result.order[places], result.open_order[places] = order, open_order & (mark != ".")
        result.slash[places] = open_order & (mark == "/")
        leading_day = np.where(order == 0, day_first | (mark == "."), order > 0)  # dotted dates are day first everywhere
        month, day = np.where(leading_day, second, first), np.where(leading_day, first, second)
    else:
        month, day = _integers(frame, "month", 1), _integers(frame, "day", 1)
        if "word" in frame.columns:
            names = frame["word"].str.to_lowercase()
            month = names.replace_strict(list(MONTHS), list(MONTHS.values()), default=0, return_dtype=pl.Int64).fill_null(0).to_numpy()
        if "quarter" in frame.columns:
            month = _integers(frame, "quarter", 1) * 3 - 2
    return _calendar(year, month, day)


def read_dates(dictionary: Dictionary, rule: DateRule) -> tuple[np.ndarray, np.ndarray]:
    """Read the distinct texts of a column.

    Args:
        dictionary: the column, its missing values already taken out.
        rule: how its dates are written.

    Returns:
        datetime64[us] (D,), in UTC where a text names its zone, NaT where it is no date (a time of day counts
        from 1970-01-01); and a bool mask (D,) of texts that are neither a date nor a stray of the training
        column.

    Example:
        >>> import polars
        >>> texts = Dictionary.of(polars.Series(["2020-02-29", "1 Mar 2020", "31.04.2020"]))
        >>> [str(t)[:10] for t in read_dates(texts, DateRule())[0]]
        ['2020-02-29', '2020-03-01', 'NaT']
    """
    times = _read(dictionary.words, day_first=rule.day_first, clock=rule.clock).times
    strays = dictionary.words.str.to_lowercase().is_in(list(rule.strays)).to_numpy()
    return times, np.isnat(times) & ~strays


def learn_dates(
    name: str, dictionary: Dictionary, *, day_first: bool | None = None, forced: bool = False
) -> tuple[DateRule | None, list[Change]]:
    """Find out how the dates of a column are written.

    Args:
        name: the column, for the records.
        dictionary: its distinct texts, missing values already taken out.
        day_first: settles doubtful dates such as 3/4/2020; None lets the other rows of the column decide.
        forced: the user says that these are dates: accept any share of other texts.

    Returns:
        The rule and what it will change; (None, []) when the column does not hold dates.
    """
    rows = dictionary.counts
    total = max(int(rows.sum()), 1)
    for clock in (False, True):
        reading = _read(dictionary.words, day_first=True, clock=clock)
        first, last = rows[reading.order > 0].sum(), rows[reading.order < 0].sum()
        chosen = day_first
        if chosen is None:
            chosen = bool(first >= last) if first or last else not reading.slash.any()
        reading = reading if chosen else _read(dictionary.words, day_first=False, clock=clock)
        good = ~np.isnat(reading.times)
        if rows[good].sum() < SMALLEST_DATE_SHARE * total and not (forced and good.any()):
            continue
        strays = tuple(sorted(set(dictionary.words.filter(~good).str.to_lowercase().to_list())))
        if len(strays) * 5 > good.sum() and not forced:
            continue
        rule = DateRule(chosen, clock, strays)
        conflict = bool(first and last)
        return rule, _changes(
            name,
            dictionary,
            reading,
            good,
            rule,
            sure=day_first is not None or bool(first or last),
            conflict=conflict,
        )
    return None, []


def _changes(name: str, dictionary: Dictionary, reading: _Reading, good: np.ndarray, rule: DateRule,
             *, sure: bool, conflict: bool) -> list[Change]:  # fmt: skip
    rows = dictionary.counts

    def shown(i: int) -> str:
        date, _, clock = str(reading.times[i]).partition("T")
        return clock[:8] if rule.clock else f"{date} {clock[:8]}".removesuffix(" 00:00:00")

    def change(action: str, chosen: np.ndarray, text: str) -> list[Change]:
        count = int(rows[chosen].sum())
        if not count:
            return []
        examples = dictionary.examples(chosen, shown if action != "not a date" else None)
        return [Change(name, action, count, text.replace("COUNT", counted(count, "value")), examples)]

    used = sorted(set(reading.shape[good].tolist()))
    order = "day first" if rule.day_first else "month first"
    changes = []
    if len(used) > 1:
        names = [list(_SHAPES)[i] for i in used]
        main = max(used, key=lambda i: int(rows[good & (reading.shape == i)].sum()))
        changes += change(
            "dates",
            good & (reading.shape != main),
            f"dates in {len(used)} formats unified ({'; '.join(names)}): COUNT not in the usual one",
        )
    doubtful = good & reading.open_order
    if doubtful.any() and not sure:
        changes += change(
            "doubtful dates",
            doubtful,
            f"COUNT could be day first or month first, read {order}; day_first= settles it",
        )
    if conflict:
        changes += change(
            "dates",
            good & (reading.order == (-1 if rule.day_first else 1)),
            "COUNT in the other order of day and month than the rest, unified",
        )
    zoned = good & reading.zoned
    if zoned.any():
        changes += change("time zones", zoned, "COUNT with a time zone converted to UTC")
    return [
        *changes,
        *change("not a date", ~good, "COUNT not a date in a column of dates count as missing"),
    ]

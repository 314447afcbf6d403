"""Numbers that were written as text: decimal and grouping marks, currencies, units, shares; above `units`.

A rule is learnt from the distinct texts of one column, and then reads any text the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from saltus.data.dictionary import Dictionary
from saltus.data.lazy import LazyModule
from saltus.data.records import Change, counted
from saltus.data.units import CURRENCIES, converter, family_of, scale_of

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

# A written number: sign, currency, digits with marks, exponent, unit. "(5)" is -5; "<5" and "90+" are bounds.
_PATTERN = (
    r"^(?P<open>\()?\s*(?P<bound>[<>≤≥~≈]=?)?\s*(?P<sign>[-+−–])?\s*"
    r"(?P<currency>US\$|[$€£¥₹]|(?:USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK)\b)?\s*"
    r"(?P<second>[-−–])?\s*"
    r"(?P<digits>[.,]?[0-9][0-9.,'’_\x{a0}\x{202f} ]*)(?P<exponent>[eE][-+]?[0-9]{1,3}\b)?\s*"
    r"(?P<unit>[^0-9\s()+\-][^0-9()+]{0,14}?)?\s*(?P<plus>\+)?\s*(?P<close>\))?$"
)
_SPACES = r"['’_\x{a0}\x{202f} ]"
_SPACED = rf"^[0-9]{{1,3}}(?:{_SPACES}[0-9]{{3}})+(?:[.,][0-9]*)?$"
_CODE = r"^[-+]?0[0-9]+$|^[-+]?[0-9]{16,}$"  # a leading zero, or more digits than a float64 holds
_COMMA_GROUPS = r"^[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}(?:\.[0-9]*)?$"
_POINT_GROUPS = r"^[0-9]{1,3}(?:\.[0-9]{3})+(?:,[0-9]*)?$"
_POINT, _COMMA, _WHOLE = r"^[0-9]*\.[0-9]*$", r"^[0-9]*,[0-9]*$", r"^[0-9]+$"
_DOUBTFUL = r"^[1-9][0-9]{0,2}[.,][0-9]{3}$"  # "1,200": twelve hundred, or one and a fifth

LARGEST_BOUND_SHARE = 0.1
SMALLEST_NUMBER_SHARE = 0.95
FRACTION = "fraction"


@dataclass(frozen=True)
class NumberRule:
    """How the numbers of one column are written.

    Attributes:
        decimal: the mark that settles doubtful texts such as "1,200": "." or ",".
        family: "mass", "length", ...; "" for none; "other" for one unknown unit that is only cut off.
        unit: the unit that values are kept in, "" for none.
        bare: the unit that a number without one is taken to have.
        strays: texts (lower case) of the training column that are no numbers, and count as missing.
    """

    decimal: str = "."
    family: str = ""
    unit: str = ""
    bare: str = ""
    strays: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether a number in the computer's own notation is read as it stands."""
        return self.decimal == "." and self.bare == self.unit


class WrittenNumbers:
    """Distinct texts taken apart into the pieces of a written number; every array is (D,).

    Args:
        words: Polars String series (D,) without missing values and without space around them.
    """

    def __init__(self, words: pl.Series) -> None:
        digits = pl.col("digits").str.strip_chars(" \u00a0\u202f")
        dash = ["-", "−", "–"]
        self.pieces = pieces = (
            words.alias("").str.extract_groups(_PATTERN).struct.unnest().select(
                digits.str.replace_all(_SPACES, "").fill_null("").alias("digits"),
                (~digits.str.contains(_SPACES) | digits.str.contains(_SPACED))
                .fill_null(False).alias("spaced"),
                pl.col("open").is_not_null().alias("open"), pl.col("close").is_not_null().alias("close"),
                pl.col("sign").is_in(dash).fill_null(False).alias("sign"),
                pl.col("second").is_not_null().alias("second"),
                (pl.col("bound").is_not_null() | pl.col("plus").is_not_null()).alias("bound"),
                pl.col("exponent").fill_null(""), pl.col("currency").fill_null(""),
                pl.col("unit").fill_null("").str.strip_chars(),
            )
        )  # fmt: skip
        points, commas, whole = self._has(r"\."), self._has(","), self._has(_WHOLE)
        self.doubtful = self._has(_DOUBTFUL)
        self.doubtful_commas = self.doubtful & commas
        self.point = ((self._has(_POINT) & points) | self._has(_COMMA_GROUPS)) & ~self.doubtful
        self.comma = ((self._has(_COMMA) & commas) | self._has(_POINT_GROUPS)) & ~self.doubtful
        paired = self._flag("open") == self._flag("close")
        self.written = (self.point | self.comma | self.doubtful | whole) & self._flag("spaced") & paired
        self.negative = self._flag("open") ^ self._flag("sign") ^ self._flag("second")
        self.bound = self._flag("bound")
        self.code = words.str.contains(_CODE).to_numpy()
        self.plain = words.cast(pl.Float64, strict=False).is_not_null().to_numpy()
        unit = pieces["unit"].to_numpy()
        behind = np.array([CURRENCIES.get(u, "") for u in unit], dtype=object)
        self.currency = np.where(behind != "", behind, [CURRENCIES.get(c, "") for c in pieces["currency"].to_list()])
        self.unit = np.where(behind != "", "", unit)

    def _flag(self, name: str) -> np.ndarray:
        return self.pieces[name].to_numpy()

    def _has(self, pattern: str) -> np.ndarray:
        return self.pieces["digits"].str.contains(pattern).to_numpy()

    def values(self, rule: NumberRule) -> np.ndarray:
        """The numbers as `rule` reads them, float64 (D,); NaN where a text is none."""
        mark = pl.Series(self.comma | (self.doubtful & (rule.decimal == ",")))
        frame = self.pieces.select("digits", "exponent", mark.alias("mark"))
        digits = pl.col("digits")
        comma = digits.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
        point = digits.str.replace_all(",", "", literal=True)
        text = pl.when("mark").then(comma).otherwise(point) + pl.col("exponent")
        values = frame.select(text.cast(pl.Float64, strict=False)).to_series().to_numpy().copy()
        values[self.negative] *= -1.0
        readable = self.written.copy()
        for unit in set(self.unit.tolist()):
            here = self.unit == unit
            scale = _scale(rule, unit)
            if scale is None:
                readable[here] = False
            elif scale != (1.0, 0.0):
                values[here] = values[here] * scale[0] + scale[1]
        values[~readable] = np.nan
        return values


def _scale(rule: NumberRule, unit: str) -> tuple[float, float] | None:
    unit = unit or rule.bare
    if unit == rule.unit:
        return 1.0, 0.0
    if rule.family in ("", "other"):
        return None
    if unit and scale_of(rule.family, unit) is None:
        return None
    return converter(rule.family, unit, rule.unit)


def read_numbers(dictionary: Dictionary, rule: NumberRule, written: WrittenNumbers | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the distinct texts of a column.

    Args:
        dictionary: the column, its missing values already taken out.
        rule: how its numbers are written.
        written: the same texts taken apart, where that is done already.

    Returns:
        Values float64 (D,), NaN where a text is no number; and a bool mask (D,) of texts that are neither a
        number nor one of the strays that stood in the training column.

    Example:
        >>> import polars
        >>> texts = Dictionary.of(polars.Series(["1.234,5", "7", "two"]))
        >>> read_numbers(texts, NumberRule(decimal=","))[0].tolist()
        [1234.5, 7.0, nan]
    """
    values = (written or WrittenNumbers(dictionary.words)).values(rule)
    strays = dictionary.words.str.to_lowercase().is_in(list(rule.strays)).to_numpy()
    return values, np.isnan(values) & ~strays


def decimal_evidence(dictionary: Dictionary, written: WrittenNumbers) -> tuple[int, int]:
    """Rows that can only be read with a decimal point, and with a decimal comma."""
    rows = dictionary.counts
    return int(rows[written.written & written.point].sum()), int(rows[written.written & written.comma].sum())


def has_codes(texts: pl.Series) -> bool:
    """Whether any text is digits with a leading zero, or more digits than a float64 can hold."""
    return bool(texts.str.contains(_CODE).any())


def only_doubtful_points(texts: pl.Series) -> bool:
    """Whether every text with a point could as well be thousands, as "1.200" and "12.000" can."""
    pointed = texts.filter(texts.str.contains(".", literal=True))
    return len(pointed) > 0 and bool(pointed.str.strip_chars_start("-+").str.contains(_DOUBTFUL).all())


def learn_numbers(
    name: str, dictionary: Dictionary, written: WrittenNumbers, decimal: str = "", *, forced: bool = False
) -> tuple[NumberRule | None, list[Change]]:
    """Find out how the numbers of a column are written.

    Args:
        name: the column, for the records.
        dictionary: its distinct texts, missing values already taken out.
        written: the same texts taken apart.
        decimal: "." or "," where the file or the user settles it, else "".
        forced: the user says that these are numbers: accept codes, bounds and any share of other texts.

    Returns:
        The rule and what it will change; (None, reasons) when the column does not hold numbers.
    """
    rows = dictionary.counts
    total = max(int(rows.sum()), 1)
    good = written.written.copy()
    if not forced:
        if rows[good & written.code].sum():
            return None, []
        if rows[good & written.bound].sum() > LARGEST_BOUND_SHARE * total:
            good &= ~written.bound
    if rows[good].sum() < SMALLEST_NUMBER_SHARE * total and not (forced and good.any()):
        return None, []
    currencies = set(written.currency[good].tolist()) - {""}
    if len(currencies) > 1:
        examples = dictionary.examples(good & (written.currency != ""))
        text = f"kept as text: mixes {', '.join(sorted(currencies))}"
        return None, [Change(name, "currencies", len(currencies), text, examples)]
    family, unit, bare = _unit_of(written, rows, good)
    if family is None:
        return None, []
    points, commas = rows[good & written.point].sum(), rows[good & written.comma].sum()
    mark = ("," if commas > points else ".") if points or commas else decimal or "."
    strays = tuple(sorted(set(dictionary.words.filter(~good).str.to_lowercase().to_list())))
    if len(strays) * 5 > good.sum() and not forced:
        return None, []
    rule = NumberRule(mark, family, unit, bare, strays)
    settled = bool(decimal) or bool(points) != bool(commas)
    return rule, _changes(name, dictionary, written, good, rule, mixed=bool(points and commas), settled=settled)


def _unit_of(written: WrittenNumbers, rows: np.ndarray, good: np.ndarray) -> tuple[str | None, str, str]:
    """Family (None: the units do not go together), the unit to keep, and what a bare number is taken for."""
    tally: dict[str, int] = {}
    for unit, count in zip(written.unit[good].tolist(), rows[good].tolist(), strict=True):
        tally[unit] = tally.get(unit, 0) + count
    bare_rows = tally.pop("", 0)
    if not tally:
        return "", "", ""
    most = max(tally, key=lambda unit: (tally[unit], unit))
    family = family_of(tally)
    if not family:
        own_unit = len(tally) == 1 and len(most) > 1 and most[0].isalpha() and tally[most] >= bare_rows
        return ("other", most, most) if own_unit else (None, "", "")
    if family == "multiplier":
        return family, "", ""
    if family == "share" and bare_rows:
        plain = np.abs(written.values(NumberRule(".", "share", "%", "%")))
        bare = good & (written.unit == "")
        if np.max(plain[bare]) <= 1.0 < np.max(plain[good & ~bare]):
            return family, "%", FRACTION
    return family, most, most


def _changes(name: str, dictionary: Dictionary, written: WrittenNumbers, good: np.ndarray, rule: NumberRule,
             *, mixed: bool, settled: bool) -> list[Change]:  # fmt: skip
    values = written.values(rule)

    def change(action: str, chosen: np.ndarray, text: str) -> list[Change]:
        count = int(dictionary.counts[chosen].sum())
        if not count:
            return []
        after = None if action == "not a number" else lambda i: f"{values[i]:.10g}"
        examples = dictionary.examples(chosen, after)
        return [Change(name, action, count, text.replace("COUNT", counted(count, "value")), examples)]

    restyled = good & (~written.plain | (written.doubtful & (rule.decimal == ",")))
    doubtful = good & written.doubtful_commas & (rule.decimal == ".") & (not settled)
    scaled = np.zeros(len(values), dtype=bool)
    for unit in set(written.unit.tolist()):
        if _scale(rule, unit) not in ((1.0, 0.0), None):
            scaled |= written.unit == unit
    target = f"converted to {rule.unit}" if rule.unit else "multiplied out"
    bare = good & (written.unit == "") & (rule.bare != rule.unit or rule.family not in ("", "multiplier"))
    taken = "fractions, times 100 in %" if rule.bare == FRACTION else rule.bare
    thousands = "COUNT with one comma before three digits read as thousands; decimal=',' reads them as decimals"
    points = "COUNT with a decimal comma beside decimal points unified"
    return [
        *change("number format", restyled, "COUNT written as text read as numbers"),
        *change("decimal mark", good & written.comma & mixed, points),
        *change("doubtful mark", doubtful, thousands),
        *change("units", good & scaled & (written.unit != ""), "COUNT " + target),
        *change("unit left out", bare, "COUNT without a unit taken as " + taken),
        *change("bounds", good & written.bound, "COUNT that state a bound read as the bound itself"),
        *change("not a number", ~good, "COUNT not a number in a column of numbers count as missing"),
    ]

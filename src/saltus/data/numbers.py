"""Numbers that were written as text: decimal and grouping marks, currencies, units, percentages; between `dictionary` and `schema`.

A rule is learnt from the distinct texts of one column and then reads any text the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from saltus.data.lazy import LazyModule
from saltus.data.units import CURRENCIES, family_of, scale_of

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

# one written number: sign, currency, digits with any separators, exponent, unit; "(5)" is minus five, "<5" and "90+" are bounds
_PATTERN = (
    r"^(?P<open>\()?\s*(?P<bound>[<>≤≥~≈]=?)?\s*(?P<sign>[-+−–])?\s*"
    r"(?P<currency>US\$|[$€£¥₹]|(?:USD|EUR|GBP|JPY|CHF|CNY|INR|AUD|CAD|SEK|NOK|DKK|PLN|CZK)\b)?\s*(?P<second>[-−–])?\s*"
    r"(?P<digits>[.,]?\d[\d.,'’_\x{a0}\x{202f} ]*)(?P<exponent>[eE][-+]?\d{1,3}\b)?\s*"
    r"(?P<unit>[^\d\s()+\-][^\d()+]{0,14}?)?(?P<plus>\+)?\s*(?P<close>\))?$"
)
_SPACES = r"['’_\x{a0}\x{202f} ]"
_SPACED = rf"^\d{{1,3}}(?:{_SPACES}\d{{3}})+(?:[.,]\d+)?$"
_CODE = r"^[-+]?0\d+$|^[-+]?\d{16,}$"  # leading zeros, or more digits than a float64 holds
_COMMA_GROUPS = r"^\d{1,3}(?:,\d{2,3})*,\d{3}(?:\.\d*)?$"
_POINT_GROUPS = r"^\d{1,3}(?:\.\d{3})+(?:,\d*)?$"
_POINT, _COMMA = r"^\d*\.\d*$", r"^\d*,\d*$"
_ONE_GROUP = r"^[1-9]\d{0,2}[.,]\d{3}$"  # "1,200": a thousand or one and a fifth

LARGEST_BOUND_SHARE = 0.1


@dataclass(frozen=True)
class NumberRule:
    """How the numbers of one column are written.

    Attributes:
        decimal: the decimal mark that settles doubtful texts such as "1,200": "." or ",".
        family: "mass", "length", ...; "" without units; "other" for one unknown unit that is only cut off.
        unit: the unit that the values are kept in, "" for none.
        bare: what a value without a unit is taken for.
        strays: texts that stood in the training column without being numbers, and count as missing.
    """

    decimal: str = "."
    family: str = ""
    unit: str = ""
    bare: str = ""
    strays: tuple[str, ...] = ()


@dataclass(frozen=True)
class WrittenNumbers:
    """Distinct texts taken apart, one row a text; all arrays are (D,).

    Attributes:
        ok: the text has the form of a number.
        digits: digits with their marks, without spaces; Polars String series.
        factor: what stands outside the digits: sign and power of ten.
        unit: unit or "" as written.
        currency: currency code or "".
        bound: the text is a bound such as "<5" or "90+".
        code: the text is digits that name something: leading zeros or 16 and more digits.
    """

    ok: np.ndarray
    digits: pl.Series
    factor: np.ndarray
    unit: np.ndarray
    currency: np.ndarray
    bound: np.ndarray
    code: np.ndarray
    point: np.ndarray = field(repr=False)
    comma: np.ndarray = field(repr=False)
    doubtful: np.ndarray = field(repr=False)


def has_codes(texts: pl.Series) -> bool:
    """Whether any text is digits with a leading zero, or longer than a float64 can hold."""
    return bool(texts.str.contains(_CODE).any())


def doubtful_points(texts: pl.Series) -> bool:
    """Whether every text that holds a point could as well be thousands, as "1.200" and "12.000" can."""
    pointed = texts.filter(texts.str.contains(".", literal=True))
    return len(pointed) > 0 and bool(pointed.str.strip_chars_start("-+").str.contains(_ONE_GROUP).all())


def take_apart(words: pl.Series) -> WrittenNumbers:
    """Split distinct texts (D,) into the parts of a written number."""
    parts = words.str.extract_groups(_PATTERN).struct.unnest()
    text = pl.col("digits").str.strip_chars(" \u00a0\u202f")
    frame = parts.select(
        text.alias("digits"),
        text.str.replace_all(_SPACES, "").alias("tight"),
        (~text.str.contains(_SPACES) | text.str.contains(_SPACED)).alias("grouped"),
        (pl.col("open").is_null() == pl.col("close").is_null()).alias("paired"),
        (
            pl.col("open").is_not_null()
            ^ pl.col("sign").is_in(["-", "−", "–"]).fill_null(False)
            ^ pl.col("second").is_not_null()
        ).alias("negative"),
        pl.col("exponent").str.slice(1).cast(pl.Int32, strict=False).fill_null(0),
        pl.col("unit").fill_null("").str.strip_chars(),
        pl.col("currency").fill_null(""),
        (pl.col("bound").is_not_null() | pl.col("plus").is_not_null()).alias("bound"),
    )
    tight = frame["tight"]

    def has(pattern: str) -> np.ndarray:
        return tight.str.contains(pattern).fill_null(False).to_numpy()

    points, commas = has(r"\."), has(",")
    doubtful = has(_ONE_GROUP)
    point = (has(_POINT) & points & ~doubtful) | (has(_COMMA_GROUPS) & ~doubtful)
    comma = (has(_COMMA) & commas & ~doubtful) | (has(_POINT_GROUPS) & ~doubtful)
    form = point | comma | doubtful | (~points & ~commas)
    ok = form & frame["grouped"].fill_null(False).to_numpy() & frame["paired"].fill_null(False).to_numpy()
    unit, currency = _units(frame["unit"], frame["currency"])
    factor = np.where(frame["negative"].fill_null(False).to_numpy(), -1.0, 1.0)
    return WrittenNumbers(
        ok=ok & tight.is_not_null().to_numpy(),
        digits=tight + pl.select(pl.when(frame["exponent"] != 0).then("e" + frame["exponent"].cast(pl.String)).otherwise(pl.lit(""))).to_series(),
        factor=factor,
        unit=unit,
        currency=currency,
        bound=frame["bound"].to_numpy(),
        code=words.str.contains(_CODE).to_numpy(),
        point=point,
        comma=comma,
        doubtful=doubtful,
    )

"""Spellings: what counts as missing, yes and no, one category written in several ways; above `dictionary`."""

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

# lower case; blank cells are missing anyway
MISSING = frozenset(
    [
        r"?",
        r"??",
        r"na",
        r"n/a",
        r"n.a.",
        r"<na>",
        r"#n/a",
        r"#na",
        r"nan",
        r"-nan",
        r"null",
        r"(null)",
        r"\n",
        r"none",
        r"nil",
        r"missing",
        r"(missing)",
        r"-",
        r"--",
        r"---",
        r"–",
        r"—",
        r".",
        r"..",
        r"...",
        r"nat",
        r"#null!",
        r"#value!",
        r"#div/0!",
    ]
)
_WORDS = frozenset({"none", "nil"})  # in a column of categories "None" may well say that there is no garage
_SIGNS = frozenset({"-", "--", "---", "–", "—"})

TRUE = frozenset(["true", "t", "yes", "y", "on", "ja", "oui", "si", "sí", "sim", "wahr", "vrai"])
FALSE = frozenset(["false", "f", "no", "n", "off", "nein", "non", "não", "falsch", "faux"])
_CODE_LENGTH = 2
_OWN_SHARE = 0.1


@dataclass(frozen=True)
class CategoryRule:
    """How the categories of one column are spelt.

    Attributes:
        keep_case: "a" and "A" are two categories.
        kept: words (lower case) that mean "missing" elsewhere and are categories here.
    """

    keep_case: bool = False
    kept: tuple[str, ...] = ()


def is_missing(words: pl.Series, missing: frozenset[str]) -> np.ndarray:
    """Which distinct texts (D,) stand for "no value", as a bool mask; `missing` is in lower case."""
    return words.str.to_lowercase().is_in(list(missing)).to_numpy()


def kept_words(words: pl.Series, missing: frozenset[str]) -> tuple[str, ...]:
    """The words of a column of categories that look like "no value" and are not.

    These are "None", "-" where "+" stands beside it, and "NA" among country codes.

    Example:
        >>> import polars
        >>> kept_words(polars.Series(["+", "-", "?"]), MISSING)
        ('-',)
    """
    suspects = words.filter(pl.Series(is_missing(words, missing))).to_list()
    if not suspects:
        return ()
    kept = set(_WORDS)
    if words.is_in(["+"]).any():
        kept |= _SIGNS
    codes = int(words.str.contains(r"^[A-Z]{2}$").sum())
    if "NA" in suspects and codes >= max(10, 0.9 * (len(words) - len(suspects))):
        kept.add("na")
    return tuple(sorted({word.lower() for word in suspects} & kept))


def read_booleans(words: pl.Series) -> np.ndarray:
    """1.0 for each spelling of yes, 0.0 for no, NaN for anything else; float64 (D,).

    Example:
        >>> import polars
        >>> read_booleans(polars.Series(["Yes", "F", "maybe"])).tolist()
        [1.0, 0.0, nan]
    """
    lower, number = words.str.to_lowercase(), words.cast(pl.Float64, strict=False)
    yes, no = (
        (lower.is_in(list(spellings)) | (number == value).fill_null(False)).to_numpy() for spellings, value in ((TRUE, 1.0), (FALSE, 0.0))
    )
    return np.where(yes, 1.0, np.where(no, 0.0, np.nan))


def learn_booleans(name: str, dictionary: Dictionary) -> list[Change] | None:
    """What unifying the spellings of yes and no changes; None where there are other texts or one side."""
    values = read_booleans(dictionary.words)
    if np.isnan(values).any() or len(set(values.tolist())) < 2:
        return None
    if len(dictionary.words) == 2:
        return []
    every = np.ones(len(values), dtype=bool)
    examples = dictionary.examples(every, lambda i: "yes" if values[i] else "no", limit=6)
    count = int(dictionary.counts.sum())
    return [Change(name, "booleans", count, f"{len(values)} spellings of yes and no unified", examples)]


def keys_of(words: pl.Series, rule: CategoryRule) -> pl.Series:
    """The texts in the form in which two spellings of one category are equal."""
    tidy = words.str.normalize("NFC").str.replace_all(r"\s+", " ").str.strip_chars()
    return tidy if rule.keep_case else tidy.str.to_lowercase()


def merge_spellings(dictionary: Dictionary, rule: CategoryRule) -> Dictionary:
    """The dictionary with each category under its most frequent spelling.

    Example:
        >>> import polars
        >>> sexes = Dictionary.of(polars.Series(["Male", "male", "MALE", "Male", "Female"]))
        >>> merge_spellings(sexes, CategoryRule()).words.to_list()
        ['Male', 'Female']
    """
    tidy = keys_of(dictionary.words, CategoryRule(keep_case=True))
    keys = keys_of(dictionary.words, rule)
    if keys.n_unique() == len(keys):
        return Dictionary(tidy, dictionary.codes)
    frame = pl.DataFrame({"key": keys, "label": tidy, "rows": dictionary.counts})
    return dictionary.renamed(
        frame.select(pl.col("label").sort_by("rows", descending=True, maintain_order=True).first().over("key"))["label"]
    )


def learn_categories(name: str, dictionary: Dictionary, kept: tuple[str, ...] = ()) -> tuple[CategoryRule, list[Change]]:
    """Find out whether letter case tells the categories of a column apart.

    Codes of one or two letters keep their case where both spellings are common: "a" and "A" may be two
    alleles. Longer words that differ in case only are one category.

    Args:
        name: the column, for the records.
        dictionary: its distinct texts, missing values already taken out.
        kept: what `kept_words` found.

    Returns:
        The rule and what it will change.
    """
    folded = CategoryRule(kept=kept)
    keys = keys_of(dictionary.words, folded)
    if keys.n_unique() == len(keys):
        return folded, []
    exact = merge_spellings(dictionary, CategoryRule(keep_case=True))
    frame = pl.DataFrame({"key": keys_of(exact.words, folded), "word": exact.words, "rows": exact.counts})
    groups = frame.with_columns(
        (pl.col("rows") / pl.col("rows").sum().over("key")).alias("share"),
        pl.len().over("key").alias("spellings"),
    ).filter(pl.col("spellings") > 1)
    codes = groups.filter((pl.col("word").str.len_chars() <= _CODE_LENGTH) & (pl.col("share") >= _OWN_SHARE))
    if (codes["key"].value_counts()["count"] > 1).any():
        words = tuple(repr(word) for word in codes["word"].to_list()[:6])
        text = "short codes that differ in letter case only are kept apart"
        return CategoryRule(keep_case=True, kept=kept), [Change(name, "case kept", len(codes), text, words)]
    merged = merge_spellings(dictionary, folded)
    labels = merged.words.gather(_label_of(dictionary, merged)).to_list()
    other = np.array([word != label for word, label in zip(dictionary.words.to_list(), labels, strict=True)], dtype=bool)
    count = int(dictionary.counts[other].sum())
    if not count:
        return folded, []
    text = f"{counted(count, 'value')} in other spellings of the same category (letter case, spaces) unified"
    return folded, [Change(name, "spelling", count, text, dictionary.examples(other, lambda i: repr(labels[i])))]


def _label_of(dictionary: Dictionary, merged: Dictionary) -> np.ndarray:
    """The place in `merged.words` of each word of `dictionary`."""
    places = np.zeros(len(dictionary.words), np.int64)
    present = dictionary.codes >= 0
    places[dictionary.codes[present]] = merged.codes[present]
    return places

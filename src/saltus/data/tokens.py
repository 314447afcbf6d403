"""Texts as numbers of their words: a tokenizer cuts, a vocabulary numbers what occurs often enough; below `encode`.

The way of a text: `Tokenizer` (words, characters, BPE, WordPiece) -> tokens and groups of neighbouring tokens,
as 64-bit hashes -> `Vocabulary`: their numbers, int32 (N, length), 0 filling up short texts.
"""

from __future__ import annotations

import base64
import importlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saltus.base.errors import ArgumentError, DataError, unknown_name
from saltus.data.lazy import LazyModule
from saltus.data.text import character_tokens, mix, word_tokens

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

TOKENIZERS = ("words", "characters", "bpe", "wordpiece")
MOST_FEATURES = 1 << 17
_UNKNOWN = "[UNK]"
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Tokenizer:
    """Cuts texts into tokens.

    Attributes:
        kind: one of `TOKENIZERS`, or "file" for one that was loaded.
        model: for all but words and characters, the tokenizer itself as the JSON of the `tokenizers` library.
    """

    kind: str = "words"
    model: str = ""

    @classmethod
    def of(cls, name: str | Path, texts: pl.Series, *, size: int = 8_000) -> Tokenizer:
        """The tokenizer of a name, trained on texts where it has to be, or loaded from a file.

        Args:
            name: "words" (letters and digits between anything else, lower case), "characters" (lower case), "bpe"
                and "wordpiece" (trained here), or a tokenizer.json.
            texts: the training texts, Polars String series.
            size: tokens that a trained one has at most.

        Raises:
            UnknownNameError: no such tokenizer.
            ArgumentError: it needs the library `tokenizers`, which is not installed.
            DataError: the file is missing or holds no tokenizer.
        """
        if Path(name).suffix == ".json":
            return cls("file", _loaded(Path(name)))
        if name not in TOKENIZERS:
            raise unknown_name("tokenizer", name, TOKENIZERS)
        return cls(str(name), "" if name in ("words", "characters") else _trained(str(name), texts, size))

    def tokens(self, texts: pl.Series) -> tuple[np.ndarray, np.ndarray]:
        """The tokens of each text in order, as (number of the text, hash of the token) pairs."""
        if not self.model:
            return (word_tokens if self.kind == "words" else character_tokens)(texts)
        made = _library().Tokenizer.from_str(self.model).encode_batch(texts.fill_null("").to_list(), add_special_tokens=False)
        sizes = [len(one.ids) for one in made]
        numbers = np.fromiter((i for one in made for i in one.ids), np.uint64, sum(sizes))
        with np.errstate(over="ignore"):
            return np.repeat(np.arange(len(made)), sizes), mix(numbers + _GOLDEN)


def _library() -> Any:
    try:
        return importlib.import_module("tokenizers")
    except ImportError:
        raise ArgumentError(
            "this tokenizer needs the library `tokenizers`, which is not installed",
            fix="pip install 'saltus[text]', or take tokenizer=\"words\" or \"characters\"",
        ) from None


def _loaded(path: Path) -> str:
    try:
        return str(_library().Tokenizer.from_str(path.read_text(encoding="utf-8")).to_str())
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read: {error}", fix="give the tokenizer.json of the library `tokenizers`") from None
    except ArgumentError:
        raise
    except Exception as error:  # the library's complaint about the JSON
        raise DataError(f"{path} holds no tokenizer: {error}", fix="give the tokenizer.json of the library `tokenizers`") from None


def _trained(kind: str, texts: pl.Series, size: int) -> str:
    """A byte-pair tokenizer trained on texts, or one that takes the longest pieces of words from such a vocabulary."""
    library = _library()
    tokenizer = _blank(library, library.models.BPE(unk_token=_UNKNOWN))
    wanted = size if kind == "bpe" else size // 2
    trainer = library.trainers.BpeTrainer(vocab_size=max(wanted, 2), special_tokens=[_UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts.drop_nulls().to_list(), trainer)
    if kind == "wordpiece":
        # the library's own trainer of word pieces settles ties by chance; each piece may begin a word or go on in it
        pieces = sorted(piece for piece in tokenizer.get_vocab() if piece != _UNKNOWN)
        names = [_UNKNOWN, *pieces, *(f"##{piece}" for piece in pieces)]
        tokenizer = _blank(library, library.models.WordPiece({name: i for i, name in enumerate(names)}, unk_token=_UNKNOWN))
    # the library writes its vocabulary in no fixed order
    return json.dumps(json.loads(tokenizer.to_str()), sort_keys=True, ensure_ascii=False)


def _blank(library: Any, model: Any) -> Any:
    """A tokenizer of lower-case words and signs, with a model for what is inside them."""
    tokenizer = library.Tokenizer(model)
    tokenizer.normalizer = library.normalizers.Sequence([library.normalizers.NFKC(), library.normalizers.Lowercase()])
    tokenizer.pre_tokenizer = library.pre_tokenizers.Whitespace()
    return tokenizer


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The tokens and groups of tokens that have a number, learnt from training texts.

    Attributes:
        tokenizer: cuts the texts.
        grams: tokens of a group at most: 2 numbers pairs of neighbours too.
        longest: tokens of a text that are read; what follows is left out.
        length: numbers of a text at most.
        hashes: uint64 (V,), sorted; the one at place i has the number i + 1.
        ordered: the numbers stand as the tokens stand in the text, and as often; else each once, in rising order.
    """

    tokenizer: Tokenizer
    grams: int
    longest: int
    length: int
    hashes: np.ndarray
    ordered: bool = False

    @property
    def size(self) -> int:
        """How many numbers there are, with 0."""
        return len(self.hashes) + 1

    @classmethod
    def fit(
        cls,
        texts: pl.Series,
        tokenizer: Tokenizer,
        *,
        grams: int = 2,
        longest: int = 400,
        most: int = MOST_FEATURES,
        ordered: bool = False,
    ) -> tuple[Vocabulary, np.ndarray]:
        """Number what occurs at least twice, the most frequent first to be kept.

        Args:
            texts: Polars String series (N,).
            tokenizer: cuts them.
            grams, longest: see the class.
            most: tokens and groups that get a number at most.
            ordered: keep the order of the tokens; for single tokens only.

        Returns:
            The vocabulary, and the texts by it, as `encode` would give them.

        Raises:
            DataError: no token occurs twice.
            ArgumentError: groups of tokens in order.

        Example:
            >>> import polars
            >>> texts = polars.Series(["a good film", "a bad film"])
            >>> words, table = Vocabulary.fit(texts, Tokenizer(), grams=1)
            >>> words.size, table.shape, bool((words.encode(texts) == table).all())
            (3, (2, 2), True)
        """
        if ordered and grams > 1:
            raise ArgumentError(f"words in order are read one by one, but grams is {grams}", fix="leave grams out")
        rows, hashes = _features(texts, tokenizer, grams, longest)
        distinct, counts = np.unique(hashes, return_counts=True)
        distinct, counts = distinct[counts >= 2], counts[counts >= 2]
        if not len(distinct):
            raise DataError("no word occurs twice in the texts: there is nothing to learn from", fix="give more texts, or longer ones")
        kept = np.sort(distinct[np.argsort(-counts, kind="stable")[:most]])
        made = cls(tokenizer, grams, longest, 0, kept, ordered)
        found, numbers = made._numbered(rows, hashes)
        made = replace(made, length=int(np.bincount(found).max()))
        return made, made._table(found, numbers, len(texts))

    def encode(self, texts: pl.Series) -> np.ndarray:
        """Texts as numbers, then zeros; what training never saw is left out.

        Args:
            texts: Polars String series (N,); a missing text gives zeros.

        Returns:
            int32 (N, length).
        """
        rows, hashes = _features(texts, self.tokenizer, self.grams, self.longest)
        return self._table(*self._numbered(rows, hashes), len(texts))

    def _numbered(self, rows: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Row and number of each known token and group; see `ordered`."""
        found = _places(self.hashes, hashes)
        known = found >= 0
        if self.ordered:
            return rows[known], (found[known] + 1).astype(np.int32)
        keys = np.sort(rows[known] * np.int64(self.size) + found[known] + 1)
        keys = keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys
        return keys // self.size, (keys % self.size).astype(np.int32)

    def _table(self, rows: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
        place = np.arange(len(rows)) - np.searchsorted(rows, np.arange(count))[rows]
        table = np.zeros((count, self.length), np.int32)
        kept = place < self.length
        table[rows[kept], place[kept]] = numbers[kept]
        return table

    def to_config(self) -> dict[str, Any]:
        """The vocabulary as plain values."""
        return {
            "tokenizer": {"kind": self.tokenizer.kind, "model": self.tokenizer.model},
            "grams": self.grams,
            "longest": self.longest,
            "length": self.length,
            "ordered": self.ordered,
            "hashes": base64.b64encode(self.hashes.astype("<u8").tobytes()).decode(),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Vocabulary:
        """The vocabulary that `to_config` wrote."""
        hashes = np.frombuffer(base64.b64decode(config["hashes"]), "<u8").astype(np.uint64)
        return cls(**{**config, "tokenizer": Tokenizer(**config["tokenizer"]), "hashes": hashes})


def _features(texts: pl.Series, tokenizer: Tokenizer, grams: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Every token and group of neighbours: number of its text, and hash."""
    rows, hashes = tokenizer.tokens(texts)
    place = np.arange(len(rows)) - np.searchsorted(rows, np.arange(len(texts)))[rows]
    rows, hashes = rows[place < longest], hashes[place < longest]
    parts, joined = [(rows, hashes)], hashes
    for width in range(2, grams + 1):
        whole = rows[width - 1 :] == rows[: max(len(rows) - width + 1, 0)]
        with np.errstate(over="ignore"):
            joined = mix(joined[:-1] * _GOLDEN + hashes[width - 1 :]) if len(joined) > 1 else joined[:0]
        parts.append((rows[width - 1 :][whole], joined[whole]))
    return np.concatenate([r for r, _ in parts]), np.concatenate([h for _, h in parts])


def _places(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The place of each hash in a sorted array of them, int64, -1 where it is not there.

    Hashes are spread evenly, so their highest bits lead to within a few places of them: several times quicker
    than a search by halves.
    """
    bits = max(4, len(known).bit_length() + 2)
    shift = np.uint64(64 - bits)
    edges = np.searchsorted(known >> shift, np.arange((1 << bits) + 1, dtype=np.uint64))
    block = (wanted >> shift).astype(np.int64)
    place = edges[block]
    made = np.full(len(wanted), -1, np.int64)
    for step in range(int(np.diff(edges).max())):
        at = np.minimum(place + step, len(known) - 1)
        hit = known[at] == wanted
        made[hit] = at[hit]
    return made

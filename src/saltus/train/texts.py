"""From raw texts to a model that takes raw texts. Above `tabular`: a text is a column that is read word by word, and
other columns may stand beside it.

    model = fit_texts("reviews.csv", "sentiment")
    model.predict(["one of the best films of the year"])
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from saltus.base.errors import ArgumentError, DataError
from saltus.data import Table
from saltus.data.texts import FILE, TEXT, read_texts, target_column, text_column
from saltus.train.fitted import Predictions, chosen_plan, with_changes
from saltus.train.prepared import Prepared
from saltus.train.tabular import TableOptions, TabularModel, prepare_read, table_encoder
from saltus.train.text_streams import prepare_blocks, text_blocks

_LONGEST_PATH = 1_000


@dataclass(frozen=True)
class TextOptions(TableOptions):
    """How texts are learnt: `TableOptions`, and what only texts have.

    Attributes:
        text: the column of the texts; None finds it.
        tokenizer: "words", "characters", "bpe", "wordpiece", or a tokenizer.json; the last three need the extra
            `text`.
        tokenizer_size: tokens of a bpe or wordpiece tokenizer at most.
        grams: neighbouring words that are learnt together, at most; None takes 2, and 5 for characters.
        memory: bytes of texts that are read as a whole, from a folder or from CSV, TSV, Parquet or Arrow files. Larger
            ones, or several files, are read in blocks: see `text_streams`.
        longest: words of a text that are read, from its beginning; None takes 400, and 2000 for characters.
        encoding: of text files; None takes UTF-8.
    """

    hidden: Sequence[int] | None = ()
    learning_rate: float = 3e-3
    text: str | None = None
    tokenizer: str = "words"
    tokenizer_size: int = 8_000
    grams: int | None = None
    longest: int | None = None
    encoding: str | None = None


class TextModel(TabularModel):
    """A network with the vocabulary of its texts: raw texts in, labels or values out. See `Fitted`.

    Texts are whatever `read_texts` takes: folders and files, or a table with the column of the texts; and a list of
    the texts themselves.
    """

    kind = "text"
    title = "texts"

    @property
    def text(self) -> str:
        """The column of the texts."""
        return str(next(encoder.plan.name for encoder in self.encoder.encoders if encoder.plan.kind == "text"))

    def table(self, source: Any) -> Table:
        """Texts of any form as the table that the encoder takes."""
        if isinstance(source, list | tuple) and source and all(isinstance(text, str) for text in source) and not _are_files(source):
            source = {self.text: list(source)}
        read = read_texts(source)
        if self.text not in read.frame.columns and TEXT in read.frame.columns:
            read = replace(read, frame=read.frame.rename({TEXT: self.text}))
        return read

    def evaluate(self, source: Any) -> Any:
        return super().evaluate(self.table(source))

    def predict(self, source: Any) -> Any:
        return super().predict(self.table(source))

    def predict_proba(self, source: Any) -> Any:
        return super().predict_proba(self.table(source))

    def predictions(self, source: Any) -> Predictions:
        return super().predictions(self.table(source))


def fit_texts(source: Any, target: str | None = None, options: TextOptions | None = None, **changes: Any) -> TextModel:
    """Train a network on texts.

    The default reads the words and pairs of neighbouring words of a text as one bag (Joulin et al., "Bag of Tricks
    for Efficient Text Classification", 2016): it trains in seconds and is hard to beat on topics and opinions.

    Args:
        source: anything `read_texts` takes: a folder root/<class>/*.txt, or a table with a column of texts.
        target: the column to predict; None takes the classes' folders, or the other column.
        options: how; None for the defaults.
        changes: single options by name.

    Returns:
        The trained model, with its figures on the held-out texts.

    Raises:
        UnknownNameError: no such column, tokenizer or option.
        DataError: the texts or their target cannot be read or learnt from.
        Interrupted: Ctrl-C or SIGTERM came; the checkpoint is written when there is a folder for it.

    Example:
        >>> texts = ["a fine and moving film", "what a fine film", "a dull film", "dull and far too long"] * 10
        >>> model = fit_texts({"text": texts, "label": ["good", "good", "bad", "bad"] * 10}, verbose=0)
        >>> model.predict(["fine and moving"]).tolist()
        ['good']
    """
    return prepare_texts(source, target, with_changes(options or TextOptions(), changes)).fit()


def prepare_texts(source: Any, target: str | None, options: TextOptions) -> Prepared[TextModel]:
    """Texts split and encoded; see `fit_texts`."""
    blocks = text_blocks(source, target, options)
    if blocks is not None:
        table, text, target = opened_texts(Table(blocks.frame(0), blocks.name), blocks.target, options)
        return prepare_blocks(TextModel, blocks, _with_encoder(options, text), _sizes)
    table, text, target = opened_texts(source, target, options)
    frame = table.frame.drop(FILE) if FILE in table.frame.columns and target != FILE else table.frame
    return prepare_read(TextModel, replace(table, frame=frame), target, _with_encoder(options, text), _sizes)


def _with_encoder(options: TextOptions, text: str) -> TextOptions:
    """Options with the encoder that reads a column of texts."""
    letters = options.tokenizer == "characters"
    ordered = options.reader != "bag"
    if ordered and (options.grams or 1) > 1:
        raise ArgumentError(f"the reader {options.reader!r} reads words one by one, but grams is {options.grams}", fix="leave grams out")
    encoder = options.encoder or table_encoder(
        options,
        tokenizer=options.tokenizer,
        tokenizer_size=options.tokenizer_size,
        grams=options.grams or (5 if letters else 2),
        longest=options.longest or (2_000 if letters else 400),
        drop_duplicates=False,
    )
    overrides = {text: "text", **(options.overrides or {})}
    held = options.test
    if held is not None and not isinstance(held, int | float):
        held = read_texts(held, encoding=options.encoding)
    return replace(options, encoder=encoder, overrides=overrides, test=held)


def opened_texts(source: Any, target: str | None, options: TextOptions) -> tuple[Table, str, str]:
    """The table of the texts, the column of the texts, and the one to predict."""
    table = read_texts(source, encoding=options.encoding)
    columns = table.frame.columns
    text = options.text or (TEXT if TEXT in columns else text_column(table.frame.drop(target) if target in columns else table.frame))
    if text is None or text not in columns:
        what = "no column of free text" if text is None else f"no column {text!r}"
        raise DataError(f"{table.name} has {what}; its columns are {', '.join(map(repr, columns))}", fix="name it: text=, or --set text=")
    target = target_column(table, text, target)
    if target == text:
        raise ArgumentError(f"{text!r} is both the text and the target", fix="choose another target")
    return table, text, target


def _are_files(texts: Sequence[str]) -> bool:
    return all(len(text) < _LONGEST_PATH and os.path.isfile(text) for text in texts)


def _sizes(rows: int, options: Any) -> tuple[int | str, int]:
    """Small batches, and few epochs: the vectors of rare words are learnt by heart soon."""
    return chosen_plan(rows, options, 64 if rows >= 4_000 else 16, updates=1_500, low=8, high=60)

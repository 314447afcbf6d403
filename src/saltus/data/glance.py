"""A first look at a file of rows, to find out what it holds without reading all of it; above `delimited`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saltus.data.delimited import read_delimited
from saltus.data.lazy import LazyModule

if TYPE_CHECKING:
    import polars as pl
else:
    pl = LazyModule("polars")

GLANCE = 1 << 18  # bytes that are looked at


def glance(path: Path) -> pl.DataFrame | None:
    """The first rows of a table, or None where that cannot be done cheaply."""
    suffix = path.suffix.lower()
    if suffix in (".parquet", ".pq"):
        return pl.scan_parquet(path).head(500).collect()
    with path.open("rb") as file:
        head = file.read(GLANCE)
    whole = len(head) < GLANCE
    if suffix in (".jsonl", ".ndjson"):
        return pl.read_ndjson(head if whole else head[: head.rfind(b"\n") + 1])
    if suffix not in (".csv", ".tsv", ".tab", ".txt"):
        return None
    end = len(head) if whole else head.rfind(b"\n") + 1
    while not whole and end and head.count(b'"', 0, end) % 2:  # a line break inside quotes does not end a row
        end = head.rfind(b"\n", 0, end - 1) + 1
    return read_delimited(head[:end], str(path))[0] if end else None

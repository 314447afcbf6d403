"""Layer of data. In: files, frames, arrays. Out: NumPy arrays for a network, records of what was done.

Knows nothing of graphs, networks or training; Polars is loaded when a table is first touched.
"""

from __future__ import annotations

from saltus.data.encode_images import EncodedImages, ImageEncoder
from saltus.data.image_rows import ImageRows
from saltus.data.images import ImageSet, read_images
from saltus.data.normalise import Scaler
from saltus.data.oversample import smote
from saltus.data.read import Table, read_table
from saltus.data.records import Change
from saltus.data.schema import Schema, infer_schema
from saltus.data.split import split_rows
from saltus.data.supply import Batches, Blocks, Rows
from saltus.data.table import EncodedTable, TableEncoder, TableReport
from saltus.data.table_files import TableFiles
from saltus.data.typos import keyboard_typos, recognition_typos

__all__ = [
    "Batches",
    "Blocks",
    "Change",
    "EncodedImages",
    "EncodedTable",
    "ImageEncoder",
    "ImageRows",
    "ImageSet",
    "Rows",
    "Scaler",
    "Schema",
    "Table",
    "TableEncoder",
    "TableFiles",
    "TableReport",
    "infer_schema",
    "keyboard_typos",
    "read_images",
    "read_table",
    "recognition_typos",
    "smote",
    "split_rows",
]

"""Layer of data. In: files, frames, arrays. Out: NumPy arrays for a network, records of what was done.

Knows nothing of graphs, networks or training; Polars is loaded when a table is first touched.
"""

from __future__ import annotations

from saltus.base.later import later as _later

__getattr__, __dir__ = _later(
    __name__,
    {
        "encode_images": "EncodedImages ImageEncoder",
        "image_rows": "ImageRows",
        "images": "ImageSet read_images",
        "normalise": "Scaler",
        "oversample": "smote",
        "read": "Table read_table",
        "records": "Change",
        "schema": "Schema infer_schema",
        "split": "split_rows",
        "supply": "Batches Blocks Rows",
        "table": "EncodedTable TableEncoder TableReport",
        "table_files": "TableFiles",
        "typos": "keyboard_typos recognition_typos",
    },
)  # fmt: skip

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

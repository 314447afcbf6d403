"""The lines of docs/results.md: one command each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One command and what is read from the folder of its run.

    Args:
        group: what `make results ONLY=group` runs.
        title: the data, in words.
        rows: of the data in all.
        command: after `saltus`, run where the files lie.
        files: of `files.MADE` that it reads.
        scores: the names of the scores shown.
        seeds: how many more seeds, 0 to seeds - 1, are run for the mean and the range; small tables change by the draw.
        section: heading of the table the line stands in.
        note: what a reader must know, below the table.
    """

    group: str
    title: str
    rows: int
    command: str
    files: tuple[str, ...] = ()
    scores: tuple[str, ...] = ("accuracy",)
    seeds: int = 0
    section: str = "Tables"
    note: str = ""


TABLES, IMAGES, TEXTS, SERIES = "Tables", "Images", "Texts", "Time series"
JUDGED = "Adult, judged and trained in other ways"
STOCKS = " ".join(f"--column {name}=drop" for name in ("Open", "High", "Low", "Close"))


def table(group: str, title: str, rows: int, name: str, more: str = "", *, score: str = "accuracy", seeds: int = 5, note: str = "") -> Line:
    """A small table by `saltus fit`."""
    return Line(group, title, rows, f"fit {name} {more}".strip(), (name,), (score,), seeds, TABLES, note)


NOTES = {
    "folds": "Of five folds: the mean over networks that each judge a fifth they never saw, with its 95 % confidence interval.",
    "titanic": "Titanic's `boat` and `body` are known only after the event: with them the figure would be a leak, not a prediction.",
    "reviews": "The package has the training half of IMDB and the training part of Rotten Tomatoes; a fifth of each is held out.",
    "news": "20 Newsgroups keeps its usual split by time: a random split would flatter.",
    "stocks": "The past of stock prices foretells little: the naive forecast, the last price, is as good or better a month and a "
    "quarter ahead, and the command says so. Only `Adj Close` is corrected for splits, so the other prices are left out.",
}  # fmt: skip


def adult(title: str, more: str, note: str = "") -> Line:
    """Adult income once more."""
    return Line("adult", title, 32_561, f"fit adult.csv --target income {more}", ("adult.csv",), section=JUDGED, note=note)


def series(group: str, title: str, rows: int, more: str, *scores: str, note: str = "") -> Line:
    """A time series by `saltus fit`."""
    return Line(group, title, rows, f"fit {group}.csv {more}", (f"{group}.csv",), scores, section=SERIES, note=note)


LINES = [
    Line("penguins", "penguins (comes with saltus)", 344, "fit penguins --target species", seeds=5),
    table("adult", "Adult income", 32_561, "adult.csv", "--target income"),
    table("titanic", "Titanic", 1309, "titanic.csv", "--target survived --column boat=drop --column body=drop", note=NOTES["titanic"]),
    table("wine", "wine", 178, "wine.csv"),
    table("iris", "iris", 150, "iris.csv"),
    table("breast_cancer", "breast cancer", 569, "breast_cancer.csv"),
    table("digits", "digits 8x8", 1797, "digits.csv"),
    table("weather", "Seattle weather", 1461, "seattle-weather.csv", "--target weather"),
    table("autompg", "Auto MPG", 392, "autompg.csv", score="r2"),
    table("boston", "Boston housing", 506, "boston_housing.csv", score="r2"),
    table("diabetes", "diabetes", 442, "diabetes.csv", "--target progression", score="r2"),
    adult("five folds", "--folds 5", NOTES["folds"]),
    adult("bagging", "--ensemble bagging"),
    adult("AdaBoost", "--ensemble adaboost"),
    adult("gradient boosting", "--ensemble boosting"),
    Line("fashion", "Fashion-MNIST", 70_000, "fit fashion-mnist", ("fashion-mnist",), section=IMAGES),
    Line(
        "augmented", "Fashion-MNIST, augmented", 70_000, "fit fashion-mnist --augment standard", ("fashion-mnist",), section=IMAGES,
    ),
    Line("reviews", "IMDB reviews, sentiment", 25_000, "fit imdb.csv --target label", ("imdb.csv",), section=TEXTS, note=NOTES["reviews"]),
    Line("reviews", "Rotten Tomatoes sentences, sentiment", 8530, "fit rt.csv --target label", ("rt.csv",), section=TEXTS),
    Line(
        "news", "20 Newsgroups, topics", 18_821, "fit news_train.csv --test news_test.csv", ("news_train.csv", "news_test.csv"),
        section=TEXTS, note=NOTES["news"],
    ),
    series(
        "airline", "airline passengers, monthly", 144, "--horizon 1 --horizon quarter --horizon year",
        "mae", "mae +1", "mae quarter", "mae year",
    ),
    series("sunspots", "sunspots, yearly", 309, "--horizon 1 --horizon 11", "mae +1", "mae +11"),
    series(
        "stocks", "five stocks, daily", 12_154, f'--target "Adj Close" {STOCKS} --horizon month --horizon quarter',
        "mae month", "mae quarter", note=NOTES["stocks"],
    ),
]  # fmt: skip
SECTIONS = list(dict.fromkeys(line.section for line in LINES))
GROUPS = list(dict.fromkeys(line.group for line in LINES))

"""Small runs of every kind of data, each made once, and what their pages say."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from saltus.cli.main import main
from saltus.data.sets import path as shipped
from saltus.report import write_report
from saltus.report.picture import png


def shops(rows: int = 500, seed: int = 0) -> pl.DataFrame:
    """Customers: ages with gaps, cities in two spellings, days, whether they bought, and for how much."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows).astype(float)
    city = rng.choice(["Bern", "Basel", "bern"], rows)
    bought = np.where(rng.random(rows) < 1 / (1 + np.exp(-(age - 50) / 8)), "yes", "no & no")
    spent = (age * 3 + rng.normal(0, 10, rows)).round(2)
    days = np.datetime64("2024-01-01") + rng.integers(0, 300, rows)
    age[rng.random(rows) < 0.1] = np.nan
    made = pl.DataFrame({"age": age, "city": city, "day": days, "spent": spent, "bought": bought})
    return made.with_columns(pl.col("age").fill_nan(None))


def make(kind: str, place: Path) -> list[str]:
    """Write the data of a kind; returns the words of `saltus fit` for them."""
    rng = np.random.default_rng(1)
    if kind == "table":
        return [str(shipped("penguins")), "--target", "species", "--epochs", "30"]
    if kind in ("two_classes", "numbers"):
        drop, target = ("spent", "bought") if kind == "two_classes" else ("bought", "spent")
        shops().drop(drop).write_csv(place / "shops <1>.csv")
        return [str(place / "shops <1>.csv"), "--target", target, "--epochs", "15"]
    if kind == "text":
        texts = [" ".join(rng.choice(["good", "fine"] if k % 2 else ["bad", "dull"], 3)) + f" film {k} of <b>them</b>" for k in range(80)]
        pl.DataFrame({"review": texts, "opinion": ["for", "against"] * 40}).write_csv(place / "reviews.csv")
        return [str(place / "reviews.csv"), "--kind", "text", "--target", "opinion", "--epochs", "8"]
    if kind == "images":
        for name, level in (("bright", 170), ("dark", 60)):
            (place / "skies" / name).mkdir(parents=True)
            for k in range(24):
                pixels = np.clip(rng.normal(level, 40, (12, 14, 3)), 0, 255).astype(np.uint8)
                (place / "skies" / name / f"{k}.png").write_bytes(png(pixels))
        return [str(place / "skies"), "--epochs", "3"]
    days = np.arange("2023-01-01", "2023-12-31", dtype="datetime64[D]")
    t = np.arange(len(days))
    sold = {"north": 40 + t / 30 + 8 * (t % 7 > 4), "south": 90 + t / 20 + 4 * (t % 7 > 4)}
    pl.concat([pl.DataFrame({"day": days, "shop": [s] * len(t), "sold": v}) for s, v in sold.items()]).write_csv(place / "sales.csv")
    return [str(place / "sales.csv"), "--target", "sold", "--horizon", "1", "--horizon", "week", "--epochs", "5"]


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """kind -> the folder of a run on it, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            place = tmp_path_factory.mktemp(kind)
            assert main(["fit", *make(kind, place), "--out", str(place / "run"), "--quiet"]) == 0
            made[kind] = place / "run"
        return made[kind]

    return folder


@pytest.fixture(scope="session")
def page_of(run_of, tmp_path_factory):
    """kind -> the page of a run on it, as HTML."""
    made: dict[str, str] = {}

    def text(kind: str) -> str:
        if kind not in made:
            made[kind] = write_report(run_of(kind), tmp_path_factory.mktemp("pages") / f"{kind}.html").read_text(encoding="utf-8")
        return made[kind]

    return text


@pytest.fixture
def words():
    """What a reader sees of a page: its text without markup."""
    return lambda page: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", page, flags=re.S))).split())

"""The files that the guide speaks of: small, made by the same seed every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

LETTERS = {"spam": ["gold", "win", "free", "now"], "ham": ["meeting", "lunch", "report", "thanks"]}


def write_customers(folder: Path) -> None:
    """customers.csv, and new.csv with five rows whose outcome is not known."""
    rng, rows = np.random.default_rng(0), 400
    months, price = rng.integers(1, 72, rows), rng.normal(60, 20, rows).round(2)
    contract = rng.choice(["monthly", "yearly"], rows)
    score = 1.0 - 0.06 * months + 0.03 * price - 1.5 * (contract != "monthly") + rng.normal(0, 0.5, rows)
    table = pl.DataFrame(
        {
            "customer": [f"C{number:05}" for number in range(rows)],
            "since": (np.datetime64("2024-06-01") - months * 30).astype("datetime64[D]"),
            "contract": contract,
            "price": [f"{value} EUR" for value in price],
            "months": [None if rng.random() < 0.05 else int(value) for value in months],
            "churned": np.where(score > 0, "yes", "no"),
        }
    )
    table.write_csv(folder / "customers.csv")
    table.drop("churned").head(5).write_csv(folder / "new.csv")


def write_flowers(folder: Path) -> None:
    """flowers/<class>/<n>.png: three classes, each of its own colour."""
    rng = np.random.default_rng(0)
    for number in range(90):
        place = folder / "flowers" / ("daisy", "rose", "tulip")[number % 3]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 60, (12, 12, 3))
        pixels[..., number % 3] += 120
        Image.fromarray(pixels.astype("uint8")).save(place / f"{number}.png")


def write_mail(folder: Path) -> None:
    """mail/<class>/<n>.txt: letters of two kinds."""
    rng = np.random.default_rng(0)
    for number in range(80):
        kind = ("ham", "spam")[number % 2]
        (folder / "mail" / kind).mkdir(parents=True, exist_ok=True)
        words = [*rng.choice(LETTERS[kind], 6), *rng.choice(["the", "and", "we", "you"], 6)]
        (folder / "mail" / kind / f"{number}.txt").write_text(" ".join(words))


def write_sales(folder: Path) -> None:
    """sales.csv: two years of days with a weekly wave."""
    day = np.arange(730)
    sold = 50 + 8 * np.sin(2 * np.pi * day / 7) + np.random.default_rng(0).normal(0, 1, 730)
    days = (np.datetime64("2022-01-01") + day).astype("datetime64[D]")
    pl.DataFrame({"day": days, "sold": sold.round(2)}).write_csv(folder / "sales.csv")


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """An empty folder with these files, to work in."""
    for write in (write_customers, write_flowers, write_mail, write_sales):
        write(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path

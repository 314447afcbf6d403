"""Charts: the same numbers give the same picture, and the picture holds what was given.

`UPDATE_GOLDEN=1 pytest tests/report` writes the stored pictures anew; look at them before they are kept.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from saltus.report.charts import Plot, extent, labels, matrix, spark, thinned, ticks, time_ticks

GOLDEN = Path(__file__).parent / "golden"


def loss() -> str:
    plot = Plot("Loss", (1, 4), (0, 1), across="epoch", up="loss", whole=True)
    plot.line([1, 2, 3, 4], [0.9, 0.5, float("nan"), 0.2], "a", "training")
    plot.line([1, 2, 3, 4], [0.95, 0.6, 0.55, 0.58], "b", "validation")
    plot.upright(3, "best epoch 3")
    return plot.figure()


def columns() -> str:
    plot = Plot("Errors <all>", (-2, 2), (0, 10), across="predicted - true")
    plot.columns([-2, -1, 0, 1, 2], [1, 4, 9, 0], titles=["a", "b", "c & d", "e"])
    plot.diagonal("right")
    plot.level(5.0)
    plot.dots([0.5], [3.0], "c", "one", titles=["<here>"], large=True)
    return plot.figure()


def series() -> str:
    times = np.arange("2023-01-01", "2023-07-01", dtype="datetime64[D]").astype("datetime64[s]").astype(float)
    plot = Plot("Sold", (times[0], times[-1]), (1, 1000), time=True, log=True)
    plot.shade(times[120], times[-1], "test")
    plot.line(times, np.linspace(1, 1000, len(times)))
    return plot.figure()


MADE = {
    "loss": loss, "columns": columns, "series": series,
    "matrix": lambda: matrix(np.array([[3, 1], [0, 2]]), ["no", "yes & more"]),
    "spark": lambda: spark([1, 0, 4], ["one", "none", "four"]),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_a_chart_is_the_stored_picture(name):
    made, stored = MADE[name]() + "\n", GOLDEN / f"{name}.html"
    if os.environ.get("UPDATE_GOLDEN"):
        stored.write_text(made, encoding="utf-8")
    assert made == stored.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", MADE)
def test_a_chart_is_well_formed_and_stays_inside_its_frame(name):
    root = ElementTree.fromstring(MADE[name]())
    picture = root if root.tag == "svg" else root.find("svg")
    _, _, width, height = map(float, picture.get("viewBox").split())
    for part in picture.iter():
        for attribute, most in (("x", width), ("cx", width), ("y", height), ("cy", height)):
            assert -1 <= float(part.get(attribute, 0)) <= most + 1


def test_a_line_is_broken_where_a_value_is_missing():
    assert re.search(r'class="line a" d="M[\d. ]+L[\d. ]+M[\d. ]+"', loss())


def test_points_lie_where_their_values_are():
    plot = Plot("", (0, 10), (0, 100))
    plot.dots([0, 5, 10], [0, 50, 100])
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', plot.svg())]
    ys = [float(y) for y in re.findall(r'cy="([\d.]+)"', plot.svg())]
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.11)
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=0.11)
    assert xs == sorted(xs)
    assert ys == sorted(ys, reverse=True)


def test_a_logarithmic_axis_has_powers_of_ten():
    plot = Plot("", (0, 1), (0.001, 10), log=True)
    assert all(f">{v}<" in plot.svg() for v in ("0.001", "0.01", "0.1", "1", "10"))


def test_long_lines_are_thinned_but_keep_their_ends():
    places = thinned(100_000)
    assert len(places) == 400
    assert (places[0], places[-1]) == (0, 99_999)


def test_what_comes_from_data_is_escaped():
    assert "<all>" not in columns()
    assert "Errors &lt;all&gt;" in columns()
    assert "<title>&lt;here&gt;</title>" in columns()


def test_a_matrix_of_many_classes_keeps_its_cells_apart():
    picture = matrix(np.eye(25, dtype=int) * 7, [f"class number {k}" for k in range(25)])
    assert picture.count('class="cell a"') == 25
    assert picture.count('class="cell b"') == 600
    assert "rotate(-55" in picture


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 8.1), (1e-7, 9e-7), (12_000, 2_000_000), (5, 5)])
def test_ticks_are_few_round_and_inside(low, high):
    found = ticks(low, high)
    assert 1 <= len(found) <= 5
    assert all(low - 1e-9 * abs(low) <= v <= high + 1e-9 * abs(high) for v in found)
    assert len(set(labels(found))) == len(found)


@pytest.mark.parametrize("days", [0.02, 0.5, 3, 40, 150, 400, 3_000, 30_000])
def test_times_of_any_span_get_readable_ticks(days):
    begin = float(np.datetime64("2021-03-04T05:06:07").astype(np.int64))
    places, names = time_ticks(begin, begin + days * 86_400)
    assert 1 < len(places) <= 9
    assert len(set(names)) == len(names)
    assert sum(map(len, names)) <= 52


def test_the_extent_of_nothing_and_of_one_value_has_a_width():
    assert extent([]) == (0.0, 1.0)
    low, high = extent([3.0, float("nan")])
    assert low < 3.0 < high

"""Scalers: what they promise, that they can be undone and stored, and which one a column gets."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from saltus.base.errors import UnknownNameError
from saltus.data import Scaler
from saltus.data.normalise import SCALERS, choose

COLUMNS = hnp.arrays(np.float64, st.integers(2, 60), elements=st.floats(-1e6, 1e6).map(lambda x: round(x, 3)))


def draw(seed=0):
    return np.random.default_rng(seed)


def test_standard_gives_mean_zero_and_deviation_one():
    scaled = Scaler.fit(draw().normal(50, 7, 1000), "standard").apply(draw().normal(50, 7, 1000))
    assert abs(scaled.mean()) < 1e-12
    assert abs(scaled.std() - 1) < 1e-12


def test_minmax_gives_zero_to_one():
    scaled = Scaler.fit(np.array([3.0, 5.0, 13.0]), "minmax").apply(np.array([3.0, 5.0, 13.0]))
    assert scaled.tolist() == [0.0, 0.2, 1.0]


def test_robust_is_not_moved_by_one_outlier():
    values = np.append(draw().normal(size=999), 1e9)
    clean = Scaler.fit(values[:-1], "robust").apply(values[:-1])
    np.testing.assert_allclose(Scaler.fit(values, "robust").apply(values[:-1]), clean, atol=0.02)


def test_quantile_makes_any_shape_normal_and_stays_bounded():
    values = np.exp(3 * draw().normal(size=5000))
    scaler = Scaler.fit(values, "quantile")
    scaled = scaler.apply(values)
    assert abs(np.mean(scaled)) < 0.02
    assert abs(np.std(scaled) - 1) < 0.03
    assert abs(np.mean(scaled**3)) < 0.1
    assert np.abs(scaler.apply(np.array([-1e300, 1e300]))).max() < 4


def test_quantile_puts_a_value_shared_by_many_rows_in_the_middle_of_its_share():
    values = np.concatenate([np.zeros(900), np.arange(1, 101)])
    scaled = Scaler.fit(values, "quantile").apply(np.array([0.0, 1.0, 100.0]))
    assert scaled[0] == pytest.approx(-0.1257, abs=0.01)  # the normal quantile of 0.45
    assert scaled[0] < scaled[1] < scaled[2]


def test_log_keeps_the_sign_and_straightens_a_long_tail():
    values = np.array([-1000.0, -1.0, 0.0, 1.0, 1000.0])
    scaled = Scaler.fit(values, "log").apply(values)
    np.testing.assert_allclose(scaled, -scaled[::-1], atol=1e-12)
    assert np.all(np.diff(scaled) > 0)
    assert scaled[4] / scaled[3] < 11


@pytest.mark.parametrize("kind", sorted(SCALERS))
@given(values=COLUMNS)
def test_every_scaler_keeps_the_order_is_finite_and_can_be_undone(kind, values):
    scaler = Scaler.fit(values, kind)
    scaled = scaler.apply(values)
    assert np.isfinite(scaled).all()
    order = np.argsort(values, kind="stable")
    assert np.all(np.diff(scaled[order]) >= -1e-9)
    if kind != "quantile":
        np.testing.assert_allclose(scaler.invert(scaled), values, rtol=1e-9, atol=1e-6)


def test_quantiles_are_undone_up_to_their_grid():
    values = draw().normal(size=2000)
    scaler = Scaler.fit(values, "quantile")
    inside = np.quantile(values, np.linspace(0.01, 0.99, 99))
    np.testing.assert_allclose(scaler.invert(scaler.apply(inside)), inside, atol=0.01)


@pytest.mark.parametrize("kind", [*sorted(SCALERS), "auto"])
@given(values=COLUMNS)
def test_a_stored_scaler_gives_the_same_bits(kind, values):
    scaler = Scaler.fit(values, kind)
    again = Scaler.from_config(json.loads(json.dumps(scaler.to_config())))
    assert again == scaler
    np.testing.assert_array_equal(again.apply(values), scaler.apply(values))


@pytest.mark.parametrize("kind", [*sorted(SCALERS), "auto"])
@pytest.mark.parametrize(
    "values",
    [[], [np.nan], [5.0], [5.0, 5.0, np.nan], [1e300, -1e300, 0.0], [1e-300, 2e-300], [np.inf, 1.0, 2.0]],
)
def test_columns_of_any_size_and_range_are_scaled_without_a_warning(kind, values):
    values = np.array(values)
    scaled = Scaler.fit(values, kind).apply(values[np.isfinite(values)])
    assert np.isfinite(scaled).all()


def test_missing_values_stay_missing():
    for kind in SCALERS:
        scaled = Scaler.fit(np.array([1.0, np.nan, 3.0, 10.0]), kind).apply(np.array([np.nan, 2.0]))
        assert np.isnan(scaled).tolist() == [True, False], kind


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (draw().normal(100, 15, 2000), "standard"),
        (draw().integers(0, 2, 500), "none"),
        (draw().integers(0, 256, 2000), "minmax"),
        (draw().uniform(0, 1, 2000).clip(0.0, 1.0).round(2), "minmax"),
        (np.exp(draw().normal(10, 1, 2000)), "log"),
        (draw().pareto(1.0, 2000) * 100, "log"),
        (np.append(draw().normal(size=2000), [15.0, -15.0, 20.0]), "robust"),
        (np.where(draw().random(5000) < 0.95, 0, draw().integers(1000, 100000, 5000)), "quantile"),
        (np.append(draw().normal(size=2000), 1e7), "quantile"),
        ([4.0, 4.0], "standard"),
        ([], "none"),
    ],
    ids=[
        "normal",
        "zero-one",
        "bytes",
        "shares",
        "incomes",
        "tail",
        "outliers",
        "mostly zero",
        "one far outlier",
        "constant",
        "nothing",
    ],
)
def test_the_scaler_fits_the_shape_of_the_column(values, expected):
    assert choose(np.asarray(values, dtype=float))[0] == expected


@given(values=COLUMNS)
def test_a_chosen_scaler_gives_moderate_values(values):
    scaled = Scaler.fit(values).apply(values)
    assert np.abs(scaled).max(initial=0) <= 60  # an outlier of sixty among ordinary numbers still trains


def test_an_unknown_scaler_gives_the_nearest_name():
    with pytest.raises(UnknownNameError, match="unknown scaler 'standart'") as caught:
        Scaler.fit(np.arange(3.0), "standart")
    assert "'standard'" in str(caught.value.fix)


def test_the_largest_numbers_there_are_get_a_scaler_and_stay_finite():
    values = np.where(np.arange(100) % 2, 1e308, -1e-308)
    assert np.isfinite(Scaler.fit(values, "auto").apply(values)).all()

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.maths.coordinate import (
    Orientation,
    circular_mean,
    circular_median,
    circular_rank_correlation,
    curve_at,
    linear_rank_correlation,
    orient,
    orient_curve,
)

seeds = st.integers(0, 10_000)


@given(seeds, st.floats(0, 1), st.booleans())
def test_where_a_circle_begins_and_which_way_it_runs_do_not_matter(seed: int, shift: float, flip: bool) -> None:
    turns = np.random.default_rng(seed).permutation(40) / 40
    other = ((-turns if flip else turns) + shift) % 1.0
    assert circular_rank_correlation(turns, other) == pytest.approx(1.0, abs=0.02)


def test_unrelated_orders_do_not_correlate() -> None:
    rng = np.random.default_rng(0)
    assert circular_rank_correlation(rng.uniform(size=2000), rng.uniform(size=2000)) < 0.1
    assert linear_rank_correlation(rng.uniform(size=2000), rng.uniform(size=2000)) < 0.1


def test_swapping_two_far_values_of_twelve_costs() -> None:
    swapped = np.arange(12)
    swapped[[0, 6]] = swapped[[6, 0]]
    assert circular_rank_correlation(np.arange(12.0), swapped.astype(float)) < 0.95


@given(seeds)
def test_linear_rank_correlation_sees_any_monotone_order(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(30)
    assert linear_rank_correlation(values, -np.exp(values)) == pytest.approx(1.0)


def test_means_cross_the_seam() -> None:
    turns = np.array([0.95, 0.97, 0.01, 0.03, 0.04])
    assert min(circular_mean(turns), 1 - circular_mean(turns)) < 0.01
    assert circular_median(turns) == pytest.approx(0.01, abs=1e-6)


@given(seeds, st.floats(0, 1, exclude_max=True), st.booleans(), st.booleans())
def test_a_turned_coordinate_finds_the_same_points_of_the_turned_curve(
    seed: int, shift: float, flip: bool, closed: bool
) -> None:
    rng = np.random.default_rng(seed)
    at = rng.uniform(size=20)
    angle = 2 * np.pi * (np.arange(400) / 400 if closed else np.linspace(0, 0.7, 400))
    curve = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    turn = Orientation(shift if closed else 0.0, flip)
    before = curve_at(curve, at, closed=closed)
    after = curve_at(orient_curve(curve, turn, closed=closed), orient(at, turn, closed=closed), closed=closed)
    assert np.abs(before - after).max() < 1e-3
    turned = orient(at, turn, closed=closed)
    assert turned.min() >= 0
    assert turned.max() < 1 if closed else turned.max() <= 1

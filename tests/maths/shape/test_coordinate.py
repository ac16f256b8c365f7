"""Rank correlations, circular means and orientations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from explorer.maths.shape.coordinate import (
    Orientation,
    circular_mean,
    circular_rank_correlation,
    coordinate_distance,
    linear_rank_correlation,
    orient,
)

seeds = st.integers(0, 10_000)


@given(seeds, st.floats(0, 1), st.booleans())
def test_circular_correlation_is_invariant_to_rotation_and_reflection(seed: int, shift: float, flip: bool) -> None:
    turns = np.random.default_rng(seed).permutation(40) / 40
    other = ((-turns if flip else turns) + shift) % 1.0
    assert circular_rank_correlation(turns, other) == pytest.approx(1.0, abs=0.02)


def test_unrelated_orders_do_not_correlate() -> None:
    rng = np.random.default_rng(0)
    assert circular_rank_correlation(rng.uniform(size=2000), rng.uniform(size=2000)) < 0.1
    assert linear_rank_correlation(rng.uniform(size=2000), rng.uniform(size=2000)) < 0.1


def test_swapping_two_distant_values_lowers_the_correlation() -> None:
    swapped = np.arange(12)
    swapped[[0, 6]] = swapped[[6, 0]]
    assert circular_rank_correlation(np.arange(12.0), swapped.astype(float)) < 0.95


@given(seeds)
def test_linear_rank_correlation_is_one_for_any_monotone_order(seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(30)
    assert linear_rank_correlation(values, -np.exp(values)) == pytest.approx(1.0)


def test_circular_means_wrap_around() -> None:
    turns = np.array([0.95, 0.97, 0.01, 0.03, 0.04])
    assert min(circular_mean(turns), 1 - circular_mean(turns)) < 0.01


@given(seeds, st.floats(0, 1, exclude_max=True), st.booleans(), st.booleans())
def test_orient_preserves_distances_and_puts_the_first_value_first(
    seed: int, shift: float, flip: bool, closed: bool
) -> None:
    at = np.random.default_rng(seed).uniform(size=20)
    turn = Orientation(shift if closed else 0.0, flip)
    turned = orient(at, turn, closed=closed)
    assert coordinate_distance(turned[1:], turned[0], closed=closed) == pytest.approx(
        coordinate_distance(at[1:], at[0], closed=closed)
    )
    first = orient(np.array([shift if closed else float(flip)]), turn, closed=closed)
    assert coordinate_distance(first, np.zeros(1), closed=closed) == pytest.approx([0.0], abs=1e-9)
    assert turned.min() >= 0
    assert turned.max() < 1 if closed else turned.max() <= 1

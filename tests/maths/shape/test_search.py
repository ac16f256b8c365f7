"""How well the lag along a curve explains distances."""

import numpy as np
import pytest

from explorer.maths.shape.search import explained_by_lag, explained_by_rank, search_curve


def circle(turns: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)


@pytest.mark.parametrize("n_values", [5, 7, 12, 24])
def test_the_lag_explains_the_distances_of_values_on_a_ring(n_values: int) -> None:
    rng = np.random.default_rng(n_values)
    centres = circle(np.arange(n_values) / n_values) + rng.normal(0, 0.05, (n_values, 2))
    assert explained_by_lag(rng.permutation(centres), circle(np.arange(200) / 200), closed=True) > 0.9


@pytest.mark.parametrize("seed", range(4))
def test_a_curve_through_random_positions_explains_little(seed: int) -> None:
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(12, 4))
    cloud = np.repeat(centres, 30, axis=0) + rng.normal(0, 0.05, (360, 4))
    curve = search_curve(cloud, rng, closed=True).curves[-1]
    assert explained_by_lag(centres, curve, closed=True) < 0.7


def test_a_single_value_has_no_order() -> None:
    assert explained_by_lag(np.zeros((1, 2)), circle(np.arange(64) / 64), closed=True) == 0.0


@pytest.mark.parametrize("closed", [True, False])
def test_explained_by_rank_is_the_variance_between_lags(closed: bool) -> None:
    rng = np.random.default_rng(0)
    rank, places = rng.permutation(9), rng.normal(size=(9, 3))
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    lag = np.abs(rank[:, None] - rank)
    lag = np.minimum(lag, 9 - lag) if closed else lag
    within = sum((lag == own).sum() * apart[lag == own].var() for own in range(1, lag.max() + 1))
    assert explained_by_rank(rank, apart, closed) == pytest.approx(
        1 - within / ((lag > 0).sum() * apart[lag > 0].var())
    )

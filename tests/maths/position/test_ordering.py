"""Values on lines and rings come back in order, false links and all; values at random places are in none."""

import numpy as np
import pytest

from explorer.maths.position.ordering import LagFit, best_layout, connected_subsets, order_p_value, partner_count
from explorer.maths.shape.coordinate import circular_rank_correlation, linear_rank_correlation
from explorer.maths.shape.search import explained_by_rank


def apart(places: np.ndarray) -> np.ndarray:
    """Straight distances."""
    distances: np.ndarray = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return distances


def bow(n_values: int, rng: np.random.Generator) -> np.ndarray:
    """Uneven places along half a circle."""
    angle = np.pi * (np.arange(n_values) + 0.3 * rng.random(n_values)) / n_values
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("n_values", [60])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_values_that_are_hardly_known_do_not_fold_a_line(n_values: int, seed: int) -> None:
    """Three values are far from all, and a little nearer to a wrong one than to their neighbours."""
    rng = np.random.default_rng(seed)
    length = apart(bow(n_values, rng))
    lost = rng.choice(n_values, 3, replace=False)
    length[lost] *= 5
    length[:, lost] *= 5
    for one in lost:
        other = (one + n_values // 2) % n_values
        length[one, other] = length[other, one] = 4 * np.pi / n_values
    shuffled = rng.permutation(n_values)
    found = best_layout(length[np.ix_(shuffled, shuffled)])
    others = shuffled[found.order][~np.isin(shuffled[found.order], lost)]
    assert not found.closed
    assert linear_rank_correlation(np.arange(len(others)), others.astype(float)) > 0.96


@pytest.mark.parametrize("n_values", [5, 12, 40])
def test_a_ring_comes_back_in_order(n_values: int) -> None:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(n_values) / n_values
    shuffled = rng.permutation(n_values)
    found = best_layout(apart(np.stack([np.cos(angle), np.sin(angle)], axis=1)[shuffled]))
    assert found.closed
    assert circular_rank_correlation(np.arange(n_values) / n_values, shuffled[found.order].astype(float)) > 0.999
    assert order_p_value(found, alpha=0.05) <= 0.05


def test_along_a_line_resistances_grow_with_the_way() -> None:
    length = np.full((30, 30), 1e3)
    for value in range(29):
        length[value, value + 1] = length[value + 1, value] = 1.0
    np.fill_diagonal(length, 0.0)
    assert best_layout(length).explained > 0.99


def test_an_open_line_of_many_values_is_no_ring() -> None:
    assert not best_layout(apart(bow(60, np.random.default_rng(0)))).closed


def test_what_partners_leave_apart_is_told() -> None:
    places = np.concatenate([np.arange(10.0), 100 + np.arange(6.0)])[:, None]
    every, largest = connected_subsets(apart(places), np.concatenate([np.full(10, 0.02), np.full(6, 0.1)]))
    assert every.tolist() == list(range(16))
    assert largest.tolist() == list(range(10, 16))
    [joined] = connected_subsets(apart(places[:10]), np.full(10, 0.1))
    assert joined.tolist() == list(range(10))


def test_more_values_have_more_partners() -> None:
    assert [partner_count(n) for n in (2, 3, 24, 25, 60)] == [1, 2, 2, 3, 5]


@pytest.mark.parametrize("n_values", [6, 12, 30])
def test_places_in_a_plane_are_claimed_no_more_often_than_said(n_values: int) -> None:
    rng = np.random.default_rng(7)
    claimed = [
        order_p_value(best_layout(apart(rng.normal(size=(n_values, 2)))), alpha=0.05) <= 0.05 for _ in range(200)
    ]
    assert sum(claimed) <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)


def test_what_is_beyond_chance_falls_with_values_and_directions() -> None:
    assert LagFit(0.6, 38, 6).beyond_chance
    assert not LagFit(0.6, 8, 6).beyond_chance
    assert not LagFit(0.6, 38, 2).beyond_chance
    assert not LagFit(0.3, 38, 6).beyond_chance


def test_random_places_are_not_beyond_chance() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        places = rng.normal(size=(20, 4))
        distances = apart(places)
        lag = np.abs(
            np.subtract.outer(np.argsort(best_layout(distances).order), np.argsort(best_layout(distances).order))
        )
        off = lag > 0
        mean = np.array([distances[lag == step].mean() for step in range(1, 20)])
        explained = (
            1 - ((distances - mean[lag - 1])[off] ** 2).sum() / ((distances[off] - distances[off].mean()) ** 2).sum()
        )
        assert not LagFit(float(explained), 20, 4).beyond_chance


def test_a_lag_is_corrected_for_chance() -> None:
    """Random places have none in the mean, whatever their number; what a few explain says less than what many do."""
    rng = np.random.default_rng(5)
    for n_values, dimensions in ((5, 2), (12, 3), (40, 6)):
        corrected = []
        for _ in range(40):
            length = apart(rng.normal(size=(n_values, dimensions)))
            found = best_layout(length)
            rank = np.empty(n_values, dtype=np.int64)
            rank[found.order] = np.arange(n_values)
            explained = float(explained_by_rank(rank, length, found.closed))
            corrected.append(LagFit(explained, n_values, dimensions).above_chance)
        assert abs(np.mean(corrected)) < 0.15
    assert LagFit(1.0, 12, 2).above_chance == 1.0
    assert LagFit(0.76, 5, 2).above_chance < 0.5 < LagFit(0.76, 40, 6).above_chance

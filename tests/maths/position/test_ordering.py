"""Values on lines and rings are ordered despite false edges; values at random positions are not."""

import numpy as np
import pytest

from explorer.maths.position.ordering import LagFit, best_layout, connected_subsets, order_p_value, partner_count
from explorer.maths.shape.coordinate import circular_rank_correlation, linear_rank_correlation
from explorer.maths.shape.search import explained_by_rank


def euclidean(places: np.ndarray) -> np.ndarray:
    """Pairwise distances."""
    distances: np.ndarray = np.linalg.norm(places[:, None] - places[None], axis=-1)
    return distances


def arc(n_values: int, rng: np.random.Generator) -> np.ndarray:
    """Uneven positions along half a circle."""
    angle = np.pi * (np.arange(n_values) + 0.3 * rng.random(n_values)) / n_values
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


@pytest.mark.parametrize("n_values", [60])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_poorly_known_values_do_not_fold_a_line(n_values: int, seed: int) -> None:
    """Three values are far from all others, and slightly nearer to a wrong one than to their neighbours."""
    rng = np.random.default_rng(seed)
    length = euclidean(arc(n_values, rng))
    unknown = rng.choice(n_values, 3, replace=False)
    length[unknown] *= 5
    length[:, unknown] *= 5
    for one in unknown:
        other = (one + n_values // 2) % n_values
        length[one, other] = length[other, one] = 4 * np.pi / n_values
    shuffled = rng.permutation(n_values)
    found = best_layout(length[np.ix_(shuffled, shuffled)])
    others = shuffled[found.order][~np.isin(shuffled[found.order], unknown)]
    assert not found.closed
    assert linear_rank_correlation(np.arange(len(others)), others.astype(float)) > 0.96


@pytest.mark.parametrize("n_values", [5, 12, 40])
def test_the_order_of_a_ring_is_recovered(n_values: int) -> None:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(n_values) / n_values
    shuffled = rng.permutation(n_values)
    found = best_layout(euclidean(np.stack([np.cos(angle), np.sin(angle)], axis=1)[shuffled]))
    assert found.closed
    assert circular_rank_correlation(np.arange(n_values) / n_values, shuffled[found.order].astype(float)) > 0.999
    assert order_p_value(found, alpha=0.05) <= 0.05


def test_resistances_grow_linearly_along_a_line() -> None:
    length = np.full((30, 30), 1e3)
    for value in range(29):
        length[value, value + 1] = length[value + 1, value] = 1.0
    np.fill_diagonal(length, 0.0)
    assert best_layout(length).explained > 0.99


def test_a_long_arc_is_not_a_ring() -> None:
    assert not best_layout(euclidean(arc(60, np.random.default_rng(0)))).closed


def test_disconnected_values_are_reported_as_the_largest_component() -> None:
    places = np.concatenate([np.arange(10.0), 100 + np.arange(6.0)])[:, None]
    every, largest = connected_subsets(euclidean(places), np.concatenate([np.full(10, 0.02), np.full(6, 0.1)]))
    assert every.tolist() == list(range(16))
    assert largest.tolist() == list(range(10, 16))
    [joined] = connected_subsets(euclidean(places[:10]), np.full(10, 0.1))
    assert joined.tolist() == list(range(10))


def test_more_values_have_more_partners() -> None:
    assert [partner_count(n) for n in (2, 3, 24, 25, 60)] == [1, 2, 2, 3, 5]


@pytest.mark.parametrize("n_values", [6, 12, 30])
def test_the_false_positive_rate_in_a_plane_is_nominal(n_values: int) -> None:
    rng = np.random.default_rng(7)
    claimed = [
        order_p_value(best_layout(euclidean(rng.normal(size=(n_values, 2)))), alpha=0.05) <= 0.05 for _ in range(200)
    ]
    assert sum(claimed) <= 0.05 * 200 + 3 * np.sqrt(0.05 * 0.95 * 200)


def test_significance_grows_with_values_and_dimensions() -> None:
    assert LagFit(0.6, 38, 6).beyond_chance
    assert not LagFit(0.6, 8, 6).beyond_chance
    assert not LagFit(0.6, 38, 2).beyond_chance
    assert not LagFit(0.3, 38, 6).beyond_chance


def test_random_positions_are_not_beyond_chance() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        places = rng.normal(size=(20, 4))
        distances = euclidean(places)
        lag = np.abs(
            np.subtract.outer(np.argsort(best_layout(distances).order), np.argsort(best_layout(distances).order))
        )
        off = lag > 0
        mean = np.array([distances[lag == step].mean() for step in range(1, 20)])
        explained = (
            1 - ((distances - mean[lag - 1])[off] ** 2).sum() / ((distances[off] - distances[off].mean()) ** 2).sum()
        )
        assert not LagFit(float(explained), 20, 4).beyond_chance


def test_above_chance_is_corrected_for_chance() -> None:
    """Its mean is 0 for random positions whatever their number; the same R2 means less for few values than for many."""
    rng = np.random.default_rng(5)
    for n_values, dimensions in ((5, 2), (12, 3), (40, 6)):
        corrected = []
        for _ in range(40):
            length = euclidean(rng.normal(size=(n_values, dimensions)))
            found = best_layout(length)
            rank = np.empty(n_values, dtype=np.int64)
            rank[found.order] = np.arange(n_values)
            explained = float(explained_by_rank(rank, length, found.closed))
            corrected.append(LagFit(explained, n_values, dimensions).above_chance)
        assert abs(np.mean(corrected)) < 0.15
    assert LagFit(1.0, 12, 2).above_chance == 1.0
    assert LagFit(0.76, 5, 2).above_chance < 0.5 < LagFit(0.76, 40, 6).above_chance

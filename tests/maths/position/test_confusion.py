"""Order of values from confusions: planted rings and lines are recovered, random positions have no order."""

import numpy as np
import pytest

from explorer.maths.position.confusion import confusion_lift, populations, value_order
from explorer.maths.shape.coordinate import circular_rank_correlation, linear_rank_correlation


def posterior_at(place: np.ndarray, values: np.ndarray, width: float, period: float | None) -> np.ndarray:
    """A Gaussian over the values around each sample's position."""
    away = np.abs(place[:, None] - values)
    away = np.minimum(away, period - away) if period else away
    bell = np.exp(-0.5 * (away / width) ** 2) + 1e-6
    return bell / bell.sum(1, keepdims=True)


@pytest.mark.parametrize("n_values", [5, 7, 8, 12, 24])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_of_a_ring_is_recovered(n_values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    posterior = posterior_at(n_values * rng.random(2000), np.arange(n_values), 1.0, n_values)
    shuffled = rng.permutation(n_values)
    found = value_order(posterior[:, shuffled], alpha=0.05)
    assert found is not None
    assert found.closed
    assert found.p_value <= 0.05
    assert len(found.values) == n_values
    assert circular_rank_correlation(np.arange(n_values) / n_values, shuffled[found.values].astype(float)) > 0.999


@pytest.mark.parametrize("n_values", [20, 60])
def test_the_order_of_a_line_is_recovered(n_values: int) -> None:
    rng = np.random.default_rng(0)
    posterior = posterior_at((n_values - 1) * rng.random(6000), np.arange(n_values), 1.2, None)
    shuffled = rng.permutation(n_values)
    found = value_order(posterior[:, shuffled], alpha=0.05)
    assert found is not None
    assert not found.closed
    assert linear_rank_correlation(np.arange(n_values), shuffled[found.values].astype(float)) > 0.99


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_occasional_confusion_of_its_ends_does_not_close_a_line(seed: int) -> None:
    rng = np.random.default_rng(seed)
    posterior = posterior_at(59 * rng.random(6000), np.arange(60), 1.2, None)
    torn = rng.random(6000) < 0.002
    posterior[torn] = 0.5 * np.eye(60)[0] + 0.5 * np.eye(60)[57]
    shuffled = rng.permutation(60)
    found = value_order(posterior[:, shuffled], alpha=0.05)
    assert found is not None
    assert not found.closed
    assert linear_rank_correlation(np.arange(len(found.values)), shuffled[found.values].astype(float)) > 0.99


def random_directions(rng: np.random.Generator, n_values: int, dimensions: int) -> np.ndarray:
    """Posteriors over values with random directions: soft, but without an order."""
    directions = rng.normal(size=(dimensions, n_values))
    odds = 2.5 * rng.normal(size=(2000, dimensions)) @ directions / np.linalg.norm(directions, axis=0)
    bell = np.exp(odds - odds.max(1, keepdims=True))
    return bell / bell.sum(1, keepdims=True)


def test_values_in_random_directions_have_no_order() -> None:
    rng = np.random.default_rng(3)
    settings = [(n_values, dimensions) for n_values in (6, 8, 12, 16) for dimensions in (3, 4, 6) for _ in range(5)]
    claimed = [value_order(random_directions(rng, *work), alpha=0.05) is not None for work in settings]
    assert sum(claimed) <= 0.05 * len(claimed) + 3


def test_too_few_or_rare_values_are_not_placed() -> None:
    rng = np.random.default_rng(0)
    assert value_order(posterior_at(4 * rng.random(500), np.arange(4), 0.7, 4), alpha=0.05) is None
    ring = posterior_at(8 * rng.random(2000), np.arange(8), 1.0, 8)
    stray = np.hstack([0.999 * ring, np.full((2000, 1), 0.001)])
    found = value_order(stray, alpha=0.05)
    assert found is not None
    assert set(found.values.tolist()) == set(range(8))


def test_too_few_samples_give_no_order() -> None:
    rng = np.random.default_rng(0)
    ring = posterior_at(7 * rng.random(2000), np.arange(7), 1.0, 7)
    assert value_order(ring[:140], alpha=0.05) is not None
    assert value_order(ring[:139], alpha=0.05) is None


def test_an_outlier_confused_with_all_values_does_not_close_a_line() -> None:
    rng = np.random.default_rng(0)
    line = posterior_at(39 * rng.random(6000), np.arange(40), 1.2, None)
    found = value_order(np.hstack([0.98 * line, np.full((6000, 1), 0.02)]), alpha=0.05)
    assert found is not None
    assert not found.closed
    assert 40 not in found.values


def test_values_that_are_never_confused_form_separate_populations() -> None:
    rng = np.random.default_rng(0)
    ring = posterior_at(12 * rng.random(3000), np.arange(12), 1.5, 12)
    other = posterior_at(6 * rng.random(1500), np.arange(6), 1.5, None)
    posterior = np.zeros((4500, 18))
    posterior[:3000, :12], posterior[3000:, 12:] = ring, other
    first, second = populations(posterior, posterior.mean(0))
    assert set(first.tolist()) == set(range(12))
    assert set(second.tolist()) == set(range(12, 18))


def test_a_rare_token_does_not_join_two_populations() -> None:
    rng = np.random.default_rng(0)
    posterior = np.zeros((4000, 13))
    posterior[:2000, :6] = posterior_at(6 * rng.random(2000), np.arange(6), 1.5, 6)
    posterior[2000:, 6:12] = posterior_at(6 * rng.random(2000), np.arange(6), 1.5, 6)
    posterior[::400, 12] = 0.5
    posterior /= posterior.sum(1, keepdims=True)
    assert [len(population) for population in populations(posterior, posterior.mean(0))] == [6, 6]


def test_independent_values_have_lift_one() -> None:
    posterior = np.full((10, 4), 0.25)
    np.testing.assert_allclose(confusion_lift(posterior), 1.0)


def test_the_same_seed_gives_the_same_order() -> None:
    posterior = posterior_at(9 * np.random.default_rng(0).random(500), np.arange(9), 1.0, 9)
    one, other = (value_order(posterior, alpha=0.05) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.p_value == other.p_value
    np.testing.assert_array_equal(one.values, other.values)

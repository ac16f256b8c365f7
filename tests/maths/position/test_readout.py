"""Position readout on planted rings hidden by wording, with unknown samples and several populations."""

from dataclasses import dataclass

import numpy as np
import pytest

from explorer.maths.position.readout import read_position
from explorer.maths.shape.coordinate import circular_rank_correlation
from explorer.maths.shape.fit import fit_shape


@dataclass(frozen=True)
class PlantedActivations:
    """Activations whose next token is drawn from a readout of their position on a ring."""

    points: np.ndarray
    """[sample, axis]: a ring in two axes, wording in six."""
    tokens: np.ndarray
    """[sample]: token drawn from the readout."""
    known: np.ndarray
    """[sample]: whether the sample lies on the ring rather than at its centre."""


def planted_ring(
    rng: np.random.Generator, n: int = 4000, values: int = 12, share: float = 0.3, sharpness: float = 6.0
) -> PlantedActivations:
    """Wording with ten times the variance of the ring; most samples lie at the centre, where nothing is known."""
    known = rng.random(n) < share
    angle = 2 * np.pi * rng.random(n)
    place = known[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(n, 2))
    middle = 2 * np.pi * np.arange(values) / values
    odds = sharpness * place @ np.stack([np.cos(middle), np.sin(middle)])
    posterior = np.exp(odds) / np.exp(odds).sum(1, keepdims=True)
    token = (posterior.cumsum(1) > rng.random((n, 1))).argmax(1)
    wording = 1.5 * rng.normal(size=(20, 6))[rng.integers(0, 20, n)] + 0.3 * rng.normal(size=(n, 6))
    turn, _ = np.linalg.qr(rng.normal(size=(8, 8)))
    points = np.hstack([place, wording]) @ turn
    return PlantedActivations(points.astype(np.float32), token.astype(np.int32), known)


def order_of(tokens: np.ndarray, coordinate: np.ndarray) -> float:
    values = np.unique(tokens)
    middle = [np.angle(np.exp(2j * np.pi * coordinate[tokens == value]).mean()) / (2 * np.pi) % 1 for value in values]
    return circular_rank_correlation(np.array(middle), values.astype(float))


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.long), pytest.param(2, marks=pytest.mark.long)])
def test_a_ring_hidden_by_wording_is_recovered_in_order(seed: int) -> None:
    planted = planted_ring(np.random.default_rng(seed))
    found = read_position(planted.points, planted.tokens, rng=np.random.default_rng(seed))
    assert found.bits > 0.2
    assert found.p_value == 0.05
    assert planted.known[found.known].mean() > 0.95
    assert found.known[planted.known].mean() > 0.6
    shape = fit_shape(found.points[found.known], rng=np.random.default_rng(seed))
    assert shape.kind == "closed curve"
    assert order_of(planted.tokens[found.known], shape.coordinate) > 0.95


def test_uninformative_tokens_give_no_bits() -> None:
    planted = planted_ring(np.random.default_rng(0))
    shuffled = np.random.default_rng(1).permutation(planted.tokens)
    found = read_position(planted.points, shuffled, rng=np.random.default_rng(0))
    assert found.bits < 0.01


def test_the_larger_of_two_populations_is_selected() -> None:
    rng = np.random.default_rng(0)
    ring, other = planted_ring(rng, n=4000), planted_ring(rng, n=1200, values=5)
    other_points = np.hstack([other.points, np.full((1200, 1), 3.0, np.float32)])
    points = np.vstack([np.hstack([ring.points, np.zeros((4000, 1), np.float32)]), other_points])
    tokens = np.concatenate([ring.tokens, 100 + other.tokens])
    found = read_position(points, tokens, rng=rng)
    assert (tokens[found.known] < 100).all()
    assert ring.known[found.known[:4000]].mean() > 0.9


def test_separable_classes_use_discriminants_in_within_class_units() -> None:
    rng = np.random.default_rng(0)
    own = rng.integers(0, 9, 3000).astype(np.int32)
    points = 30 * np.eye(9)[own] + 2 * rng.normal(size=(3000, 9))
    found = read_position(points.astype(np.float32), own, rng=rng)
    assert found.known.mean() > 0.95
    spread = np.concatenate([found.points[own == value] - found.points[own == value].mean(0) for value in range(9)])
    np.testing.assert_allclose(spread.std(0), 1.0, rtol=0.1)


def test_soft_positions_use_normalised_log_odds() -> None:
    planted = planted_ring(np.random.default_rng(0))
    found = read_position(planted.points, planted.tokens, rng=np.random.default_rng(0))
    size = np.linalg.norm(found.points, axis=1)
    np.testing.assert_allclose(size, size[0], rtol=1e-4)


@pytest.mark.parametrize("tokens", [np.full(200, 5), np.full(200, -1), np.arange(200)])
def test_without_two_frequent_tokens_the_coordinates_are_returned(tokens: np.ndarray) -> None:
    points = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    found = read_position(points, tokens.astype(np.int32), rng=np.random.default_rng(0))
    assert (found.bits, found.p_value) == (0.0, 1.0)
    assert found.known.all()
    np.testing.assert_array_equal(found.points, points)


def test_the_readout_is_deterministic() -> None:
    planted = planted_ring(np.random.default_rng(0), n=9000)
    one, other = (read_position(planted.points, planted.tokens, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.points, other.points)
    np.testing.assert_array_equal(one.known, other.known)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_are_placed_by_the_order_of_the_tokens(seed: int) -> None:
    planted = planted_ring(np.random.default_rng(seed))
    found = read_position(planted.points, planted.tokens, rng=np.random.default_rng(seed))
    assert found.order is not None
    assert found.order.closed
    assert sorted(found.order.tokens.tolist()) == list(range(12))
    assert order_of(planted.tokens[found.known], found.order.place[found.known]) > 0.99


def bimodal_ring(rng: np.random.Generator, torn: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples whose next token is near one position of a ring of twelve, or near two opposite ones, and a mask of the
    latter."""
    n, values = 5000, 12
    angle, twice = 2 * np.pi * rng.random(n), rng.random(n) < torn
    harmonics = np.stack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)], axis=1)
    points = harmonics * np.where(twice[:, None], [0, 0, 1, 1], [1, 1, 0.3, 0.3]) + 0.03 * rng.normal(size=(n, 4))
    middle = 2 * np.pi * np.arange(values) / values
    readout = np.stack([np.cos(middle), np.sin(middle), np.cos(2 * middle), np.sin(2 * middle)])
    posterior = np.exp(5 * points @ readout)
    posterior /= posterior.sum(1, keepdims=True)
    token = (posterior.cumsum(1) > rng.random((n, 1))).argmax(1)
    return points.astype(np.float32), token.astype(np.int32), twice


def test_samples_between_opposite_values_are_not_placed() -> None:
    points, token, torn = bimodal_ring(np.random.default_rng(0), 0.15)
    found = read_position(points, token, rng=np.random.default_rng(0))
    assert found.order is not None
    assert found.known[~torn].mean() > 0.8
    assert found.known[torn].mean() < 0.05

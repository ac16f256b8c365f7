"""Matching: sets, distributions, subspaces and orders that are alike by construction, and others that are not."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from explorer.maths.coordinate import before, distance, orient, orientation_onto, ranks
from explorer.maths.matching import (
    best_pairs,
    distances_agree,
    shared_features,
    shared_span,
    shared_words,
    span_by_chance,
    turned_onto,
)


def _rows(*rows: list[float]) -> csr_matrix:
    return csr_matrix(np.array(rows))


def _basis(axes: int, d_model: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d_model, axes)))[0].T


def test_features_are_shared_by_jaccard() -> None:
    found = shared_features(_rows([1, 1, 0, 0], [0, 0, 0, 0]), _rows([1, 1, 0, 0], [0, 1, 1, 0]))
    np.testing.assert_allclose(found, [[1, 1 / 3], [0, 0]])


def test_words_are_alike_where_they_are_said_as_often() -> None:
    found = shared_words(_rows([2, 2, 0], [0, 0, 5]), _rows([30, 30, 0], [8, 0, 2]))
    np.testing.assert_allclose(found, [[1, np.sqrt(0.5 * 0.8)], [0, np.sqrt(0.2)]], rtol=1e-6)


def test_a_subspace_lies_in_itself_however_it_is_turned_and_not_in_one_across() -> None:
    basis = _basis(4, 16, 0)
    turn = _basis(4, 4, 1)
    assert shared_span(basis, turn @ basis) == pytest.approx(1)
    assert shared_span(basis[:2], basis) == pytest.approx(1)
    assert shared_span(basis[:2], basis[2:]) == pytest.approx(0, abs=1e-12)


def test_random_subspaces_share_what_chance_says() -> None:
    found = [shared_span(_basis(5, 40, seed), _basis(9, 40, 1000 + seed)) for seed in range(200)]
    assert np.mean(found) == pytest.approx(span_by_chance(5, 9, 40), abs=0.01)


def test_pairs_are_taken_best_first_each_once_and_only_where_alike() -> None:
    similarity = np.array([[0.9, 0.8, 0.0], [0.85, 0.2, 0.0], [0.6, 0.7, 0.49]])
    assert best_pairs(similarity, 0.5).tolist() == [[0, 0], [2, 1]]
    assert best_pairs(similarity, 0.95).shape == (0, 2)


def test_distances_agree_whatever_the_axes_and_not_by_chance() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((12, 5))
    assert distances_agree(points, 3 * points @ _basis(5, 5, 2) + 7) == pytest.approx(1)
    assert abs(distances_agree(points, rng.standard_normal((12, 5)))) < 0.5
    assert np.isnan(distances_agree(points[:3], points[:3]))


def test_a_mirrored_cloud_is_laid_onto_its_original() -> None:
    points = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    other = (points * np.array([1, -1, 1], np.float32)) @ _basis(3, 3, 4).astype(np.float32) + 2
    turn = turned_onto(other, points)
    np.testing.assert_allclose((other - other.mean(0)) @ turn, points - points.mean(0), atol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_a_turned_coordinate_is_turned_back(closed: bool, flip: bool) -> None:
    target = np.arange(9) / 9
    moved = (0.3 - target if flip else target + 0.3) % 1.0 if closed else 1 - target if flip else target
    found = orientation_onto(moved, target, closed=closed)
    there, back = orient(moved, found, closed=closed), before(target, found, closed=closed)
    assert distance(there, target, closed=closed).max() < 1e-9
    assert distance(back, moved, closed=closed).max() < 1e-9


def test_equal_values_share_their_mean_rank() -> None:
    assert ranks(np.array([0.5, 0.1, 0.5, 0.9])).tolist() == [2.5, 1.0, 2.5, 4.0]

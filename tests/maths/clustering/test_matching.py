"""Matching: sets, distributions, subspaces and orders that are similar by construction, and others that are not."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from explorer.maths.clustering.matching import (
    chance_jaccard,
    chance_subspace_overlap,
    feature_jaccard,
    max_similarity_to_others,
    mutual_nearest,
    permutation_threshold,
    procrustes_rotation,
    representational_similarity,
    subspace_overlap,
    subspace_overlaps,
    token_affinity,
)
from explorer.maths.shape.coordinate import best_orientation, coordinate_distance, orient, ranks, unorient


def _rows(*rows: list[float]) -> csr_matrix:
    return csr_matrix(np.array(rows))


def _basis(axes: int, d_model: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).standard_normal((d_model, axes)))[0].T


def test_feature_similarity_is_jaccard() -> None:
    found = feature_jaccard(_rows([1, 1, 0, 0], [0, 0, 0, 0]), _rows([1, 1, 0, 0], [0, 1, 1, 0]))
    np.testing.assert_allclose(found, [[1, 1 / 3], [0, 0]])


def test_token_affinity_compares_relative_frequencies() -> None:
    found = token_affinity(_rows([2, 2, 0], [0, 0, 5]), _rows([30, 30, 0], [8, 0, 2]))
    np.testing.assert_allclose(found, [[1, np.sqrt(0.5 * 0.8)], [0, np.sqrt(0.2)]], rtol=1e-6)


def test_overlap_is_one_for_rotated_and_zero_for_orthogonal_subspaces() -> None:
    basis = _basis(4, 16, 0)
    turn = _basis(4, 4, 1)
    assert subspace_overlap(basis, turn @ basis) == pytest.approx(1)
    assert subspace_overlap(basis[:2], basis) == pytest.approx(1)
    assert subspace_overlap(basis[:2], basis[2:]) == pytest.approx(0, abs=1e-12)


def test_random_subspaces_overlap_as_expected_by_chance() -> None:
    found = [subspace_overlap(_basis(5, 40, seed), _basis(9, 40, 1000 + seed)) for seed in range(200)]
    assert np.mean(found) == pytest.approx(chance_subspace_overlap(5, 9, 40), abs=0.01)


def test_batched_overlaps_equal_single_ones() -> None:
    some, others = ([_basis(axes, 16, axes + seed).astype(np.float32) for axes in (2, 5, 3)] for seed in (0, 9))
    found = subspace_overlaps(some, others)
    for row, column in np.ndindex(3, 3):
        assert found[row, column] == pytest.approx(subspace_overlap(some[row], others[column]), rel=1e-5)
    assert subspace_overlaps(some, []).shape == (3, 0)


def test_mutual_nearest_pairs_come_most_similar_first() -> None:
    similarity = np.array([[0.5, 0.4, 0.0], [0.45, 0.2, 0.1], [0.6, 0.7, 0.49]])
    assert mutual_nearest(similarity).tolist() == [[2, 1]], "the first column's best row prefers another column"
    assert mutual_nearest(np.array([[0.3, 0.1], [0.1, 0.9]])).tolist() == [[1, 1], [0, 0]]
    assert mutual_nearest(np.zeros((2, 0))).shape == (0, 2)


def test_similarity_to_others_excludes_the_cluster_itself() -> None:
    assert max_similarity_to_others(np.array([[1, 0.2, 0.3], [0.2, 1, 0.1], [0.3, 0.1, 1]])).tolist() == [0.3, 0.2, 0.3]
    assert max_similarity_to_others(np.ones((1, 1))).tolist() == [0]


def test_random_sets_exceed_the_chance_jaccard_at_the_nominal_rate() -> None:
    rng, draws = np.random.default_rng(0), 4000
    sizes = np.array([12]), np.array([20])
    drawn = [len({*rng.choice(60, 12, replace=False)} & {*rng.choice(60, 20, replace=False)}) for _ in range(draws)]
    found = np.array(drawn) / (32 - np.array(drawn))
    limit = chance_jaccard(*sizes, 60, 1)[0]
    assert 0 < (found > limit).mean() < 0.06
    assert (found >= limit).mean() > 0.05, "the next smaller number comes up too often"
    assert chance_jaccard(*sizes, 60, 1000)[0] > limit
    assert chance_jaccard(*sizes, 10**6, 1)[0] == 0


def test_permuted_subspaces_exceed_the_threshold_at_the_nominal_rate() -> None:
    rng = np.random.default_rng(0)
    words, spans = rng.uniform(size=(2, 80, 60))
    pairs = mutual_nearest(words * spans)
    similarity = (words * spans)[pairs[:, 0], pairs[:, 1]]
    assert (similarity > permutation_threshold(words, spans, pairs)).mean() < 0.3
    spans[pairs[:, 0], pairs[:, 1]] = 1.2
    words[pairs[:, 0], pairs[:, 1]] = 1
    assert (permutation_threshold(words, spans, pairs) < 1.2).all()
    assert permutation_threshold(words[:1, :1], spans[:1, :1], np.array([[0, 0]])).tolist() == [0]


def test_representational_similarity_is_invariant_to_rotation() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((12, 5))
    assert representational_similarity(points, 3 * points @ _basis(5, 5, 2) + 7) == pytest.approx(1)
    assert abs(representational_similarity(points, rng.standard_normal((12, 5)))) < 0.5
    assert np.isnan(representational_similarity(points[:3], points[:3]))


def test_procrustes_aligns_a_reflected_cloud() -> None:
    points = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    other = (points * np.array([1, -1, 1], np.float32)) @ _basis(3, 3, 4).astype(np.float32) + 2
    turn = procrustes_rotation(other, points)
    np.testing.assert_allclose((other - other.mean(0)) @ turn, points - points.mean(0), atol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("closed", [False, True])
def test_orientation_is_inverted(closed: bool, flip: bool) -> None:
    target = np.arange(9) / 9
    moved = (0.3 - target if flip else target + 0.3) % 1.0 if closed else 1 - target if flip else target
    found = best_orientation(moved, target, closed=closed)
    there, back = orient(moved, found, closed=closed), unorient(target, found, closed=closed)
    assert coordinate_distance(there, target, closed=closed).max() < 1e-9
    assert coordinate_distance(back, moved, closed=closed).max() < 1e-9


def test_ties_share_their_mean_rank() -> None:
    assert ranks(np.array([0.5, 0.1, 0.5, 0.9])).tolist() == [2.5, 1.0, 2.5, 4.0]

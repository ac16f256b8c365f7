"""Dimension estimates and irreducibility on known clouds."""

import numpy as np
import pytest

from explorer.bench.planted.point_clouds import circle
from explorer.maths.shape.dimension import (
    effective_rank,
    irreducibility,
    mixture_index,
    separability_index,
    twonn_dimension,
)


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_twonn_estimates_the_dimension_of_an_embedded_cube(dimension: int) -> None:
    rng = np.random.default_rng(dimension)
    turn, _ = np.linalg.qr(rng.standard_normal((12, 12)))
    points = rng.uniform(size=(3000, dimension)) @ turn[:dimension]
    assert twonn_dimension(points) == pytest.approx(dimension, rel=0.15)


def test_twonn_counts_coincident_points_once() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(size=(1000, 2))
    assert twonn_dimension(np.repeat(points, 3, axis=0)) == pytest.approx(twonn_dimension(points))
    assert twonn_dimension(np.zeros((100, 2))) == 0.0


def test_effective_rank_of_isotropic_axes_is_their_number() -> None:
    assert effective_rank(np.random.default_rng(0).standard_normal((20_000, 4))) == pytest.approx(4, abs=0.01)


def test_a_ring_is_irreducible_but_independent_or_mixed_features_are_not() -> None:
    rng = np.random.default_rng(0)
    ring = circle(4000, rng, noise=0.03).points
    independent = rng.uniform(-1, 1, (4000, 2))
    either = np.where(rng.uniform(size=(4000, 1)) < 0.5, [[1.0, 0.0]], [[0.0, 1.0]]) * rng.normal(0, 1, (4000, 1))
    assert separability_index(ring) > 0.5
    assert separability_index(independent) < 0.1
    assert mixture_index(either) > 0.45
    assert mixture_index(ring) < 0.3
    assert irreducibility(ring) > 3 * max(irreducibility(independent), irreducibility(either))

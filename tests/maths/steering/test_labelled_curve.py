"""The labelled curve passes through the values' means in the principal subspace of labelled activations."""

import numpy as np
import pytest

from explorer.maths.steering.arms import (
    Trajectory,
    coordinates,
    displacements,
    nearest_on_curve,
    on_curve,
    path_between,
)
from explorer.maths.steering.labelled_curve import labelled_manifold

D_MODEL, N_VALUES, EACH = 12, 8, 30


def planted(closed: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Noisy activations of values on a ring or an arc in a plane, with their values, coordinates, and the plane."""
    rng = np.random.default_rng(seed)
    plane = np.linalg.qr(rng.standard_normal((D_MODEL, 2)))[0].T
    place = rng.permutation(N_VALUES) / (N_VALUES if closed else N_VALUES - 1)
    angle = 2 * np.pi * place * (1.0 if closed else 0.6)
    means = 3.0 * np.column_stack([np.cos(angle), np.sin(angle)]) @ plane + 5.0
    value = np.repeat(np.arange(N_VALUES), EACH)
    return means[value] + 0.05 * rng.standard_normal((len(value), D_MODEL)), value, place, plane


@pytest.mark.parametrize("closed", [True, False])
def test_the_curve_passes_every_value_at_its_coordinate(closed: bool) -> None:
    residual, value, place, plane = planted(closed)
    found = labelled_manifold(residual, value, place, 2, closed=closed)
    np.testing.assert_allclose(np.linalg.svd(found.basis @ plane.T)[1], 1.0, atol=1e-3)
    means = np.stack([residual[value == number].mean(axis=0) for number in range(N_VALUES)])
    np.testing.assert_allclose(found.value_residual, means)
    np.testing.assert_allclose(on_curve(found, place), coordinates(found, means), atol=0.01)
    nearest = nearest_on_curve(found, coordinates(found, means))
    apart = np.abs(nearest.coordinate - place)
    assert np.minimum(apart, 1.0 - apart if closed else apart).max() < 0.01


@pytest.mark.parametrize("closed", [True, False])
def test_the_curve_follows_the_ring_between_values(closed: bool) -> None:
    residual, value, place, _ = planted(closed)
    found = labelled_manifold(residual, value, place, 2, closed=closed)
    centre = np.full(D_MODEL, 5.0)
    radius = np.linalg.norm(found.knots @ found.basis + found.center - centre, axis=1)
    np.testing.assert_allclose(radius, 3.0, atol=0.15)


def test_steering_arrives_at_the_value_inside_the_subspace() -> None:
    residual, value, place, _ = planted(True)
    found = labelled_manifold(residual, value, place, 2, closed=True)
    start, end = residual[0], int(np.flatnonzero(np.abs(place - place[0]) == 0.5)[0])
    path = path_between(float(place[0]), float(place[end]), np.linspace(0, 1, 5), closed=True, anchored=True)
    moved = displacements(Trajectory.of(found, start, path), "manifold", np.random.default_rng(0))
    assert not moved[0].any()
    arrived = start + moved[-1]
    np.testing.assert_allclose(coordinates(found, arrived[None])[0], on_curve(found, place[[end]])[0], atol=1e-9)
    rest = moved[-1] - moved[-1] @ found.basis.T @ found.basis
    np.testing.assert_allclose(rest, 0.0, atol=1e-9)


@pytest.mark.parametrize(("closed", "n_values"), [(True, 2), (False, 1)])
def test_too_few_values_raise(closed: bool, n_values: int) -> None:
    residual, value = np.eye(D_MODEL)[:n_values], np.arange(n_values)
    with pytest.raises(ValueError, match=f"{n_values} values on a"):
        labelled_manifold(residual, value, np.linspace(0, 0.5, n_values), 2, closed=closed)

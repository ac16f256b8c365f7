"""Projection, resampling, principal curves and steering paths."""

import numpy as np
import pytest

from explorer.bench.planted.point_clouds import clumpy
from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import (
    bending_energy,
    fit_path,
    principal_curve,
    project,
    project_to_curve,
    resample_by_arc_length,
    spline_basis,
    squared_distances,
)


def test_projection_finds_the_nearest_point_of_a_circle() -> None:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * np.arange(256) / 256
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    turns = rng.uniform(size=500)
    radius = rng.uniform(0.5, 2.0, 500)
    points = radius[:, None] * np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
    found = project(points, circle, closed=True)
    assert np.abs((found.coordinate - turns + 0.5) % 1.0 - 0.5).max() < 1e-3
    assert np.sqrt(found.squared) == pytest.approx(np.abs(radius - 1), abs=1e-3)


def test_coordinates_stay_in_range_at_the_seam_and_the_ends() -> None:
    line = np.stack([np.linspace(0, 1, 50), np.zeros(50)], axis=1).astype(np.float32)
    beyond = np.array([[-3.0, 0.0], [9.0, 0.0]], dtype=np.float32)
    assert project_to_curve(beyond, line, False).tolist() == [0.0, 1.0]
    angle = 2 * np.pi * np.arange(64) / 64
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    seam = np.array([[1.0, -1e-9], [1.0, 0.0], [1.0, 1e-9]], dtype=np.float32)
    assert (project_to_curve(seam, ring, True) < 1.0).all()


@pytest.mark.parametrize("closed", [True, False])
def test_resampled_knots_are_equally_spaced(closed: bool) -> None:
    angle = np.linspace(0, 2 * np.pi, 300, endpoint=not closed) ** 1.5 / (2 * np.pi) ** 0.5
    curve = resample_by_arc_length(np.stack([np.cos(angle), 2 * np.sin(angle)], axis=1), 60, closed=closed)
    ring = np.concatenate([curve, curve[:1]]) if closed else curve
    steps = np.linalg.norm(np.diff(ring, axis=0), axis=1)
    assert steps.std() < 0.02 * steps.mean()


@pytest.mark.parametrize("values", [7, 12, 24])
def test_the_path_passes_close_to_every_value_including_rare_ones(values: int) -> None:
    rng = np.random.default_rng(values)
    planted, value = clumpy(4000, values, rng, outliers=0.02)
    path = fit_path(planted.points, planted.position, closed=True)
    centres = np.array([np.median(planted.points[value == number], axis=0) for number in range(values)])
    missed = np.linalg.norm(curve_at(path, np.arange(values) / values, closed=True) - centres, axis=1)
    between = np.linalg.norm(np.roll(centres, -1, axis=0) - centres, axis=1)
    assert missed.max() < 0.5 * between.mean()
    assert np.median(missed) < 0.2 * between.mean()


def test_the_path_does_not_follow_noise() -> None:
    rng = np.random.default_rng(1)
    u = rng.uniform(size=4000)
    points = np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u), 0 * u], axis=1) + rng.normal(0, 0.3, (4000, 3))
    path = fit_path(points, u, closed=True)
    length = np.linalg.norm(np.roll(path, -1, axis=0) - path, axis=1).sum()
    assert length < 1.15 * 2 * np.pi
    assert np.abs(np.linalg.norm(path[:, :2], axis=1) - 1).max() < 0.1


def test_an_open_path_ends_where_the_points_end() -> None:
    rng = np.random.default_rng(2)
    u = rng.uniform(size=3000)
    points = np.stack([u, u**2], axis=1) + rng.normal(0, 0.02, (3000, 2))
    path = fit_path(points, u, closed=False)
    assert np.abs(path[0]).max() < 0.05
    assert np.abs(path[-1] - 1).max() < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_a_principal_curve_is_straight_across_gaps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    value = rng.integers(0, 7, 900)
    turns = value / 7 + 0.01 * rng.normal(size=900)
    radius = 1.0 + (value == 3) * rng.uniform(0, 1.5, 900)  # one value is occasionally read out with high certainty
    points = radius[:, None] * np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1)
    curve = principal_curve(points, turns % 1.0, 8, closed=True, rounds=8, stiffness=1e-6)
    away = np.sqrt(squared_distances(curve, points).min(axis=1))
    assert away.max() < 0.55  # half the distance between neighbours is .43


def test_lower_stiffness_follows_the_points_more_closely() -> None:
    rng = np.random.default_rng(0)
    coordinate = rng.uniform(size=1500)
    angle = 2 * np.pi * coordinate
    points = np.stack([np.cos(angle), np.sin(angle), 0.15 * np.cos(5 * angle)], axis=1) + rng.normal(0, 0.3, (1500, 3))
    wiggle = [
        np.ptp(fit_path(points, coordinate, closed=True, stiffness=stiffness)[:, 2]) for stiffness in (10.0, 1.0, 0.1)
    ]
    assert wiggle[0] < wiggle[1] < wiggle[2]


def _one_point_per_bin(seed: int, places: int = 192, points_a_place: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Noisy points at the centre of every bin of a path, and their coordinate."""
    coordinate = np.repeat((np.arange(places) + 0.5) / places, points_a_place)
    angle = 2 * np.pi * coordinate
    ring = np.stack([np.cos(angle), np.sin(angle), np.cos(3 * angle)], axis=1)
    return ring + np.random.default_rng(seed).normal(0, 0.3, ring.shape), coordinate


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_the_path_is_the_smoother_chosen_by_cross_validation(seed: int, closed: bool) -> None:
    points, coordinate = _one_point_per_bin(seed)
    terms, bends = spline_basis(coordinate, 18, closed=closed), bending_energy(18, closed=closed)
    smoothers = [
        terms @ np.linalg.solve(terms.T @ terms + len(terms) * np.diag(stiffness * bends + 1e-10), terms.T)
        for stiffness in np.geomspace(1e-9, 1e-2, 22)
    ]
    best = min(smoothers, key=lambda hat: ((points - hat @ points) ** 2).sum() / (192 - 1.2 * np.trace(hat)) ** 2)
    path = fit_path(points, coordinate, closed=closed, knots=192 if closed else 385, most_harmonics=18)
    again = curve_at(path, coordinate, closed=closed)
    assert np.abs(again - best @ points).max() < 0.01


def test_outliers_within_a_bin_are_left_out() -> None:
    points, coordinate = _one_point_per_bin(0, points_a_place=20)
    strays = np.arange(0, len(points), 20)
    spoiled = points.copy()
    spoiled[strays] += 100.0
    usual = fit_path(np.delete(points, strays, axis=0), np.delete(coordinate, strays), closed=True)
    # an outlier among twenty points would shift their mean by five
    assert np.abs(fit_path(spoiled, coordinate, closed=True) - usual).max() < 0.2

"""Paths and displacements on planted curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.maths.steering.arms import (
    ArmKind,
    SteeringManifold,
    Trajectory,
    coordinates,
    displacements,
    nearest_on_curve,
    on_curve,
    path_between,
    residual_at,
)

KINDS: tuple[ArmKind, ...] = ("manifold", "linear", "chord", "random", "shuffled", "flipped")
D_MODEL, AXES, KNOTS, VALUES = 16, 4, 128, 7


def planted(closed: bool, seed: int = 0) -> SteeringManifold:
    """A ring, or an arc of half a turn, of radius 3 in a random subspace."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((D_MODEL, AXES)))[0].T
    u = np.arange(KNOTS) / (KNOTS if closed else KNOTS - 1)
    knots = np.zeros((KNOTS, AXES))
    angle = 2 * np.pi * u if closed else np.pi * u
    knots[:, 0], knots[:, 1] = 3 * np.cos(angle), 3 * np.sin(angle)
    center = rng.standard_normal(D_MODEL)
    at = np.arange(VALUES) / (VALUES if closed else VALUES - 1)
    manifold = SteeringManifold(basis, center, knots, closed, at, np.zeros((VALUES, D_MODEL)))
    means = center + on_curve(manifold, at) @ basis
    return SteeringManifold(basis, center, knots, closed, at, means)


def moves(
    manifold: SteeringManifold,
    residual: np.ndarray,
    kind: ArmKind,
    start: float | None,
    end: float,
    strength: float = 1.0,
):
    own = float(nearest_on_curve(manifold, coordinates(manifold, residual[None])).coordinate[0])
    path = path_between(
        own if start is None else start, end, np.linspace(0, 1, 50), closed=manifold.closed, anchored=start is None
    )
    return path, displacements(Trajectory.of(manifold, residual, path), kind, np.random.default_rng(3), strength)


@pytest.fixture(params=[True, False], ids=["closed", "open"])
def manifold(request: pytest.FixtureRequest) -> SteeringManifold:
    return planted(request.param)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_closed_paths_take_the_shorter_way(start: float, end: float) -> None:
    path = path_between(start, end, np.linspace(0, 1, 9), closed=True, anchored=True)
    assert abs(path.length) <= 0.5
    assert np.allclose(np.exp(2j * np.pi * path.u[[0, -1]]), np.exp(2j * np.pi * np.array([start, end])))


def test_open_paths_are_linear_in_u() -> None:
    path = path_between(0.9, 0.1, np.linspace(0, 1, 5), closed=False, anchored=True)
    assert np.allclose(path.u, [0.9, 0.7, 0.5, 0.3, 0.1])


@settings(deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.booleans())
def test_points_on_the_curve_project_onto_themselves(u: float, closed: bool) -> None:
    manifold = planted(closed)
    found = nearest_on_curve(manifold, on_curve(manifold, np.array([u])))
    off = abs(found.coordinate[0] - u)
    assert min(off, 1 - off if closed else off) < 1e-6
    assert found.distance[0] < 1e-6


def test_projection_agrees_with_a_dense_search(manifold: SteeringManifold) -> None:
    points = np.random.default_rng(1).standard_normal((40, AXES)) * 3
    dense = on_curve(manifold, np.linspace(0, 1, 20_001))
    searched = np.linalg.norm(points[:, None] - dense[None], axis=2).min(axis=1)
    assert np.allclose(nearest_on_curve(manifold, points).distance, searched, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_the_own_coordinate_and_zero_strength_are_exact_no_ops(manifold: SteeringManifold, kind: ArmKind) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL).astype(np.float32) * 2
    _, moved = moves(manifold, residual, kind, None, 0.4)
    assert not moved[0].any()
    assert moved[1:].any(axis=1).all()
    for start in (None, 0.2):
        assert not moves(manifold, residual, kind, start, 0.4, strength=0.0)[1].any()


@pytest.mark.parametrize("kind", KINDS)
def test_all_arms_share_the_state_at_a_given_start(manifold: SteeringManifold, kind: ArmKind) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL)
    _, moved = moves(manifold, residual, kind, 0.2, 0.4)
    at_start = coordinates(manifold, residual[None] + moved[:1])[0]
    assert np.allclose(at_start, on_curve(manifold, np.array([0.2]))[0])
    assert np.allclose(moved[0] - (moved[0] @ manifold.basis.T) @ manifold.basis, 0)


def test_the_manifold_arm_converges_to_the_curve_inside_the_subspace(manifold: SteeringManifold) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL)
    path, moved = moves(manifold, residual, "manifold", None, 0.4)
    there = coordinates(manifold, residual + moved)
    assert np.allclose(there[-1], on_curve(manifold, np.array([0.4]))[0])
    rest = moved - (moved @ manifold.basis.T) @ manifold.basis
    assert np.allclose(rest, 0)
    distance = nearest_on_curve(manifold, there).distance
    assert (np.diff(distance) <= 1e-9).all()
    _, named = moves(manifold, residual, "manifold", 0.9, 0.4)
    assert np.allclose(nearest_on_curve(manifold, coordinates(manifold, residual + named)).distance, 0, atol=1e-6)
    assert path.anchored


def test_linear_ends_at_the_mean_residual_and_chord_on_the_curve(manifold: SteeringManifold) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL)
    end = float(manifold.value_coordinate[3])
    for start in (None, 0.05):
        _, linear = moves(manifold, residual, "linear", start, end)
        assert np.allclose(residual + linear[-1], manifold.value_residual[3])
        assert np.allclose(np.diff(linear, 2, axis=0), 0)
        _, chord = moves(manifold, residual, "chord", start, end)
        assert np.allclose(
            coordinates(manifold, (residual + chord[-1])[None])[0], on_curve(manifold, np.array([end]))[0]
        )
        assert np.allclose(np.diff(chord, 2, axis=0), 0)


def test_controls_have_the_norm_of_the_manifold_arm(manifold: SteeringManifold) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL)
    for start in (None, 0.2):
        _, along = moves(manifold, residual, "manifold", start, 0.4)
        _, random = moves(manifold, residual, "random", start, 0.4)
        _, flipped = moves(manifold, residual, "flipped", start, 0.4)
        _, shuffled = moves(manifold, residual, "shuffled", start, 0.4)
        norms = np.linalg.norm(along - along[0], axis=1)
        assert np.allclose(np.linalg.norm(random - random[0], axis=1), norms)
        assert np.allclose(flipped - flipped[0], -(along - along[0]))
        assert np.allclose(np.sort(shuffled, axis=0), np.sort(along, axis=0))
        assert not np.allclose(shuffled, along)


def test_mean_residuals_are_interpolated_across_the_seam() -> None:
    manifold = planted(True)
    seam = residual_at(manifold, 1 - 0.5 / VALUES)
    assert np.allclose(seam, (manifold.value_residual[0] + manifold.value_residual[-1]) / 2)
    for value in range(VALUES):
        assert np.allclose(residual_at(manifold, manifold.value_coordinate[value]), manifold.value_residual[value])


def test_mean_residuals_are_constant_beyond_the_last_value() -> None:
    manifold = planted(False)
    inner = SteeringManifold(manifold.basis, manifold.center, manifold.knots, False, manifold.value_coordinate[2:4],
                     manifold.value_residual[2:4])  # fmt: skip
    assert np.allclose(residual_at(inner, 0.0), manifold.value_residual[2])
    assert np.allclose(residual_at(inner, 1.0), manifold.value_residual[3])


def test_strength_scales_the_displacement(manifold: SteeringManifold) -> None:
    residual = np.random.default_rng(2).standard_normal(D_MODEL)
    for kind in KINDS:
        once, twice = (moves(manifold, residual, kind, None, 0.4, strength)[1] for strength in (1.0, 2.0))
        assert np.allclose(2 * once, twice)

"""Energy, reach, isometry and controls on planted behaviours; perplexity and repetition of known texts."""

import numpy as np
import pytest

from explorer.maths.steering.arms import (
    SteeringManifold,
    Trajectory,
    coordinates,
    displacements,
    nearest_on_curve,
    path_between,
)
from explorer.maths.steering.behaviour import (
    bhattacharyya_energy,
    fit_behaviour_manifold,
    hellinger_length,
    isometries,
    nearest_behaviour,
    path_isometries,
    perplexity,
    repetition_rate,
    target_shift,
    value_waypoints,
    values_between,
    visited_share,
)

RADIUS, D_MODEL, K, TEMPERATURE = 3.0, 64, 50, 0.5


def ring(classes: int) -> SteeringManifold:
    """Classes equally spaced on a ring in 64 dimensions."""

    def circle(u: np.ndarray) -> np.ndarray:
        return RADIUS * np.stack([np.cos(2 * np.pi * u), np.sin(2 * np.pi * u)], axis=1)

    at = np.arange(classes) / classes
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((D_MODEL, 2)))[0].T
    return SteeringManifold(basis, np.zeros(D_MODEL), circle(np.arange(512) / 512), True, at, circle(at) @ basis)


def softmax_of_distance(manifold: SteeringManifold, residual: np.ndarray) -> np.ndarray:
    """F(h) = softmax(-|h - c_b| / .5)."""
    score = -np.linalg.norm(residual[:, None] - manifold.value_residual[None], axis=2) / TEMPERATURE
    weight = np.exp(score - score.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("classes", "along_curve", "along_line"),
    [(7, 0.105, 0.962), pytest.param(12, 0.286, 2.779, marks=pytest.mark.long)],
)
def test_the_published_energies_are_reproduced(classes: int, along_curve: float, along_line: float) -> None:
    manifold = ring(classes)
    natural = fit_behaviour_manifold(
        softmax_of_distance(manifold, manifold.value_residual), manifold.value_coordinate, closed=True
    )
    found: dict[str, list[float]] = {"manifold": [], "linear": []}
    for first in range(classes):
        for last in set(range(classes)) - {first}:
            path = path_between(
                manifold.value_coordinate[first], manifold.value_coordinate[last], np.linspace(0, 1, K),
                closed=True, anchored=False,
            )  # fmt: skip
            for kind, energies in found.items():
                state = manifold.value_residual[first]
                moved = state + displacements(Trajectory.of(manifold, state, path), kind, np.random.default_rng(0))
                energies.append(bhattacharyya_energy(natural, softmax_of_distance(manifold, moved)))
    assert np.mean(found["manifold"]) == pytest.approx(along_curve, rel=0.02)
    assert np.mean(found["linear"]) == pytest.approx(along_line, rel=0.02)


def test_natural_behaviour_has_zero_energy_and_foreign_behaviour_does_not() -> None:
    values = np.hstack([np.eye(5) * 0.9 + 0.02, np.zeros((5, 1))])
    natural = fit_behaviour_manifold(values, np.linspace(0, 1, 5), closed=False)
    assert nearest_behaviour(natural, values).distance == pytest.approx(np.zeros(5), abs=1e-6)
    foreign = np.array([[0, 0, 0, 0, 0, 1.0]])
    assert nearest_behaviour(natural, foreign).distance[0] > 5


def test_a_mixture_of_two_far_values_is_off_the_behaviour_manifold() -> None:
    manifold = ring(7)
    behaviours = softmax_of_distance(manifold, manifold.value_residual)
    natural = fit_behaviour_manifold(behaviours, manifold.value_coordinate, closed=True)
    near, far = (behaviours[0] + behaviours[1]) / 2, (behaviours[0] + behaviours[3]) / 2
    distances = nearest_behaviour(natural, np.stack([near, far])).distance
    assert distances[1] > 5 * distances[0]


def test_values_at_one_coordinate_are_merged_and_too_few_raise() -> None:
    values = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1]])
    natural = fit_behaviour_manifold(values, np.array([0.0, 0.0, 1.0]), closed=False)
    merged = np.array([[0.7, 0.2, 0.1]])
    assert nearest_behaviour(natural, merged).distance[0] == pytest.approx(0, abs=1e-9)
    with pytest.raises(ValueError, match="2 places on a closed curve"):
        fit_behaviour_manifold(values, np.array([0.0, 0.0, 1.0]), closed=True)


def test_the_refined_minimum_equals_a_dense_search() -> None:
    values = np.random.default_rng(0).dirichlet(np.ones(6), 5)
    natural = fit_behaviour_manifold(values, np.linspace(0, 1, 5), closed=False)
    behaviours = np.random.default_rng(1).dirichlet(np.ones(6), 20)
    dense = (np.sqrt(behaviours) @ natural.at(np.linspace(0, 1, 200_001)).T).max(axis=1)
    assert nearest_behaviour(natural, behaviours).distance == pytest.approx(-np.log(dense), abs=1e-7)


@pytest.mark.parametrize(
    ("start", "end", "first", "last", "expected"),
    [
        (0 / 7, 3 / 7, 0, 3, [1, 2]),
        (0 / 7, 5 / 7, 0, 5, [6]),
        (5 / 7, 1 / 7, 5, 1, [0, 6]),
        (5 / 7, 2 / 7, 5, 2, [3, 4]),
        (0 / 7, 1 / 7, 0, 1, []),
    ],
)
def test_values_between_on_the_shorter_way_around(
    start: float, end: float, first: int, last: int, expected: list[int]
) -> None:
    path = path_between(start, end, np.linspace(0, 1, 5), closed=True, anchored=True)
    assert np.flatnonzero(values_between(path, np.arange(7) / 7, first, last)).tolist() == expected


def test_values_between_on_an_open_curve() -> None:
    path = path_between(1.0, 0.25, np.linspace(0, 1, 5), closed=False, anchored=True)
    assert np.flatnonzero(values_between(path, np.linspace(0, 1, 5), 4, 1)).tolist() == [2, 3]


def test_a_visited_value_must_exceed_other_as_well() -> None:
    between = np.array([False, True, True, False])
    behaviour = np.array([[0.9, 0.1, 0, 0, 0], [0.1, 0.5, 0.3, 0, 0.1], [0, 0.1, 0.4, 0, 0.5], [0, 0, 0, 1, 0]])
    assert visited_share(behaviour, between) == 0.5
    assert visited_share(behaviour, np.zeros(4, dtype=bool)) is None


def test_a_constant_arm_visits_nothing() -> None:
    """The unsteered model may already answer with a value in between: the state's position and its answer may
    differ."""
    between, still = np.array([False, True, True, False]), np.tile([0.1, 0.8, 0.1, 0, 0], (5, 1))
    assert visited_share(still, between) == 0
    assert visited_share(np.vstack([still, [[0, 0.1, 0.8, 0.1, 0]]]), between) == 1
    assert visited_share(still, np.array([False, True, False, False])) is None


def test_the_shift_is_compared_with_the_controls() -> None:
    shift = target_shift(0.1, np.array([0.1, 0.5, 0.9]), np.array([0.05, 0.2]))
    assert (shift.shift, shift.control_mean, shift.control_max) == pytest.approx((0.8, 0.075, 0.1))
    assert shift.control_sd == pytest.approx(np.std([0.05, 0.1], ddof=1))
    assert shift.over_spread == pytest.approx((0.8 - 0.075) / np.std([0.05, 0.1], ddof=1))
    assert target_shift(0.1, np.array([0.9]), np.array([0.2, 0.2])).over_spread is None
    assert target_shift(0.1, np.array([0.9]), np.array([0.2])).control_sd is None


@pytest.mark.parametrize("closed", [True, False])
def test_natural_behaviours_are_located(closed: bool) -> None:
    at = np.arange(5) / 5
    values = np.eye(5) * 0.8 + 0.04
    natural = fit_behaviour_manifold(values, at, closed=closed)
    between = np.array([0.1, 0.33, 0.77])
    found = nearest_behaviour(natural, natural.at(between) ** 2)
    assert found.coordinate == pytest.approx(between, abs=1e-3)
    assert found.distance == pytest.approx(np.zeros(3), abs=1e-6)
    assert nearest_behaviour(natural, values).coordinate == pytest.approx(at, abs=1e-3)


def test_nearly_equal_behaviours_are_located() -> None:
    """The differences are far below the float32 precision of the affinities that the first search compares."""
    even = np.full((5, 6), 1 / 6) + 1e-4 * np.eye(5, 6)
    natural = fit_behaviour_manifold(even / even.sum(axis=1, keepdims=True), np.arange(5) / 5, closed=True)
    between = np.linspace(0, 1, 37)[:-1]
    found = nearest_behaviour(natural, natural.at(between) ** 2).coordinate
    assert np.abs((found - between + 0.5) % 1.0 - 0.5).max() < 2e-3


def test_value_waypoints_are_the_values_that_a_path_passes() -> None:
    places = np.append(np.arange(7) / 7, np.nan)
    path = path_between(5 / 7, 1 / 7, np.linspace(0, 1, 31), closed=True, anchored=True)
    assert value_waypoints(path, places).tolist() == [0, 10, 20, 30]
    back = path_between(0.75, 0.25, np.linspace(0, 1, 11), closed=False, anchored=True)
    assert value_waypoints(back, np.array([0.0, 0.5, 1.0])).tolist() == [0, 5, 10]
    still = path_between(0.5, 0.5, np.linspace(0, 1, 11), closed=False, anchored=True)
    assert value_waypoints(still, np.array([0.0, 0.5, 1.0])).tolist() == [0, 10]


def test_a_path_is_isometric_if_behaviour_changes_with_the_state() -> None:
    angle = np.linspace(0, np.pi / 2, 31)
    turning = np.stack([np.cos(angle), np.sin(angle)], axis=1) ** 2
    stops = np.array([0, 10, 20, 30])
    even = np.stack([angle, angle], axis=1)
    jump = np.repeat(turning[[0, -1]], [20, 11], axis=0)
    moved, answers = np.stack([even, even]), np.stack([turning, jump])
    steady, late = path_isometries(moved, answers, stops)
    assert steady == pytest.approx(1)
    assert late is not None
    assert late < 0.9
    assert path_isometries(moved, answers, stops[[0, -1]]) == [None, None]


def test_isometry_and_lengths() -> None:
    lengths, bent = np.array([1.0, 2, 3]), np.array([1.0, 4, 2])
    found = isometries(np.stack([lengths, lengths, lengths]), np.stack([2 * lengths, bent, np.ones(3)]))
    assert found[:2] == pytest.approx([1, np.corrcoef(lengths, bent)[0, 1]])
    assert found[2] is None
    assert hellinger_length(np.array([[1.0, 0], [0, 1.0]])) == pytest.approx(1)


def test_the_ring_is_isometric_along_the_curve_but_not_along_the_line() -> None:
    manifold = ring(12)
    lengths: dict[str, list[tuple[float, float]]] = {"manifold": [], "linear": []}
    for last in range(1, 7):
        path = path_between(0.0, last / 12, np.linspace(0, 1, K), closed=True, anchored=False)
        for kind, pairs in lengths.items():
            state = manifold.value_residual[0]
            moved = state + displacements(Trajectory.of(manifold, state, path), kind, np.random.default_rng(0))
            passed = np.linalg.norm(np.diff(moved, axis=0), axis=1).sum()
            pairs.append((passed, hellinger_length(softmax_of_distance(manifold, moved))))
    along, line = isometries(*np.array([lengths["manifold"], lengths["linear"]]).transpose(2, 0, 1))
    assert along is not None
    assert line is not None
    assert along > 0.99
    assert line < along


def test_planted_states_lie_on_the_ring() -> None:
    manifold = ring(7)
    assert nearest_on_curve(manifold, coordinates(manifold, manifold.value_residual)).distance == pytest.approx(
        np.zeros(7), abs=1e-3
    )


def test_perplexity_is_one_over_the_geometric_mean_probability() -> None:
    assert perplexity(np.log(np.full(5, 0.25))) == pytest.approx(4)
    assert perplexity(np.log(np.array([1.0, 0.25]))) == pytest.approx(2)
    assert perplexity(np.zeros(0)) is None
    assert np.isfinite(perplexity(np.full(3, -np.inf)) or 0.0)


@pytest.mark.parametrize(
    ("text", "share"),
    [([1, 2, 3, 4, 5], 0.0), ([7] * 6, 0.75), ([1, 2, 3, 1, 2, 3], 0.25), ([1, 2, 3], 0.0), ([1, 2], None)],
)
def test_recurring_ngrams_are_repetitions(text: list[int], share: float | None) -> None:
    assert repetition_rate(text) == share

"""Variance explained by a few atoms: planted maps are found, R2 is held out, bases are ordered."""

import numpy as np
import pytest

from explorer.maths.features.explained import (
    COUNTS,
    greedy_variance,
    matching_pursuit,
    principal_variance,
    random_variance,
    restricted_r2,
    restricted_r2_curve,
    scatter_matrix,
)


def _half(n: int) -> np.ndarray:
    return np.arange(n) % 2 == 0


def test_restricted_r2_fits_an_affine_map_and_is_measured_on_held_out_samples() -> None:
    rng = np.random.default_rng(0)
    codes = rng.standard_normal((4000, 6))
    noise = rng.standard_normal((4000, 2))
    target = 3.0 + codes[:, :2] @ rng.standard_normal((2, 2))
    assert restricted_r2(codes[:, :2], target, _half(4000)) == pytest.approx(1.0, abs=1e-9)
    assert restricted_r2(codes[:, 2:], target, _half(4000)) == pytest.approx(0.0, abs=0.01)
    noisy = target + noise * np.sqrt(target.var(0))
    assert restricted_r2(codes, noisy, _half(4000)) == pytest.approx(0.5, abs=0.05)
    few = np.arange(4000) < 20
    assert restricted_r2(rng.standard_normal((4000, 15)), noise, few) < 0


def test_redundant_atoms_are_not_chosen_twice() -> None:
    rng = np.random.default_rng(1)
    one, other = rng.standard_normal((2, 500))
    codes = np.stack([one, one, 0.1 * other, np.zeros(500)], axis=1)
    order = matching_pursuit(codes, np.stack([2 * one, other], axis=1), 4)
    assert sorted(order.tolist()) in ([0, 2], [1, 2])
    assert order[0] in (0, 1)


def test_the_curve_rises_and_saturates_at_all_atoms() -> None:
    rng = np.random.default_rng(2)
    turns = rng.uniform(size=3000)
    angle = 2 * np.pi * turns[:, None]
    ring = np.concatenate([np.cos(angle), np.sin(angle)], axis=1)
    codes = np.maximum(0, np.cos(angle - 2 * np.pi * np.arange(6) / 6))
    curve = restricted_r2_curve(codes, ring, _half(3000))
    assert len(curve) == len(COUNTS)
    assert curve[0] < 0.5 < 0.8 < curve[1] < curve[2]
    assert curve[-1] == curve[-2] > 0.99


def test_principal_axes_bound_all_bases_and_planted_directions_explain_everything() -> None:
    rng = np.random.default_rng(3)
    directions = rng.standard_normal((4, 32))
    activations = rng.exponential(size=(2000, 4)) @ directions
    spread = scatter_matrix(activations)
    atoms = greedy_variance(spread, np.concatenate([directions, directions[:1]]))
    principal, chance = principal_variance(spread), random_variance(spread, rng=rng)
    for own, best, drawn in zip(atoms, principal, chance, strict=True):
        assert drawn < own <= best + 1e-9
    assert atoms[2] == pytest.approx(1.0)
    assert chance[-1] == pytest.approx(16 / 32, abs=0.15)


def test_fewer_axes_than_counts_explain_everything() -> None:
    spread = scatter_matrix(np.random.default_rng(4).standard_normal((100, 3)))
    assert principal_variance(spread)[-1] == pytest.approx(1.0)
    assert random_variance(spread, rng=np.random.default_rng(0))[-1] == pytest.approx(1.0)

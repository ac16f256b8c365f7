"""Planted receptive fields on circles with a known regime."""

import numpy as np
import pytest

from explorer.bench.recovery.planted_regime import PlantedFields, planted_fields


def _fields(fires_over: np.ndarray, n_atoms: int, turn: float = 0.0) -> PlantedFields:
    rng = np.random.default_rng(0)
    angle = 2 * np.pi * (rng.uniform(size=4000)[:, None] + turn)
    ring = np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    apart = np.cos(angle - 2 * np.pi * np.arange(n_atoms) / n_atoms)
    codes = np.maximum(0, apart - fires_over).astype(np.float32)
    return planted_fields(codes, ring, np.arange(4000) % 2 == 0, rng=rng)


def test_four_half_planes_are_compact_capture() -> None:
    fields = _fields(np.zeros(4), 4)
    assert fields.regime == "compact capture"
    assert (fields.dimensions, fields.support) == (2, 4)
    assert fields.needed in (3, 4)
    assert fields.share == pytest.approx(0.5, abs=0.03)
    assert fields.spread == pytest.approx(0.727, abs=0.03)


def test_narrow_disjoint_arcs_are_tiling() -> None:
    fields = _fields(np.full(8, np.cos(np.pi / 8)), 8)
    assert fields.regime == "tiling"
    assert fields.overlap == pytest.approx(1.0, abs=0.05)
    assert fields.needed > 4


def test_many_half_planes_and_overlapping_arcs_are_dilution() -> None:
    assert _fields(np.zeros(9), 9).regime == "dilution"
    assert _fields(np.full(16, np.cos(np.pi / 5)), 16).regime == "dilution"


def test_wide_atoms_that_miss_a_dimension_are_not_compact() -> None:
    rng = np.random.default_rng(1)
    points = rng.standard_normal((2000, 2)).astype(np.float32)
    codes = np.maximum(0, np.stack([points[:, 0], -points[:, 0]], axis=1))
    fields = planted_fields(codes, points, np.arange(2000) % 2 == 0, rng=rng)
    assert fields.regime == "dilution"
    assert fields.r2 == pytest.approx(0.5, abs=0.05)

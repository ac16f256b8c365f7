"""Regime classification, tuning curves and feature order on planted receptive fields."""

import numpy as np
import pytest

from explorer.maths.features.regime import (
    MIN_EXPECTED_COFIRES,
    CorePairs,
    classify_regime,
    embedding_dim,
    is_tuned,
    order_by_peak,
    tuning_curves,
)


def _ring(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    turns = rng.uniform(size=n).astype(np.float32)
    return turns, np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns)], axis=1).astype(np.float32)


def _tiles(turns: np.ndarray, count: int, width: float) -> np.ndarray:
    apart = np.abs((turns[:, None] - np.arange(count) / count + 0.5) % 1.0 - 0.5)
    return np.maximum(0, 1 - apart / width).astype(np.float32)


def _judge(codes: np.ndarray, points: np.ndarray, turns: np.ndarray) -> str:
    return classify_regime(codes, points, turns, closed=True, rng=np.random.default_rng(0)).regime


def test_the_planted_receptive_fields_give_the_regime() -> None:
    turns, points = _ring(2000, np.random.default_rng(0))
    axes = np.concatenate([points, -points], axis=1)
    assert _judge(_tiles(turns, 9, 0.07), points, turns) == "tiling"
    assert _judge(_tiles(turns, 16, 0.25), points, turns) == "dilution"
    assert _judge((axes[:, :2] + 1.05).astype(np.float32), points, turns) == "compact capture"


def test_half_spaces_of_both_signs_are_compact_and_more_are_dilution() -> None:
    turns, points = _ring(2000, np.random.default_rng(4))
    middles = 2 * np.pi * np.arange(4) / 4
    angle = 2 * np.pi * turns[:, None]
    assert _judge(np.maximum(0, np.cos(angle - middles)).astype(np.float32), points, turns) == "compact capture"
    many = 2 * np.pi * np.arange(9) / 9
    assert _judge(np.maximum(0, np.cos(angle - many)).astype(np.float32), points, turns) == "dilution"


def test_tiling_is_claimed_only_with_enough_expected_cofires() -> None:
    turns, points = _ring(2000, np.random.default_rng(5))
    tiles = _tiles(turns, 9, 0.07)

    def judged(n_tokens: int) -> tuple[str, dict[str, float]]:
        together = ((tiles > 0).T.astype(np.int64)) @ (tiles > 0).astype(np.int64)
        rng = np.random.default_rng(0)
        one = classify_regime(tiles, points, turns, closed=True, rng=rng, cofires=CorePairs.of(together, n_tokens))
        return one.regime, one.statistics

    regime, numbers = judged(4000)
    assert regime == "tiling"
    assert numbers["expected_cofires"] >= MIN_EXPECTED_COFIRES
    assert numbers["positive_pairs"] < 0.5
    regime, numbers = judged(1_000_000)
    assert regime == "undetermined"
    assert numbers["expected_cofires"] < MIN_EXPECTED_COFIRES


def test_core_pairs_are_compared_with_chance() -> None:
    together = np.array([[100, 60, 0], [60, 100, 10], [0, 10, 100]])
    cofires = CorePairs.of(together, 1000)
    assert cofires.expected == 10.0
    assert cofires.positive == pytest.approx(1 / 3)
    assert CorePairs.of(together[:1, :1], 1000) == CorePairs(0.0, 0.0)


def test_embedding_dim_counts_the_axes_that_hold_the_variance() -> None:
    points = np.random.default_rng(6).standard_normal((3000, 4)) * np.array([1.0, 1.0, 0.5, 0.05])
    assert embedding_dim(points.astype(np.float32)) == 3


def test_the_statistics_include_the_restricted_r2_curve() -> None:
    turns, points = _ring(2000, np.random.default_rng(7))
    judged = classify_regime(_tiles(turns, 9, 0.2), points, turns, closed=True, rng=np.random.default_rng(0))
    curve = [judged.statistics[f"r2_at_{n}"] for n in (1, 2, 4, 8, 16)]
    assert curve[0] < curve[1] < curve[2] < curve[3]
    assert curve[-1] > 0.95


def test_too_few_tokens_or_tuned_atoms_are_undetermined() -> None:
    turns, points = _ring(60, np.random.default_rng(1))
    assert _judge(_tiles(turns, 9, 0.07), points, turns) == "undetermined"
    turns, points = _ring(1000, np.random.default_rng(1))
    assert _judge(np.ones((1000, 5), np.float32), points, turns) == "undetermined"


@pytest.mark.parametrize("closed", [True, False])
def test_tuning_curves_peak_where_the_atom_fires(closed: bool) -> None:
    rng = np.random.default_rng(2)
    at = rng.uniform(size=4000).astype(np.float32)
    middles = np.array([0.1, 0.45, 0.8])
    codes = np.exp(-(((at[:, None] - middles) / 0.05) ** 2)).astype(np.float32)
    tuning = tuning_curves(codes, at, closed=closed, bins=48)
    assert np.abs((tuning.argmax(1) + 0.5) / 48 - middles).max() < 0.02
    assert is_tuned(tuning).all()


def test_only_closed_tuning_curves_wrap_around() -> None:
    at = np.linspace(0, 0.999, 5000).astype(np.float32)
    codes = (at > 0.9).astype(np.float32)[:, None]
    closed, opened = (tuning_curves(codes, at, closed=kind, bins=20)[0] for kind in (True, False))
    assert closed[0] > 0.2
    assert opened[0] < 0.01


def test_features_are_ordered_by_peak_with_untuned_ones_last() -> None:
    turns, _ = _ring(3000, np.random.default_rng(3))
    tiles = _tiles(turns, 6, 0.15)[:, [4, 1, 5, 0, 3, 2]]
    flat = np.ones((3000, 1), np.float32)
    order = order_by_peak(tuning_curves(np.concatenate([flat, tiles], axis=1), turns, closed=True, bins=48))
    assert order[-1] == 0
    peaks = np.array([4, 1, 5, 0, 3, 2])[order[:-1] - 1]
    assert sorted(peaks.tolist()) == list(range(6))
    steps = np.diff(np.append(peaks, peaks[0])) % 6
    assert (steps == 1).all()

"""Tuning test: planted tiles are significant, chance is not."""

import numpy as np
import pytest

from explorer.maths.features.tuning_test import ALPHA, tuning_p_values

SAMPLES = 600


def _tile(place: np.ndarray, at: float, width: float) -> np.ndarray:
    apart = np.abs((place - at + 0.5) % 1 - 0.5)
    return np.exp(-0.5 * (apart / width) ** 2) * (apart < 2 * width)


@pytest.mark.parametrize("closed", [True, False])
def test_tiles_are_significant_and_hubs_are_not(closed: bool) -> None:
    rng = np.random.default_rng(0)
    place = rng.uniform(size=SAMPLES)
    tiles = np.stack([_tile(place, at, 0.08) for at in np.linspace(0.1, 0.9, 8)], axis=1)
    hubs = rng.exponential(size=(SAMPLES, 8)) * (rng.uniform(size=(SAMPLES, 8)) < 0.9)
    p_values = tuning_p_values(np.concatenate([tiles, hubs], axis=1), place, closed=closed)
    assert (p_values[:8] <= ALPHA).all()
    assert (p_values[8:] > ALPHA).all()


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.5])
def test_the_family_wise_error_rate_is_nominal(share: float) -> None:
    """Including rare features on unevenly spread coordinates with outliers; tolerance of three standard errors."""
    rng, clusters, false = np.random.default_rng(1), 400, 0
    for _ in range(clusters):
        codes = rng.exponential(size=(SAMPLES, 32)) * (rng.uniform(size=(SAMPLES, 32)) < share)
        place = np.clip(rng.standard_t(2, SAMPLES) * 0.03 + 0.5, 0, 1)
        false += bool((tuning_p_values(codes, place, closed=False) <= ALPHA).any())
    assert false <= clusters * ALPHA + 3 * np.sqrt(clusters * ALPHA * (1 - ALPHA))


@pytest.mark.parametrize("place", [np.zeros(50), np.linspace(0, 1, 3), np.zeros(0)])
def test_degenerate_inputs_are_not_significant(place: np.ndarray) -> None:
    codes = np.random.default_rng(0).uniform(size=(len(place), 4))
    assert (tuning_p_values(codes, place, closed=False) == 1).all()
    assert (tuning_p_values(np.ones((50, 4)), np.linspace(0, 1, 50), closed=True) == 1).all()

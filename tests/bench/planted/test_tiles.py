"""Disjoint tiles never co-fire and have the requested expected co-fires."""

import numpy as np
import pytest

from explorer.bench.planted.codes import DOC_TOKENS
from explorer.bench.planted.tiles import TileSettings, planted_tiles
from explorer.records.clustering import NOISE

SETTINGS = TileSettings(n_groups=4, n_tiles=5, n_tokens=40_000, expected=12.0)


def _fires(settings: TileSettings, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    planted = planted_tiles(settings, rng=np.random.default_rng(seed))
    fires = np.zeros((settings.n_tokens, planted.codes.n_features), dtype=np.float32)
    fires[np.repeat(np.arange(settings.n_tokens), np.diff(planted.codes.indptr)), planted.codes.features] = 1
    return fires, planted.label


def test_tiles_of_a_group_never_cofire_and_others_do() -> None:
    fires, label = _fires(SETTINGS)
    together = fires.T @ fires
    same = (label[:, None] == label) & (label >= 0) & ~np.eye(len(label), dtype=bool)
    assert together[same].max() == 0
    assert together[~same].min() > 0


def test_groups_noise_and_expected_cofires_match_the_settings() -> None:
    fires, label = _fires(SETTINGS)
    assert np.bincount(label[label >= 0]).tolist() == [5] * 4
    assert (label == NOISE).mean() == pytest.approx(SETTINGS.noise_share, abs=0.03)
    count = fires.sum(axis=0)
    assert np.mean(count**2 / SETTINGS.n_tokens) == pytest.approx(SETTINGS.expected, rel=0.1)


def test_infinite_boost_restricts_groups_to_their_documents() -> None:
    settings = TileSettings(n_groups=3, n_tiles=4, n_tokens=80_000, expected=4.0, boost=np.inf)
    fires, label = _fires(settings)
    in_doc = fires.reshape(-1, DOC_TOKENS, len(label)).sum(axis=1) > 0
    for group in range(3):
        tiles = in_doc[:, label == group]
        assert tiles.any(axis=1).mean() < 0.2
        assert tiles.all(axis=1).sum() > 0.7 * tiles.any(axis=1).sum()


def test_rates_above_one_raise() -> None:
    with pytest.raises(ValueError, match="of the tokens of its documents"):
        planted_tiles(TileSettings(n_tokens=10_000, expected=500.0), rng=np.random.default_rng(0))


def test_tiles_are_determined_by_the_generator() -> None:
    (one, label), (other, same) = _fires(SETTINGS, 3), _fires(SETTINGS, 3)
    assert (one == other).all()
    assert (label == same).all()

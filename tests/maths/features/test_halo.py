"""A planted ring: a hub that encodes presence, tiles that encode the value, and unrelated context features."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.sparse import csr_array

from explorer.config import HaloSettings
from explorer.maths.features.halo import cluster_subspace, grow_halo

SETTINGS = HaloSettings(enough=0.98)
TILES = 8


class PlantedRing(NamedTuple):
    """Features 0-1 are the hub, 2-9 the tiles of a ring, the others fire at random and contribute nothing."""

    codes: np.ndarray
    W_dec: np.ndarray
    turns: np.ndarray
    activations: np.ndarray


@pytest.fixture(scope="module")
def planted() -> PlantedRing:
    rng = np.random.default_rng(0)
    n, d_model, n_features = 1500, 32, 24
    W_dec = np.linalg.qr(rng.standard_normal((d_model, d_model)))[0][:n_features].astype(np.float32)
    turns = rng.uniform(size=n)
    apart = np.abs((turns[:, None] - np.arange(TILES) / TILES + 0.5) % 1.0 - 0.5) * TILES
    codes = np.zeros((n, n_features), np.float32)
    codes[:, :2] = rng.uniform(0.5, 2.0, (n, 2))
    codes[:, 2 : 2 + TILES] = 2 * np.maximum(0, 1 - apart)
    rare = rng.uniform(size=(n, n_features - 2 - TILES)) < 0.2
    codes[:, 2 + TILES :] = rare * rng.uniform(0.1, 0.3, rare.shape)
    signal = codes.copy()
    signal[:, 2 + TILES :] = 0.0
    activations = signal @ W_dec + 0.02 * rng.standard_normal((n, d_model))
    return PlantedRing(codes, W_dec, turns, activations.astype(np.float32))


def _grow(planted: PlantedRing, activations: np.ndarray, settings: HaloSettings = SETTINGS) -> tuple[set[int], object]:
    found = grow_halo(
        np.array([0, 1], np.int32),
        np.arange(24, dtype=np.int32),
        csr_array(planted.codes),
        activations,
        planted.W_dec,
        settings,
        rng=np.random.default_rng(1),
    )
    return set(found.atoms.tolist()), found


def test_the_halo_consists_of_the_planted_tiles_after_the_core(planted: PlantedRing) -> None:
    atoms, found = _grow(planted, planted.activations)
    assert set(found.atoms[:2].tolist()) == {0, 1}
    assert found.n_core == 2
    assert atoms == set(range(2 + TILES))
    assert found.gain.sum() > 0.95
    assert (found.gain[2:] > found.null_gain[2:]).all()


def test_the_null_stops_growth_without_a_variance_target(planted: PlantedRing) -> None:
    atoms, _ = _grow(planted, planted.activations, HaloSettings(enough=1.0))
    assert atoms == set(range(2 + TILES))


def test_noise_gets_no_halo(planted: PlantedRing) -> None:
    noise = np.random.default_rng(2).standard_normal(planted.activations.shape).astype(np.float32)
    atoms, _ = _grow(planted, noise)
    assert len(atoms - {0, 1}) <= 1


def test_max_atoms_counts_the_core(planted: PlantedRing) -> None:
    atoms, _ = _grow(planted, planted.activations, HaloSettings(max_atoms=5))
    assert len(atoms) == 5


def test_projecting_out_the_hub_reveals_the_ring(planted: PlantedRing) -> None:
    space = cluster_subspace(planted.activations, planted.W_dec[: 2 + TILES], without=planted.W_dec[:2])
    assert np.allclose(space.basis @ space.basis.T, np.eye(len(space.basis)), atol=1e-5)
    assert np.abs(space.basis @ planted.W_dec[:2].T).max() < 1e-5
    plane = space.coordinates(planted.activations)[:, :2]
    turns = np.arctan2(plane[:, 1], plane[:, 0]) / (2 * np.pi)
    agreement = max(abs(np.exp(2j * np.pi * (turns + sign * planted.turns)).mean()) for sign in (1, -1))
    assert agreement > 0.97


def test_the_subspace_keeps_the_variance_inside_the_span(planted: PlantedRing) -> None:
    space = cluster_subspace(planted.activations, planted.W_dec[: 2 + TILES])
    centred = planted.activations - planted.activations.mean(0)
    assert space.share.sum() > 0.97
    rebuilt = space.coordinates(planted.activations) @ space.basis
    assert ((centred - rebuilt) ** 2).sum() < 0.03 * (centred**2).sum()


def test_gains_equal_those_of_explicit_subtraction(planted: PlantedRing) -> None:
    _, found = _grow(planted, planted.activations)
    residual = planted.activations.astype(np.float64) - planted.activations.mean(0, dtype=np.float64)
    total = (residual**2).sum()
    for atom, gain in zip(found.atoms, found.gain, strict=True):
        before = (residual**2).sum()
        code = planted.codes[:, atom].astype(np.float64)
        residual -= np.outer(code - code.mean(), planted.W_dec[atom])
        assert gain == pytest.approx((before - (residual**2).sum()) / total, abs=1e-5)


def test_the_null_is_the_best_gain_of_any_free_feature_under_permutation(planted: PlantedRing) -> None:
    """Each choice against the same permutations, with the residual stored explicitly."""
    _, found = _grow(planted, planted.activations)
    [rng] = np.random.default_rng(1).spawn(1)
    rows = rng.choice(len(planted.codes), len(planted.codes), replace=False)
    permutations = [rng.permutation(rows) for _ in range(SETTINGS.null_draws)]
    residual = planted.activations.astype(np.float64) - planted.activations.mean(0, dtype=np.float64)
    codes, total = planted.codes - planted.codes.mean(0, dtype=np.float64), (residual**2).sum()
    energy, free = (codes**2).sum(0) * (planted.W_dec**2).sum(1), np.ones(codes.shape[1], dtype=bool)
    for atom, null in zip(found.atoms[found.n_core :], found.null_gain[found.n_core :], strict=True):
        chosen = [*found.atoms[: found.n_core], *found.atoms[found.n_core : list(found.atoms).index(atom)]]
        free[chosen] = False
        rest = residual - codes[:, chosen] @ planted.W_dec[chosen]
        gains = [
            ((codes[permutation].T @ rest[rows]) * planted.W_dec).sum(1) ** 2 / energy for permutation in permutations
        ]
        assert null == pytest.approx(max(gain[free].max() for gain in gains) / total, rel=1e-3)

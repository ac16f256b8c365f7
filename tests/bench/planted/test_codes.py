"""Planted codes have their documented properties."""

import numpy as np
import pytest

from explorer.bench.planted.codes import GROUP_SIZES, MIN_FIRES, PlantedCodes, planted_cofiring
from explorer.records.clustering import NOISE

N_FEATURES, N_TOKENS = 900, 20_000


@pytest.fixture(scope="module")
def planted() -> PlantedCodes:
    return planted_cofiring(N_FEATURES, N_TOKENS, rng=np.random.default_rng(1))


def test_codes_are_well_formed(planted: PlantedCodes) -> None:
    codes = planted.codes
    assert codes.n_tokens == N_TOKENS
    assert codes.n_features == N_FEATURES
    assert codes.indptr[0] == 0
    assert codes.indptr[-1] == len(codes.features) == len(codes.values)
    assert (codes.values > 0).all()
    token = np.repeat(np.arange(N_TOKENS), np.diff(codes.indptr))
    assert (np.diff(token * N_FEATURES + codes.features.astype(np.int64)) > 0).all()


def test_groups_have_their_stated_sizes_and_a_third_is_noise(planted: PlantedCodes) -> None:
    size = np.bincount(planted.label[planted.label >= 0])
    assert size.min() >= GROUP_SIZES[0]
    assert size.max() <= GROUP_SIZES[1]
    assert (planted.label == NOISE).mean() > 1 / 3


def test_rates_span_more_than_a_decade(planted: PlantedCodes) -> None:
    fires = np.bincount(planted.codes.features, minlength=N_FEATURES)
    low, high = np.percentile(fires, [2, 98])
    assert low > 0.4 * MIN_FIRES
    assert high > 10 * low


def test_members_of_a_group_cofire_and_noise_features_do_not(planted: PlantedCodes) -> None:
    token = np.repeat(np.arange(N_TOKENS), np.diff(planted.codes.indptr))
    fires = np.zeros((N_TOKENS, N_FEATURES), dtype=np.float32)
    fires[token, planted.codes.features] = 1
    together = fires.T @ fires
    count = np.diag(together)
    lift = together * N_TOKENS / (count[:, None] * count)
    apart = ~np.eye(N_FEATURES, dtype=bool)
    same = (planted.label[:, None] == planted.label) & (planted.label >= 0)[:, None]
    assert lift[same & apart].mean() > 5
    assert lift[~same].mean() < 1.5


def test_codes_are_determined_by_the_generator(planted: PlantedCodes) -> None:
    again = planted_cofiring(N_FEATURES, N_TOKENS, rng=np.random.default_rng(1))
    assert again.codes.features.tobytes() == planted.codes.features.tobytes()
    assert again.codes.values.tobytes() == planted.codes.values.tobytes()
    assert again.label.tobytes() == planted.label.tobytes()

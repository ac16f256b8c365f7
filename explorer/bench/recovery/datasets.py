"""Datasets of the recovery benchmark: three families of codes with known groups."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from explorer.bench.planted.codes import document_offsets, planted_cofiring
from explorer.bench.planted.tiles import TileSettings, planted_tiles
from explorer.bench.recovery.zoo_sae import ZooSae, train_on_zoo
from explorer.bench.settings import RecoverSettings, ZooSettings
from explorer.records.bundle import Codes

TOKENS_PER_FEATURE: Final = 25
"""Tokens per feature of the planted co-firing sets."""
TILES: Final = {
    "tiles, power": TileSettings(),
    "tiles, no power": TileSettings(expected=0.5),
    "tiles, own documents": TileSettings(n_tokens=240_000, expected=10.0, boost=float("inf")),
}
"""Disjoint tiles whose silence is significant; whose silence is not; and that occur only in documents of one topic, so
that tiles of different groups never co-fire either."""


@dataclass(frozen=True, eq=False)
class RecoveryDataset:
    """Codes with their ground truth."""

    name: str
    """Name in the table, the same for every seed."""
    codes: Codes
    """The codes to cluster."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """First token of each document, then the number of tokens; samples of the zoo are one document."""
    truth: Int32[np.ndarray, "feature"]
    """Group of each feature, NOISE for none."""
    W_dec: Float32[np.ndarray, "feature d_model"] | None
    """Direction of each feature; None for datasets without a decoder."""


@dataclass(frozen=True)
class DatasetPlan:
    """A dataset that can be generated from any seed."""

    name: str
    plant: Callable[[int], RecoveryDataset]
    """Generates it from a seed."""


def plan_datasets(settings: RecoverSettings) -> Iterator[DatasetPlan]:
    """List the datasets of the selected families, in the order of the table."""
    if "planted" in settings.family:
        for n_features in settings.features:
            yield _plan(f"planted, {n_features} features", _planted, n_features)
    if "zoo" in settings.family:
        for k in settings.k:
            yield _plan(f"zoo, k = {k}", _zoo, k, settings.zoo)
    if "tiles" in settings.family:
        for name, tiles in TILES.items():
            yield _plan(name, _tiles, tiles)


def _plan(name: str, plant: Callable[..., RecoveryDataset], *arguments: object) -> DatasetPlan:
    return DatasetPlan(name, lambda seed: replace(plant(*arguments, seed=seed), name=name))


def _planted(n_features: int, *, seed: int) -> RecoveryDataset:
    rng = np.random.default_rng([seed, n_features])
    found = planted_cofiring(n_features, TOKENS_PER_FEATURE * n_features, rng=rng)
    return RecoveryDataset("", found.codes, document_offsets(found.codes.n_tokens), found.label, None)


def _tiles(settings: TileSettings, *, seed: int) -> RecoveryDataset:
    found = planted_tiles(settings, rng=np.random.default_rng([seed, settings.n_tokens]))
    return RecoveryDataset("", found.codes, document_offsets(found.codes.n_tokens), found.label, None)


def _zoo(k: int, settings: ZooSettings, *, seed: int) -> RecoveryDataset:
    return zoo_dataset(train_on_zoo(k, settings, seed=seed))


def zoo_dataset(trained: ZooSae) -> RecoveryDataset:
    """Codes of an SAE trained on the zoo; rare features have no group."""
    return RecoveryDataset(
        "", trained.codes, np.array([0, trained.codes.n_tokens]), trained.owner, trained.sae.W_dec.numpy()
    )

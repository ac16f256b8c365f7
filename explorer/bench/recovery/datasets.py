"""What the recovery bench plants: three families of codes whose truth is known."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from explorer.bench.planted.codes import document_offsets, planted_cofiring
from explorer.bench.planted.tiles import TileSettings, planted_tiles
from explorer.bench.recovery.zoo_sae import ZooSae, train_on_zoo
from explorer.bench.settings import RecoverSettings, ZooSettings
from explorer.records import Codes

TOKENS_PER_FEATURE: Final = 25
"""Tokens of planted co-firing sets, for each feature."""
TILES: Final = {
    "tiles, power": TileSettings(),
    "tiles, no power": TileSettings(expected=0.5),
    "tiles, own documents": TileSettings(n_tokens=240_000, expected=10.0, boost=float("inf")),
}
"""Disjoint tiles whose silence is significant; whose silence means nothing; and that keep to documents of one topic, so
that tiles of different groups never meet either."""


@dataclass(frozen=True, eq=False)
class Work:
    """Codes and their truth."""

    name: str
    """What the table calls it, the same for every seed."""
    codes: Codes
    """What is clustered."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Where each document begins, and the number of tokens; samples of the zoo are one document."""
    truth: Int32[np.ndarray, "feature"]
    """Group of each feature, NOISE for those of none."""
    W_dec: Float32[np.ndarray, "feature d_model"] | None
    """Direction of each feature; None for works that have no decoder."""


@dataclass(frozen=True)
class WorkPlan:
    """A work that can be planted from any seed."""

    name: str
    """As in Work."""
    plant: Callable[[int], Work]
    """From a seed."""


def plan_works(settings: RecoverSettings) -> Iterator[WorkPlan]:
    """List the works of all families, in the order of the table."""
    if "planted" in settings.family:
        for n_features in settings.features:
            yield _plan(f"planted, {n_features} features", _planted, n_features)
    if "zoo" in settings.family:
        for k in settings.k:
            yield _plan(f"zoo, k = {k}", _zoo, k, settings.zoo)
    if "tiles" in settings.family:
        for name, tiles in TILES.items():
            yield _plan(name, _tiles, tiles)


def _plan(name: str, plant: Callable[..., Work], *arguments: object) -> WorkPlan:
    return WorkPlan(name, lambda seed: replace(plant(*arguments, seed=seed), name=name))


def _planted(n_features: int, *, seed: int) -> Work:
    rng = np.random.default_rng([seed, n_features])
    found = planted_cofiring(n_features, TOKENS_PER_FEATURE * n_features, rng=rng)
    return Work("", found.codes, document_offsets(found.codes.n_tokens), found.label, None)


def _tiles(settings: TileSettings, *, seed: int) -> Work:
    found = planted_tiles(settings, rng=np.random.default_rng([seed, settings.n_tokens]))
    return Work("", found.codes, document_offsets(found.codes.n_tokens), found.label, None)


def _zoo(k: int, settings: ZooSettings, *, seed: int) -> Work:
    return zoo_work(train_on_zoo(k, settings, seed=seed))


def zoo_work(trained: ZooSae) -> Work:
    """Codes of an SAE that is trained on the zoo; rare features have no truth."""
    return Work("", trained.codes, np.array([0, trained.codes.n_tokens]), trained.owner, trained.sae.W_dec.numpy())

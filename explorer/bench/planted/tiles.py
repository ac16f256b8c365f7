"""Disjoint tiles: the case where same-token co-firing carries no signal.

A group's tiles share the tokens on which the group is present, one tile per token, so no two of them ever co-fire.
Their silence is evidence only if the co-fires expected by chance, N p^2 for N tokens and tiles with rate p, are enough:
below about 7, zero co-fires are not significant (see ``maths.cofiring.similarity``).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from explorer.bench.planted.codes import DOC_TOKENS, N_TOPICS, PlantedCodes, sorted_codes, topics_of_documents
from explorer.records.clustering import NOISE


@dataclass(frozen=True)
class TileSettings:
    """Sizes and rates of planted disjoint tiles."""

    n_groups: int = 12
    n_tiles: int = 8
    """Tiles per group."""
    noise_share: float = 0.36
    """Share of the features that belong to no group."""
    n_tokens: int = 120_000
    expected: float = 20.0
    """N p^2: expected co-fires of two tiles under independence."""
    boost: float = 6.0
    """Factor on a feature's rate in documents of its topic; infinite restricts it to these documents."""


def planted_tiles(settings: TileSettings, *, rng: np.random.Generator) -> PlantedCodes:
    """Plant groups of tiles that never co-fire, among noise features of the same rates and topics.

    Documents of DOC_TOKENS tokens have TOPICS_PER_DOC of N_TOPICS topics. Every group and every noise feature has a
    topic; a group is present on tokens drawn more often from documents of its topic, and on each of them exactly one of
    its tiles fires.

    Args:
        settings: sizes and rates.
        rng: the only source of randomness.

    Returns:
        The codes, and the group of every feature; features are in random order.

    Raises:
        ValueError: the tiles of a group would have to fire on more tokens than there are.
    """
    n_tiled = settings.n_groups * settings.n_tiles
    n_features = round(n_tiled / (1.0 - settings.noise_share))
    name = rng.permutation(n_features)
    label = np.full(n_features, NOISE, dtype=np.int32)
    label[name[:n_tiled]] = np.repeat(np.arange(settings.n_groups), settings.n_tiles)
    has_topic = topics_of_documents(settings.n_tokens, rng)
    rate = np.sqrt(settings.expected / settings.n_tokens)
    entries = []
    for group in range(settings.n_groups):
        tokens = _draw(rate * settings.n_tiles, has_topic, settings, rng)
        tile = rng.integers(settings.n_tiles, size=len(tokens))
        entries.append(tokens * n_features + name[group * settings.n_tiles + tile])
    entries.extend(_draw(rate, has_topic, settings, rng) * n_features + feature for feature in name[n_tiled:])
    codes = sorted_codes(np.sort(np.concatenate(entries)), n_features, settings.n_tokens, rng)
    return PlantedCodes(codes, label)


def _draw(
    rate: float, has_topic: Bool[np.ndarray, "topic doc"], settings: TileSettings, rng: np.random.Generator
) -> Int64[np.ndarray, "drawn"]:
    """Distinct tokens, a share ``rate`` of all on average, more often in documents of one randomly drawn topic."""
    own = has_topic[rng.integers(N_TOPICS)].astype(np.float64)
    weight = own if np.isinf(settings.boost) else 1.0 + (settings.boost - 1.0) * own
    share = np.repeat(weight, DOC_TOKENS)[: settings.n_tokens]
    share = rate * share / max(share.mean(), 1e-12)
    if share.max() > 1.0:
        raise ValueError(f"a group would have to be present on {share.max():.2f} of the tokens of its documents")
    return np.flatnonzero(rng.uniform(size=settings.n_tokens) < share)

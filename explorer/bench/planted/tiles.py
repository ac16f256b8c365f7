"""Tiles that never meet: the work at which same-token co-firing is blind.

A group's tiles share the tokens on which the group is present, one tile a token, so that no two of them ever fire
together. Whether their silence tells anything depends on the co-fires that chance would give two of them, N p^2 for N
tokens and tiles that fire on the share p: below about 7, none at all is nothing special (see ``similarity``).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from explorer.bench.planted.codes import DOC_TOKENS, N_TOPICS, PlantedCodes, sorted_codes, topics_of_documents
from explorer.records import NOISE


@dataclass(frozen=True)
class TileSettings:
    """What is planted."""

    n_groups: int = 12
    """Groups."""
    n_tiles: int = 8
    """Tiles of a group."""
    noise_share: float = 0.36
    """Share of the features that belong to no group."""
    n_tokens: int = 120_000
    """Tokens."""
    expected: float = 20.0
    """N p^2: co-fires that chance would give two tiles."""
    boost: float = 6.0
    """How many times as often a feature fires in a document of its topic; infinite: nowhere else."""


def planted_tiles(settings: TileSettings, *, rng: np.random.Generator) -> PlantedCodes:
    """Plant groups of tiles that never fire together, among noise features of the same rates and topics.

    Documents of DOC_TOKENS tokens have TOPICS_PER_DOC of N_TOPICS topics. Every group and every noise feature has a
    topic; a group is present on tokens drawn more often from documents of its topic, and on each of them exactly one of
    its tiles fires.

    Args:
        settings: sizes and rates.
        rng: the only source of chance.

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
    """Different tokens, ``rate`` of all in the mean, more often in documents of one topic drawn at random."""
    own = has_topic[rng.integers(N_TOPICS)].astype(np.float64)
    weight = own if np.isinf(settings.boost) else 1.0 + (settings.boost - 1.0) * own
    share = np.repeat(weight, DOC_TOKENS)[: settings.n_tokens]
    share = rate * share / max(share.mean(), 1e-12)
    if share.max() > 1.0:
        raise ValueError(f"a group would have to be present on {share.max():.2f} of the tokens of its documents")
    return np.flatnonzero(rng.uniform(size=settings.n_tokens) < share)

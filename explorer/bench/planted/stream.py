"""Planted codes of any length and density, drawn in parts, for benchmarks that stream them.

The world is that of ``codes``: documents of a few topics, closed rings of overlapping tiles among noise features. Here
the number of features per token is drawn, as an SAE's would vary, and each draw selects one feature or a position on a
ring, where the nearest tiles fire. Frequencies follow Zipf's law over two decades.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int32, Int64

from explorer.bench.planted.codes import (
    DOC_TOKENS,
    GROUP_SIZES,
    MISSED,
    N_TOPICS,
    NOISE_SHARE,
    TOPIC_BOOST,
    TOPICS_PER_DOC,
    distinct,
    sorted_codes,
)
from explorer.records.bundle import Codes
from explorer.records.clustering import NOISE

COVER: Final = 3
"""Tiles that contain a position of a ring."""
RATE_SPAN: Final = 100.0
"""Ratio of the highest to the lowest draw frequency of a feature."""
FIRES: Final = (32, 64)
"""Minimum and maximum target number of features per token."""


@dataclass(frozen=True)
class PlantedDictionary:
    """Features with their groups, topics and frequencies. A *unit* is a group, or a single noise feature."""

    label: Int32[np.ndarray, "feature"]
    """Group of each feature, NOISE for none; features are in random order."""
    feature_of_slot: Int64[np.ndarray, "feature"]
    """Features unit by unit, the tiles of a group in their order on its ring."""
    first: Int64[np.ndarray, "unit"]
    """Start of each unit in ``feature_of_slot``."""
    size: Int64[np.ndarray, "unit"]
    """Number of features of each unit."""
    weight: Float64[np.ndarray, "unit"]
    """Relative frequency of each unit."""
    topic: Int64[np.ndarray, "unit"]
    """Topic in whose documents the unit is drawn more often."""


def plant_dictionary(n_features: int, *, rng: np.random.Generator) -> PlantedDictionary:
    """Plant groups among noise features.

    Args:
        n_features: total number of features, about a third of them noise.
        rng: the only source of randomness.
    """
    low, high = np.log(GROUP_SIZES)
    room = int(n_features * (1.0 - NOISE_SHARE))
    sizes = np.exp(rng.uniform(low, high, size=room // GROUP_SIZES[0] + 1)).round().astype(np.int64)
    sizes = sizes[np.cumsum(sizes) <= room]
    size = np.concatenate([sizes, np.ones(n_features - sizes.sum(), dtype=np.int64)])
    feature_of_slot = rng.permutation(n_features)
    label = np.full(n_features, NOISE, dtype=np.int32)
    label[feature_of_slot[: sizes.sum()]] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    # a group is drawn as often as its tiles together, of which COVER fire at a time
    weight = RATE_SPAN ** rng.uniform(size=len(size)) * np.maximum(size / COVER, 1.0)
    return PlantedDictionary(
        label, feature_of_slot, np.cumsum(size) - size, size, weight, rng.integers(N_TOPICS, size=len(size))
    )


def draw_codes(
    dictionary: PlantedDictionary, n_tokens: int, *, rng: np.random.Generator, fires: tuple[int, int] = FIRES
) -> Codes:
    """Draw the codes of some documents.

    Args:
        dictionary: the features.
        n_tokens: number of tokens; the last document may be short.
        rng: the only source of randomness; another generator gives other documents of the same world.
        fires: minimum and maximum target number of features per token, uniformly distributed; groups and repeated draws
            make the actual number slightly different.
    """
    n_features = len(dictionary.label)
    usual = np.average(np.minimum(dictionary.size, COVER * (1.0 - MISSED)), weights=dictionary.weight)
    wanted = rng.integers(fires[0], fires[1] + 1, size=n_tokens)
    token = np.repeat(np.arange(n_tokens), np.rint(wanted / usual).astype(np.int64))
    unit = _draw_units(dictionary, n_tokens, token, rng)
    entry = distinct(_fire(dictionary, unit, token * n_features, rng))
    return sorted_codes(entry, n_features, n_tokens, rng)


def _draw_units(
    dictionary: PlantedDictionary, n_tokens: int, token: Int64[np.ndarray, "draw"], rng: np.random.Generator
) -> Int64[np.ndarray, "draw"]:
    """Draw one unit for every token, those of its document's topics TOPIC_BOOST times as often."""
    by_topic = np.argsort(dictionary.topic, kind="stable")
    ends = np.cumsum(dictionary.weight[by_topic])
    edge = np.concatenate([[0.0], ends])[np.searchsorted(dictionary.topic[by_topic], np.arange(N_TOPICS + 1))]
    topics = rng.integers(N_TOPICS, size=(-(-n_tokens // DOC_TOKENS), TOPICS_PER_DOC))
    topic = topics[token // DOC_TOKENS, rng.integers(TOPICS_PER_DOC, size=len(token))]
    # a mixture of draws from all units and from one topic's units, which makes the latter TOPIC_BOOST times as likely
    extra = (TOPIC_BOOST - 1.0) * TOPICS_PER_DOC / N_TOPICS
    boosted = rng.uniform(size=len(token)) < extra / (1.0 + extra)
    low, high = np.where(boosted, edge[topic], 0.0), np.where(boosted, edge[topic + 1], ends[-1])
    place = np.searchsorted(ends, low + rng.uniform(size=len(token)) * (high - low), side="right")
    return np.asarray(by_topic[np.minimum(place, len(ends) - 1)])


def _fire(
    dictionary: PlantedDictionary,
    unit: Int64[np.ndarray, "draw"],
    row: Int64[np.ndarray, "draw"],
    rng: np.random.Generator,
) -> Int64[np.ndarray, "entry"]:
    """Numbers row + feature of what fires: COVER neighbouring tiles of a ring, minus the dropped ones, or one noise
    feature."""
    size, first = dictionary.size[unit], dictionary.first[unit]
    lone = size == 1
    tile = (rng.uniform(size=len(unit)) * size).astype(np.int64)
    entries = []
    for step in range(COVER):
        hit = rng.uniform(size=len(unit)) >= MISSED
        fires = (lone & (step == 0)) | (~lone & hit)
        feature = dictionary.feature_of_slot[first[fires] + (tile[fires] + step) % size[fires]]
        entries.append(row[fires] + feature)
    return np.concatenate(entries)

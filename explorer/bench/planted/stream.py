"""Planted codes of any length and density, drawn part after part: what benchmarks count without holding it whole.

The world is that of ``planted_codes``: documents of a few topics, closed rings of overlapping tiles among features of
no group. Here a token draws how many features fire on it, as an SAE does, and each draw is of one feature or of a place
on a ring, where the tiles next to it fire. Frequencies fall off as Zipf's law has it, over two decades.
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
from explorer.records import NOISE, Codes

COVER: Final = 3
"""Tiles that hold a place of a ring."""
RATE_SPAN: Final = 100.0
"""The most frequent feature is drawn about so many times as often as the rarest."""
FIRES: Final = (32, 64)
"""Fewest and most features that a token is to have."""


@dataclass(frozen=True)
class PlantedDictionary:
    """Features with their groups, topics and frequencies. A *unit* is a group, or a feature of none."""

    label: Int32[np.ndarray, "feature"]
    """Group of each feature, NOISE for those of none; features are in random order."""
    name: Int64[np.ndarray, "feature"]
    """Features unit after unit, the tiles of a group in their order on its ring."""
    first: Int64[np.ndarray, "unit"]
    """Where each unit's features begin in ``name``."""
    size: Int64[np.ndarray, "unit"]
    """Features of each unit."""
    weight: Float64[np.ndarray, "unit"]
    """How often each is drawn, relatively."""
    topic: Int64[np.ndarray, "unit"]
    """In documents of which topic it is drawn more often."""


def plant_dictionary(n_features: int, *, rng: np.random.Generator) -> PlantedDictionary:
    """Plant groups among features of no group.

    Args:
        n_features: features in all, about a third of them noise.
        rng: the only source of chance.
    """
    low, high = np.log(GROUP_SIZES)
    room = int(n_features * (1.0 - NOISE_SHARE))
    sizes = np.exp(rng.uniform(low, high, size=room // GROUP_SIZES[0] + 1)).round().astype(np.int64)
    sizes = sizes[np.cumsum(sizes) <= room]
    size = np.concatenate([sizes, np.ones(n_features - sizes.sum(), dtype=np.int64)])
    name = rng.permutation(n_features)
    label = np.full(n_features, NOISE, dtype=np.int32)
    label[name[: sizes.sum()]] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    # a group is drawn as often as its tiles together, of which COVER fire at a time
    weight = RATE_SPAN ** rng.uniform(size=len(size)) * np.maximum(size / COVER, 1.0)
    return PlantedDictionary(label, name, np.cumsum(size) - size, size, weight, rng.integers(N_TOPICS, size=len(size)))


def draw_codes(
    dictionary: PlantedDictionary, n_tokens: int, *, rng: np.random.Generator, fires: tuple[int, int] = FIRES
) -> Codes:
    """Draw the codes of some documents.

    Args:
        dictionary: what may fire.
        n_tokens: tokens in all; the last document may be short.
        rng: the only source of chance; another one gives other documents of the same world.
        fires: fewest and most features that a token is to have, every number between them as likely. Groups and
            features that are drawn twice make it a few more or fewer.
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
    """Draw one unit for every token given, those of its document's topics TOPIC_BOOST times as often."""
    by_topic = np.argsort(dictionary.topic, kind="stable")
    ends = np.cumsum(dictionary.weight[by_topic])
    edge = np.concatenate([[0.0], ends])[np.searchsorted(dictionary.topic[by_topic], np.arange(N_TOPICS + 1))]
    topics = rng.integers(N_TOPICS, size=(-(-n_tokens // DOC_TOKENS), TOPICS_PER_DOC))
    topic = topics[token // DOC_TOKENS, rng.integers(TOPICS_PER_DOC, size=len(token))]
    # beside the draws from all units some from one topic's alone, which make its units TOPIC_BOOST times as likely
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
    """Numbers row + feature of what fires: COVER neighbouring tiles of a ring, less what is missed, or one feature."""
    size, first = dictionary.size[unit], dictionary.first[unit]
    lone = size == 1
    tile = (rng.uniform(size=len(unit)) * size).astype(np.int64)
    entries = []
    for step in range(COVER):
        hit = rng.uniform(size=len(unit)) >= MISSED
        fires = (lone & (step == 0)) | (~lone & hit)
        feature = dictionary.name[first[fires] + (tile[fires] + step) % size[fires]]
        entries.append(row[fires] + feature)
    return np.concatenate(entries)

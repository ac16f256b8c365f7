"""Planted codes with known groups, for tests and benchmarks of clustering.

Text consists of documents with a few topics each. A group is a manifold (circle, open curve or patch of a sphere)
covered by overlapping tiles: on a token where the group is present it has one random position, and the tiles near that
position fire. Firing rates of groups and noise features follow Zipf's law, and each has a topic in whose documents it
fires more often, so features of one topic co-fire above chance without belonging together.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int32, Int64

from explorer.records.bundle import Codes
from explorer.records.clustering import NOISE

DOC_TOKENS: Final = 200
"""Tokens per document."""
N_TOPICS: Final = 24
TOPICS_PER_DOC: Final = 2
TOPIC_BOOST: Final = 6.0
"""Factor on a feature's rate in documents of its topic."""
GROUP_SIZES: Final = (5, 60)
"""Minimum and maximum number of tiles per group."""
NOISE_SHARE: Final = 0.36
"""Share of the features that belong to no group."""
RATE_SPAN: Final = 30.0
"""Ratio of the highest to the lowest rate of tiles."""
MIN_FIRES: Final = 60.0
"""Expected fires of the rarest features."""
COVER: Final = 3.0
"""Mean number of tiles that fire at a position of a curve; twice as many on a patch."""
MISSED: Final = 0.1
"""Share of a tile's fires that are dropped."""
STRAY: Final = 0.1
"""Fires away from the group, as a share of a tile's fires."""


class PlantedCodes(NamedTuple):
    """Codes with their ground truth."""

    codes: Codes
    """Which features fire on which token, and how strongly."""
    label: Int32[np.ndarray, "feature"]
    """Group of each feature, NOISE for none; features are in random order."""


@dataclass(frozen=True)
class _TopicText:
    """Documents with topics."""

    share: Float64[np.ndarray, "topic doc"]
    """For each topic, the cumulative share of its features' fires up to each document."""
    n_tokens: int
    """Tokens of all documents."""

    def draw(self, rate: float, topic: int, rng: np.random.Generator) -> Int64[np.ndarray, "drawn"]:
        """Distinct tokens, about a share ``rate`` of all, more often in documents of the topic."""
        count = rng.poisson(rate * self.n_tokens)
        doc = np.searchsorted(self.share[topic], rng.uniform(size=count))
        token = doc * DOC_TOKENS + rng.integers(DOC_TOKENS, size=count)
        return distinct(token[token < self.n_tokens])


def _draw_topic_text(n_tokens: int, rng: np.random.Generator) -> _TopicText:
    """Draw the topics of every document."""
    weight = np.where(topics_of_documents(n_tokens, rng), TOPIC_BOOST, 1.0)
    return _TopicText(np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True), n_tokens)


def topics_of_documents(n_tokens: int, rng: np.random.Generator) -> Bool[np.ndarray, "topic doc"]:
    """Whether each document has each topic; a topic drawn twice counts once."""
    n_docs = -(-n_tokens // DOC_TOKENS)
    has_topic = np.zeros((N_TOPICS, n_docs), dtype=bool)
    for _ in range(TOPICS_PER_DOC):
        has_topic[rng.integers(N_TOPICS, size=n_docs), np.arange(n_docs)] = True
    return has_topic


def document_offsets(n_tokens: int) -> Int64[np.ndarray, "doc_plus_1"]:
    """First token of each document, then the number of tokens; the last document may be shorter."""
    return np.append(np.arange(0, n_tokens, DOC_TOKENS), n_tokens).astype(np.int64)


def planted_cofiring(n_features: int, n_tokens: int, *, rng: np.random.Generator) -> PlantedCodes:
    """Plant groups of tiles among noise features.

    Args:
        n_features: total number of features, at least a third of them noise.
        n_tokens: number of tokens; the rarest features fire about MIN_FIRES times on them.
        rng: the only source of randomness.

    Returns:
        The codes, and the group of every feature.
    """
    text = _draw_topic_text(n_tokens, rng)
    sizes = _group_sizes(n_features, rng)
    group = np.repeat(np.arange(len(sizes)), sizes)
    name = rng.permutation(n_features)
    label = np.full(n_features, NOISE, dtype=np.int32)
    label[name[: len(group)]] = group
    entries = []
    for number, size in enumerate(sizes):
        token, tile = _fire_group(int(size), text, rng)
        first = int(sizes[:number].sum())
        entries.append(token * n_features + name[first + tile])
    for feature in name[len(group) :]:
        token = text.draw(_rate(n_tokens, rng), int(rng.integers(N_TOPICS)), rng)
        entries.append(token * n_features + feature)
    return PlantedCodes(sorted_codes(distinct(np.concatenate(entries)), n_features, n_tokens, rng), label)


def _group_sizes(n_features: int, rng: np.random.Generator) -> Int64[np.ndarray, "group"]:
    """Log-uniform sizes until the share of noise is reached."""
    low, high = np.log(GROUP_SIZES)
    room = int(n_features * (1.0 - NOISE_SHARE))
    sizes = np.exp(rng.uniform(low, high, size=room // GROUP_SIZES[0] + 1)).round().astype(np.int64)
    return sizes[np.cumsum(sizes) <= room]


def _rate(n_tokens: int, rng: np.random.Generator) -> float:
    """Share of the tokens on which a feature fires: log-uniform, which is Zipf's law with exponent 1."""
    return float(min(0.1, MIN_FIRES / n_tokens * RATE_SPAN ** rng.uniform()))


def _fire_group(
    size: int, text: _TopicText, rng: np.random.Generator
) -> tuple[Int64[np.ndarray, "entry"], Int64[np.ndarray, "entry"]]:
    """Tokens and tiles of one group's fires."""
    topic = int(rng.integers(N_TOPICS))
    dimension = int(rng.choice([1, 1, 2])) if size >= 12 else 1
    cover = COVER * dimension
    rate = _rate(text.n_tokens, rng)
    present = text.draw(min(0.2, rate * size / cover), topic, rng)
    covered = _cover(size, len(present), dimension, cover, rng)
    covered &= rng.uniform(size=covered.shape) > MISSED
    where, tile = np.nonzero(covered)
    strays = [text.draw(STRAY * rate, topic, rng) for _ in range(size)]
    stray_tile = np.repeat(np.arange(size), [len(tokens) for tokens in strays])
    return np.concatenate([present[where], *strays]), np.concatenate([tile, stray_tile])


def _cover(
    size: int, n_positions: int, dimension: int, cover: float, rng: np.random.Generator
) -> Bool[np.ndarray, "position tile"]:
    """Which tiles contain each of many random positions."""
    if dimension == 2:
        return _cover_patch(size, n_positions, cover, rng)
    closed = bool(rng.integers(2))
    center = (np.arange(size) + 0.5 + rng.uniform(-0.2, 0.2, size)) / size
    position = rng.uniform(size=n_positions)
    offset = np.abs(position[:, None] - center)
    if closed:
        offset = np.minimum(offset, 1.0 - offset)
    return np.asarray(offset < cover / (2.0 * size))


def _cover_patch(
    size: int, n_positions: int, cover: float, rng: np.random.Generator
) -> Bool[np.ndarray, "position tile"]:
    """Caps on a hemisphere around its pole, with centres on a sunflower spiral."""
    center = _half_sphere((np.arange(size) + 0.5) / size, np.arange(size) * np.pi * (3.0 - np.sqrt(5.0)))
    position = _half_sphere(rng.uniform(size=n_positions), rng.uniform(0, 2 * np.pi, n_positions))
    # a cap of height h covers a share h of a hemisphere
    return np.asarray(position @ center.T > 1.0 - cover / size)


def _half_sphere(
    share: Float64[np.ndarray, "point"], angle: Float64[np.ndarray, "point"]
) -> Float64[np.ndarray, "point xyz"]:
    """Points of the hemisphere around its pole; a share ``share`` of its area lies nearer to the pole."""
    height = 1.0 - share
    around = np.sqrt(1.0 - height**2)
    return np.column_stack([around * np.cos(angle), around * np.sin(angle), height])


def distinct(number: Int64[np.ndarray, "number"]) -> Int64[np.ndarray, "distinct"]:
    """The distinct non-negative numbers, ascending; sorts ``number`` in place.

    Much faster than numpy's ``unique``, which uses a hash table.
    """
    number.sort()
    return number[np.diff(number, prepend=-1) > 0]


def sorted_codes(entry: Int64[np.ndarray, "nnz"], n_features: int, n_tokens: int, rng: np.random.Generator) -> Codes:
    """CSR from ascending numbers token * n_features + feature; activations are log-normal."""
    token, feature = np.divmod(entry, n_features)
    indptr = np.searchsorted(token, np.arange(n_tokens + 1)).astype(np.int64)
    values = np.exp(0.5 * rng.standard_normal(len(entry))).astype(np.float16)
    return Codes(indptr, feature.astype(np.uint32), values, n_features)

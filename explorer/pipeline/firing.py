"""Where each feature fires: the codes turned from tokens to features, and the tokens of a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy.sparse import csr_array

from explorer.records import Codes, FeatureTable

ALIKE = 0.9
"""Two choices of tokens that share so many hardly differ."""


@dataclass(frozen=True)
class Firing:
    """Sparse activations, CSC: for each feature the tokens on which it fires, ascending."""

    offsets: Int64[np.ndarray, "feature_plus_1"]
    """Where each feature's entries begin."""
    tokens: Int64[np.ndarray, "nnz"]
    """Token of each entry."""
    values: Float32[np.ndarray, "nnz"]
    """Activation of each entry, > 0."""
    n_tokens: int
    """Number of tokens."""

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.offsets) - 1

    @property
    def counts(self) -> Int64[np.ndarray, "feature"]:
        """On how many tokens each feature fires."""
        return np.diff(self.offsets)

    def of(self, feature: int) -> tuple[Int64[np.ndarray, "fires"], Float32[np.ndarray, "fires"]]:
        """Tokens on which a feature fires, and its activations there."""
        entries = slice(int(self.offsets[feature]), int(self.offsets[feature + 1]))
        return self.tokens[entries], self.values[entries]

    def on(self, feature: int, tokens: Int64[np.ndarray, "sample"]) -> Float32[np.ndarray, "sample"]:
        """A feature's activation on given tokens, 0 where it does not fire."""
        where, values = self.of(feature)
        if not len(where):
            return np.zeros(len(tokens), np.float32)
        place = np.minimum(np.searchsorted(where, tokens), len(where) - 1)
        return np.where(where[place] == tokens, values[place], np.float32(0))


def by_feature(shards: Iterable[Codes], n_features: int) -> Firing:
    """Turn codes from tokens to features; entries whose value is 0 do not fire and are dropped.

    Beside the result, 12 bytes an entry, only one shard stands in memory at a time.

    Args:
        shards: consecutive tokens, in order; gone through twice.
        n_features: number of features, whether or not they fire.
    """
    counts, n_tokens = np.zeros(n_features, dtype=np.int64), 0
    for codes in shards:
        counts += np.bincount(codes.features[codes.values > 0], minlength=n_features)
        n_tokens += codes.n_tokens
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    tokens, values = np.empty(offsets[-1], dtype=np.int64), np.empty(offsets[-1], dtype=np.float32)
    free, first = offsets[:-1].copy(), 0
    for codes in shards:
        _place(codes, first, free, tokens, values)
        first += codes.n_tokens
    return Firing(offsets, tokens, values, n_tokens)


def _place(
    codes: Codes,
    first: int,
    free: Int64[np.ndarray, "feature"],
    tokens: Int64[np.ndarray, "nnz"],
    values: Float32[np.ndarray, "nnz"],
) -> None:
    """Write one shard, whose tokens count from ``first``, to each feature's next free places, and move these on."""
    fires = np.flatnonzero(codes.values > 0)
    order = fires[np.argsort(codes.features[fires], kind="stable")]
    held = np.bincount(codes.features[fires], minlength=len(free))
    place = np.arange(len(order)) + np.repeat(free - (np.cumsum(held) - held), held)
    tokens[place] = np.repeat(np.arange(first, first + codes.n_tokens), np.diff(codes.indptr))[order]
    values[place] = codes.values[order]
    free += held


class CoreTokens(NamedTuple):
    """Tokens that may be a cluster's, in three ways; ascending each."""

    central: Int64[np.ndarray, "token_of_core"]
    """Those on which the core's most central feature fires."""
    usual: Int64[np.ndarray, "token_of_core"]
    """Those on which a share of the core fires."""
    wider: Int64[np.ndarray, "token_of_core"]
    """Those on which fewer of it do."""

    @property
    def different(self) -> dict[str, Int64[np.ndarray, "token_of_core"]]:
        """By name, in the order above, without those that hardly differ from an earlier one."""
        kept: dict[str, Int64[np.ndarray, "token_of_core"]] = {}
        for name, tokens in self._asdict().items():
            if all(_alike(tokens, other) < ALIKE for other in kept.values()):
                kept[name] = tokens
        return kept


def core_tokens(firing: Firing, core: Int32[np.ndarray, "core"], share: float, cover: float = 0.25) -> CoreTokens:
    """Tokens that may be a cluster's.

    Tiles that hardly overlap never fire together, so that a share of them would leave nothing: fewer features are then
    asked for, until the tokens are at least ``cover`` of those on which any of the core fires.

    Most of a core may be variants of one feature, each for its own wording: "in the year", "around", "back in". What
    fires with all of them is central, and stands wherever the cluster's thing is due.

    Of sparse codes k fire on a token: where six of eleven features fire that say "a year comes", few are left to say
    which. Tokens on which one feature strays and tokens on which many fire together are two modes with a valley between
    them, and all beyond the valley may be the cluster's; where there is none, those on which half as many fire.
    """
    fires = [firing.of(int(feature))[0] for feature in core]
    where, count = np.unique(np.concatenate(fires), return_counts=True)
    needed = int(np.ceil(share * len(core)))
    while needed > 1 and (count >= needed).sum() < cover * len(where):
        needed -= 1
    rising = np.flatnonzero(np.diff(np.bincount(count, minlength=2)[1:]) > 0)
    beyond = int(rising[0]) + 2 if len(rising) and rising[0] > 0 else needed
    wider = beyond if beyond < needed else (needed + 1) // 2
    return CoreTokens(fires[_most_central(fires)], where[count >= needed], where[count >= wider])


def _most_central(fires: list[Int64[np.ndarray, "fires"]]) -> int:
    """The feature whose firings are most like the others', by the cosine."""
    sizes = [len(tokens) for tokens in fires]
    entries = (np.ones(sum(sizes), np.float32), np.concatenate(fires), np.concatenate([[0], np.cumsum(sizes)]))
    table = csr_array(entries)
    together = (table @ table.T).toarray()
    scale = np.sqrt(np.maximum(np.diag(together), 1))
    return int((together / np.outer(scale, scale)).sum(axis=1).argmax())


def _alike(one: Int64[np.ndarray, "token_of_core"], other: Int64[np.ndarray, "token_of_core"]) -> float:
    """Share of the tokens of two choices that both have (Jaccard)."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(len(one) + len(other) - both, 1)


def codes_on(
    firing: Firing, features: Int32[np.ndarray, "atom"], tokens: Int64[np.ndarray, "sample"]
) -> Float32[np.ndarray, "sample atom"]:
    """Activations of some features on some tokens, dense."""
    return np.stack([firing.on(int(feature), tokens) for feature in features], axis=1)


def feature_table(
    firing: Firing,
    token_ids: Int32[np.ndarray, "token"],
    xy: Float32[np.ndarray, "feature xy"],
    cluster: Int32[np.ndarray, "feature"],
    membership: Float32[np.ndarray, "feature"],
    top: int = 5,
) -> FeatureTable:
    """What the map shows of every feature."""
    counts = firing.counts
    sums = np.add.reduceat(np.append(firing.values, np.float32(0)), firing.offsets[:-1]) * (counts > 0)
    largest = np.maximum.reduceat(np.append(firing.values, np.float32(0)), firing.offsets[:-1]) * (counts > 0)
    tokens = np.full((firing.n_features, top), -1, np.int32)
    for feature in np.flatnonzero(counts):
        where, values = firing.of(int(feature))
        ids, inverse = np.unique(token_ids[where], return_inverse=True)
        best = np.argsort(-np.bincount(inverse, weights=values), kind="stable")[:top]
        tokens[feature, : len(best)] = ids[best]
    mean = (sums / np.maximum(counts, 1)).astype(np.float32)
    return FeatureTable(xy, cluster, membership, counts.astype(np.int64), mean, largest.astype(np.float32), tokens)

"""Where each feature fires: the codes turned from tokens to features, and the tokens of a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy.sparse import csc_array, csr_array

from explorer.maths.features.regime import CorePairs
from explorer.records import Codes, FeatureTable

ALIKE = 0.9
"""Two choices of tokens that share so many hardly differ."""
CANDIDATE_FIRES = 5
"""A feature that fires on fewer of a cluster's sampled tokens is no candidate for its halo,"""
CANDIDATE_SHARE = 0.002
"""nor one that fires on less than this share of them."""


@dataclass(frozen=True)
class Firing:
    """Sparse activations, > 0 all of them, twice: as they stand in the text, and gathered feature by feature."""

    by_token: csr_array
    """[token, feature] float32."""
    by_feature: csc_array
    """The same, the tokens of each feature ascending."""

    @property
    def n_tokens(self) -> int:
        """Number of tokens."""
        return int(self.by_token.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.by_token.shape[1])

    @property
    def counts(self) -> Int64[np.ndarray, "feature"]:
        """On how many tokens each feature fires."""
        return np.diff(self.by_feature.indptr).astype(np.int64)

    def of(self, feature: int) -> tuple[Int64[np.ndarray, "fires"], Float32[np.ndarray, "fires"]]:
        """Tokens on which a feature fires, and its activations there."""
        entries = slice(int(self.by_feature.indptr[feature]), int(self.by_feature.indptr[feature + 1]))
        return self.by_feature.indices[entries].astype(np.int64), self.by_feature.data[entries]

    def on(self, tokens: Int64[np.ndarray, "sample"]) -> csr_array:
        """What fires on some tokens [sample, feature]."""
        return csr_array(self.by_token[tokens])

    def of_on(self, features: Int32[np.ndarray, "atom"], tokens: Int64[np.ndarray, "sample"]) -> csr_array:
        """Activations of some features on some tokens [sample, atom]."""
        return csr_array(self.on(tokens)[:, features])


def by_feature(shards: Iterable[Codes], n_features: int) -> Firing:
    """Turn codes from tokens to features; entries whose value is 0 do not fire and are dropped.

    The result takes 16 bytes an entry, and nothing larger stands beside it.

    Args:
        shards: consecutive tokens, in order; gone through once.
        n_features: number of features, whether or not they fire.
    """
    features, values, held = [], [], [np.zeros(1, dtype=np.int64)]
    for codes in shards:
        fires = codes.values > 0
        running = np.concatenate([[0], np.cumsum(fires, dtype=np.int64)])
        features.append(codes.features[fires].astype(np.int32))
        values.append(codes.values[fires].astype(np.float32))
        held.append(np.diff(running[codes.indptr]))
    offsets = np.cumsum(np.concatenate(held))
    empty = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    entries = np.concatenate([empty[1], *values]), np.concatenate([empty[0], *features]), offsets
    table = csr_array(entries, shape=(len(offsets) - 1, n_features))
    return Firing(table, csc_array(table.tocsc()))


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
    together = _together(fires)
    scale = np.sqrt(np.maximum(np.diag(together), 1))
    return int((together / np.outer(scale, scale)).sum(axis=1).argmax())


def _together(fires: list[Int64[np.ndarray, "fires"]]) -> Float32[np.ndarray, "core core"]:
    """Tokens on which both of two features fire."""
    sizes = [len(tokens) for tokens in fires]
    entries = (np.ones(sum(sizes), np.float32), np.concatenate(fires), np.concatenate([[0], np.cumsum(sizes)]))
    table = csr_array(entries)
    both: Float32[np.ndarray, "core core"] = (table @ table.T).toarray()
    return both


def core_cofires(firing: Firing, core: Int32[np.ndarray, "core"]) -> CorePairs:
    """How often the pairs of a core fire together over all tokens."""
    together = _together([firing.of(int(feature))[0] for feature in core])
    return CorePairs.of(together.astype(np.int64), firing.n_tokens)


def halo_candidates(
    firing: Firing, core: Int32[np.ndarray, "core"], tokens: Int64[np.ndarray, "sample"], least_lift: float
) -> Int32[np.ndarray, "candidate"]:
    """The core, and the features that fire often enough on its tokens to be chosen for its halo, ascending.

    Args:
        firing: where features fire.
        core: HDBSCAN's members.
        tokens: the cluster's sampled tokens, ascending.
        least_lift: how often a feature fires there at least, as a multiple of how often it fires anywhere.
    """
    counts = fires_on(firing, tokens)
    often = counts >= max(CANDIDATE_FIRES, CANDIDATE_SHARE * len(tokens))
    lifted = counts * firing.n_tokens >= least_lift * firing.counts * len(tokens)
    return np.union1d(core, np.flatnonzero(often & lifted)).astype(np.int32)


def fires_on(firing: Firing, tokens: Int64[np.ndarray, "sample"]) -> Int64[np.ndarray, "feature"]:
    """On how many of some tokens each feature fires."""
    return np.bincount(firing.on(tokens).indices, minlength=firing.n_features).astype(np.int64)


def _alike(one: Int64[np.ndarray, "token_of_core"], other: Int64[np.ndarray, "token_of_core"]) -> float:
    """Share of the tokens of two choices that both have (Jaccard)."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(len(one) + len(other) - both, 1)


def codes_on(
    firing: Firing, features: Int32[np.ndarray, "atom"], tokens: Int64[np.ndarray, "sample"]
) -> Float32[np.ndarray, "sample atom"]:
    """Activations of some features on some tokens, dense."""
    codes: Float32[np.ndarray, "sample atom"] = firing.of_on(features, tokens).toarray()
    return codes


def feature_table(
    firing: Firing,
    token_ids: Int32[np.ndarray, "token"],
    xy: Float32[np.ndarray, "feature xy"],
    cluster: Int32[np.ndarray, "feature"],
    membership: Float32[np.ndarray, "feature"],
    top: int = 5,
) -> FeatureTable:
    """What the map shows of every feature."""
    counts, starts = firing.counts, firing.by_feature.indptr[:-1]
    values = np.append(firing.by_feature.data, np.float32(0))
    sums = np.add.reduceat(values, starts) * (counts > 0)
    largest = np.maximum.reduceat(values, starts) * (counts > 0)
    tokens = np.full((firing.n_features, top), -1, np.int32)
    for feature in np.flatnonzero(counts):
        where, values = firing.of(int(feature))
        ids, inverse = np.unique(token_ids[where], return_inverse=True)
        best = np.argsort(-np.bincount(inverse, weights=values), kind="stable")[:top]
        tokens[feature, : len(best)] = ids[best]
    mean = (sums / np.maximum(counts, 1)).astype(np.float32)
    return FeatureTable(xy, cluster, membership, counts.astype(np.int64), mean, largest.astype(np.float32), tokens)

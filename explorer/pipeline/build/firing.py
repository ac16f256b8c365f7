"""Sparse activations by token and by feature, and the tokens of a cluster."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64
from scipy.sparse import csc_array, csr_array

from explorer.maths.features.regime import CorePairs
from explorer.records.bundle import Codes
from explorer.records.clustering import FeatureTable

DUPLICATE_JACCARD = 0.9
"""Jaccard similarity above which two sets of tokens count as equal."""
CANDIDATE_FIRES = 5
"""Minimum number of a cluster's sampled tokens on which a halo candidate fires,"""
CANDIDATE_SHARE = 0.002
"""and minimum fraction of them."""


@dataclass(frozen=True)
class FiringMatrix:
    """Sparse activations, all > 0, stored by token and by feature."""

    by_token: csr_array
    """[token, feature] float32."""
    by_feature: csc_array
    """The same matrix, the tokens of each feature ascending."""

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
        """Number of tokens on which each feature fires."""
        return np.diff(self.by_feature.indptr).astype(np.int64)

    def of(self, feature: int) -> tuple[Int64[np.ndarray, "fires"], Float32[np.ndarray, "fires"]]:
        """Tokens on which a feature fires, ascending, and its activations there."""
        entries = slice(int(self.by_feature.indptr[feature]), int(self.by_feature.indptr[feature + 1]))
        return self.by_feature.indices[entries].astype(np.int64), self.by_feature.data[entries]

    def on(self, tokens: Int64[np.ndarray, "sample"]) -> csr_array:
        """Activations of all features on the given tokens [sample, feature]."""
        return csr_array(self.by_token[tokens])

    def of_on(self, features: Int32[np.ndarray, "atom"], tokens: Int64[np.ndarray, "sample"]) -> csr_array:
        """Activations of the given features on the given tokens [sample, atom]."""
        return csr_array(self.on(tokens)[:, features])


def firing_matrix(shards: Iterable[Codes], n_features: int) -> FiringMatrix:
    """Gather codes into matrices by token and by feature; entries of value 0 do not fire and are dropped.

    The result takes 16 bytes an entry, which is also the peak.

    Args:
        shards: consecutive tokens in order; iterated once.
        n_features: number of features, including those that never fire.
    """
    features, values, lengths = [], [], [np.zeros(1, dtype=np.int64)]
    for codes in shards:
        fires = codes.values > 0
        running = np.concatenate([[0], np.cumsum(fires, dtype=np.int64)])
        features.append(codes.features[fires].astype(np.int32))
        values.append(codes.values[fires].astype(np.float32))
        lengths.append(np.diff(running[codes.indptr]))
    offsets = np.cumsum(np.concatenate(lengths))
    empty = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.float32)
    entries = np.concatenate([empty[1], *values]), np.concatenate([empty[0], *features]), offsets
    table = csr_array(entries, shape=(len(offsets) - 1, n_features))
    return FiringMatrix(table, csc_array(table.tocsc()))


class CoreTokens(NamedTuple):
    """Three candidate sets of tokens for a cluster, each ascending."""

    central: Int64[np.ndarray, "token_of_core"]
    """Tokens on which the core's most central feature fires."""
    usual: Int64[np.ndarray, "token_of_core"]
    """Tokens on which at least a given share of the core fires."""
    wider: Int64[np.ndarray, "token_of_core"]
    """Tokens on which fewer of the core's features fire."""

    @property
    def distinct(self) -> dict[str, Int64[np.ndarray, "token_of_core"]]:
        """The sets by name, in the order above, without near-duplicates of an earlier one."""
        distinct: dict[str, Int64[np.ndarray, "token_of_core"]] = {}
        for name, tokens in self._asdict().items():
            if all(_jaccard(tokens, other) < DUPLICATE_JACCARD for other in distinct.values()):
                distinct[name] = tokens
        return distinct


def core_tokens(firing: FiringMatrix, core: Int32[np.ndarray, "core"], share: float, cover: float = 0.25) -> CoreTokens:
    """Candidate sets of tokens for a cluster.

    Tiles that hardly overlap rarely fire cofires, so requiring a share of the core could leave no tokens: the required
    number of features is lowered until the tokens are at least ``cover`` of those on which any core feature fires.

    Many cores are variants of one feature, each for its own wording: "in the year", "around", "back in". The feature
    that cofires with all of them is central, and fires wherever the cluster's concept is due.

    With k-sparse codes only k features fire on a token: where six of eleven core features fire that announce a year,
    few are left to tell which year. The histogram of the number of active core features then has two modes, stray
    activations and tokens of the cluster, separated by a valley; all tokens beyond the valley may be the cluster's.
    Without a valley, half the required number of features suffices.

    Args:
        firing: sparse activations.
        core: features of the cluster's core.
        share: fraction of the core that must fire.
        cover: fraction of the tokens of any core feature that must remain.
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
    """Index of the core feature whose firing pattern has the largest total cosine similarity to the others."""
    cofires = _cofire_counts(fires)
    scale = np.sqrt(np.maximum(np.diag(cofires), 1))
    return int((cofires / np.outer(scale, scale)).sum(axis=1).argmax())


def _cofire_counts(fires: list[Int64[np.ndarray, "fires"]]) -> Float32[np.ndarray, "core core"]:
    """Number of tokens on which both features of a pair fire."""
    sizes = [len(tokens) for tokens in fires]
    entries = (np.ones(sum(sizes), np.float32), np.concatenate(fires), np.concatenate([[0], np.cumsum(sizes)]))
    table = csr_array(entries)
    both: Float32[np.ndarray, "core core"] = (table @ table.T).toarray()
    return both


def core_cofires(firing: FiringMatrix, core: Int32[np.ndarray, "core"]) -> CorePairs:
    """Cofire counts of the pairs of a core over all tokens."""
    cofires = _cofire_counts([firing.of(int(feature))[0] for feature in core])
    return CorePairs.of(cofires.astype(np.int64), firing.n_tokens)


def halo_candidates(
    firing: FiringMatrix, core: Int32[np.ndarray, "core"], tokens: Int64[np.ndarray, "sample"], least_lift: float
) -> Int32[np.ndarray, "candidate"]:
    """The core, and the features that fire on its tokens often enough to be halo candidates, ascending.

    Args:
        firing: sparse activations.
        core: features of the cluster's core.
        tokens: the cluster's sampled tokens, ascending.
        least_lift: minimum firing rate on these tokens, relative to the rate on all tokens.
    """
    counts = fires_on(firing, tokens)
    often = counts >= max(CANDIDATE_FIRES, CANDIDATE_SHARE * len(tokens))
    lifted = counts * firing.n_tokens >= least_lift * firing.counts * len(tokens)
    return np.union1d(core, np.flatnonzero(often & lifted)).astype(np.int32)


def fires_on(firing: FiringMatrix, tokens: Int64[np.ndarray, "sample"]) -> Int64[np.ndarray, "feature"]:
    """Number of the given tokens on which each feature fires."""
    return np.bincount(firing.on(tokens).indices, minlength=firing.n_features).astype(np.int64)


def _jaccard(one: Int64[np.ndarray, "token_of_core"], other: Int64[np.ndarray, "token_of_core"]) -> float:
    """Jaccard similarity of two sets of tokens."""
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / max(len(one) + len(other) - both, 1)


def codes_on(
    firing: FiringMatrix, features: Int32[np.ndarray, "atom"], tokens: Int64[np.ndarray, "sample"]
) -> Float32[np.ndarray, "sample atom"]:
    """Activations of the given features on the given tokens, dense."""
    codes: Float32[np.ndarray, "sample atom"] = firing.of_on(features, tokens).toarray()
    return codes


def feature_table(
    firing: FiringMatrix,
    token_ids: Int32[np.ndarray, "token"],
    xy: Float32[np.ndarray, "feature xy"],
    cluster: Int32[np.ndarray, "feature"],
    membership: Float32[np.ndarray, "feature"],
    top: int = 5,
) -> FeatureTable:
    """The feature table of a run.

    Args:
        firing: sparse activations.
        token_ids: token id of each token.
        xy: position of each feature on the map.
        cluster: cluster number of each feature.
        membership: HDBSCAN's membership strength of each feature.
        top: number of top tokens per feature.
    """
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

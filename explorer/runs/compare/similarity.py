"""Similarity of the clusters of two runs.

Between runs of the same SAE it is the Jaccard similarity of the clusters' cores. Otherwise it is the similarity of the
words that the clusters fire on, times the overlap of their subspaces where both runs read the same model's residual
stream, at any layer (docs/compare.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.sparse import csr_matrix

from explorer.maths.clustering.matching import (
    IndexPairs,
    SimilarityMatrix,
    chance_jaccard,
    chance_subspace_overlap,
    feature_jaccard,
    max_similarity_to_others,
    permutation_threshold,
    subspace_overlap,
    subspace_overlaps,
    token_affinity,
)
from explorer.records.cluster import CONTEXT_BEFORE
from explorer.runs.run.manifest import RunManifest
from explorer.runs.run.reader import Run


@dataclass(frozen=True)
class ClusterSimilarity:
    """Similarity of two clusters, every number in [0, 1]; None where the runs do not allow the comparison."""

    features: float | None
    """Jaccard similarity of the cores; None between different SAEs."""
    words: float
    """Similarity of the words that they fire on and of the next words."""
    span: float | None
    """Overlap: how far the smaller subspace lies in the other; None between different models or widths."""
    chance: float | None
    """Expected overlap of random subspaces."""

    @property
    def overall(self) -> float:
        """The number that clusters are matched by."""
        if self.features is not None:
            return self.features
        return self.words if self.span is None else self.words * self.span


@dataclass(frozen=True)
class MatchingInput:
    """Everything that matching needs of a run's clusters."""

    run: Run
    cores: csr_matrix
    """1 where a feature is in a cluster's core [cluster, feature]."""
    words: tuple[str, ...]
    """Every word at a drawn token or after it."""
    counts: tuple[csr_matrix, csr_matrix]
    """Counts of each word at a cluster's drawn tokens, and of each next word [cluster, word]."""
    bases: tuple[Float32[np.ndarray, "axis d_model"], ...]
    """Orthonormal basis of each cluster's subspace."""


def read_matching_input(run: Run) -> MatchingInput:
    """Read every cluster of a run once.

    Raises:
        RunError: a cluster's file is broken.
    """
    summaries = run.manifest.clusters
    geometries = [run.cluster(summary.id) for summary in summaries]
    vocabulary = run.vocabulary()
    at = [(CONTEXT_BEFORE, geometries), (CONTEXT_BEFORE + 1, geometries)]
    drawn = [[geometry.context_ids[:, place] for geometry in some] for place, some in at]
    seen = np.unique(np.concatenate([ids for some in drawn for ids in some] or [np.empty(0, np.int32)]))
    counts = [_count_matrix([np.searchsorted(seen, ids) for ids in some], len(seen)) for some in drawn]
    words = tuple(vocabulary.text(token).strip() if token >= 0 else "" for token in seen.tolist())
    cores = _count_matrix(
        [np.array(summary.features, dtype=np.int64) for summary in summaries], run.manifest.n_features
    )
    return MatchingInput(run, cores, words, (counts[0], counts[1]), tuple(geometry.basis for geometry in geometries))


def same_features(left: RunManifest, right: RunManifest) -> bool:
    """Whether two runs have the same features: built from one bundle, or of one subject."""
    named = left.subject.fingerprint if left.subject else ""
    return left.bundle == right.bundle or bool(named and right.subject and named == right.subject.fingerprint)


def same_space(left: RunManifest, right: RunManifest) -> bool:
    """Whether two runs read the same model's residual stream, at any layer."""
    mine, theirs = ((one.model.id, one.model.revision, one.model.d_model) for one in (left, right))
    return mine == theirs


class SimilarityMatrices:
    """Similarity of every cluster of one run to every cluster of another."""

    def __init__(self, left: MatchingInput, right: MatchingInput) -> None:
        manifests = (left.run.manifest, right.run.manifest)
        self._left, self._right = left, right
        self._features = feature_jaccard(left.cores, right.cores) if same_features(*manifests) else None
        self._words = _word_similarity(left, right)
        self._spans = same_space(*manifests)
        self.by, self.beyond = self._descriptions()

    def similarity(self) -> SimilarityMatrix:
        """Similarity of every pair [left, right]."""
        if self._features is not None:
            return self._features
        found: SimilarityMatrix = self._words * self._every_span if self._spans else self._words
        return found

    def similarity_to(self, cluster: int) -> Float64[np.ndarray, "right"]:
        """Similarity of one left cluster to every right cluster."""
        row = slice(cluster, cluster + 1)
        found = self._words[row] if self._features is None else self._features[row]
        if self._features is None and self._spans:
            found = found * subspace_overlaps(self._left.bases[row], self._right.bases)
        return found.ravel()

    def background(self, pairs: IndexPairs) -> Float64[np.ndarray, "pair"]:
        """Similarity that a pair must exceed to count as a match (docs/compare.md)."""
        if self._features is not None:
            mine, theirs = (np.diff(one.cores.indptr).astype(np.int64) for one in (self._left, self._right))
            sizes = mine[pairs[:, 0]], theirs[pairs[:, 1]]
            return chance_jaccard(*sizes, self._left.run.manifest.n_features, max(self._features.size, 1))
        left, right = (self._nearest_own(one) for one in (self._left, self._right))
        # the smaller of the two: where one run splits a cluster, its halves are each other's nearest neighbours
        own: Float64[np.ndarray, "pair"] = np.minimum(left[pairs[:, 0]], right[pairs[:, 1]])
        if self._spans:
            own = np.maximum(own, permutation_threshold(self._words, self._every_span, pairs))
        return own

    def of(self, left: int, right: int) -> ClusterSimilarity:
        """Similarity of one pair."""
        mine, theirs = self._left.bases[left], self._right.bases[right]
        return ClusterSimilarity(
            features=None if self._features is None else float(self._features[left, right]),
            words=float(self._words[left, right]),
            span=subspace_overlap(mine, theirs) if self._spans else None,
            chance=chance_subspace_overlap(len(mine), len(theirs), mine.shape[1]) if self._spans else None,
        )

    @cached_property
    def _every_span(self) -> SimilarityMatrix:
        return subspace_overlaps(self._left.bases, self._right.bases)

    def _nearest_own(self, reading: MatchingInput) -> Float64[np.ndarray, "cluster"]:
        words = _word_similarity(reading, reading)
        return max_similarity_to_others(
            words * subspace_overlaps(reading.bases, reading.bases) if self._spans else words
        )

    def _descriptions(self) -> tuple[str, str]:
        if self._features is not None:
            return "features in common", "what two cores of their sizes share by chance"
        own = "what one of the two has with any other cluster of its own run"
        if not self._spans:
            return "words in common", own
        return "words in common × subspace in common", f"{own}, and what its words have with other clusters' directions"


def _word_similarity(left: MatchingInput, right: MatchingInput) -> Float64[np.ndarray, "left right"]:
    """Similarity of the words at the tokens and of the next words, averaged."""
    column = {word: place for place, word in enumerate(dict.fromkeys((*left.words, *right.words)))}
    both = [_aligned_counts(reading, column) for reading in (left, right)]
    found: Float64[np.ndarray, "left right"] = np.mean(
        [token_affinity(*pair) for pair in zip(*both, strict=True)], axis=0
    )
    return found


def _aligned_counts(reading: MatchingInput, column: dict[str, int]) -> list[csr_matrix]:
    own = np.array([column[word] for word in reading.words], dtype=np.int64)
    rows = len(reading.bases)
    aligned = [
        csr_matrix((one.data, own[one.indices], one.indptr), (rows, len(column)), copy=True) for one in reading.counts
    ]
    for one in aligned:
        one.sum_duplicates()  # several tokens may display as one word; works in place, hence the copy
    return aligned


def _count_matrix(rows: Sequence[Int64[np.ndarray, "entry"]], n_columns: int) -> csr_matrix:
    """Counts [row, column] of the columns that each row lists."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    columns = np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int64)
    counts = csr_matrix((np.ones(len(columns)), columns, indptr), (len(rows), n_columns))
    counts.sum_duplicates()
    return counts

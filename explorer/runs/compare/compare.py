"""Two runs or two clusters side by side: which clusters are the same thing seen twice, and what changed between them.

How alike two clusters are is read off what the runs hold. Where both have the same SAE, it is the share of their cores'
features that they have in common. Else it is how alike the words are that they fire on, times how far one subspace lies
in the other where both read the same model's residual stream, of whatever layer (docs/compare.md). Two clusters match
where each is the other's most alike, and more so than their background.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Float64, Int64
from scipy.sparse import csr_matrix

from explorer.errors import RunError
from explorer.maths.clustering.matching import (
    IndexPairs,
    SimilarityMatrix,
    chance_jaccard,
    chance_subspace_overlap,
    feature_jaccard,
    max_similarity_to_others,
    mutual_nearest,
    permutation_threshold,
    procrustes_rotation,
    representational_similarity,
    subspace_overlap,
    subspace_overlaps,
    token_affinity,
)
from explorer.maths.shape.coordinate import (
    Orientation,
    best_orientation,
    circular_rank_correlation,
    curve_at,
    linear_rank_correlation,
    orient,
    unorient,
)
from explorer.records import CONTEXT_BEFORE, CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.run.manifest import RunManifest
from explorer.runs.run.reader import Run

FEWEST_IN_ORDER = 4
"""Common values from which on orders and distances are compared: of three any order is right on a ring."""


@dataclass(frozen=True)
class Likeness:
    """How alike two clusters are, each from 0 to 1; None where their runs do not allow the comparison."""

    features: float | None
    """Jaccard similarity of their cores; None between different SAEs."""
    words: float
    """How alike the words are that they fire on and those that come next."""
    span: float | None
    """How far the smaller subspace lies in the other; None between different models or widths."""
    chance: float | None
    """What random subspaces would share."""

    @property
    def similarity(self) -> float:
        """The one number that clusters are matched by."""
        if self.features is not None:
            return self.features
        return self.words if self.span is None else self.words * self.span


@dataclass(frozen=True)
class Match:
    """A cluster of one run and its counterpart in the other."""

    left: int
    """Cluster number."""
    right: int
    """Cluster number."""
    likeness: Likeness
    """How alike they are."""


@dataclass(frozen=True)
class RunMatch(Match):
    """Two clusters that are more alike than their background."""

    background: float
    """The similarity that it takes more than: what `RunComparison.beyond` says."""


@dataclass(frozen=True)
class RunComparison:
    """All clusters of two runs."""

    by: str
    """What clusters were matched by, in words."""
    beyond: str
    """What the background of a match is, in words."""
    matches: tuple[RunMatch, ...]
    """Pairs, the most alike first; each cluster is in one at most."""
    only_left: tuple[int, ...]
    """Clusters that have no match."""
    only_right: tuple[int, ...]
    """Likewise."""


@dataclass(frozen=True)
class Alignment:
    """How the right cluster is turned onto the left one, so that one camera and one set of colours serve both."""

    turn: Float32[np.ndarray, "xyz xyz"]
    """``points @ turn`` lies as the left cloud does."""
    orientation: Orientation
    """How its coordinate is turned and flipped."""


@dataclass(frozen=True)
class PairComparison:
    """Two clusters."""

    match: Match
    """Which two, and how alike they are."""
    shared: tuple[int, ...] | None
    """Features, core or halo, that both have; None between different SAEs."""
    kept: tuple[str, ...]
    """Values that both have, in the left one's order."""
    lost: tuple[str, ...]
    """Values of the left one alone."""
    gained: tuple[str, ...]
    """Values of the right one alone."""
    order_correlation: float | None
    """Rank correlation of the common values' places, circular where a curve closes; None for too few, or no curve."""
    distance_correlation: float | None
    """Correlation of the distances between the common values' mean activations; None for too few."""
    alignment: Alignment
    """How the right one is drawn beside the left one."""


@dataclass(frozen=True)
class RunReading:
    """What matching needs of all clusters of a run."""

    run: Run
    """The run."""
    cores: csr_matrix
    """1 where a cluster's core has a feature [cluster feature]."""
    words: tuple[str, ...]
    """Every word that stands at a drawn token or next to it."""
    counts: tuple[csr_matrix, csr_matrix]
    """How often each cluster's drawn tokens are each word, and how often each comes next [cluster word]."""
    bases: tuple[Float32[np.ndarray, "axis d_model"], ...]
    """Each cluster's subspace."""


def read_for_matching(run: Run) -> RunReading:
    """Read every cluster of a run once; raises RunError where one is broken."""
    summaries = run.manifest.clusters
    geometries = [run.cluster(summary.id) for summary in summaries]
    vocabulary = run.vocabulary()
    at = [(CONTEXT_BEFORE, geometries), (CONTEXT_BEFORE + 1, geometries)]
    drawn = [[geometry.context_ids[:, place] for geometry in some] for place, some in at]
    seen = np.unique(np.concatenate([ids for some in drawn for ids in some] or [np.empty(0, np.int32)]))
    counts = [_counted([np.searchsorted(seen, ids) for ids in some], len(seen)) for some in drawn]
    words = tuple(vocabulary.text(token).strip() if token >= 0 else "" for token in seen.tolist())
    cores = _counted([np.array(summary.features, dtype=np.int64) for summary in summaries], run.manifest.n_features)
    return RunReading(run, cores, words, (counts[0], counts[1]), tuple(geometry.basis for geometry in geometries))


def compare_runs(left: RunReading, right: RunReading) -> RunComparison:
    """Match the clusters of two runs that are each other's most alike, and more alike than their background."""
    likeness = _Likenesses(left, right)
    similarity = likeness.similarity()
    pairs = mutual_nearest(similarity)
    background = likeness.background(pairs)
    matches = tuple(
        RunMatch(mine, theirs, likeness.of(mine, theirs), beyond)
        for (mine, theirs), beyond in zip(pairs.tolist(), background.tolist(), strict=True)
        if similarity[mine, theirs] > beyond
    )
    return RunComparison(
        likeness.by,
        likeness.beyond,
        matches,
        _others(len(left.bases), [match.left for match in matches]),
        _others(len(right.bases), [match.right for match in matches]),
    )


def most_alike(left: RunReading, cluster: int, right: RunReading, n: int) -> tuple[Match, ...]:
    """The clusters of a run that are most like one of another run, or of the same one but itself, the best first."""
    likeness = _Likenesses(left, right)
    order = np.argsort(-likeness.similarity_to(cluster), kind="stable").tolist()
    if left.run.path == right.run.path:
        order.remove(cluster)
    return tuple(Match(cluster, other, likeness.of(cluster, other)) for other in order[:n])


def counterpart(left: RunReading, cluster: int, right: RunReading) -> int:
    """The cluster of a run that is most like one of another run, or of the same one but itself.

    Raises:
        RunError: there is no such cluster, or none to compare it with.
    """
    left.run.summary(cluster)
    found = most_alike(left, cluster, right, 1)
    if not found:
        raise RunError(right.run.path, "no other cluster", "one to compare with")
    return found[0].right


def compare_clusters(left: RunReading, cluster: int, right: RunReading, other: int) -> PairComparison:
    """Say what two clusters have in common and what changed from the left one to the right one.

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    mine, theirs = left.run.summary(cluster), right.run.summary(other)
    geometry, others = left.run.cluster(cluster), right.run.cluster(other)
    places = [_places(summary) for summary in (mine, theirs)]
    kept = tuple(value for value in places[0] if value in places[1])
    index = [np.array([place[value] for value in kept], dtype=np.int64) for place in places]
    return PairComparison(
        match=Match(cluster, other, _Likenesses(left, right).of(cluster, other)),
        shared=tuple(sorted({*mine.features, *mine.halo} & {*theirs.features, *theirs.halo}))
        if same_features(left.run.manifest, right.run.manifest)
        else None,
        kept=kept,
        lost=tuple(value for value in places[0] if value not in places[1]),
        gained=tuple(value for value in places[1] if value not in places[0]),
        order_correlation=_order(mine, theirs, geometry, others, index),
        distance_correlation=_number(
            representational_similarity(geometry.value_residual[index[0]], others.value_residual[index[1]])
        ),
        alignment=_alignment(mine, theirs, geometry, others, index),
    )


def aligned(geometry: ClusterGeometry, alignment: Alignment, *, closed: bool) -> ClusterGeometry:
    """A cluster as it is drawn beside another: its cloud, curve, coordinates and tuning curves turned onto it."""
    knots, bins = len(geometry.curve), geometry.tuning.shape[1]
    at = np.arange(knots) / knots if closed else np.linspace(0.0, 1.0, knots)
    source = unorient((np.arange(bins) + 0.5) / max(bins, 1), alignment.orientation, closed=closed)
    curve = curve_at(geometry.curve, unorient(at, alignment.orientation, closed=closed), closed=closed)
    return replace(
        geometry,
        points=geometry.points @ alignment.turn,
        curve=(curve @ alignment.turn).astype(np.float32),
        coordinate=orient(geometry.coordinate, alignment.orientation, closed=closed).astype(np.float32),
        value_coordinate=orient(geometry.value_coordinate, alignment.orientation, closed=closed).astype(np.float32),
        tuning=geometry.tuning[:, np.minimum((source * bins).astype(np.int64), bins - 1)],
    )


def same_features(left: RunManifest, right: RunManifest) -> bool:
    """Whether the features of two runs are the same ones: one bundle, or one subject."""
    named = left.subject.fingerprint if left.subject else ""
    return left.bundle == right.bundle or bool(named and right.subject and named == right.subject.fingerprint)


def same_space(left: RunManifest, right: RunManifest) -> bool:
    """Whether two runs read the same model's residual stream, of whatever layer."""
    mine, theirs = ((one.model.id, one.model.revision, one.model.d_model) for one in (left, right))
    return mine == theirs


class _Likenesses:
    """How alike every cluster of one run is to every one of another."""

    def __init__(self, left: RunReading, right: RunReading) -> None:
        manifests = (left.run.manifest, right.run.manifest)
        self._left, self._right = left, right
        self._features = feature_jaccard(left.cores, right.cores) if same_features(*manifests) else None
        self._words = _words_alike(left, right)
        self._spans = same_space(*manifests)
        self.by, self.beyond = self._told()

    def similarity(self) -> SimilarityMatrix:
        """Of every two."""
        if self._features is not None:
            return self._features
        found: SimilarityMatrix = self._words * self._every_span if self._spans else self._words
        return found

    def similarity_to(self, cluster: int) -> Float64[np.ndarray, "right"]:
        """Of one on the left and every one on the right."""
        row = slice(cluster, cluster + 1)
        found = self._words[row] if self._features is None else self._features[row]
        if self._features is None and self._spans:
            found = found * subspace_overlaps(self._left.bases[row], self._right.bases)
        return found.ravel()

    def background(self, pairs: IndexPairs) -> Float64[np.ndarray, "pair"]:
        """The similarity of which a match has more (docs/compare.md)."""
        if self._features is not None:
            mine, theirs = (np.diff(one.cores.indptr).astype(np.int64) for one in (self._left, self._right))
            sizes = mine[pairs[:, 0]], theirs[pairs[:, 1]]
            return chance_jaccard(*sizes, self._left.run.manifest.n_features, max(self._features.size, 1))
        left, right = (self._nearest_own(one) for one in (self._left, self._right))
        # the lower one: what one run has split lies beside its other part there
        own: Float64[np.ndarray, "pair"] = np.minimum(left[pairs[:, 0]], right[pairs[:, 1]])
        if self._spans:
            own = np.maximum(own, permutation_threshold(self._words, self._every_span, pairs))
        return own

    def of(self, left: int, right: int) -> Likeness:
        """One pair."""
        mine, theirs = self._left.bases[left], self._right.bases[right]
        return Likeness(
            features=None if self._features is None else float(self._features[left, right]),
            words=float(self._words[left, right]),
            span=subspace_overlap(mine, theirs) if self._spans else None,
            chance=chance_subspace_overlap(len(mine), len(theirs), mine.shape[1]) if self._spans else None,
        )

    @cached_property
    def _every_span(self) -> SimilarityMatrix:
        return subspace_overlaps(self._left.bases, self._right.bases)

    def _nearest_own(self, reading: RunReading) -> Float64[np.ndarray, "cluster"]:
        words = _words_alike(reading, reading)
        return max_similarity_to_others(
            words * subspace_overlaps(reading.bases, reading.bases) if self._spans else words
        )

    def _told(self) -> tuple[str, str]:
        if self._features is not None:
            return "features in common", "what two cores of their sizes share by chance"
        own = "what one of the two has with any other cluster of its own run"
        if not self._spans:
            return "words in common", own
        return "words in common × subspace in common", f"{own}, and what its words have with other clusters' directions"


def _words_alike(left: RunReading, right: RunReading) -> Float64[np.ndarray, "left right"]:
    """Mean over the tokens themselves and those that come next."""
    column = {word: place for place, word in enumerate(dict.fromkeys((*left.words, *right.words)))}
    both = [_in_columns(reading, column) for reading in (left, right)]
    found: Float64[np.ndarray, "left right"] = np.mean(
        [token_affinity(*pair) for pair in zip(*both, strict=True)], axis=0
    )
    return found


def _in_columns(reading: RunReading, column: dict[str, int]) -> list[csr_matrix]:
    own = np.array([column[word] for word in reading.words], dtype=np.int64)
    rows = len(reading.bases)
    moved = [
        csr_matrix((one.data, own[one.indices], one.indptr), (rows, len(column)), copy=True) for one in reading.counts
    ]
    for one in moved:
        one.sum_duplicates()  # two tokens may be one word to a reader; in place, so a reading's own arrays are copied
    return moved


def _counted(rows: Sequence[Int64[np.ndarray, "entry"]], n_columns: int) -> csr_matrix:
    """Counts [row column] of the columns that each row names."""
    indptr = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    columns = np.concatenate([*rows, np.empty(0, np.int64)]).astype(np.int64)
    counts = csr_matrix((np.ones(len(columns)), columns, indptr), (len(rows), n_columns))
    counts.sum_duplicates()
    return counts


def _others(n: int, taken: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(set(range(n)) - set(taken)))


def _places(summary: ClusterSummary) -> dict[str, int]:
    """Where each value stands in a cluster's order, by its name without the space before it."""
    return {value.strip(): place for place, value in enumerate(summary.order)}


Index = Sequence[Int64[np.ndarray, "kept"]]
"""The common values' places in either order."""


def _order(
    mine: ClusterSummary, theirs: ClusterSummary, geometry: ClusterGeometry, others: ClusterGeometry, index: Index
) -> float | None:
    if len(index[0]) < FEWEST_IN_ORDER or mine.shape not in CURVES or theirs.shape not in CURVES:
        return None
    either_closed = "closed curve" in (mine.shape, theirs.shape)
    correlate = circular_rank_correlation if either_closed else linear_rank_correlation
    return correlate(geometry.value_coordinate[index[0]], others.value_coordinate[index[1]])


def _alignment(
    mine: ClusterSummary, theirs: ClusterSummary, geometry: ClusterGeometry, others: ClusterGeometry, index: Index
) -> Alignment:
    if len(index[0]) < 2:
        return Alignment(np.eye(3, dtype=np.float32), Orientation(0.0, False))
    middles = [_middles(part, places) for part, places in zip((geometry, others), index, strict=True)]
    there = np.isfinite(middles[0]).all(axis=1) & np.isfinite(middles[1]).all(axis=1)
    coordinates = [part.value_coordinate[places] for part, places in zip((geometry, others), index, strict=True)]
    orientation = Orientation(0.0, False)
    if mine.shape == theirs.shape:
        orientation = best_orientation(coordinates[1], coordinates[0], closed=mine.shape == "closed curve")
    return Alignment(procrustes_rotation(middles[1][there], middles[0][there]), orientation)


def _middles(geometry: ClusterGeometry, values: Int64[np.ndarray, "kept"]) -> Float64[np.ndarray, "kept xyz"]:
    """Where each value's drawn points lie; NaN for a value that has none."""
    found = np.full((len(values), 3), np.nan)
    for row, value in enumerate(values.tolist()):
        own = geometry.points[geometry.value == value]
        if len(own):
            found[row] = own.mean(axis=0)
    return found


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None

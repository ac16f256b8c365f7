"""Compares two clusters: shared features and values, order, distances, and an alignment for drawing them together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int64

from explorer.maths.clustering.matching import (
    procrustes_rotation,
    representational_similarity,
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
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.compare.matching import Match
from explorer.runs.compare.similarity import MatchingInput, SimilarityMatrices, same_features

FEWEST_IN_ORDER = 4
"""Fewest common values for which orders and distances are compared: any order of three is right on a ring."""


@dataclass(frozen=True)
class Alignment:
    """Alignment of the right cluster with the left one, so that both share one camera and one set of colours."""

    turn: Float32[np.ndarray, "xyz xyz"]
    """Rotation: ``points @ turn`` is aligned with the left cloud."""
    orientation: Orientation
    """Shift and direction of its coordinate."""


@dataclass(frozen=True)
class PairComparison:
    """What two clusters have in common, and what changed from the left to the right one."""

    match: Match
    """The two clusters with their similarity."""
    shared: tuple[int, ...] | None
    """Common features, core or halo; None between different SAEs."""
    kept: tuple[str, ...]
    """Common values, in the left cluster's order."""
    lost: tuple[str, ...]
    """Values of the left cluster only."""
    gained: tuple[str, ...]
    """Values of the right cluster only."""
    order_correlation: float | None
    """Rank correlation of the common values' coordinates, circular where a curve is closed; None for too few, or no
    curve."""
    distance_correlation: float | None
    """Correlation of the distances between the common values' mean activations; None for too few."""
    alignment: Alignment
    """How the right cluster is drawn next to the left one."""


def compare_clusters(left: MatchingInput, cluster: int, right: MatchingInput, other: int) -> PairComparison:
    """Compare two clusters.

    Args:
        left: run of the first cluster.
        cluster: its number.
        right: run of the second cluster.
        other: its number.

    Raises:
        RunError: there is no such cluster, or its file is broken.
    """
    mine, theirs = left.run.summary(cluster), right.run.summary(other)
    geometry, others = left.run.cluster(cluster), right.run.cluster(other)
    indices = [_value_index(summary) for summary in (mine, theirs)]
    common = tuple(value for value in indices[0] if value in indices[1])
    index = [np.array([place[value] for value in common], dtype=np.int64) for place in indices]
    return PairComparison(
        match=Match(cluster, other, SimilarityMatrices(left, right).of(cluster, other)),
        shared=tuple(sorted({*mine.features, *mine.halo} & {*theirs.features, *theirs.halo}))
        if same_features(left.run.manifest, right.run.manifest)
        else None,
        kept=common,
        lost=tuple(value for value in indices[0] if value not in indices[1]),
        gained=tuple(value for value in indices[1] if value not in indices[0]),
        order_correlation=_order_correlation(mine, theirs, geometry, others, index),
        distance_correlation=_finite_or_none(
            representational_similarity(geometry.value_residual[index[0]], others.value_residual[index[1]])
        ),
        alignment=_alignment(mine, theirs, geometry, others, index),
    )


def aligned(geometry: ClusterGeometry, alignment: Alignment, *, closed: bool) -> ClusterGeometry:
    """A cluster aligned with another: cloud, curve, coordinates and tuning curves."""
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


def _value_index(summary: ClusterSummary) -> dict[str, int]:
    """Index of each value in a cluster's order, by its stripped name."""
    return {value.strip(): place for place, value in enumerate(summary.order)}


Index = Sequence[Int64[np.ndarray, "common"]]
"""Indices of the common values in each cluster's order."""


def _order_correlation(
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
    means = [_value_means(part, indices) for part, indices in zip((geometry, others), index, strict=True)]
    there = np.isfinite(means[0]).all(axis=1) & np.isfinite(means[1]).all(axis=1)
    coordinates = [part.value_coordinate[indices] for part, indices in zip((geometry, others), index, strict=True)]
    orientation = Orientation(0.0, False)
    if mine.shape == theirs.shape:
        orientation = best_orientation(coordinates[1], coordinates[0], closed=mine.shape == "closed curve")
    return Alignment(procrustes_rotation(means[1][there], means[0][there]), orientation)


def _value_means(geometry: ClusterGeometry, values: Int64[np.ndarray, "common"]) -> Float64[np.ndarray, "common xyz"]:
    """Mean of each value's drawn points; NaN for a value without any."""
    found = np.full((len(values), 3), np.nan)
    for row, value in enumerate(values.tolist()):
        own = geometry.points[geometry.value == value]
        if len(own):
            found[row] = own.mean(axis=0)
    return found


def _finite_or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None

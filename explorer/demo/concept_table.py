"""Match a run's unsupervised clusters to the almanac's concepts and score their shape and order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from explorer.demo.corpus.almanac import SCALES
from explorer.demo.corpus.scales import Scale
from explorer.maths.shape.coordinate import circular_rank_correlation, linear_rank_correlation
from explorer.records.cluster import CURVES, ClusterSummary
from explorer.runs.run.reader import Run

FEWEST_VALUES = 4
"""Minimum number of a concept's values that a cluster must name to be matched to it."""
PERMUTATIONS = 2000
"""Number of random permutations in the null distribution of the rank correlation."""


@dataclass(frozen=True)
class ConceptRow:
    """A concept and its best-matching cluster."""

    concept: str
    """Name of the concept's scale."""
    cluster: int
    """Cluster id."""
    label: str
    """The cluster's label, made from its tokens."""
    shape: str
    """Shape fitted to the cluster's point cloud."""
    n_values: int
    """Number of the concept's values that the cluster names."""
    n_of: int
    """Total number of the concept's values."""
    purity: float
    """Fraction of the cluster's named values that belong to the concept."""
    order_correlation: float
    """Rank correlation of fitted coordinates with the true order; circular for cyclic concepts."""
    p_value: float
    """Permutation p-value of `order_correlation`, one-sided."""


@dataclass(frozen=True)
class _Shared:
    """The values that a cluster and a concept share."""

    cluster: ClusterSummary
    scale: Scale
    fitted: Float64[np.ndarray, "shared"]
    """Curve coordinates of the shared values."""
    true: Float64[np.ndarray, "shared"]
    """Positions of the shared values on the concept's scale."""

    @property
    def purity(self) -> float:
        return len(self.true) / len(self.cluster.order)

    @property
    def order_correlation(self) -> float:
        return self.correlate(self.true)

    @property
    def rank(self) -> tuple[bool, float]:
        """Sort key: curves before other shapes, then coverage x purity x order correlation."""
        worth = len(self.true) / len(self.scale.values) * self.purity * self.order_correlation
        return self.cluster.shape in CURVES, worth

    def correlate(self, true: Float64[np.ndarray, "shared"]) -> float:
        """Rank correlation of the fitted coordinates with the positions `true`."""
        cyclic = self.scale.period is not None
        return (circular_rank_correlation if cyclic else linear_rank_correlation)(self.fitted, true)

    def row(self, rng: np.random.Generator) -> ConceptRow:
        """Table row, with a permutation test of the order correlation."""
        observed = self.order_correlation
        null = [self.correlate(rng.permutation(self.true)) for _ in range(PERMUTATIONS)]
        return ConceptRow(
            concept=self.scale.name,
            cluster=self.cluster.id,
            label=self.cluster.label,
            shape=self.cluster.shape,
            n_values=len(self.true),
            n_of=len(self.scale.values),
            purity=self.purity,
            order_correlation=observed,
            p_value=(1 + sum(value >= observed for value in null)) / (1 + PERMUTATIONS),
        )


def concept_rows(
    run: Run, scales: Sequence[Scale] = SCALES, *, value_offset: int | None = None, seed: int = 0
) -> list[ConceptRow]:
    """For each concept, the best-matching cluster: a curve if any, then by coverage x purity x order correlation.

    Args:
        run: run whose clusters are matched.
        scales: scales of the concepts.
        value_offset: restrict to clusters named by the current token (0) or the next token (1); None takes both.
        seed: seed of the permutations.
    """
    rng = np.random.default_rng(seed)
    clusters = [cluster for cluster in run.manifest.clusters if value_offset in (None, cluster.value_offset)]
    found = [[shared for cluster in clusters if (shared := _shared(run, cluster, scale))] for scale in scales]
    return [max(some, key=lambda shared: shared.rank).row(rng) for some in found if some]


def _shared(run: Run, cluster: ClusterSummary, scale: Scale) -> _Shared | None:
    named = {value.strip(): place for place, value in enumerate(cluster.order)}
    shared = [(index, named[value]) for index, value in enumerate(scale.values) if value in named]
    if len(shared) < FEWEST_VALUES:
        return None
    coordinate = run.cluster(cluster.id).value_coordinate
    true = np.array([scale.orders[index] for index, _ in shared], dtype=np.float64)
    fitted = np.array([coordinate[place] for _, place in shared], dtype=np.float64)
    return _Shared(cluster, scale, fitted, true)

"""How well a run's clusters, found without labels, match the almanac's concepts: in what shape, in what order."""

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
"""A cluster that names fewer values of a concept is not compared with it."""
PERMUTATIONS = 2000
"""Random orders that the correlation is held against."""


@dataclass(frozen=True)
class ConceptRow:
    """The cluster that shows a concept best."""

    concept: str
    """Name of the scale."""
    cluster: int
    """Cluster number."""
    label: str
    """Its label, made from tokens."""
    shape: str
    """What its cloud lies on."""
    n_values: int
    """How many of the concept's values it names."""
    n_of: int
    """How many values the concept has."""
    purity: float
    """Share of the cluster's named values that belong to the concept."""
    order_correlation: float
    """Rank correlation of the values' coordinates with their true order, circular for cyclic concepts."""
    p_value: float
    """Share of random orders that correlate at least as much."""


@dataclass(frozen=True)
class _Shared:
    """What a cluster and a concept have in common."""

    cluster: ClusterSummary
    scale: Scale
    fitted: Float64[np.ndarray, "shared"]
    """Coordinates of the concept's values that the cluster names."""
    true: Float64[np.ndarray, "shared"]
    """Their true places."""

    @property
    def purity(self) -> float:
        return len(self.true) / len(self.cluster.order)

    @property
    def order_correlation(self) -> float:
        return self.correlate(self.true)

    @property
    def rank(self) -> tuple[bool, float]:
        """A curve goes before what is none; then what names most of the concept, most purely, in the truest order."""
        worth = len(self.true) / len(self.scale.values) * self.purity * self.order_correlation
        return self.cluster.shape in CURVES, worth

    def correlate(self, true: Float64[np.ndarray, "shared"]) -> float:
        """Rank correlation of the fitted coordinates with some places."""
        cyclic = self.scale.period is not None
        return (circular_rank_correlation if cyclic else linear_rank_correlation)(self.fitted, true)

    def row(self, rng: np.random.Generator) -> ConceptRow:
        """For the table, held against random orders."""
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
    """For each concept, the cluster that names its values best: a curve if any, most of them, purest, best ordered.

    Args:
        run: the clusters.
        scales: the concepts.
        value_offset: only clusters whose values are the tokens themselves (0) or the next ones (1); None takes both.
        seed: draws the random orders.
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

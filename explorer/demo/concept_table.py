"""How well a run's clusters, found without labels, match the almanac's concepts: in what shape, in what order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explorer.demo.corpus.almanac import SCALES
from explorer.demo.corpus.scales import Scale
from explorer.maths.coordinate import circular_rank_correlation, linear_rank_correlation
from explorer.records import CURVES, ClusterSummary
from explorer.runs.run import Run

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

    @property
    def worth(self) -> float:
        """How much of the concept it names, how purely and in how true an order."""
        return self.n_values / self.n_of * self.purity * self.order_correlation


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
    rows = []
    clusters = [cluster for cluster in run.manifest.clusters if value_offset in (None, cluster.value_offset)]
    for scale in scales:
        found = [row for cluster in clusters if (row := _compare(run, cluster, scale, rng)) is not None]
        if found:
            rows.append(max(found, key=lambda row: (row.shape in CURVES, row.worth)))
    return rows


def _compare(run: Run, cluster: ClusterSummary, scale: Scale, rng: np.random.Generator) -> ConceptRow | None:
    named = {value.strip(): place for place, value in enumerate(cluster.order)}
    shared = [(index, named[value]) for index, value in enumerate(scale.values) if value in named]
    if len(shared) < FEWEST_VALUES:
        return None
    coordinate = run.cluster(cluster.id).value_coordinate
    true = np.array([scale.orders[index] for index, _ in shared])
    fitted = np.array([coordinate[place] for _, place in shared], dtype=np.float64)
    correlate = circular_rank_correlation if scale.period is not None else linear_rank_correlation
    observed = correlate(fitted, true)
    null = [correlate(fitted, rng.permutation(true)) for _ in range(PERMUTATIONS)]
    return ConceptRow(
        concept=scale.name,
        cluster=cluster.id,
        label=cluster.label,
        shape=cluster.shape,
        n_values=len(shared),
        n_of=len(scale.values),
        purity=len(shared) / len(named),
        order_correlation=observed,
        p_value=(1 + sum(value >= observed for value in null)) / (1 + PERMUTATIONS),
    )

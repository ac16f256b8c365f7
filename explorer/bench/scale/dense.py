"""Clustering of the sparse graph compared with HDBSCAN on the full distance matrix, each in a new process."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float64, Int64

from explorer.bench.baselines.dense_clustering import dense_distances, dense_labels, untied_labels
from explorer.bench.cost import Cost, Work, measure
from explorer.bench.recovery.scores import adjusted_rand
from explorer.config import BuildSettings
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.records.clustering import NeighbourGraph
from explorer.runs.io.safetensors_io import SafetensorsFile
from explorer.runs.io.safetensors_write import write_safetensors

WARM_UP = 40
"""Features of the graph that is clustered first, to trigger compilation."""
REPEATS = 5
"""Measurements of the graph clustering, reduced to the median: it takes under a second, so load noise is large."""


@dataclass(frozen=True)
class DenseComparison:
    """One graph, clustered with both methods."""

    features: int
    """Number of features that fire often enough to be clustered."""
    ours: Cost
    """``cluster_graph``, the measurement with the median CPU time."""
    dense: Cost
    """``HDBSCAN(metric="precomputed").fit``; the precomputed matrix counts in ``peak`` only."""
    agreement: float
    """Adjusted Rand index of the labels, with each unclustered feature as a cluster of its own."""
    equal_untied: bool
    """Whether the labels agree once ties in the matrix are broken as in the graph."""

    @property
    def ratio(self) -> float:
        """CPU time of dense clustering over that of the graph."""
        return self.dense.cpu / self.ours.cpu


def compare_with_dense(graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"]) -> DenseComparison:
    """Cluster a graph with both methods and the default build settings.

    Args:
        graph: nearest neighbours of every feature.
        fires: number of tokens on which each feature fires.

    Raises:
        ExplorerError: as in ``measure``, for example when the matrix does not fit into memory.
    """
    with TemporaryDirectory(prefix="explorer-bench-") as folder:
        path = Path(folder) / "graph.safetensors"
        write_safetensors(path, {**graph._asdict(), "fires": fires}, durable=False)
        repeated = [measure(_prepare_graph, path) for _ in range(REPEATS)]
        dense, theirs = measure(_prepare_dense, path)
        _, untied = measure(_prepare_untied, path)
    ours, label = sorted(repeated, key=lambda one: one[0].cpu)[REPEATS // 2]
    included = fires >= BuildSettings().cofiring.min_fires
    mine = label["label"][included]
    return DenseComparison(
        int(included.sum()),
        ours,
        dense,
        adjusted_rand(mine, theirs["label"]),
        adjusted_rand(mine, untied["label"]) == 1.0,
    )


def _read(path: Path) -> tuple[NeighbourGraph, Int64[np.ndarray, "feature"]]:
    with SafetensorsFile(path) as opened:
        return NeighbourGraph(opened.read("neighbour"), opened.read("score")), opened.read("fires")


def _prepare_graph(path: Path) -> Work:
    graph, fires = _read(path)
    settings = BuildSettings()

    def work(graph: NeighbourGraph, fires: Int64[np.ndarray, "feature"]) -> dict[str, np.ndarray]:
        return {"label": cluster_graph(graph, fires, settings.clustering, settings.cofiring.min_fires).label}

    few = graph.neighbour[:WARM_UP]
    work(NeighbourGraph(np.where(few < len(few), few, -1), graph.score[:WARM_UP]), np.full(len(few), 2**40))
    return lambda: work(graph, fires)


def _prepare_dense(path: Path) -> Work:
    dense = _matrix(path)
    return lambda: {"label": dense_labels(dense, BuildSettings().clustering)}


def _prepare_untied(path: Path) -> Work:
    dense = _matrix(path)
    return lambda: {"label": untied_labels(dense, BuildSettings().clustering)}


def _matrix(path: Path) -> Float64[np.ndarray, "included included"]:
    graph, fires = _read(path)
    return dense_distances(graph, fires >= BuildSettings().cofiring.min_fires)

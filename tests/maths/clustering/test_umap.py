"""The map: agreement with the clusters, determinism, disconnected graphs."""

import numpy as np
import pytest

from explorer.bench.planted.codes import planted_cofiring
from explorer.config import ClusteringSettings, ProjectionSettings
from explorer.maths.clustering.hdbscan import cluster_graph
from explorer.maths.clustering.umap import project_graph
from explorer.maths.cofiring.counts import cofiring_graph, fire_counts
from explorer.records.clustering import NeighbourGraph

SETTINGS = ProjectionSettings(epochs=100)
MIN_FIRES = 90


@pytest.fixture(scope="module")
def graph_and_fires() -> tuple[NeighbourGraph, np.ndarray]:
    codes, _ = planted_cofiring(400, 20_000, rng=np.random.default_rng(4))
    fires = fire_counts(codes.indptr, codes.features, 400)
    return cofiring_graph(codes.indptr, codes.features, 400, threads=1), fires


@pytest.fixture(scope="module")
def layout(graph_and_fires: tuple[NeighbourGraph, np.ndarray]) -> np.ndarray:
    graph, fires = graph_and_fires
    return project_graph(graph, fires >= MIN_FIRES, SETTINGS, seed=0)


def mean_distance(xy: np.ndarray, pairs: np.ndarray) -> float:
    return float(np.linalg.norm(xy[:, None] - xy[None], axis=-1)[pairs].mean())


def chain(n_features: int) -> NeighbourGraph:
    """A chain: each feature is connected to the previous and the next one."""
    graph = NeighbourGraph(np.full((n_features, 4), -1, dtype=np.int32), np.zeros((n_features, 4), dtype=np.float32))
    for feature in range(n_features):
        near = [other for other in (feature - 1, feature + 1) if 0 <= other < n_features]
        graph.neighbour[feature, : len(near)] = near
        graph.score[feature, : len(near)] = 0.5
    return graph


def test_excluded_features_have_no_position(
    graph_and_fires: tuple[NeighbourGraph, np.ndarray], layout: np.ndarray
) -> None:
    included = graph_and_fires[1] >= MIN_FIRES
    assert 0 < included.sum() < 400
    assert layout.dtype == np.float32
    assert np.isnan(layout[~included]).all()
    assert np.isfinite(layout[included]).all()


def test_members_of_a_cluster_lie_close_together(
    graph_and_fires: tuple[NeighbourGraph, np.ndarray], layout: np.ndarray
) -> None:
    graph, fires = graph_and_fires
    label = cluster_graph(graph, fires, ClusteringSettings(), MIN_FIRES).label
    xy, label = layout[fires >= MIN_FIRES], label[fires >= MIN_FIRES]
    same = (label[:, None] == label) & (label >= 0)[:, None] & ~np.eye(len(label), dtype=bool)
    assert label.max() >= 5
    assert mean_distance(xy, same) < 0.3 * mean_distance(xy, ~same)


def test_the_layout_is_determined_by_the_seed(
    graph_and_fires: tuple[NeighbourGraph, np.ndarray], layout: np.ndarray
) -> None:
    graph, fires = graph_and_fires
    np.random.seed(99)
    again = project_graph(graph, fires >= MIN_FIRES, SETTINGS, seed=0)
    assert again.tobytes() == layout.tobytes()
    assert project_graph(graph, fires >= MIN_FIRES, SETTINGS, seed=1).tobytes() != layout.tobytes()


@pytest.mark.parametrize("n_features", [0, 1, 2, 3, 5, 7, 9, 12, 40])
def test_a_graph_of_any_size_has_a_layout(n_features: int) -> None:
    xy = project_graph(chain(n_features), np.ones(n_features, dtype=bool), SETTINGS, seed=0)
    assert xy.shape == (n_features, 2)
    assert np.isfinite(xy).all()
    assert len(np.unique(xy, axis=0)) == n_features


def test_isolated_features_and_small_components_have_positions() -> None:
    graph = chain(60)
    graph.neighbour[20:40] = -1
    graph.neighbour[19, 1] = graph.neighbour[40, 0] = -1
    xy = project_graph(graph, np.ones(60, dtype=bool), SETTINGS, seed=0)
    assert np.isfinite(xy).all()
    along = np.linalg.norm(np.diff(xy[:20], axis=0), axis=1).mean()
    across = np.linalg.norm(xy[:20, None] - xy[None, 40:], axis=-1).mean()
    assert along < 0.5 * across


def test_a_graph_without_edges_has_a_layout() -> None:
    graph = NeighbourGraph(np.full((30, 4), -1, dtype=np.int32), np.zeros((30, 4), dtype=np.float32))
    xy = project_graph(graph, np.ones(30, dtype=bool), SETTINGS, seed=0)
    assert len(np.unique(xy, axis=0)) == 30
    assert np.isfinite(xy).all()


def test_neighbours_in_a_chain_lie_close_together() -> None:
    # UMAP may fold a chain, depending on the processor's rounding; neighbours lie close together in every layout
    n_features = 40
    apart = np.abs(np.subtract.outer(np.arange(n_features), np.arange(n_features)))
    for seed in range(3):
        xy = project_graph(chain(n_features), np.ones(n_features, dtype=bool), SETTINGS, seed=seed)
        assert mean_distance(xy, apart == 1) < 0.3 * mean_distance(xy, apart > 5)

"""Clusters of the neighbour graph against those of a dense matrix and against planted groups."""

import numpy as np
import pytest
from hdbscan import HDBSCAN
from hdbscan._hdbscan_linkage import label as single_linkage
from hdbscan._hdbscan_linkage import mst_linkage_core
from hdbscan._hdbscan_reachability import mutual_reachability
from hdbscan._hdbscan_tree import compute_stability, condense_tree, get_clusters
from sklearn.metrics import adjusted_rand_score

from explorer.bench.planted.codes import planted_cofiring
from explorer.config import ClusteringSettings
from explorer.maths.clustering.condensed_tree import (
    MAX_DISTANCE,
    SpanningTree,
    condense,
    excess_of_mass,
    graph_distances,
    minimum_spanning_tree,
)
from explorer.maths.clustering.hdbscan import cluster_graph, cluster_tree
from explorer.maths.cofiring.counts import cofiring_graph, fire_counts
from explorer.records.clustering import LEFT_OUT, NOISE, NeighbourGraph

N_FEATURES = 700
MIN_FIRES = 20


class PlantedGraph:
    """One planted dataset and its graph, shared by the tests of this file."""

    def __init__(self, seed: int) -> None:
        codes, self.truth = planted_cofiring(N_FEATURES, 30_000, rng=np.random.default_rng(seed))
        self.fires = fire_counts(codes.indptr, codes.features, N_FEATURES)
        self.graph = cofiring_graph(codes.indptr, codes.features, N_FEATURES, min_fires=MIN_FIRES, threads=1)


@pytest.fixture(scope="module", params=[11, 12])
def planted(request: pytest.FixtureRequest) -> PlantedGraph:
    return PlantedGraph(request.param)


def dense_distances(graph: NeighbourGraph) -> np.ndarray:
    n_features = len(graph.neighbour)
    dense = np.full((n_features, n_features), MAX_DISTANCE)
    for feature, distance in enumerate(graph_distances(graph)):
        named = graph.neighbour[feature] >= 0
        dense[feature, graph.neighbour[feature, named]] = distance[named]
    dense = np.minimum(dense, dense.T)
    np.fill_diagonal(dense, 0.0)
    return dense


def disconnected(graph: NeighbourGraph, step: int) -> NeighbourGraph:
    """The graph without edges between features of different remainder, so that it is disconnected."""
    feature = np.arange(len(graph.neighbour))[:, None]
    within = (graph.neighbour >= 0) & (graph.neighbour % step == feature % step)
    order = np.argsort(~within, axis=1, kind="stable")
    return NeighbourGraph(
        np.take_along_axis(np.where(within, graph.neighbour, -1), order, axis=1),
        np.take_along_axis(np.where(within, graph.score, 0), order, axis=1),
    )


def partition(label: np.ndarray) -> np.ndarray:
    """Labels with every noise feature as a singleton."""
    return np.where(label >= 0, label, label.max() + 1 + np.arange(len(label)))


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(((one < 0) == (other < 0)).all()) and adjusted_rand_score(partition(one), partition(other)) == 1.0


@pytest.mark.parametrize("min_samples", [1, 2, 5])
@pytest.mark.parametrize("step", [1, 5])
def test_spanning_tree_equals_that_of_the_dense_matrix(planted: PlantedGraph, min_samples: int, step: int) -> None:
    graph = disconnected(planted.graph, step)
    dense = mst_linkage_core(mutual_reachability(dense_distances(graph), min_samples))
    assert minimum_spanning_tree(graph, min_samples).distance.tolist() == np.sort(dense[:, 2]).tolist()


@pytest.mark.parametrize("selection", ["eom", "leaf"])
@pytest.mark.parametrize("step", [1, 5])
def test_labels_equal_those_of_the_dense_matrix_with_equal_tie_breaking(
    planted: PlantedGraph, selection: str, step: int
) -> None:
    """Mutual reachability produces many ties; a tiny multiple of the plain distance breaks them."""
    graph = disconnected(planted.graph, step)
    plain = dense_distances(graph)
    reach = mutual_reachability(plain.copy(), 2)
    alone = reach.min(axis=0, where=~np.eye(len(reach), dtype=bool), initial=2.0) >= MAX_DISTANCE
    broken = reach + 1e-9 * plain + 1e-6 * (alone[:, None] | alone)
    tree = mst_linkage_core(broken)
    condensed = condense_tree(single_linkage(tree[np.argsort(tree[:, 2])]), 3)
    label, membership, persistence = get_clusters(condensed, compute_stability(condensed), selection)
    ours = cluster_graph(graph, planted.fires, ClusteringSettings(selection=selection), 1)
    assert same_partition(ours.label, label)
    np.testing.assert_allclose(ours.membership, membership, atol=1e-5)
    np.testing.assert_allclose(np.sort(ours.persistence), np.sort(persistence), atol=1e-5)


@pytest.mark.parametrize("min_cluster_size", [1, 2, 3, 8, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_condensed_tree_equals_hdbscans_row_by_row(min_cluster_size: int, seed: int) -> None:
    """Trees of random edges, many of equal length."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    second = np.arange(1, n)
    first = (rng.uniform(size=n - 1) * second).astype(np.int64)
    edges = rng.permutation(n - 1)
    distance = np.sort(rng.integers(1, 20, n - 1) / 20)
    linked = single_linkage(np.column_stack([first[edges], second[edges], distance]).astype(np.float64))
    ours = condense(SpanningTree(first[edges], second[edges], distance), min_cluster_size)
    theirs = condense_tree(linked, min_cluster_size)
    for column in ("parent", "child", "lambda_val", "child_size"):
        assert ours[column].tolist() == theirs[column].tolist()


@pytest.mark.parametrize("min_cluster_size", [2, 3, 8])
def test_stabilities_are_bit_identical_to_hdbscans(planted: PlantedGraph, min_cluster_size: int) -> None:
    condensed = condense(minimum_spanning_tree(planted.graph, 2), min_cluster_size)
    assert (condensed["child_size"] > 1).any()
    assert excess_of_mass(condensed) == compute_stability(condensed)


@pytest.mark.parametrize(("min_samples", "min_cluster_size"), [(2, 3), (1, 4), (5, 5)])
def test_labels_agree_with_hdbscan_up_to_ties(planted: PlantedGraph, min_samples: int, min_cluster_size: int) -> None:
    settings = ClusteringSettings(min_samples=min_samples, min_cluster_size=min_cluster_size)
    theirs = HDBSCAN(metric="precomputed", min_cluster_size=min_cluster_size, min_samples=min_samples)
    label = theirs.fit(dense_distances(planted.graph)).labels_
    ours = cluster_graph(planted.graph, planted.fires, settings, 1).label
    assert adjusted_rand_score(partition(label), partition(ours)) > 0.9


def test_planted_groups_are_found_and_noise_stays_noise(planted: PlantedGraph) -> None:
    label = cluster_graph(planted.graph, planted.fires, ClusteringSettings(), MIN_FIRES).label
    assert adjusted_rand_score(partition(planted.truth), partition(label)) >= 0.95
    assert (label[planted.truth == NOISE] < 0).mean() >= 0.95
    largest = np.bincount(label[label >= 0]).max()
    assert largest <= 1.2 * np.bincount(planted.truth[planted.truth >= 0]).max()


def test_clusters_are_numbered_by_size_and_then_by_lowest_feature(planted: PlantedGraph) -> None:
    clustering = cluster_graph(planted.graph, planted.fires, ClusteringSettings(), MIN_FIRES)
    size = np.bincount(clustering.label[clustering.label >= 0])
    lowest = [int(np.flatnonzero(clustering.label == number)[0]) for number in range(len(size))]
    assert len(clustering.persistence) == len(size)
    assert sorted(zip((-size).tolist(), lowest, strict=True)) == list(zip((-size).tolist(), lowest, strict=True))
    assert ((clustering.membership > 0) == (clustering.label >= 0)).all()
    assert clustering.membership.max() <= 1.0
    assert ((clustering.persistence >= 0) & (clustering.persistence <= 1)).all()


def test_labels_do_not_depend_on_the_numbering_of_features(planted: PlantedGraph) -> None:
    move = np.random.default_rng(5).permutation(N_FEATURES)
    back = np.argsort(move)
    neighbour = planted.graph.neighbour[move]
    moved = NeighbourGraph(np.where(neighbour >= 0, back[neighbour], -1).astype(np.int32), planted.graph.score[move])
    before = cluster_graph(planted.graph, planted.fires, ClusteringSettings(), MIN_FIRES)
    after = cluster_graph(moved, planted.fires[move], ClusteringSettings(), MIN_FIRES)
    assert same_partition(before.label[move], after.label)


def test_clustering_is_deterministic(planted: PlantedGraph) -> None:
    runs = [cluster_graph(planted.graph, planted.fires, ClusteringSettings(), MIN_FIRES) for _ in range(2)]
    assert runs[0].label.tobytes() == runs[1].label.tobytes()
    assert runs[0].membership.tobytes() == runs[1].membership.tobytes()


def test_rare_features_are_left_out(planted: PlantedGraph) -> None:
    floor = int(np.median(planted.fires))
    clustering = cluster_graph(planted.graph, planted.fires, ClusteringSettings(), floor)
    assert ((clustering.label == LEFT_OUT) == (planted.fires < floor)).all()
    assert clustering.label.max() > 0


def test_condensed_tree_contains_every_feature_once(planted: PlantedGraph) -> None:
    result = cluster_tree(planted.graph, planted.fires, ClusteringSettings(), MIN_FIRES)
    leaves = result.tree.child[result.tree.size == 1]
    assert sorted(leaves.tolist()) == np.flatnonzero(planted.fires >= MIN_FIRES).tolist()
    assert result.tree.parent.min() == N_FEATURES
    groups = result.tree.child[result.tree.size > 1]
    assert set(groups.tolist()) | {N_FEATURES} == set(result.tree.parent.tolist())
    assert len(result.clustering.persistence) <= len(groups)


def clique_graph(groups: list[int], n_alone: int, score: float) -> NeighbourGraph:
    """Groups whose features all have the same score with each other, and isolated features."""
    n_features = sum(groups) + n_alone
    graph = NeighbourGraph(np.full((n_features, 8), -1, dtype=np.int32), np.zeros((n_features, 8), dtype=np.float32))
    start = 0
    for size in groups:
        for feature in range(start, start + size):
            others = [other for other in range(start, start + size) if other != feature][:8]
            graph.neighbour[feature, : len(others)] = others
            graph.score[feature, : len(others)] = score
        start += size
    return graph


@pytest.mark.parametrize("groups", [[5], [5, 4], [6, 3, 3, 3], [9, 9]])
@pytest.mark.parametrize("n_alone", [0, 1, 30])
@pytest.mark.parametrize("score", [1.0, 0.5, 0.05])
def test_separate_groups_are_found_among_isolated_features(groups: list[int], n_alone: int, score: float) -> None:
    graph = clique_graph(groups, n_alone, score)
    fires = np.full(len(graph.neighbour), 100)
    label = cluster_graph(graph, fires, ClusteringSettings(), 1).label
    assert label.tolist() == [number for number, size in enumerate(groups) for _ in range(size)] + [NOISE] * n_alone


@pytest.mark.parametrize("n_features", [0, 1, 2, 3, 40])
def test_features_without_partners_are_noise(n_features: int) -> None:
    graph = clique_graph([], n_features, 0.5)
    clustering = cluster_graph(graph, np.full(n_features, 9), ClusteringSettings(), 1)
    assert clustering.label.tolist() == [NOISE] * n_features
    assert len(clustering.persistence) == 0
    assert (cluster_graph(graph, np.full(n_features, 9), ClusteringSettings(), 10).label == LEFT_OUT).all()


def test_a_single_group_leaves_out_loosely_attached_features() -> None:
    graph = clique_graph([6], 10, 0.6)
    for feature in range(6, 16):
        graph.neighbour[feature, :2] = [feature - 6, (feature - 5) % 6]
        graph.score[feature, :2] = 0.05
    label = cluster_graph(graph, np.full(16, 100), ClusteringSettings(), 1).label
    assert label.tolist() == [0] * 6 + [NOISE] * 10

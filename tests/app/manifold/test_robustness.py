"""Robustness of a cluster as shown on its page: measurements in words, and the branch of the condensed tree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dash._utils import to_json

from explorer.app.manifold.numbers import number_rows, regime_line
from explorer.app.manifold.provenance import chance_line
from explorer.app.manifold.robustness import (
    UNMEASURED,
    made_by_chance,
    robustness_facts,
    robustness_panel,
    shape_facts,
    verdict,
)
from explorer.app.manifold.tree import MOST_ROWS, tree_block, tree_view
from explorer.app.site.cluster_filters import choose_tiles
from explorer.app.view.state import View
from explorer.config import ClusteringSettings
from explorer.maths.clustering.hdbscan import cluster_tree
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import NOISE, CondensedTree, Evidence, FeatureTable, NeighbourGraph
from explorer.runs.run.reader import Run, open_run
from tests.planted import EVIDENCE

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "golden" / "run-v1"
N_FEATURES = 12


@pytest.fixture(scope="module")
def ring(run: Run) -> ClusterSummary:
    return run.summary(0)


def with_scores(one: ClusterSummary, **scores: float) -> ClusterSummary:
    return replace(one, scores=scores)


def small_tree() -> CondensedTree:
    """Features 0-4 and 5-8 form groups that split at density 2; 9-11 leave earlier, 3 and 4 leave the first group."""
    rows = [(12, 9, 1.0), (12, 10, 1.1), (12, 11, 1.2), (12, 13, 2.0), (12, 14, 2.0)]
    rows += [(13, feature, 6.0) for feature in (0, 1, 2)] + [(13, 3, 4.0), (13, 4, 3.0)]
    rows += [(14, feature, 9.0) for feature in range(5, 9)]
    parent, child, density = (np.array(column) for column in zip(*rows, strict=True))
    return CondensedTree(parent, child, density, np.where(child == 13, 5, np.where(child == 14, 4, 1)))


def small_table() -> FeatureTable:
    cluster = np.array([0] * 5 + [1] * 4 + [NOISE] * 3, np.int32)
    strength = np.array([1, 1, 1, 0.7, 0.5, 1, 1, 1, 1, 0, 0, 0], np.float32)
    nothing = np.zeros(N_FEATURES, np.float32)
    return FeatureTable(
        np.zeros((N_FEATURES, 2), np.float32), cluster, strength, np.ones(N_FEATURES, np.int64), nothing, nothing,
        np.full((N_FEATURES, 1), -1, np.int32),
    )  # fmt: skip


def test_a_bar_spans_the_densities_at_which_its_feature_joins_and_leaves(ring: ClusterSummary) -> None:
    view = tree_view(replace(ring, features=(0, 1, 2, 3, 4)), small_tree(), small_table())
    assert [bar.feature for bar in view.bars] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 10, 9]
    assert [bar.inside for bar in view.bars] == [True] * 5 + [False] * 7
    assert (view.left, view.begin, view.end) == (12, 2.0, 6.0)
    assert [bar.joins for bar in view.bars[:5]] == [0.2] * 5
    assert [bar.leaves for bar in view.bars[:5]] == [1.0, 1.0, 1.0, 0.6, 0.4]
    assert [bar.strength for bar in view.bars[:5]] == pytest.approx([1, 1, 1, 0.7, 0.5])
    assert [bar.beyond for bar in view.bars] == [False] * 5 + [True] * 4 + [False] * 3
    assert [bar.begins for bar in view.bars] == [n in (0, 5, 9) for n in range(12)]
    assert all(0 <= share <= 1 for _, share in view.ticks)
    assert dict(view.ticks)["2"] == 0.2


def test_the_most_persistent_rows_of_a_large_branch_are_drawn(ring: ClusterSummary) -> None:
    n_features, rng = 3 * MOST_ROWS, np.random.default_rng(0)
    density = rng.uniform(1, 5, n_features)
    tree = CondensedTree(np.full(n_features, n_features), np.arange(n_features), density, np.ones(n_features, np.int64))
    column = np.zeros(n_features, np.float32)
    table = replace(small_table(), cluster=column.astype(np.int32), membership=column)
    view = tree_view(replace(ring, features=tuple(range(n_features))), tree, table)
    assert (len(view.bars), view.n_features, view.left) == (MOST_ROWS, n_features, 0)
    assert [bar.feature for bar in view.bars] == np.argsort(-density)[:MOST_ROWS].tolist()
    assert f"Showing {MOST_ROWS} of {n_features} features." in to_json(tree_block(view))


def test_groups_nested_as_deep_as_there_are_features(ring: ClusterSummary) -> None:
    """A chain of splits deeper than Python's recursion limit."""
    depth = 3000
    n_features = 2 * depth + 2
    groups = n_features + np.arange(depth)
    tree = CondensedTree(
        np.concatenate([np.repeat(groups, 2), groups[:-1], [groups[-1]] * 2]),
        np.concatenate([np.arange(2 * depth), groups[1:], [n_features - 2, n_features - 1]]),
        np.concatenate([np.repeat(np.arange(depth) + 1.0, 2), np.arange(depth - 1) + 1.0, [depth + 1.0] * 2]),
        np.concatenate([np.ones(2 * depth), n_features - 2 * np.arange(1, depth), [1, 1]]).astype(np.int64),
    )
    column = np.zeros(n_features, np.float32)
    table = replace(small_table(), cluster=column.astype(np.int32), membership=column)
    assert tree_view(replace(ring, features=(0, n_features - 1)), tree, table).n_features == n_features


@pytest.mark.parametrize("score", [0.3, 1.0])
def test_every_cluster_of_a_real_tree_can_be_drawn(ring: ClusterSummary, score: float) -> None:
    """Rings of features among isolated ones: the smallest and flattest branches."""
    sizes, width = [3, 3, 8], 8
    graph = NeighbourGraph(np.full((20, width), -1, np.int32), np.zeros((20, width), np.float32))
    start = 0
    for size in sizes:
        for feature in range(start, start + size):
            others = [other for other in range(start, start + size) if other != feature]
            graph.neighbour[feature, : len(others)], graph.score[feature, : len(others)] = others, score
        start += size
    found = cluster_tree(graph, np.full(20, 99), ClusteringSettings(), 1)
    label = found.clustering.label
    table = replace(small_table(), cluster=label, membership=found.clustering.membership)
    assert label.max() == 2
    for number in range(3):
        features = tuple(np.flatnonzero(label == number).tolist())
        view = tree_view(replace(ring, id=number, features=features), found.tree, table)
        assert {bar.feature for bar in view.bars if bar.inside} == set(features)
        assert all(0 <= bar.leaves <= 1 for bar in view.bars)


def test_the_panel_explains_every_measurement(run: Run) -> None:
    panel = to_json(robustness_panel(run.summary(0), run.manifest, run.tree(), run.features()))
    assert "Stability 0.93 over 10 resamples" in panel
    assert "Dissolved in 0 of 10" in panel
    assert "Shuffle null: matched in 0 of 19 draws (p = 0.05)" in panel
    assert "Recurs on resampled documents, and shuffled codes contain no comparable cluster." in panel
    assert "as a table" in panel
    assert all(fact.meaning.endswith(".") for fact in robustness_facts(run.summary(1), run.manifest.evidence))


@pytest.mark.parametrize(
    ("stability", "chance_p", "text"),
    [
        (0.75, 0.05, "Recurs on resampled documents, and shuffled codes contain no comparable cluster."),
        (0.9, 0.1, "Recurs on resampled documents, but shuffled codes contain comparable clusters."),
        (
            0.7,
            0.05,
            "Recurs with partly different features on resampled documents, but shuffled codes contain no comparable "
            "cluster.",
        ),
        (0.59, 1.0, "Rarely recurs on resampled documents, and shuffled codes contain comparable clusters."),
    ],
)
def test_the_verdict(ring: ClusterSummary, stability: float, chance_p: float, text: str) -> None:
    assert verdict(with_scores(ring, stability=stability, chance_p=chance_p), Evidence(10, (1,) * 19)) == text


def test_the_number_of_exceeding_draws_is_recovered_from_p(ring: ClusterSummary) -> None:
    for draws in (1, 5, 19, 99):
        for made in range(draws + 1):
            one = with_scores(ring, chance_p=(1 + made) / (1 + draws))
            assert made_by_chance(one, Evidence(0, (0,) * draws)) == made
    assert made_by_chance(ring, None) is None


def test_an_older_run_has_no_measurements() -> None:
    run = open_run(GOLDEN)
    panel = to_json(robustness_panel(run.summary(0), run.manifest, run.tree(), run.features()))
    assert UNMEASURED in panel
    assert "Stability" not in panel
    assert "branch" not in panel
    assert chance_line(run.manifest) == ""
    assert "stability" not in {name for name, _, _ in number_rows(run.summary(0), run.cluster(0))}


def test_the_number_of_chance_clusters_is_summarized(run: Run) -> None:
    made = (*EVIDENCE.chance_clusters[:18], 6)
    line = chance_line(run.manifest.model_copy(update={"evidence": Evidence(0, made)}))
    assert line == "codes shuffled within documents give 1.26 clusters on average (0 to 6 in 19 draws)"
    none = chance_line(run.manifest.model_copy(update={"evidence": Evidence(0, (0, 0))}))
    assert none == "codes shuffled within documents give no cluster in 2 draws"


def test_tiles_are_sorted_by_stability_and_then_by_persistence(ring: ClusterSummary) -> None:
    tiles = tuple(
        replace(ring, id=number, scores=scores)
        for number, scores in enumerate(
            [
                {"stability": 0.4, "persistence": 0.9},
                {"stability": 1.0, "persistence": 0.1},
                {"stability": 1.0, "persistence": 0.3},
                {"persistence": 0.5},
            ]
        )
    )
    chosen = choose_tiles(tiles, View(sort="stability"), lambda _: "")
    assert [one.id for one in chosen] == [2, 1, 0, 3]


def test_a_shape_is_reported_with_the_number_of_clusters_tested(ring: ClusterSummary) -> None:
    (fact,) = shape_facts(ring, 150)
    assert fact.title == f"Closed curve at p = {ring.scores['p_value']:.3g}"
    assert "150 clusters of the run were tested" in fact.meaning
    (blob,) = shape_facts(replace(ring, shape="blob"), 150)
    assert blob.title == "No shape is claimed"
    assert shape_facts(with_scores(ring), 150) == []


def test_a_regime_is_reported_with_its_numbers_and_power(ring: ClusterSummary) -> None:
    numbers = {"varying_atoms": 4.0, "receptive_spread": 0.41, "overlap": 1.36}
    line = regime_line(with_scores(replace(ring, regime="tiling"), **numbers))
    assert line.startswith("Tiling: 4 of ")
    assert line.endswith("typical field 0.41 of the shape wide, 1.4 firing at a position.")
    assert "126 times by chance, enough to detect" in regime_line(with_scores(ring, **numbers, expected_cofires=126.0))
    assert "0.427 times by chance, too few to detect" in regime_line(
        with_scores(ring, **numbers, expected_cofires=0.427)
    )
    assert "not measured" in regime_line(with_scores(ring))


def test_a_blob_reports_its_longest_axis_instead_of_a_curve(run: Run, ring: ClusterSummary) -> None:
    names = [
        [row[0] for row in number_rows(replace(ring, shape=kind), run.cluster(0))] for kind in ("blob", ring.shape)
    ]
    assert names[0][0] == "on its longest axis"
    assert names[1][0] == "variance explained"

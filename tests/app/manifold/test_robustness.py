"""How far to believe a cluster, as its page tells it: the numbers in words, and the branch of the tree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dash._utils import to_json

from explorer.app.manifold.numbers import number_rows, regime_line
from explorer.app.manifold.provenance import chance_line
from explorer.app.manifold.robustness import (
    UNMEASURED,
    belief_facts,
    belief_panel,
    made_by_chance,
    shape_facts,
    verdict,
)
from explorer.app.manifold.tree import MOST_ROWS, tree_block, tree_view
from explorer.app.site.cluster_filters import choose_tiles
from explorer.app.view.state import View
from explorer.config import ClusteringSettings
from explorer.maths.clustering.hdbscan import cluster_tree
from explorer.records import NOISE, ClusterSummary, CondensedTree, Evidence, FeatureTable, NeighbourGraph
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
    """Features 0 to 4 and 5 to 8 are groups that part at density 2; 9 to 11 leave before. 3 and 4 leave the first."""
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


def test_a_bar_begins_and_ends_where_its_feature_joins_and_leaves(ring: ClusterSummary) -> None:
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


def test_of_a_large_branch_the_surest_are_drawn(ring: ClusterSummary) -> None:
    n_features, rng = 3 * MOST_ROWS, np.random.default_rng(0)
    density = rng.uniform(1, 5, n_features)
    tree = CondensedTree(np.full(n_features, n_features), np.arange(n_features), density, np.ones(n_features, np.int64))
    column = np.zeros(n_features, np.float32)
    table = replace(small_table(), cluster=column.astype(np.int32), membership=column)
    view = tree_view(replace(ring, features=tuple(range(n_features))), tree, table)
    assert (len(view.bars), view.n_features, view.left) == (MOST_ROWS, n_features, 0)
    assert [bar.feature for bar in view.bars] == np.argsort(-density)[:MOST_ROWS].tolist()
    assert f"{MOST_ROWS} of {n_features} features shown." in to_json(tree_block(view))


def test_groups_within_groups_as_deep_as_there_are_features(ring: ClusterSummary) -> None:
    """A chain of splits deeper than a function may call itself."""
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
    """Rings of features beside features that stand alone: the smallest and the flattest branches there are."""
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


def test_the_panel_tells_numbers_in_words_with_what_they_mean(run: Run) -> None:
    panel = to_json(belief_panel(run.summary(0), run.manifest, run.tree(), run.features()))
    assert "Stability 0.93 over 10 resamples" in panel
    assert "Dissolved in 0 of 10" in panel
    assert "Chance made such a cluster in 0 of 19 draws (p = 0.05)" in panel
    assert "It comes back on other documents, and chance makes none like it." in panel
    assert "as a table" in panel
    assert all(fact.meaning.endswith(".") for fact in belief_facts(run.summary(1), run.manifest.evidence))


@pytest.mark.parametrize(
    ("stability", "chance_p", "told"),
    [
        (0.75, 0.05, "It comes back on other documents, and chance makes none like it."),
        (0.9, 0.1, "It comes back on other documents, but chance makes clusters like it."),
        (0.7, 0.05, "Which features belong to it is doubtful, but chance makes none like it."),
        (0.59, 1.0, "It seldom comes back whole on other documents, and chance makes clusters like it."),
    ],
)
def test_the_verdict(ring: ClusterSummary, stability: float, chance_p: float, told: str) -> None:
    assert verdict(with_scores(ring, stability=stability, chance_p=chance_p), Evidence(10, (1,) * 19)) == told


def test_exceeding_draws_are_counted_back_from_p(ring: ClusterSummary) -> None:
    for draws in (1, 5, 19, 99):
        for made in range(draws + 1):
            one = with_scores(ring, chance_p=(1 + made) / (1 + draws))
            assert made_by_chance(one, Evidence(0, (0,) * draws)) == made
    assert made_by_chance(ring, None) is None


def test_a_run_from_before_says_that_nothing_was_measured() -> None:
    run = open_run(GOLDEN)
    panel = to_json(belief_panel(run.summary(0), run.manifest, run.tree(), run.features()))
    assert UNMEASURED in panel
    assert "Stability" not in panel
    assert "branch" not in panel
    assert chance_line(run.manifest) == ""
    assert "stability" not in {name for name, _, _ in number_rows(run.summary(0), run.cluster(0))}


def test_what_chance_makes_of_the_run_is_told(run: Run) -> None:
    made = (*EVIDENCE.chance_clusters[:18], 6)
    told = chance_line(run.manifest.model_copy(update={"evidence": Evidence(0, made)}))
    assert told == "codes shuffled within documents give 1.26 clusters on average (0 to 6 in 19 draws)"
    none = chance_line(run.manifest.model_copy(update={"evidence": Evidence(0, (0, 0))}))
    assert none == "codes shuffled within documents give none in 2 draws"


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


def test_a_shape_is_told_beside_how_many_clusters_were_asked(ring: ClusterSummary) -> None:
    (fact,) = shape_facts(ring, 150)
    assert fact.told == f"Closed curve at p = {ring.scores['p_value']:.3g}"
    assert "150 clusters of the run were asked" in fact.meaning
    (blob,) = shape_facts(replace(ring, shape="blob"), 150)
    assert blob.told == "No shape is claimed"
    assert shape_facts(with_scores(ring), 150) == []


def test_a_regime_stands_beside_its_numbers_and_its_power(ring: ClusterSummary) -> None:
    numbers = {"varying_atoms": 4.0, "receptive_spread": 0.41, "overlap": 1.36}
    told = regime_line(with_scores(replace(ring, regime="tiling"), **numbers))
    assert told.startswith("Tiling: 4 of ")
    assert told.endswith("a usual field is 0.41 of the shape wide, 1.4 fire at one place.")
    assert "126 times, enough to see" in regime_line(with_scores(ring, **numbers, expected_cofires=126.0))
    assert "0.427 times, too few to see" in regime_line(with_scores(ring, **numbers, expected_cofires=0.427))
    assert "not measured" in regime_line(with_scores(ring))


def test_a_blob_has_no_curve_that_explains_it(run: Run, ring: ClusterSummary) -> None:
    names = [
        [row[0] for row in number_rows(replace(ring, shape=kind), run.cluster(0))] for kind in ("blob", ring.shape)
    ]
    assert names[0][0] == "on its longest axis"
    assert names[1][0] == "variance explained"

"""The neighbour graph against a brute-force reference."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.maths.cofiring.counts import (
    FiringShard,
    cofiring_graph,
    cofiring_graph_of_shards,
    fire_counts,
    firing_shard,
)
from explorer.maths.cofiring.similarity import SIMILARITIES, scorable_pairs, score_pairs
from explorer.records.bundle import Codes
from explorer.records.clustering import NeighbourGraph, PairScore


def to_shard(fires: np.ndarray) -> FiringShard:
    """CSR of a dense boolean array [token, feature]."""
    indptr = np.concatenate([[0], np.cumsum(fires.sum(axis=1))]).astype(np.int64)
    return FiringShard(indptr, np.nonzero(fires)[1].astype(np.uint32))


def all_scores(fires: np.ndarray, similarity: PairScore, min_count: int, min_fires: int) -> np.ndarray:
    """Score of every pair [feature, feature], NaN for pairs without one."""
    together = fires.astype(np.int64).T @ fires.astype(np.int64)
    count = np.diag(together)
    c_i, c_j = np.broadcast_arrays(count[:, None], count[None, :])
    scored = scorable_pairs(similarity, together, c_i, c_j, len(fires), min_count)
    scored &= (np.minimum(c_i, c_j) >= max(min_fires, 1)) & ~np.eye(len(count), dtype=bool)
    return np.where(scored, score_pairs(similarity, together, c_i, c_j, len(fires)), np.nan).astype(np.float32)


def assert_is_best(graph: NeighbourGraph, scores: np.ndarray) -> None:
    """Every row lists distinct scored partners with their scores, and no better one is missing."""
    width = graph.neighbour.shape[1]
    for feature, (neighbour, score) in enumerate(zip(graph.neighbour, graph.score, strict=True)):
        best = np.sort(scores[feature][~np.isnan(scores[feature])])[::-1][:width]
        named = neighbour[: len(best)]
        assert (neighbour[len(best) :] == -1).all()
        assert (score[len(best) :] == 0).all()
        assert (named >= 0).all()
        assert len(set(named.tolist())) == len(named)
        np.testing.assert_allclose(score[: len(best)], best, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(scores[feature][named], score[: len(best)], rtol=1e-5, atol=1e-6)
        tied = np.flatnonzero(np.diff(score[: len(best)]) == 0)
        assert (named[tied] < named[tied + 1]).all()


@st.composite
def firing(draw: st.DrawFn) -> np.ndarray:
    """Random firing [token, feature] with empty tokens, dead features and widely varying rates."""
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    tokens, features = draw(st.integers(0, 120)), draw(st.integers(1, 150))
    rate = rng.uniform(0, draw(st.sampled_from([0.05, 0.4, 1.0])), features) * (rng.uniform(size=features) > 0.1)
    fires = rng.uniform(size=(tokens, features)) < rate
    fires[rng.uniform(size=tokens) < 0.1] = False
    return fires


@pytest.mark.parametrize("similarity", SIMILARITIES)
@settings(max_examples=40, deadline=None)
@given(fires=firing(), neighbours=st.integers(1, 70), min_count=st.integers(1, 5), min_fires=st.integers(1, 8))
def test_graph_equals_brute_force(
    similarity: PairScore, fires: np.ndarray, neighbours: int, min_count: int, min_fires: int
) -> None:
    shard = to_shard(fires)
    graph = cofiring_graph(
        *shard,
        fires.shape[1],
        neighbours=neighbours,
        similarity=similarity,
        min_count=min_count,
        min_fires=min_fires,
        threads=1,
    )
    assert graph.neighbour.dtype == np.int32
    assert graph.score.dtype == np.float32
    assert graph.neighbour.shape == graph.score.shape == (fires.shape[1], neighbours)
    assert_is_best(graph, all_scores(fires, similarity, min_count, min_fires))


@settings(max_examples=25, deadline=None)
@given(fires=firing(), cut=st.integers(0, 120), rows=st.integers(1, 40))
def test_shards_give_the_same_bytes_as_one(fires: np.ndarray, cut: int, rows: int) -> None:
    n_features = fires.shape[1]
    shards = [to_shard(fires[:cut]), to_shard(fires[cut:])]
    whole = cofiring_graph(*to_shard(fires), n_features, neighbours=9, threads=1)
    streamed = cofiring_graph_of_shards(shards, n_features, neighbours=9, block_bytes=4 * n_features * rows)
    assert whole.neighbour.tobytes() == streamed.neighbour.tobytes()
    assert whole.score.tobytes() == streamed.score.tobytes()


def test_shards_may_come_from_a_re_iterable(rng: np.random.Generator) -> None:
    fires = rng.uniform(size=(300, 40)) < 0.2

    class Stream:
        def __iter__(self):  # type: ignore[no-untyped-def]
            return (to_shard(fires[start : start + 100]) for start in range(0, 300, 100))

    whole = cofiring_graph(*to_shard(fires), 40)
    assert whole.score.tobytes() == cofiring_graph_of_shards(Stream(), 40).score.tobytes()


def test_the_result_does_not_depend_on_the_number_of_threads(rng: np.random.Generator) -> None:
    shard = to_shard(rng.uniform(size=(500, 3000)) < 0.01)
    graphs = [cofiring_graph(*shard, 3000, threads=threads) for threads in (1, 2, 5)]
    assert len({graph.neighbour.tobytes() for graph in graphs}) == 1
    assert len({graph.score.tobytes() for graph in graphs}) == 1


def test_ties_go_to_the_lower_feature() -> None:
    fires = np.zeros((20, 6), dtype=bool)
    fires[:5] = True
    graph = cofiring_graph(*to_shard(fires), 6, neighbours=3)
    assert graph.neighbour.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]


def test_counts_above_16_bits_are_exact() -> None:
    n_tokens = 150_000
    fires = np.zeros((n_tokens, 4), dtype=bool)
    fires[:140_000, 0] = fires[5:140_000, 1] = fires[139_000:, 2] = fires[:66_000, 3] = True
    graph = cofiring_graph(*to_shard(fires), 4, neighbours=3)
    assert_is_best(graph, all_scores(fires, "npmi", 3, 1))


@pytest.mark.slow
def test_more_than_65536_features() -> None:
    n_features = 65_536 + 64
    partner = np.arange(n_features).reshape(-1, 2)
    features = np.repeat(partner, 4, axis=0).ravel().astype(np.uint32)
    graph = cofiring_graph(np.arange(0, len(features) + 1, 2), features, n_features, neighbours=2)
    assert (graph.neighbour[:, 0] == (np.arange(n_features) ^ 1)).all()
    assert (graph.neighbour[:, 1] == -1).all()
    np.testing.assert_allclose(graph.score[:, 0], 1.0)


def test_slices_of_a_larger_array_are_counted_correctly(rng: np.random.Generator) -> None:
    fires = rng.uniform(size=(200, 30)) < 0.3
    indptr, features = to_shard(fires)
    part = cofiring_graph(indptr[100:], features, 30)
    assert_is_best(part, all_scores(fires[100:], "npmi", 3, 1))
    assert fire_counts(indptr[100:], features, 30).tolist() == fires[100:].sum(axis=0).tolist()


def test_only_values_above_zero_fire(rng: np.random.Generator) -> None:
    fires = rng.uniform(size=(200, 30)) < 0.3
    stored = rng.uniform(size=fires.shape) < 0.3
    indptr, features = to_shard(fires | stored)
    value = np.where(fires, 1.0, np.where(rng.uniform(size=fires.shape) < 0.5, 0.0, -1.0))
    codes = Codes(indptr, features, value[fires | stored].astype(np.float32), 30)
    shard, wanted = firing_shard(codes), to_shard(fires)
    assert shard.indptr.tolist() == wanted.indptr.tolist()
    assert shard.features.tolist() == wanted.features.tolist()
    assert fire_counts(*shard, 30).tolist() == fires.sum(axis=0).tolist()


def test_rare_features_are_isolated(rng: np.random.Generator) -> None:
    fires = rng.uniform(size=(400, 20)) < np.linspace(0.005, 0.5, 20)
    graph = cofiring_graph(*to_shard(fires), 20, min_count=1, min_fires=40)
    rare = np.flatnonzero(fires.sum(axis=0) < 40)
    assert 0 < len(rare) < 20
    assert (graph.neighbour[rare] == -1).all()
    assert not np.isin(graph.neighbour, rare).any()


@pytest.mark.parametrize("tokens", [0, 1, 3])
def test_codes_without_a_pair_give_an_empty_graph(tokens: int) -> None:
    graph = cofiring_graph(np.zeros(tokens + 1, dtype=np.int64), np.zeros(0, dtype=np.uint32), 5, neighbours=4)
    assert (graph.neighbour == -1).all()
    assert (graph.score == 0).all()
    lone = cofiring_graph(np.arange(tokens + 1), np.zeros(tokens, dtype=np.uint32), 5, neighbours=4, min_count=1)
    assert (lone.neighbour == -1).all()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)

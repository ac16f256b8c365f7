"""Counting on a torch device gives the same bytes as compiled counting, for any shards, blocks and device."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.bench.planted.stream import draw_codes, plant_dictionary
from explorer.maths.cofiring import torch as cofiring_torch
from explorer.maths.cofiring.counts import FiringShard, cofire_counts, cofiring_graph, cofiring_graph_of_shards
from explorer.maths.cofiring.signed import signed_graph
from explorer.maths.cofiring.similarity import SIMILARITIES
from explorer.maths.cofiring.torch import TorchShards
from explorer.records.clustering import NeighbourGraph, PairScore
from tests.maths.cofiring.test_counts import firing, to_shard


def assert_same(one: NeighbourGraph, other: NeighbourGraph) -> None:
    np.testing.assert_array_equal(one.neighbour, other.neighbour)
    assert one.score.tobytes() == other.score.tobytes()


@pytest.fixture
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few additions per round that even small codes take several rounds."""
    monkeypatch.setattr(cofiring_torch, "MAX_PAIRS_PER_ROUND", 500)


@pytest.mark.usefixtures("small_rounds")
@settings(max_examples=25)
@given(
    fires=firing(),
    similarity=st.sampled_from(SIMILARITIES),
    cut=st.integers(0, 120),
    rows=st.integers(5, 80),
    min_fires=st.integers(1, 8),
)
def test_torch_gives_the_same_bytes_as_compiled_counting(
    device: str, fires: np.ndarray, similarity: PairScore, cut: int, rows: int, min_fires: int
) -> None:
    n_features = fires.shape[1]
    shards = TorchShards([to_shard(fires[:cut]), to_shard(fires[cut:])], torch.device(device))
    counted = cofiring_graph_of_shards(
        shards,
        n_features,
        neighbours=9,
        similarity=similarity,
        min_fires=min_fires,
        threads=1,
        block_bytes=4 * n_features * rows,
    )
    compiled = cofiring_graph(
        *to_shard(fires), n_features, neighbours=9, similarity=similarity, min_fires=min_fires, threads=1
    )
    assert_same(counted, compiled)


def test_codes_as_dense_as_an_saes_give_the_same_graph(device: str) -> None:
    codes = draw_codes(plant_dictionary(400, rng=np.random.default_rng(0)), 3000, rng=np.random.default_rng(1))
    whole = FiringShard(codes.indptr, codes.features)
    parts = [FiringShard(codes.indptr[first : first + 1001], codes.features) for first in range(0, 3000, 1000)]
    shards = TorchShards(parts, torch.device(device))
    assert_same(cofiring_graph_of_shards(shards, 400), cofiring_graph(*whole, 400))
    offsets = np.arange(0, 3001, 200)
    assert_same(signed_graph(shards, offsets, 400), signed_graph(parts, offsets, 400))


def test_a_subset_of_the_features_is_counted_correctly(device: str) -> None:
    fires = np.random.default_rng(2).uniform(size=(300, 40)) < 0.3
    subset = np.array([30, 2, 17])
    wanted = fires[:, subset].astype(int).T @ fires[:, subset]
    found = cofire_counts(TorchShards([to_shard(fires)], torch.device(device)), subset, 40)
    off_diagonal = ~np.eye(3, dtype=bool)
    assert (found[off_diagonal] == wanted[off_diagonal]).all()


def test_counts_beyond_half_precision_are_exact(device: str) -> None:
    """Floats lose increments of one from 2^24 (single) or 2^11 (half precision) on; integers do not."""
    n_tokens = 70_001
    shard = FiringShard(np.arange(0, 2 * n_tokens + 1, 2), np.tile(np.arange(2, dtype=np.uint32), n_tokens))
    counts = TorchShards([shard], torch.device(device)).cofires(np.arange(2, dtype=np.int32), 2, 0, 2)
    assert counts.dtype == np.uint32
    assert counts.tolist() == [[n_tokens, n_tokens], [n_tokens, n_tokens]]


@pytest.mark.parametrize("tokens", [0, 3])
def test_silent_shards_give_an_empty_graph(device: str, tokens: int) -> None:
    empty = FiringShard(np.zeros(tokens + 1, dtype=np.int64), np.zeros(0, dtype=np.uint32))
    graph = cofiring_graph_of_shards(TorchShards([empty], torch.device(device)), 5, neighbours=4)
    assert (graph.neighbour == -1).all()

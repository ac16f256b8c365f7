"""Resampling: what is preserved and what is random."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.maths.clustering.resample import resampled_documents, shuffled_within_documents
from explorer.maths.cofiring.counts import FiringShard, fire_counts

N_FEATURES = 30


def random_shard(seed: int, n_tokens: int = 200) -> tuple[FiringShard, np.ndarray]:
    """Codes of documents of uneven length, two of them empty, one with a single token."""
    rng = np.random.default_rng(seed)
    fires = rng.uniform(size=(n_tokens, N_FEATURES)) < rng.uniform(0, 0.5, N_FEATURES)
    fires[:, 0] = True
    rows, features = np.nonzero(fires)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n_tokens))]).astype(np.int64)
    cuts = np.array([0, 0, 1, 40, 40, 150, n_tokens], dtype=np.int64)
    return FiringShard(indptr, features.astype(np.uint32)), cuts


def joined(shards: Iterable[FiringShard]) -> FiringShard:
    """Consecutive shards as one."""
    parts = list(shards)
    length = np.concatenate([np.zeros(1, np.int64), *(np.diff(part.indptr) for part in parts)])
    features = np.concatenate([np.zeros(0, np.uint32), *(part.features for part in parts)])
    return FiringShard(np.cumsum(length), features)


def cut(shard: FiringShard, edges: list[int]) -> list[FiringShard]:
    """The same tokens in shards that begin and end at the edges."""
    return [FiringShard(shard.indptr[start : stop + 1], shard.features) for start, stop in pairwise(edges)]


def dense(shard: FiringShard) -> np.ndarray:
    table = np.zeros((len(shard.indptr) - 1, N_FEATURES), dtype=np.int64)
    np.add.at(table, (np.repeat(np.arange(len(table)), np.diff(shard.indptr)), shard.features), 1)
    return table


@pytest.mark.parametrize("seed", range(5))
def test_shuffling_preserves_every_features_count_per_document(seed: int) -> None:
    shard, offsets = random_shard(seed)
    shuffled = joined(shuffled_within_documents([shard], offsets, np.random.default_rng(seed)).shards)
    before, after = dense(shard), dense(shuffled)
    assert after.max() == 1, "a feature fires on a token once"
    for start, stop in pairwise(offsets):
        np.testing.assert_array_equal(before[start:stop].sum(axis=0), after[start:stop].sum(axis=0))
    assert (before != after).any()
    for token in range(len(shuffled.indptr) - 1):
        row = shuffled.features[shuffled.indptr[token] : shuffled.indptr[token + 1]]
        assert (np.diff(row.astype(np.int64)) > 0).all()


def test_shuffling_is_uniform_over_sets_of_tokens() -> None:
    """Two fires on four tokens: six sets."""
    shard = FiringShard(np.array([0, 1, 2, 2, 2]), np.array([0, 0], dtype=np.uint32))
    offsets, rng, n = np.array([0, 4]), np.random.default_rng(0), 6000
    seen: dict[tuple[int, ...], int] = {}
    for _ in range(n):
        shuffled = joined(shuffled_within_documents([shard], offsets, rng).shards)
        where = tuple(np.flatnonzero(dense(shuffled)[:, 0]).tolist())
        seen[where] = seen.get(where, 0) + 1
    assert len(seen) == 6
    assert max(abs(count - n / 6) for count in seen.values()) < 5 * np.sqrt(n / 6)


def test_shuffling_removes_cofiring() -> None:
    """Two features that always fire together co-fire at the chance rate afterwards."""
    n_tokens, n_fires = 4000, 400
    on = np.sort(np.random.default_rng(1).permutation(n_tokens)[:n_fires])
    indptr = np.searchsorted(np.repeat(on, 2), np.arange(n_tokens + 1)).astype(np.int64)
    shard = FiringShard(indptr, np.tile(np.array([3, 7], dtype=np.uint32), n_fires))
    drawn = shuffled_within_documents([shard], np.array([0, n_tokens]), np.random.default_rng(2))
    both = dense(joined(drawn.shards))[:, [3, 7]]
    expected = n_fires**2 / n_tokens
    assert abs(both.all(axis=1).sum() - expected) < 5 * np.sqrt(expected)


@pytest.mark.parametrize("seed", range(5))
def test_a_resample_consists_of_whole_documents(seed: int) -> None:
    shard, offsets = random_shard(seed)
    again, ends = resampled_documents([shard], offsets, np.random.default_rng(seed))
    drawn = dense(joined(again))
    documents = [dense(shard)[start:stop] for start, stop in pairwise(offsets)]
    chosen = np.sort(np.random.default_rng(seed).integers(len(documents), size=len(documents)))
    np.testing.assert_array_equal(drawn, np.concatenate([documents[one] for one in chosen]))
    np.testing.assert_array_equal(np.diff(ends), [len(documents[one]) for one in chosen])


def test_resampling_depends_on_the_generator_only() -> None:
    shard, offsets = random_shard(0)
    for resample in (resampled_documents, shuffled_within_documents):
        one, same, other = (
            joined(resample([shard], offsets, np.random.default_rng(seed)).shards) for seed in (1, 1, 2)
        )
        np.testing.assert_array_equal(one.features, same.features)
        assert one.features.tolist() != other.features.tolist()


@settings(max_examples=40)
@given(seed=st.integers(0, 1000), edges=st.lists(st.integers(0, 200), max_size=6))
def test_draws_do_not_depend_on_the_shards(seed: int, edges: list[int]) -> None:
    shard, offsets = random_shard(seed)
    parts = cut(shard, [0, *sorted(edges), 200])
    for resample in (resampled_documents, shuffled_within_documents):
        one = resample([shard], offsets, np.random.default_rng(seed))
        other = resample(parts, offsets, np.random.default_rng(seed))
        np.testing.assert_array_equal(one.doc_offsets, other.doc_offsets)
        expected, found = joined(one.shards), joined(other.shards)
        np.testing.assert_array_equal(expected.indptr, found.indptr)
        np.testing.assert_array_equal(expected.features, found.features)


def test_resampled_shards_are_streamed() -> None:
    shard, offsets = random_shard(0)

    def read() -> Iterator[FiringShard]:
        yield from cut(shard, [0, 60])
        pytest.fail("the second shard was read")

    for resample in (resampled_documents, shuffled_within_documents):
        next(resample(read(), offsets, np.random.default_rng(0)).shards)


def test_empty_codes_and_silent_documents() -> None:
    nothing = FiringShard(np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint32))
    silent = FiringShard(np.zeros(6, dtype=np.int64), np.zeros(0, dtype=np.uint32))
    cases: list[tuple[FiringShard, list[int]]] = [(nothing, [0]), (silent, [0, 5])]
    for resample in (resampled_documents, shuffled_within_documents):
        none, empty = (joined(resample([one], np.array(ends), np.random.default_rng(0)).shards) for one, ends in cases)
        assert fire_counts(*none, 2).tolist() == [0, 0]
        assert len(empty.indptr) == 6

"""Expected co-fires within documents against a direct sum."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from explorer.maths.cofiring.counts import FiringShard
from explorer.maths.cofiring.expected import document_fires, expected_cofire_matrix, expected_pair_cofires
from tests.maths.cofiring.test_counts import firing, to_shard


@st.composite
def text(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Firing [token, feature] and document offsets; some documents are empty."""
    fires = draw(firing())
    cuts = draw(st.lists(st.integers(0, len(fires)), max_size=8))
    return fires, np.array([0, *sorted(cuts), len(fires)], dtype=np.int64)


def expected_reference(fires: np.ndarray, doc_offsets: np.ndarray) -> np.ndarray:
    """Expected co-fires [feature, feature], document by document."""
    total = np.zeros((fires.shape[1], fires.shape[1]))
    for start, stop in pairwise(doc_offsets):
        count = fires[start:stop].sum(axis=0)
        total += np.outer(count, count) / max(stop - start, 1)
    return total


def cut(fires: np.ndarray, places: list[int]) -> list[FiringShard]:
    """The same tokens in several shards."""
    ends = [0, *sorted(min(place, len(fires)) for place in places), len(fires)]
    return [to_shard(fires[start:stop]) for start, stop in pairwise(ends)]


@settings(max_examples=60, deadline=None)
@given(planted=text(), places=st.lists(st.integers(0, 120), max_size=3))
def test_expected_cofires_are_summed_over_documents(planted: tuple[np.ndarray, np.ndarray], places: list[int]) -> None:
    fires, doc_offsets = planted
    found = document_fires(cut(fires, places), doc_offsets, fires.shape[1])
    assert (found.counts == fires.sum(axis=0)).all()
    wanted = expected_reference(fires, doc_offsets)
    np.testing.assert_allclose(expected_cofire_matrix(found, threads=2), np.triu(wanted), rtol=1e-4, atol=1e-5)
    partner = np.tile(np.arange(-1, fires.shape[1] - 1, dtype=np.int32), (fires.shape[1], 1))
    pairs = np.where(partner >= 0, wanted[np.arange(fires.shape[1])[:, None], partner], 0.0)
    np.testing.assert_allclose(expected_pair_cofires(found, partner), pairs, rtol=1e-4, atol=1e-5)


def test_a_subset_of_the_features() -> None:
    fires = np.random.default_rng(0).uniform(size=(90, 12)) < 0.3
    doc_offsets = np.array([0, 30, 90])
    some = document_fires([to_shard(fires)], doc_offsets, 12).select(np.array([7, 2]))
    wanted = expected_reference(fires[:, [7, 2]], doc_offsets)
    np.testing.assert_allclose(expected_cofire_matrix(some), np.triu(wanted), rtol=1e-5)
    assert (some.counts == fires[:, [7, 2]].sum(axis=0)).all()

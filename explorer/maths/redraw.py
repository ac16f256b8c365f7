"""Codes drawn anew from codes: other documents of the same kind, or the same documents with co-firing taken out."""

from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Int64
from numba import njit

from explorer.maths.cofiring import FiringShard


class DrawnCodes(NamedTuple):
    """Codes with their documents."""

    shard: FiringShard
    """Which features fire on each token."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Where each document begins; the last entry is the number of tokens."""


def resampled_documents(
    shard: FiringShard, doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> DrawnCodes:
    """Draw as many documents as there are, with replacement.

    Documents and not tokens are drawn, because tokens of one document depend on each other. Features are what is
    clustered, documents what their likeness is measured on: Felsenstein 1985 resamples characters in the same way, to
    see which groups of species stay.

    Args:
        shard: which features fire on each token.
        doc_offsets: where each document begins; the last entry is the number of tokens.
        rng: the only source of chance.

    Returns:
        The rows of the drawn documents one after another: of many documents about 63 % are among them, some of these
        more than once.
    """
    n_docs = len(doc_offsets) - 1
    drawn = np.sort(rng.integers(n_docs, size=n_docs)) if n_docs else np.zeros(0, dtype=np.int64)
    length = np.diff(doc_offsets)[drawn]
    before = np.cumsum(length) - length
    rows = np.arange(int(length.sum()), dtype=np.int64) + np.repeat(doc_offsets[drawn] - before, length)
    indptr = np.concatenate([[0], np.cumsum(np.diff(shard.indptr)[rows])]).astype(np.int64)
    features = np.empty(int(indptr[-1]), dtype=shard.features.dtype)
    _copy_rows(shard.indptr, shard.features, rows, indptr, features)
    ends = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return DrawnCodes(FiringShard(indptr, features), ends)


def shuffled_within_documents(
    shard: FiringShard, doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> DrawnCodes:
    """Deal every feature's fires out anew over the tokens of each document, whatever the other features do.

    What a document is about stays, because every feature keeps its count in every document; which features fire on the
    same token is left to chance. So is how many fire on a token: the even number of a TopK SAE goes.

    Args:
        shard: which features fire on each token, each at most once.
        doc_offsets: where each document begins; the last entry is the number of tokens.
        rng: the only source of chance.

    Returns:
        As many tokens and as many entries; features ascend within a token.
    """
    start, stop = int(shard.indptr[0]), int(shard.indptr[-1])
    features = shard.features[start:stop].copy()
    token = np.empty(stop - start, dtype=np.int64)
    _deal(shard.indptr - start, features, doc_offsets, rng.random(stop - start, dtype=np.float32), token)
    per_token = np.bincount(token, minlength=len(shard.indptr) - 1)
    indptr = np.concatenate([[0], np.cumsum(per_token)]).astype(np.int64)
    dealt = np.empty_like(features)
    _by_token(token, features, indptr[:-1].copy(), dealt)
    return DrawnCodes(FiringShard(indptr, dealt), doc_offsets)


@njit(cache=True, nogil=True)
@no_type_check
def _copy_rows(
    indptr: np.ndarray, features: np.ndarray, rows: np.ndarray, new_indptr: np.ndarray, copied: np.ndarray
) -> None:
    for place in range(len(rows)):
        start, length = indptr[rows[place]], new_indptr[place + 1] - new_indptr[place]
        for entry in range(length):
            copied[new_indptr[place] + entry] = features[start + entry]


@njit(cache=True, nogil=True)
@no_type_check
def _deal(
    indptr: np.ndarray, features: np.ndarray, doc_offsets: np.ndarray, chance: np.ndarray, token: np.ndarray
) -> None:
    """Sort ``features`` within each document, and give every entry a token of it, different ones for one feature."""
    taken = np.full(np.diff(doc_offsets).max() if len(doc_offsets) > 1 else 0, -1, dtype=np.int64)
    for doc in range(len(doc_offsets) - 1):
        first, length = doc_offsets[doc], doc_offsets[doc + 1] - doc_offsets[doc]
        start, stop = indptr[first], indptr[first + length]
        features[start:stop].sort()
        begin = start
        while begin < stop:
            end = begin
            while end < stop and features[end] == features[begin]:
                end += 1
            # Floyd's method (Bentley and Floyd 1987): so many different places, every set equally likely
            for entry in range(begin, end):
                last = length - (end - entry)
                place = int(np.float64(chance[entry]) * (last + 1))
                place = last if taken[place] == begin else place
                taken[place] = begin
                token[entry] = first + place
            begin = end


@njit(cache=True, nogil=True)
@no_type_check
def _by_token(token: np.ndarray, features: np.ndarray, place: np.ndarray, dealt: np.ndarray) -> None:
    """Write the entries token by token, in the order in which they stand; ``place`` is where each token begins."""
    for entry in range(len(token)):
        dealt[place[token[entry]]] = features[entry]
        place[token[entry]] += 1

"""Codes drawn anew from codes: other documents of the same kind, or the same documents with co-firing taken out."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Int64
from numba import njit

from explorer.maths.cofiring.counts import FiringShard


class DrawnCodes(NamedTuple):
    """Codes with their documents."""

    shards: Iterator[FiringShard]
    """Which features fire on each token, in the order of the tokens; can be gone through once."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Where each document begins; the last entry is the number of tokens."""


class _Documents(NamedTuple):
    """Some documents that follow each other, whole."""

    first: int
    """Number of the first one."""
    shard: FiringShard
    """Their tokens; entries from 0."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """Where each of them begins, from 0."""


def resampled_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> DrawnCodes:
    """Draw as many documents as there are, with replacement.

    Documents and not tokens are drawn, because tokens of one document depend on each other. Features are what is
    clustered, documents what their likeness is measured on: Felsenstein 1985 resamples characters in the same way, to
    see which groups of species stay.

    Args:
        shards: which features fire on each token, in the order of the tokens; a document may lie in several.
        doc_offsets: where each document begins; the last entry is the number of tokens.
        rng: the only source of chance.

    Returns:
        The rows of the drawn documents one after another, about a shard at a time: of many documents about 63 % are
        among them, some of these more than once.
    """
    n_docs = len(doc_offsets) - 1
    drawn = np.sort(rng.integers(n_docs, size=n_docs)) if n_docs else np.zeros(0, dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(np.diff(doc_offsets)[drawn])]).astype(np.int64)
    return DrawnCodes((_copied(part, drawn) for part in _whole_documents(shards, doc_offsets)), ends)


def shuffled_within_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> DrawnCodes:
    """Deal every feature's fires out anew over the tokens of each document, whatever the other features do.

    What a document is about stays, because every feature keeps its count in every document; which features fire on the
    same token is left to chance. So is how many fire on a token: the even number of a TopK SAE goes.

    Args:
        shards: which features fire on each token, each at most once, in the order of the tokens; a document may lie in
            several.
        doc_offsets: where each document begins; the last entry is the number of tokens.
        rng: the only source of chance.

    Returns:
        As many tokens and as many entries, about a shard at a time; features ascend within a token. How the codes
        were cut into shards changes no draw.
    """
    return DrawnCodes((_dealt(part, rng) for part in _whole_documents(shards, doc_offsets)), doc_offsets)


def _whole_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"]
) -> Iterator[_Documents]:
    """Cut codes where documents end: each shard with the tokens that were left over before, less its last document
    where that goes on."""
    first = stop = 0
    left: list[FiringShard] = []
    for shard in shards:
        stop += len(shard.indptr) - 1
        left.append(shard)
        last = int(np.searchsorted(doc_offsets, stop, side="right")) - 1
        if last == first:
            continue
        indptr, features = _joined(left)
        ends = doc_offsets[first : last + 1] - doc_offsets[first]
        whole, cut = int(ends[-1]), int(indptr[ends[-1]])
        yield _Documents(first, FiringShard(indptr[: whole + 1], features[:cut]), ends)
        left = [FiringShard(indptr[whole:] - cut, features[cut:].copy())]
        first = last


def _joined(shards: list[FiringShard]) -> FiringShard:
    """Shards that follow each other as one, whose entries begin at 0."""
    parts = [features[indptr[0] : indptr[-1]] for indptr, features in shards]
    starts = np.cumsum([0, *map(len, parts)])
    ends = [indptr[1:] - indptr[0] + start for (indptr, _), start in zip(shards, starts[:-1], strict=True)]
    indptr = np.concatenate([starts[:1], *ends]).astype(np.int64)
    return FiringShard(indptr, parts[0] if len(parts) == 1 else np.concatenate(parts))


def _copied(part: _Documents, drawn: Int64[np.ndarray, "drawn"]) -> FiringShard:
    """The tokens of those documents that are drawn, again for each time."""
    indptr, features = part.shard
    low, high = np.searchsorted(drawn, [part.first, part.first + len(part.doc_offsets) - 1])
    own = drawn[low:high] - part.first
    length = np.diff(part.doc_offsets)[own]
    before = np.cumsum(length) - length
    rows = np.arange(int(length.sum()), dtype=np.int64) + np.repeat(part.doc_offsets[own] - before, length)
    copied_indptr = np.concatenate([[0], np.cumsum(np.diff(indptr)[rows])]).astype(np.int64)
    copied = np.empty(int(copied_indptr[-1]), dtype=features.dtype)
    _copy_rows(indptr, features, rows, copied_indptr, copied)
    return FiringShard(copied_indptr, copied)


def _dealt(part: _Documents, rng: np.random.Generator) -> FiringShard:
    """The same documents, each feature's fires on other tokens of theirs."""
    features, bounds = part.shard.features.copy(), part.shard.indptr[part.doc_offsets]
    for start, stop in pairwise(bounds.tolist()):
        features[start:stop].sort()  # by numpy, whose sort of whole numbers is several times faster than compiled loops
    token = np.empty(len(features), dtype=np.int64)
    chance = rng.random(len(features), dtype=np.float32)
    _deal(part.shard.indptr, features, part.doc_offsets, chance, token)
    per_token = np.bincount(token, minlength=len(part.shard.indptr) - 1)
    indptr = np.concatenate([[0], np.cumsum(per_token)]).astype(np.int64)
    dealt = np.empty_like(features)
    _by_token(token, features, indptr[:-1].copy(), dealt)
    return FiringShard(indptr, dealt)


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
    """Give every entry a token of its document, different ones for one feature; ``features`` ascend in a document."""
    taken = np.full(np.diff(doc_offsets).max() if len(doc_offsets) > 1 else 0, -1, dtype=np.int64)
    for doc in range(len(doc_offsets) - 1):
        first, length = doc_offsets[doc], doc_offsets[doc + 1] - doc_offsets[doc]
        start, stop = indptr[first], indptr[first + length]
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

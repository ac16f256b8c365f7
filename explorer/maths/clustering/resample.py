"""Resampled codes: whole documents drawn with replacement, or fires shuffled within each document."""

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Int64
from numba import njit

from explorer.maths.cofiring.counts import FiringShard


class ResampledCodes(NamedTuple):
    """Codes with their documents."""

    shards: Iterator[FiringShard]
    """Features that fire on each token, in token order; an iterator, so it can be read once."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """First token of each document; the last entry is the number of tokens."""


class _DocumentBlock(NamedTuple):
    """Consecutive whole documents."""

    first: int
    """Number of the first document."""
    shard: FiringShard
    """Their tokens; entries start at 0."""
    doc_offsets: Int64[np.ndarray, "doc_plus_1"]
    """First token of each document, from 0."""


def resampled_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> ResampledCodes:
    """Bootstrap over documents: draw as many as there are, with replacement.

    Documents are drawn rather than tokens, because the tokens of a document are dependent. Features are clustered and
    documents are the characters that similarity is measured on, as in Felsenstein's bootstrap of phylogenies (1985).

    Args:
        shards: features that fire on each token, in token order; a document may span several shards.
        doc_offsets: first token of each document; the last entry is the number of tokens.
        rng: draws the documents.

    Returns:
        The tokens of the drawn documents, about a shard at a time; of many documents about 63 % are drawn at least
        once.
    """
    n_docs = len(doc_offsets) - 1
    drawn = np.sort(rng.integers(n_docs, size=n_docs)) if n_docs else np.zeros(0, dtype=np.int64)
    ends = np.concatenate([[0], np.cumsum(np.diff(doc_offsets)[drawn])]).astype(np.int64)
    return ResampledCodes((_copy_documents(part, drawn) for part in _whole_documents(shards, doc_offsets)), ends)


def shuffled_within_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"], rng: np.random.Generator
) -> ResampledCodes:
    """Permute every feature's fires over the tokens of each document, independently of the other features.

    Every feature keeps its count in every document, so topics stay; co-firing within a document becomes random. The
    number of fires per token is not preserved: the fixed k of a TopK SAE is lost.

    Args:
        shards: features that fire on each token, each at most once, in token order; a document may span several shards.
        doc_offsets: first token of each document; the last entry is the number of tokens.
        rng: draws the permutations.

    Returns:
        As many tokens and entries, about a shard at a time; features ascend within a token. The draws do not depend on
        how the codes are split into shards.
    """
    return ResampledCodes((_shuffle_block(part, rng) for part in _whole_documents(shards, doc_offsets)), doc_offsets)


def _whole_documents(
    shards: Iterable[FiringShard], doc_offsets: Int64[np.ndarray, "doc_plus_1"]
) -> Iterator[_DocumentBlock]:
    """Re-split codes at document boundaries: each shard with the tokens left over from the previous ones, up to its
    last complete document."""
    first = stop = 0
    pending: list[FiringShard] = []
    for shard in shards:
        stop += len(shard.indptr) - 1
        pending.append(shard)
        last = int(np.searchsorted(doc_offsets, stop, side="right")) - 1
        if last == first:
            continue
        indptr, features = _concatenate(pending)
        ends = doc_offsets[first : last + 1] - doc_offsets[first]
        whole, cut = int(ends[-1]), int(indptr[ends[-1]])
        yield _DocumentBlock(first, FiringShard(indptr[: whole + 1], features[:cut]), ends)
        pending = [FiringShard(indptr[whole:] - cut, features[cut:].copy())]
        first = last


def _concatenate(shards: list[FiringShard]) -> FiringShard:
    """Consecutive shards as one, whose entries begin at 0."""
    parts = [features[indptr[0] : indptr[-1]] for indptr, features in shards]
    starts = np.cumsum([0, *map(len, parts)])
    ends = [indptr[1:] - indptr[0] + start for (indptr, _), start in zip(shards, starts[:-1], strict=True)]
    indptr = np.concatenate([starts[:1], *ends]).astype(np.int64)
    return FiringShard(indptr, parts[0] if len(parts) == 1 else np.concatenate(parts))


def _copy_documents(part: _DocumentBlock, drawn: Int64[np.ndarray, "drawn"]) -> FiringShard:
    """The tokens of the drawn documents of a block, repeated for each draw."""
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


def _shuffle_block(part: _DocumentBlock, rng: np.random.Generator) -> FiringShard:
    """The same documents with each feature's fires moved to random tokens."""
    features, bounds = part.shard.features.copy(), part.shard.indptr[part.doc_offsets]
    for start, stop in pairwise(bounds.tolist()):
        features[start:stop].sort()  # numpy sorts integers several times faster than compiled loops
    token = np.empty(len(features), dtype=np.int64)
    uniform = rng.random(len(features), dtype=np.float32)
    _assign_tokens(part.shard.indptr, features, part.doc_offsets, uniform, token)
    per_token = np.bincount(token, minlength=len(part.shard.indptr) - 1)
    indptr = np.concatenate([[0], np.cumsum(per_token)]).astype(np.int64)
    shuffled = np.empty_like(features)
    _write_by_token(token, features, indptr[:-1].copy(), shuffled)
    return FiringShard(indptr, shuffled)


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
def _assign_tokens(
    indptr: np.ndarray, features: np.ndarray, doc_offsets: np.ndarray, uniform: np.ndarray, token: np.ndarray
) -> None:
    """Assign every entry a token of its document, distinct for one feature; ``features`` ascend within a document."""
    used_by = np.full(np.diff(doc_offsets).max() if len(doc_offsets) > 1 else 0, -1, dtype=np.int64)
    for doc in range(len(doc_offsets) - 1):
        first, length = doc_offsets[doc], doc_offsets[doc + 1] - doc_offsets[doc]
        start, stop = indptr[first], indptr[first + length]
        begin = start
        while begin < stop:
            end = begin
            while end < stop and features[end] == features[begin]:
                end += 1
            # Floyd's algorithm (Bentley and Floyd 1987): a uniformly random subset of distinct positions
            for entry in range(begin, end):
                last = length - (end - entry)
                place = int(np.float64(uniform[entry]) * (last + 1))
                place = last if used_by[place] == begin else place
                used_by[place] = begin
                token[entry] = first + place
            begin = end


@njit(cache=True, nogil=True)
@no_type_check
def _write_by_token(token: np.ndarray, features: np.ndarray, place: np.ndarray, shuffled: np.ndarray) -> None:
    """Write the entries token by token in their original order; ``place`` is the next free slot of each token."""
    for entry in range(len(token)):
        shuffled[place[token[entry]]] = features[entry]
        place[token[entry]] += 1

"""Readout classes: which next tokens count as which value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from explorer.errors import RequestError
from explorer.records import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.protocol.behaviour import ReadoutValue

Tokenize = Callable[[str], Sequence[int]]
"""Text to token ids, without special tokens."""


@dataclass(frozen=True)
class Readout:
    """The classes of a behaviour; "other" is everything else."""

    names: tuple[str, ...]
    """Name of each value."""
    token_ids: tuple[tuple[int, ...], ...]
    """Tokens that count as it; a token counts for one value only."""
    coordinate: tuple[float | None, ...]
    """Intrinsic coordinate of each value, None for a class that is no value of the cluster."""
    partial: tuple[str, ...]
    """Values of which only a first token is read."""

    def probabilities(self, p: Float[np.ndarray, "row vocab"]) -> Float[np.ndarray, "row behaviour"]:
        """Sum next-token probabilities over each value's tokens; the rest is "other", last."""
        return self.behaviour(p[:, self.tokens])

    def behaviour(self, p: Float[np.ndarray, "row token"]) -> Float[np.ndarray, "row behaviour"]:
        """The same of the probabilities of ``tokens`` alone."""
        told, starts = self._begin
        sums = np.zeros((len(p), len(self.token_ids)), dtype=p.dtype)
        if len(told):
            sums[:, told] = np.add.reduceat(p, starts, axis=1)
        other = np.clip(1.0 - sums.sum(axis=1, keepdims=True), 0.0, 1.0)
        return np.asarray(np.clip(np.concatenate([sums, other], axis=1), 0.0, 1.0))

    @cached_property
    def tokens(self) -> Int64[np.ndarray, "token"]:
        """Tokens that count as some value, one value's after the other's."""
        return np.array([token for ids in self.token_ids for token in ids], dtype=np.int64)

    @cached_property
    def places(self) -> Float[np.ndarray, "value"]:
        """``coordinate`` as an array; NaN for a class that is no value of the cluster."""
        return np.array([np.nan if at is None else at for at in self.coordinate])

    @cached_property
    def _begin(self) -> tuple[Int64[np.ndarray, "told"], Int64[np.ndarray, "told"]]:
        """Values that have tokens, and where each one's begin among all."""
        told = np.array([index for index, ids in enumerate(self.token_ids) if ids], dtype=np.int64)
        starts = np.cumsum([0, *(len(self.token_ids[index]) for index in told)])[:-1]
        return told, starts.astype(np.int64)

    def nearest(self, u: float, *, closed: bool) -> int | None:
        """The value whose coordinate is nearest to u, None where no class has one."""
        known = [(_apart(u, at, closed), index) for index, at in enumerate(self.coordinate) if at is not None]
        return min(known)[1] if known else None

    def index(self, name: str) -> int | None:
        """Number of the class with that name, None where there is none."""
        return self.names.index(name) if name in self.names else None


def cluster_readout(summary: ClusterSummary, geometry: ClusterGeometry, tokenize: Tokenize) -> Readout:
    """The cluster's own values: the tokens that the run saw, and their spellings with and without a space before."""
    seen = geometry.context_ids[:, CONTEXT_BEFORE + summary.value_offset]
    classes = []
    for index, name in enumerate(summary.order):
        own = np.unique(seen[geometry.value == index])
        spelled = [ids[0] for ids in map(tokenize, spellings(name)) if len(ids) == 1]
        tokens = [*own[own >= 0].tolist(), *spelled]
        classes.append((name, tokens, [] if tokens else _first_tokens(spellings(name), tokenize)))
    return _readout(classes, {name: float(geometry.value_coordinate[k]) for k, name in enumerate(summary.order)})


def custom_readout(values: Sequence[ReadoutValue], own: Readout, tokenize: Tokenize) -> Readout:
    """Classes as a request spells them; a class with the name of a cluster's value stands at its place.

    Raises:
        RequestError: two classes of one name, or a class without a token of its own.
    """
    names = [value.name for value in values]
    if len(set(names)) < len(names):
        raise RequestError("values", "two classes of one name", "each name once")
    classes = []
    for value in values:
        whole = [ids[0] for ids in map(tokenize, value.spellings) if len(ids) == 1]
        classes.append((value.name, whole, [] if whole else _first_tokens(value.spellings, tokenize)))
    known = {name.strip(): at for name, at in zip(own.names, own.coordinate, strict=True) if at is not None}
    places = {name: known[name.strip()] for name in names if name.strip() in known}
    readout = _readout(classes, places)
    empty = [name for name, ids in zip(readout.names, readout.token_ids, strict=True) if not ids]
    if empty:
        raise RequestError("values", f"no token of its own for {empty[0]!r}", "spellings that differ between classes")
    return readout


def spellings(name: str) -> tuple[str, ...]:
    """A value as it may stand in running text: as it is, without and with a space before."""
    bare = name.strip()
    return tuple(dict.fromkeys((name, bare, f" {bare}"))) if bare else (name,)


def _first_tokens(texts: Iterable[str], tokenize: Tokenize) -> list[int]:
    return [ids[0] for ids in map(tokenize, texts) if len(ids)]


def _readout(classes: Sequence[tuple[str, list[int], list[int]]], places: dict[str, float]) -> Readout:
    """Give each token to the first class that claims it whole, then to the first that begins with it."""
    taken: set[int] = set()
    token_ids: list[tuple[int, ...]] = []
    for _, whole, first in classes:
        mine = tuple(token for token in dict.fromkeys(whole or first) if token not in taken)
        taken.update(mine)
        token_ids.append(mine)
    names = tuple(name for name, _, _ in classes)
    partial = tuple(name for name, whole, _ in classes if not whole)
    return Readout(names, tuple(token_ids), tuple(places.get(name) for name in names), partial)


def _apart(first: float, second: float, closed: bool) -> float:
    away = abs(first - second)
    return min(away % 1.0, -away % 1.0) if closed else away

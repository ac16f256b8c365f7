"""The readout: classes of next tokens, one for each value."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float, Int64

from explorer.errors import RequestError
from explorer.records.cluster import CONTEXT_BEFORE, ClusterGeometry, ClusterSummary
from explorer.steering.protocol.behaviour import ReadoutValue

Tokenize = Callable[[str], Sequence[int]]
"""Text to token ids, without special tokens."""


@dataclass(frozen=True)
class Readout:
    """The classes of a behaviour distribution; "other" is everything else."""

    names: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    """Tokens of each class; a token belongs to one class only."""
    coordinate: tuple[float | None, ...]
    """Intrinsic coordinate of each class; None where it is not a value of the cluster."""
    partial: tuple[str, ...]
    """Classes that are represented by the first token of a longer word."""

    def probabilities(self, p: Float[np.ndarray, "row vocab"]) -> Float[np.ndarray, "row behaviour"]:
        """Class probabilities from the whole next-token distribution; "other" is last."""
        return self.behaviour(p[:, self.tokens])

    def behaviour(self, p: Float[np.ndarray, "row token"]) -> Float[np.ndarray, "row behaviour"]:
        """Class probabilities from the probabilities of ``tokens`` alone; "other" is last."""
        filled, starts = self._starts
        sums = np.zeros((len(p), len(self.token_ids)), dtype=p.dtype)
        if len(filled):
            sums[:, filled] = np.add.reduceat(p, starts, axis=1)
        other = np.clip(1.0 - sums.sum(axis=1, keepdims=True), 0.0, 1.0)
        return np.asarray(np.clip(np.concatenate([sums, other], axis=1), 0.0, 1.0))

    @cached_property
    def tokens(self) -> Int64[np.ndarray, "token"]:
        """Tokens of all classes, class by class."""
        return np.array([token for ids in self.token_ids for token in ids], dtype=np.int64)

    @cached_property
    def places(self) -> Float[np.ndarray, "value"]:
        """``coordinate`` as an array; NaN for None."""
        return np.array([np.nan if at is None else at for at in self.coordinate])

    @cached_property
    def _starts(self) -> tuple[Int64[np.ndarray, "filled"], Int64[np.ndarray, "filled"]]:
        """Classes that have tokens, and the position of each one's first token in ``tokens``."""
        filled = np.array([index for index, ids in enumerate(self.token_ids) if ids], dtype=np.int64)
        starts = np.cumsum([0, *(len(self.token_ids[index]) for index in filled)])[:-1]
        return filled, starts.astype(np.int64)

    def nearest(self, u: float, *, closed: bool) -> int | None:
        """The class whose coordinate is nearest to u; None where no class has one."""
        known = [
            (_circular_distance(u, at, closed), index) for index, at in enumerate(self.coordinate) if at is not None
        ]
        return min(known)[1] if known else None

    def index(self, name: str) -> int | None:
        """Number of a class by its name; None where there is none."""
        return self.names.index(name) if name in self.names else None


def cluster_readout(summary: ClusterSummary, geometry: ClusterGeometry, tokenize: Tokenize) -> Readout:
    """A cluster's own values: the tokens in the run's sample, and the names with and without a leading space."""
    seen = geometry.context_ids[:, CONTEXT_BEFORE + summary.value_offset]
    classes = []
    for index, name in enumerate(summary.order):
        own = np.unique(seen[geometry.value == index])
        spelled = [ids[0] for ids in map(tokenize, spellings(name)) if len(ids) == 1]
        tokens = [*own[own >= 0].tolist(), *spelled]
        classes.append((name, tokens, [] if tokens else _first_tokens(spellings(name), tokenize)))
    return _readout(classes, {name: float(geometry.value_coordinate[k]) for k, name in enumerate(summary.order)})


def custom_readout(values: Sequence[ReadoutValue], own: Readout, tokenize: Tokenize) -> Readout:
    """Classes from a request; one with the name of a cluster's value has its coordinate.

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
    """How a value may be written in running text: as it is, without and with a leading space."""
    bare = name.strip()
    return tuple(dict.fromkeys((name, bare, f" {bare}"))) if bare else (name,)


def _first_tokens(texts: Iterable[str], tokenize: Tokenize) -> list[int]:
    return [ids[0] for ids in map(tokenize, texts) if len(ids)]


def _readout(classes: Sequence[tuple[str, list[int], list[int]]], places: dict[str, float]) -> Readout:
    """Assign each token to the first class that claims it."""
    taken: set[int] = set()
    token_ids: list[tuple[int, ...]] = []
    for _, whole, first in classes:
        mine = tuple(token for token in dict.fromkeys(whole or first) if token not in taken)
        taken.update(mine)
        token_ids.append(mine)
    names = tuple(name for name, _, _ in classes)
    partial = tuple(name for name, whole, _ in classes if not whole)
    return Readout(names, tuple(token_ids), tuple(places.get(name) for name in names), partial)


def _circular_distance(first: float, second: float, closed: bool) -> float:
    away = abs(first - second)
    return min(away % 1.0, -away % 1.0) if closed else away

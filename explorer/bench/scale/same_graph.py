"""Equality of two neighbour graphs up to ties."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from explorer.records.clustering import NeighbourGraph

TIE: Final = 1e-6
"""Scores closer than this count as equal: they are stored in single precision."""


@dataclass(frozen=True)
class GraphMatch:
    """How two graphs over the same features differ."""

    score_gap: float
    """Largest absolute difference between scores at the same position of a row."""
    strangers: int
    """Neighbours found in one graph only whose score is not tied with the last of their row."""

    @property
    def same(self) -> bool:
        """Whether the graphs are equal up to ties."""
        return self.score_gap <= TIE and not self.strangers


def match_graphs(one: NeighbourGraph, other: NeighbourGraph) -> GraphMatch:
    """Compare two graphs of the same shape.

    A full row may be cut off within a tie; the scores do not determine which of the tied neighbours it lists.
    """
    gap = float(np.abs(one.score - other.score).max(initial=0.0))
    return GraphMatch(gap, _strangers(one, other) + _strangers(other, one))


def _strangers(one: NeighbourGraph, other: NeighbourGraph) -> int:
    count = 0
    for mine, score, theirs in zip(one.neighbour, one.score, other.neighbour, strict=True):
        if (mine == theirs).all():
            continue
        untied = score > score[-1] + TIE if mine[-1] >= 0 else mine >= 0
        count += int((untied & ~np.isin(mine, theirs)).sum())
    return count

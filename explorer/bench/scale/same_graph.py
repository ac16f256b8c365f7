"""Whether two ways to count give the same graph, ties aside."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from explorer.records.clustering import NeighbourGraph

TIE: Final = 1e-6
"""Scores that lie nearer than this are equal: they are kept in single precision."""


@dataclass(frozen=True)
class GraphMatch:
    """How two graphs over the same features differ."""

    score_gap: float
    """Largest difference of two scores at the same place of the same row."""
    strangers: int
    """Partners that one graph names and the other does not, though their score is not that of the row's last."""

    @property
    def same(self) -> bool:
        """Whether they are equal, ties aside."""
        return self.score_gap <= TIE and not self.strangers


def match_graphs(one: NeighbourGraph, other: NeighbourGraph) -> GraphMatch:
    """Hold two graphs of the same shape against each other.

    A row that is full may end within a tie; which of the tied partners it names is not told by any score.
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

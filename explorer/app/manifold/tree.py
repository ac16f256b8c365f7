"""A cluster's branch of HDBSCAN's condensed tree as an icicle plot: one row per feature, as long as it stays.

A pure function of the run's tables. A group of features is a block of rows; where it splits, bars end or continue in
smaller blocks. The area of a cluster's bars from its birth on is its persistence in HDBSCAN.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Int64

from explorer.app.figures.colors import cluster_turns
from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, number
from explorer.app.ui.parts import Node, attributes, details, table
from explorer.palette import cyclic_rgb, hex_colors
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import CondensedTree, FeatureTable

AROUND = 28
"""The branch starts at the largest enclosing group of at most this many features, to show the surroundings."""
MOST_ROWS = 120
"""Rows drawn."""
WIDEN = 1.05
"""Smallest ratio of the densities at the end and the start of the axis."""
MOST_TICKS = 5
"""Ticks of the density axis,"""
LAST_TICK = 0.95
"""and the last position of one as a share of the width: the title of the next column starts there."""


@dataclass(frozen=True)
class Bar:
    """Row of one feature."""

    feature: int
    cluster: int
    """Cluster whose core contains it; negative for none."""
    inside: bool
    """Whether it is in the core of the page's cluster."""
    joins: float
    """Where it enters the page's cluster, as a share of the width; 1 if it never does."""
    leaves: float
    """Where it leaves its last group, as a share of the width; 1 if that is beyond the axis."""
    beyond: bool
    """Whether it leaves beyond the end of the axis."""
    density: float
    """Density at which it leaves."""
    strength: float
    """HDBSCAN membership strength, 0 for none."""
    begins: bool
    """Whether a new group starts with this row."""


@dataclass(frozen=True)
class TreeView:
    """Data of the panel."""

    bars: tuple[Bar, ...]
    """Features of the cluster first, group by group."""
    n_features: int
    """Features of the branch, including those not drawn."""
    color: str
    """Colour of the cluster on the map."""
    ticks: tuple[tuple[str, float], ...]
    """Densities and their positions as shares of the width."""
    left: int
    """Features of the parent group; 0 if the cluster is the whole tree."""
    begin: float
    """Density at which the cluster splits from its parent."""
    end: float
    """Density at which its last features separate."""


@dataclass(frozen=True)
class _Groups:
    """Navigation of a condensed tree."""

    tree: CondensedTree

    @cached_property
    def root(self) -> int:
        return int(self.tree.parent.min())

    @cached_property
    def row_of(self) -> Int64[np.ndarray, "node"]:
        """Row in which each feature or group leaves its parent; -1 for the root and for nodes outside the tree."""
        rows = np.full(int(max(self.tree.child.max(), self.tree.parent.max())) + 1, -1, dtype=np.int64)
        rows[self.tree.child] = np.arange(len(self.tree.child))
        return rows

    @cached_property
    def _rows_of(self) -> dict[int, list[int]]:
        return {}

    def rows_of(self, group: int) -> list[int]:
        """Rows in which a child leaves a group; computed on demand, since a tree has many groups."""
        if group not in self._rows_of:
            self._rows_of[group] = np.flatnonzero(self.tree.parent == group).tolist()
        return self._rows_of[group]

    def is_group(self, child: int) -> bool:
        """Whether a child is a group: group ids start at the root."""
        return child >= self.root

    def parent(self, child: int) -> int:
        return int(self.tree.parent[self.row_of[child]])

    def size(self, group: int) -> int:
        return int(self.tree.size[self.rows_of(group)].sum())

    def begin(self, group: int) -> float:
        """Density at which a group is born."""
        row = int(self.row_of[group])
        return float(self.tree.density.min() if row < 0 else self.tree.density[row])

    def above(self, child: int) -> list[int]:
        """Groups that contain a feature or group, innermost first."""
        groups = []
        while child != self.root:
            child = self.parent(child)
            groups.append(child)
        return groups


def tree_view(summary: ClusterSummary, tree: CondensedTree, table: FeatureTable) -> TreeView:
    """Extract a cluster's branch from the condensed tree of its run.

    Args:
        summary: the cluster.
        tree: HDBSCAN's condensed tree over all scored features.
        table: cluster and membership strength of every feature.
    """
    groups = _Groups(tree)
    own = _smallest_group(groups, summary.features)
    top = own
    while top != groups.root and groups.size(groups.parent(top)) <= AROUND:
        top = groups.parent(top)
    members = set(summary.features)
    rows = list(_in_order(groups, top, set(groups.above(own)) | {own}))
    end = float(max(tree.density[row] for row, _ in rows if int(tree.child[row]) in members))
    scale = _Scale(groups.begin(top), max(end, groups.begin(top) * WIDEN))
    bars = tuple(_bar(groups, row, begins, own, members, table, scale) for row, begins in rows[:MOST_ROWS])
    (color,) = hex_colors(cyclic_rgb(cluster_turns(np.array([summary.id], dtype=np.float64))))
    left = 0 if own == groups.root else groups.size(groups.parent(own))
    return TreeView(bars, len(rows), color, scale.ticks(), left, groups.begin(own), end)


@dataclass(frozen=True)
class _Scale:
    """The density axis: from the birth of the branch to the separation of the cluster's last features."""

    low: float
    high: float

    def share(self, density: float) -> float:
        return round((density - self.low) / (self.high - self.low), 4)

    def ticks(self) -> tuple[tuple[str, float], ...]:
        """A few round densities with their positions as shares of the width."""
        span = self.high - self.low
        steps = (factor * 10.0**power for power in range(-6, 4) for factor in (1, 2, 5))
        step = next(step for step in steps if span / step <= MOST_TICKS)
        at = np.arange(np.ceil(self.low / step), np.floor(self.high / step) + 1) * step
        ticks = ((f"{density:.6g}", self.share(float(density))) for density in at)
        return tuple((text, share) for text, share in ticks if share <= LAST_TICK)


def _smallest_group(groups: _Groups, features: Sequence[int]) -> int:
    """The smallest group that contains all given features."""
    shared = groups.above(features[0])
    for feature in features[1:]:
        others = set(groups.above(feature))
        shared = [group for group in shared if group in others]
    return shared[0]


def _in_order(groups: _Groups, top: int, way: set[int]) -> Iterator[tuple[int, bool]]:
    """Rows of the features below a group, each with whether a block starts there.

    Inner groups come first, those that contain the cluster before others, then features by decreasing density.
    Iterative because groups can be nested as deep as there are features.
    """
    waiting = _parts(groups, top, way)
    while waiting:
        row, begins = waiting.pop()
        child = int(groups.tree.child[row])
        if groups.is_group(child):
            waiting += _parts(groups, child, way)
        else:
            yield row, begins


def _parts(groups: _Groups, group: int, way: set[int]) -> list[tuple[int, bool]]:
    """Rows in which a child leaves a group, in reverse drawing order, each with whether a block starts there."""
    tree, rows = groups.tree, groups.rows_of(group)
    inner = [row for row in rows if groups.is_group(int(tree.child[row]))]
    leavers = [row for row in rows if not groups.is_group(int(tree.child[row]))]
    inner.sort(key=lambda row: (int(tree.child[row]) not in way, -int(tree.size[row]), row))
    leavers.sort(key=lambda row: (-float(tree.density[row]), int(tree.child[row])))
    parts = [*((row, False) for row in inner), *((row, place == 0) for place, row in enumerate(leavers))]
    return parts[::-1]


def _bar(
    groups: _Groups, row: int, begins: bool, own: int, members: set[int], table: FeatureTable, scale: _Scale
) -> Bar:
    tree = groups.tree
    feature, density = int(tree.child[row]), float(tree.density[row])
    inside = feature in members
    return Bar(
        feature=feature,
        cluster=int(table.cluster[feature]),
        inside=inside,
        joins=scale.share(groups.begin(own)) if inside else 1.0,
        leaves=min(scale.share(density), 1.0),
        beyond=density > scale.high,
        density=density,
        strength=float(table.membership[feature]),
        begins=begins,
    )


NARROWEST = 0.004
"""Smallest width of a bar, so that a feature that leaves where it joins is visible."""


def tree_block(view: TreeView) -> Element:
    """The figure with its caption and a table."""
    drawn, total = len(view.bars), view.n_features
    shown = "" if drawn == total else f" Showing {count(drawn)} of {count(total)} features."
    further = " A fading bar continues beyond the axis." if any(bar.beyond for bar in view.bars) else ""
    note = (
        f"{_caption(view)} A bar ends where its feature leaves; density is 1 / (1 − similarity). "
        f"Coloured: this cluster. Grey: neighbouring features, lighter if they are in no cluster.{further}{shown}"
    )
    rows = [
        (str(bar.feature), _place(bar), number(bar.density), number(bar.strength) if bar.cluster >= 0 else "–")
        for bar in view.bars
    ]
    figure = html.Div(
        [_icicle(view), _axis(view)], className="tree", role="figure", **attributes(aria_label=_caption(view))
    )
    return html.Div(
        [
            html.H3("Branch of the condensed tree"),
            figure,
            html.P(note, className="muted small"),
            details("as a table", [table(("feature", "belongs to", "leaves at density", "strength"), rows)], "small"),
        ]
    )


def _caption(view: TreeView) -> str:
    begin, end = number(view.begin), number(view.end)
    origin = f"splits from a group of {count(view.left)} features" if view.left else "starts with all features"
    return f"The cluster {origin} at density {begin}; its last features separate at {end}."


def _place(bar: Bar) -> str:
    return "this cluster" if bar.inside else f"cluster {bar.cluster}" if bar.cluster >= 0 else "no cluster"


def _icicle(view: TreeView) -> Element:
    rows = [_row(bar, place > 0 and bar.begins) for place, bar in enumerate(view.bars)]
    return html.Div(rows, className="tree-rows", style={"--cluster": view.color}, tabIndex="0")


def _row(bar: Bar, gap: bool) -> Element:
    before = bar.joins if bar.inside else bar.leaves
    bars: list[Node] = [html.I(className="tree-before", style={"width": _percent(before)})]
    if bar.inside:
        style = {"left": _percent(bar.joins), "width": _percent(max(bar.leaves - bar.joins, NARROWEST))}
        bars.append(html.I(className="tree-inside", style=style))
    strength = html.Span(html.I(style={"width": _percent(bar.strength)}), className="tree-strength")
    kind = "inside" if bar.inside else "beside" if bar.cluster >= 0 else "alone"
    leaves = f"leaves at density {number(bar.density)}, strength {number(bar.strength)}"
    return html.Div(
        [html.Span(str(bar.feature), className="tree-name"), html.Span(bars, className="tree-bar"), strength],
        className=f"tree-row {kind}{' begins' if gap else ''}{' beyond' if bar.beyond else ''}",
        title=f"Feature {bar.feature}, {_place(bar)}: {leaves}",
    )


def _axis(view: TreeView) -> Element:
    ticks = [html.Span(text, className="tree-tick", style={"left": _percent(at)}) for text, at in view.ticks]
    parts = [
        html.Span("density", className="tree-name"),
        html.Span(ticks, className="tree-scale"),
        html.Span("strength"),
    ]
    return html.Div(parts, className="tree-axis muted", **attributes(aria_hidden="true"))


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"

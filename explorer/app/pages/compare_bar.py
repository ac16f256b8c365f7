"""The line above a comparison: which run and which cluster stand on either side, and the way to both runs' matches."""

from collections.abc import Sequence

from explorer.app import ids
from explorer.app.compared import Side
from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.links import Links
from explorer.app.pages.parts import labelled, select
from explorer.records import ClusterSummary
from explorer.runs.run import Run

WHOLE = "all"
"""Stands for no single cluster."""


def side_of(run: str, cluster: int | None) -> str:
    """A side as a link names it."""
    return run if cluster is None else f"{run}/{cluster}"


def compare_bar(runs: Sequence[Run], left: Side, right: Side, links: Links) -> Element:
    """The line of choices."""
    sides = (
        ("Left", left, ids.COMPARE_LEFT_RUN, ids.COMPARE_LEFT_CLUSTER),
        ("Right", right, ids.COMPARE_RIGHT_RUN, ids.COMPARE_RIGHT_CLUSTER),
    )
    swapped = links.compare(side_of(right.run.id, right.cluster), side_of(left.run.id, left.cluster))
    swap = dcc.Link("⇄", href=swapped, className="button icon", title="Swap the sides")
    first, second = (_choice(runs, *side) for side in sides)
    parts = [first, swap, second]
    if left.cluster is not None and left.run.id != right.run.id:
        parts.append(
            dcc.Link("All matches of these runs", href=links.compare(left.run.id, right.run.id), className="button")
        )
    return html.Div(parts, className="compare-bar panel")


def _choice(runs: Sequence[Run], name: str, side: Side, run_id: str, cluster_id: str) -> Element:
    titles = [{"label": run.manifest.title, "value": run.id} for run in runs]
    clusters = [{"label": _named(one), "value": str(one.id)} for one in side.run.manifest.clusters]
    chosen = WHOLE if side.cluster is None else str(side.cluster)
    return html.Div(
        [
            labelled(f"{name}: run", select(run_id, titles, side.run.id)),
            labelled("cluster", select(cluster_id, [{"label": "all clusters", "value": WHOLE}, *clusters], chosen)),
        ],
        className="compare-choice",
    )


def _named(one: ClusterSummary) -> str:
    return f"{one.id} · {one.label}"

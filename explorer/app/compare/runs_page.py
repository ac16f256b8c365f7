"""The page that compares two runs: matched clusters with their similarity, and clusters without a match."""

from collections.abc import Sequence

from explorer.app.compare.compared_clusters import Side
from explorer.app.compare.parts import compare_bar
from explorer.app.site.cluster_filters import likeness as manifold_likeness
from explorer.app.ui import dcc, html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted
from explorer.app.ui.page import Crumb, Page, share_view_button
from explorer.app.ui.parts import Node, attributes, table
from explorer.app.view import ids
from explorer.app.view.links import Links, side_of
from explorer.records.cluster import CURVES, ClusterSummary
from explorer.runs.compare.matching import RunComparison, RunMatch
from explorer.runs.run.reader import Run

HEAD = ("left", "right", "similarity", "background", "shared values", "shape")
"""Columns of the table of matches; before each of the first two is a portrait, copied as the cluster's id."""
ONE_RUN = "Both sides are the same run, so every cluster matches itself. Choose another run, or two of its clusters."
"""Notice above a comparison of a run with itself."""


def runs_page(left: Run, right: Run, found: RunComparison, runs: Sequence[Run], links: Links) -> Page:
    """The page of two runs.

    Args:
        left: first run.
        right: second run.
        found: matches between their clusters.
        runs: runs to choose from.
        links: addresses.
    """
    one_run = [html.P(ONE_RUN, className="notice")] if left.id == right.id else []
    body: list[Node] = [
        dcc.Store(id=ids.COMPARE_STORE, data={"a": left.id, "b": right.id, "sides": []}),
        html.Div(id=ids.COMPARE_CLOUDS, hidden=True),
        compare_bar(runs, Side(left, None), Side(right, None), links),
        *one_run,
        *_sections(left, right, found, links),
    ]
    title = f"{left.manifest.title} and {right.manifest.title} · Compare"
    return Page(title, body, (Crumb("Runs", links.gallery()), Crumb("Compare")), [share_view_button(False)])


def _sections(left: Run, right: Run, found: RunComparison, links: Links) -> list[Node]:
    alone = [_alone("left", left, found.only_left, links), _alone("right", right, found.only_right, links)]
    return [
        html.Div([html.P(line) for line in match_sentences(left, right, found)], className="compare-told panel"),
        card(
            "matches",
            html.H2("Matched clusters"),
            [_matches(left, right, found, links)],
            class_name="panel padded compare-matches",
        ),
        html.Div(alone, className="compare-alone"),
    ]


def match_sentences(left: Run, right: Run, found: RunComparison) -> list[str]:
    """Summary of the matches in sentences."""
    mine, theirs = len(left.manifest.clusters), len(right.manifest.clusters)
    n = len(found.matches)
    curves = sum(one.shape in CURVES for one in left.manifest.clusters)
    both = ((left.summary(match.left), right.summary(match.right)) for match in found.matches)
    still = sum(one.shape in CURVES and other.shape in CURVES for one, other in both)
    return [
        f"{counted(n, 'cluster')} of {left.manifest.title} ({count(mine)} in all) "
        f"{'has' if n == 1 else 'have'} a match in {right.manifest.title} ({count(theirs)}); "
        f"{count(len(found.only_left))} on the left and {count(len(found.only_right))} on the right have none.",
        f"Of {counted(curves, 'curve')} on the left, {count(still)} matched a curve on the right.",
        f"Matched by {found.by}: a match is mutual best and exceeds the background similarity, {found.beyond}.",
    ]


def _matches(left: Run, right: Run, found: RunComparison, links: Links) -> Element:
    if not found.matches:
        return html.P("No pair of clusters exceeds the background similarity.", className="muted")
    ordered = sorted(found.matches, key=lambda match: -_worth(left, right, match))
    rows = [_row(left, right, match, links) for match in ordered]
    portraits = [html.Th(**attributes(data_value=f"{side} cluster")) for side in HEAD[:2]]
    names = [html.Th(text, scope="col") for text in HEAD]
    head = html.Thead(html.Tr([portraits[0], names[0], portraits[1], *names[1:]]))
    return html.Div(html.Table([head, html.Tbody(rows)], className="small"), className="scroll-x", tabIndex="0")


def _worth(left: Run, right: Run, match: RunMatch) -> float:
    """Sort key: curves first, by the larger manifold-likeness, then by similarity."""
    shown = max(manifold_likeness(left.summary(match.left)), manifold_likeness(right.summary(match.right)))
    return shown + 1e-3 * match.similarity.overall


def _row(left: Run, right: Run, match: RunMatch, links: Links) -> Element:
    mine, theirs = left.summary(match.left), right.summary(match.right)
    href = links.compare(side_of(left.id, match.left), side_of(right.id, match.right))
    cells: list[Node] = [
        dcc.Link(mine.label, href=href),
        dcc.Link(theirs.label, href=href),
        f"{match.similarity.overall:.2f}",
        f"{match.background:.2f}",
        _shared_values(mine, theirs),
        mine.shape if mine.shape == theirs.shape else f"{mine.shape} → {theirs.shape}",
    ]
    first, second, *rest = (html.Td(cell) for cell in cells)
    return html.Tr([_portrait(left, mine, links), first, _portrait(right, theirs, links), second, *rest])


def _shared_values(mine: ClusterSummary, theirs: ClusterSummary) -> str:
    first, second = ({value.strip() for value in one.order} for one in (mine, theirs))
    if not first and not second:
        return "none named"
    lost, gained = len(first - second), len(second - first)
    changed = [f"{count(lost)} lost"] * bool(lost) + [f"{count(gained)} gained"] * bool(gained)
    return ", ".join([count(len(first & second)), *changed])


def _portrait(run: Run, one: ClusterSummary, links: Links) -> Element:
    picture = html.Img(src=links.thumbnail(run.id, one.id), alt="", width=64, height=48)
    return html.Td(picture, **attributes(data_value=str(one.id)))


def _alone(side: str, run: Run, clusters: tuple[int, ...], links: Links) -> Element:
    ones = sorted((run.summary(cluster) for cluster in clusters), key=lambda one: (-manifold_likeness(one), one.id))
    rows: list[list[Node | list[Node]]] = [
        [str(one.id), dcc.Link(one.label, href=links.cluster(run.id, one.id)), one.shape] for one in ones
    ]
    heading = f"{counted(len(ones), 'cluster')} of {run.manifest.title} without a match"
    body = [table(("cluster", "name", "shape"), rows)] if rows else []
    return card(f"only-{side}", html.H2(heading), body, class_name="panel padded")

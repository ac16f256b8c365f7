"""Two runs side by side: which clusters match, how alike they are, what changed, and which have no match."""

from collections.abc import Sequence

from explorer.app import ids
from explorer.app.choose import likeness as manifold_likeness
from explorer.app.compared import Side
from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.links import Links
from explorer.app.pages.compare_bar import compare_bar, side_of
from explorer.app.pages.page import Crumb, Page
from explorer.app.pages.parts import Node, details
from explorer.app.pages.share_button import share_view_button
from explorer.app.words import count, counted
from explorer.records import CURVES, ClusterSummary
from explorer.runs.compare import RunComparison, RunMatch
from explorer.runs.run import Run

HEAD = ("", "left", "", "right", "alike", "background", "values kept", "shape")
"""Columns of the table of matches."""
ONE_RUN = "This is one run beside itself, so every cluster finds itself. Choose another run, or two of its clusters."
"""Said above the matches of a run with itself."""


def runs_page(left: Run, right: Run, found: RunComparison, runs: Sequence[Run], links: Links) -> Page:
    """The page of two runs.

    Args:
        left: the one.
        right: the other.
        found: their clusters, matched.
        runs: what can be chosen.
        links: addresses.
    """
    one_run = [html.P(ONE_RUN, className="notice")] if left.id == right.id else []
    body: list[Node] = [
        dcc.Store(id=ids.COMPARE_STORE, data={"a": left.id, "b": right.id, "sides": []}),
        html.Div(id=ids.COMPARE_CLOUDS, hidden=True),
        compare_bar(runs, Side(left, None), Side(right, None), links),
        *one_run,
        *_told(left, right, found, links),
    ]
    title = f"{left.manifest.title} and {right.manifest.title} · Compare"
    return Page(title, body, (Crumb("Runs", links.gallery()), Crumb("Compare")), [share_view_button(False)])


def _told(left: Run, right: Run, found: RunComparison, links: Links) -> list[Node]:
    alone = [_alone(left, found.only_left, links), _alone(right, found.only_right, links)]
    return [
        html.Div([html.P(line) for line in runs_words(left, right, found)], className="compare-told panel"),
        html.Section(
            [html.H2("Matched clusters"), _matches(left, right, found, links)], className="panel compare-matches"
        ),
        html.Div(alone, className="compare-alone"),
    ]


def runs_words(left: Run, right: Run, found: RunComparison) -> list[str]:
    """What the table shows, in sentences."""
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
        f"Matched by {found.by}: each is the other's most alike, and they are more alike than their background, "
        f"{found.beyond}.",
    ]


def _matches(left: Run, right: Run, found: RunComparison, links: Links) -> Element:
    if not found.matches:
        return html.P("No two clusters are more alike than their background.", className="muted")
    ordered = sorted(found.matches, key=lambda match: -_worth(left, right, match))
    rows = [_row(left, right, match, links) for match in ordered]
    head = html.Thead(html.Tr([html.Th(text, scope="col") for text in HEAD]))
    return html.Div(html.Table([head, html.Tbody(rows)], className="small"), className="scroll-x", tabIndex="0")


def _worth(left: Run, right: Run, match: RunMatch) -> float:
    """Curves come first: how much either is like a manifold, then how alike they are."""
    shown = max(manifold_likeness(left.summary(match.left)), manifold_likeness(right.summary(match.right)))
    return shown + 1e-3 * match.likeness.similarity


def _row(left: Run, right: Run, match: RunMatch, links: Links) -> Element:
    mine, theirs = left.summary(match.left), right.summary(match.right)
    href = links.compare(side_of(left.id, match.left), side_of(right.id, match.right))
    cells: list[Node] = [
        _portrait(left, mine, links),
        dcc.Link(mine.label, href=href),
        _portrait(right, theirs, links),
        dcc.Link(theirs.label, href=href),
        f"{match.likeness.similarity:.2f}",
        f"{match.background:.2f}",
        _kept(mine, theirs),
        mine.shape if mine.shape == theirs.shape else f"{mine.shape} → {theirs.shape}",
    ]
    return html.Tr([html.Td(cell) for cell in cells])


def _kept(mine: ClusterSummary, theirs: ClusterSummary) -> str:
    first, second = ({value.strip() for value in one.order} for one in (mine, theirs))
    if not first and not second:
        return "none named"
    lost, gained = len(first - second), len(second - first)
    changed = [f"{count(lost)} lost"] * bool(lost) + [f"{count(gained)} gained"] * bool(gained)
    return ", ".join([count(len(first & second)), *changed])


def _portrait(run: Run, one: ClusterSummary, links: Links) -> Element:
    return html.Img(src=links.thumbnail(run.id, one.id), alt="", width=64, height=48)


def _alone(run: Run, clusters: tuple[int, ...], links: Links) -> Element:
    ones = sorted((run.summary(cluster) for cluster in clusters), key=lambda one: (-manifold_likeness(one), one.id))
    rows = [html.Li([dcc.Link(one.label, href=links.cluster(run.id, one.id)), f" · {one.shape}"]) for one in ones]
    told = f"{counted(len(ones), 'cluster')} of {run.manifest.title} without a match"
    return html.Section(details(told, [html.Ul(rows, className="compare-list")]), className="panel")

"""Two clusters side by side: one camera, one set of colours, what each is, and what changed."""

from collections.abc import Sequence
from dataclasses import replace

from explorer.app import ids
from explorer.app.compared import Side
from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import strips_data, strips_table
from explorer.app.links import Links
from explorer.app.pages.cloud import curve_data
from explorer.app.pages.compare_bar import compare_bar, side_of
from explorer.app.pages.compare_words import drawn_words, pair_words
from explorer.app.pages.manifold import OpenCluster
from explorer.app.pages.numbers import SCORES
from explorer.app.pages.page import Crumb, Page
from explorer.app.pages.parts import Node, attributes, details, late_table, table
from explorer.app.pages.share_button import share_view_button
from explorer.app.state import View
from explorer.app.words import count, counted, percent, sentence
from explorer.records import ClusterGeometry, ClusterSummary
from explorer.runs.compare import Match, PairComparison, aligned
from explorer.runs.compare_tables import CHANGING, facts
from explorer.runs.run import Run

MOST_VALUES = 120
"""Values of one kind that are listed; more are counted."""
SIDES = (("left", ids.COMPARE_CLOUD_LEFT), ("right", ids.COMPARE_CLOUD_RIGHT))
"""Name and drawing of each side."""


def pair_page(
    left: OpenCluster,
    right: OpenCluster,
    found: PairComparison,
    others: Sequence[Match],
    runs: Sequence[Run],
    links: Links,
    view: View,
) -> Page:
    """The page of two clusters.

    Args:
        left: the one.
        right: the other.
        found: what they have in common.
        others: the clusters of the right run that are most like the left one.
        runs: what can be chosen.
        links: addresses.
        view: what the link asks for.
    """
    turned = replace(right, geometry=_turned(right, found))
    bar = compare_bar(runs, Side(left.run, left.summary.id), Side(right.run, right.summary.id), links)
    both = [_side(one, links, *side) for one, side in zip((left, turned), SIDES, strict=True)]
    body: list[Node] = [
        dcc.Store(id=ids.COMPARE_STORE, data=compare_data(left, turned, view)),
        bar,
        html.Div(
            [html.P(told) for told in pair_words(found, left.summary, right.summary)], className="compare-told panel"
        ),
        html.Div(both, id=ids.COMPARE_CLOUDS, className="compare-sides"),
        html.P(drawn_words(found, left.summary, right.summary), className="muted small compare-drawn"),
        html.Div(
            [_changes(left, right), _values(found), _others(left, right, others, links)], className="compare-below"
        ),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb("Compare"))
    title = f"{left.summary.label} and {right.summary.label} · Compare"
    return Page(title, body, crumbs, [share_view_button(False)])


def compare_data(left: OpenCluster, right: OpenCluster, view: View) -> dict[str, object]:
    """What the page's scripts need of each side."""
    return {
        "a": side_of(left.run.id, left.summary.id),
        "b": side_of(right.run.id, right.summary.id),
        "sides": [
            {
                "cloud": cloud,
                "figure": cloud_figure(one.summary, one.geometry, View(camera=view.camera)),
                "shape": curve_data(one.summary, one.geometry),
                "strips": strips_data(one.strips, one.run.labels()),
            }
            for one, (_, cloud) in zip((left, right), SIDES, strict=True)
        ],
    }


def _turned(right: OpenCluster, found: PairComparison) -> ClusterGeometry:
    return aligned(right.geometry, found.alignment, closed=right.summary.shape == "closed curve")


def _side(one: OpenCluster, links: Links, side: str, cloud: str) -> Element:
    summary, run = one.summary, one.run
    head = html.Div(
        [
            html.Img(src=links.thumbnail(run.id, summary.id), alt="", width=96, height=72),
            html.Div(
                [
                    html.H2(
                        dcc.Link(summary.label, href=links.cluster(run.id, summary.id), title="Open this manifold")
                    ),
                    html.P(f"{run.manifest.title} · cluster {summary.id}", className="muted small"),
                    html.P(sentence(summary.words), className="small"),
                ]
            ),
        ],
        className="compare-head",
    )
    strips = html.Div(
        [
            html.H3(f"Where each of its {counted(len(one.geometry.atoms), 'feature')} fires"),
            html.Div(className="compare-strips"),
            details("as a table", [late_table(*strips_table(one.strips, one.run.labels()))]),
        ],
        className="small muted",
    )
    return html.Section(
        [head, _cloud(one, cloud), strips], className=f"compare-side panel {side}", **attributes(aria_label=side)
    )


def _cloud(one: OpenCluster, cloud: str) -> Element:
    names = html.Div(className="cloud-names", **attributes(aria_hidden="true"))
    label = attributes(aria_label=sentence(one.summary.words))
    return html.Div([html.Div(id=cloud), names], className="cloud-graph", role="figure", **label)


def _changes(left: OpenCluster, right: OpenCluster) -> Element:
    mine, theirs = left.summary, right.summary
    scores = [(SCORES[name].name, _score(mine, name), _score(theirs, name)) for name in CHANGING]
    shown = [
        (
            "points drawn",
            *(f"{count(len(one.geometry.points))} of {count(one.summary.n_tokens)}" for one in (left, right)),
        ),
        ("three axes explain", *(percent(float(one.geometry.axis_share.sum())) for one in (left, right))),
    ]
    head = ("", f"{left.run.manifest.title} · {mine.id}", f"{right.run.manifest.title} · {theirs.id}")
    rows = [*facts(mine, theirs), *scores, *shown]
    return html.Section([html.H2("Beside each other"), table(head, rows)], className="panel")


def _score(summary: ClusterSummary, name: str) -> str:
    return SCORES[name].write(summary.scores[name]) if name in summary.scores else "not measured"


def _values(found: PairComparison) -> Element:
    kinds = (("on both", found.kept), ("only on the left", found.lost), ("only on the right", found.gained))
    parts: list[Node] = []
    for name, values in kinds:
        if not values:
            continue
        shown = [html.Li(value) for value in values[:MOST_VALUES]]
        rest = [html.Li(f"and {count(len(values) - MOST_VALUES)} more")] if len(values) > MOST_VALUES else []
        parts += [
            html.H3(f"{counted(len(values), 'value')} {name}"),
            html.Ul([*shown, *rest], className="compare-values"),
        ]
    shared = found.shared
    if shared:
        parts += [html.H3(f"{counted(len(shared), 'feature')} in common"), html.P(", ".join(map(str, shared)))]
    return html.Section([html.H2("Values"), *(parts or [html.P("Neither names a value.")])], className="panel")


def _others(left: OpenCluster, right: OpenCluster, others: Sequence[Match], links: Links) -> Element:
    mine = side_of(left.run.id, left.summary.id)
    rows = [_other(right.run, match, links.compare(mine, side_of(right.run.id, match.right))) for match in others]
    told = f"The clusters of {right.run.manifest.title} that are most like “{left.summary.label}”."
    return html.Section(
        [html.H2("Most alike"), html.P(told, className="muted small"), html.Ol(rows, className="compare-others")],
        className="panel",
    )


def _other(run: Run, match: Match, href: str) -> Element:
    label = run.summary(match.right).label
    return html.Li([dcc.Link(label, href=href), html.Span(f"{match.likeness.similarity:.2f}", className="muted")])

"""The page that compares two clusters: both clouds under one camera, tuning strips, facts, and shared values."""

from collections.abc import Callable, Sequence

from explorer.app.compare.compared_clusters import SIDES, ComparedClusters, Side
from explorer.app.compare.parts import alignment_sentence, compare_bar, comparison_sentences
from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import strips_data, strips_table
from explorer.app.manifold.cloud_card import curve_data, point_rows
from explorer.app.manifold.numbers import SCORES
from explorer.app.site.opened import OpenCluster
from explorer.app.ui import dcc, html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, percent, sentence
from explorer.app.ui.page import Crumb, Page, share_view_button
from explorer.app.ui.parts import Node, attributes, details, late_table, table
from explorer.app.view import ids
from explorer.app.view.links import Links, side_of
from explorer.app.view.state import View
from explorer.records.cluster import ClusterSummary
from explorer.runs.compare.matching import Match
from explorer.runs.compare.pair import PairComparison
from explorer.runs.compare.tables import CHANGING, facts
from explorer.runs.run.reader import Run

CLOUDS = (ids.COMPARE_CLOUD_LEFT, ids.COMPARE_CLOUD_RIGHT)
"""Ids of the containers of the clouds."""
STRIPS = (ids.COMPARE_STRIPS_LEFT, ids.COMPARE_STRIPS_RIGHT)
"""Ids of the containers of the strips."""
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Header and rows."""


def clouds_card(pair: ComparedClusters, links: Links) -> Element:
    """Both clouds, their titles, and how the right one was aligned."""
    names = [side_of(one.run.id, one.summary.id) for one in pair.both]
    alignment = alignment_sentence(pair.found, pair.left.summary, pair.right.summary)
    heads = _halves(pair, CLOUDS, lambda one, at: [_head(one, links), _cloud(one, at)])
    drawn = html.Div(heads, id=ids.COMPARE_CLOUDS, className="compare-sides")
    picture = html.Div([drawn, html.P(alignment, className="muted small compare-told-drawn")], className="card-picture")
    columns = ("position", "value", "x", "y", "z")
    as_table = _as_table([(columns, point_rows(one.summary, one.geometry)) for one in pair.both])
    return card(
        "clouds",
        html.H2("Activations under one camera"),
        [picture, as_table],
        data=links.compare_points(*names),
        class_name="panel padded compare-clouds",
    )


def strips_card(pair: ComparedClusters) -> Element:
    """Tuning strips of both clusters."""
    halves = _halves(pair, STRIPS, lambda one, at: [_fires(one), html.Div(id=at, className="compare-strips")])
    picture = html.Div(halves, className="compare-sides card-picture small muted")
    as_table = _as_table([strips_table(one.strips, one.run.labels()) for one in pair.both])
    return card(
        "strips", html.H2("Tuning of the features"), [picture, as_table], class_name="panel padded compare-fires"
    )


def merged_table(tables: Sequence[Table]) -> Table:
    """One table of both sides: a column for the side, then the union of the columns, empty where a side has none."""
    columns = tuple(dict.fromkeys(name for head, _ in sorted(tables, key=lambda one: -len(one[0])) for name in head))
    rows = [
        (side, *(dict(zip(head, row, strict=True)).get(name, "") for name in columns))
        for side, (head, side_rows) in zip(SIDES, tables, strict=True)
        for row in side_rows
    ]
    return ("side", *columns), rows


def _as_table(tables: Sequence[Table]) -> Element:
    return details("as a table", [late_table(*merged_table(tables))], "small")


def _halves(
    pair: ComparedClusters, places: Sequence[str], drawn: Callable[[OpenCluster, str], list[Element]]
) -> list[Element]:
    return [
        html.Div(drawn(one, place), className=f"compare-side {side}", role="group", **attributes(aria_label=side))
        for one, side, place in zip(pair.both, SIDES, places, strict=True)
    ]


def _head(one: OpenCluster, links: Links) -> Element:
    summary, run = one.summary, one.run
    name = dcc.Link(summary.label, href=links.cluster(run.id, summary.id), title="Open this manifold")
    texts = [
        html.H3(name),
        html.P(_named(one), className="muted small"),
        html.P(sentence(summary.words), className="small"),
    ]
    portrait = html.Img(src=links.thumbnail(run.id, summary.id), alt="", width=96, height=72)
    return html.Div([portrait, html.Div(texts)], className="compare-head")


def _fires(one: OpenCluster) -> Element:
    return html.H3(f"{_named(one)}: {counted(len(one.geometry.atoms), 'feature')}")


def _named(one: OpenCluster) -> str:
    return f"{one.run.manifest.title} · cluster {one.summary.id}"


def _cloud(one: OpenCluster, place: str) -> Element:
    names = html.Div(className="cloud-names", **attributes(aria_hidden="true"))
    label = attributes(aria_label=sentence(one.summary.words))
    return html.Div([html.Div(id=place), names], className="cloud-graph", role="figure", **label)


def clusters_page(
    pair: ComparedClusters, others: Sequence[Match], runs: Sequence[Run], links: Links, view: View
) -> Page:
    """The page of two clusters.

    Args:
        pair: the clusters and their comparison.
        others: the clusters of the right run that are most similar to the left cluster.
        runs: runs to choose from.
        links: addresses.
        view: state of the page given by the link.
    """
    left, right = (Side(one.run, one.summary.id) for one in pair.both)
    sentences = comparison_sentences(pair.found, pair.left.summary, pair.right.summary)
    body: list[Node] = [
        dcc.Store(id=ids.COMPARE_STORE, data=compare_data(pair, view)),
        compare_bar(runs, left, right, links),
        html.Div([html.P(sentence) for sentence in sentences], className="compare-told panel"),
        clouds_card(pair, links),
        strips_card(pair),
        html.Div(
            [facts_card(pair), values_card(pair.found), alike_card(pair, others, links)], className="compare-below"
        ),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb("Compare"))
    title = f"{pair.left.summary.label} and {pair.right.summary.label} · Compare"
    return Page(title, body, crumbs, [share_view_button(False)])


def compare_data(pair: ComparedClusters, view: View) -> dict[str, object]:
    """Data of the page's scripts for both sides."""
    a, b = (side_of(one.run.id, one.summary.id) for one in pair.both)
    return {
        "a": a,
        "b": b,
        "sides": [
            {
                "cloud": cloud,
                "strips_place": strips,
                "figure": cloud_figure(one.summary, one.geometry, View(camera=view.camera)),
                "shape": curve_data(one.summary, one.geometry),
                "strips": strips_data(one.strips, one.run.labels()),
            }
            for one, cloud, strips in zip(pair.both, CLOUDS, STRIPS, strict=True)
        ],
    }


MOST_VALUES = 120
"""Values of one kind in the list; the rest are counted, and the table has all."""


def facts_card(pair: ComparedClusters) -> Element:
    """Properties and scores of both clusters, and how much of each is drawn."""
    mine, theirs = pair.left.summary, pair.right.summary
    scores = [(SCORES[name].name, _score(mine, name), _score(theirs, name)) for name in CHANGING]
    drawn = (f"{count(len(one.geometry.points))} of {count(one.summary.n_tokens)}" for one in pair.both)
    axes = (percent(float(one.geometry.axis_share.sum())) for one in pair.both)
    head = ("", *(f"{one.run.manifest.title} · {one.summary.id}" for one in pair.both))
    rows = [*facts(mine, theirs), *scores, ("points drawn", *drawn), ("three axes explain", *axes)]
    return card("facts", html.H2("Side by side"), [table(head, rows)], class_name="panel padded")


def values_card(found: PairComparison) -> Element:
    """Values named by both clusters or by one only, and shared features."""
    kinds = (("in both", found.kept), ("only on the left", found.lost), ("only on the right", found.gained))
    parts = [part for where, values in kinds if values for part in _listed(where, values)]
    shared = found.shared or ()
    if shared:
        parts += [html.H3(f"{counted(len(shared), 'feature')} in common"), html.P(", ".join(map(str, shared)))]
    rows = [("value", value.strip(), where) for where, values in kinds for value in values]
    rows += [("feature", str(feature), "in both") for feature in shared]
    shown = [*parts, details("as a table", [late_table(("what", "name", "where"), rows)], "small")] if rows else []
    return card(
        "values", html.H2("Values"), shown or [html.P("Neither cluster has named values.")], class_name="panel padded"
    )


def alike_card(pair: ComparedClusters, others: Sequence[Match], links: Links) -> Element:
    """The clusters of the right run that are most similar to the left cluster."""
    run, mine = pair.right.run, side_of(pair.left.run.id, pair.left.summary.id)
    rows: list[list[Node | list[Node]]] = [
        [
            dcc.Link(run.summary(match.right).label, href=links.compare(mine, side_of(run.id, match.right))),
            f"{match.similarity.overall:.2f}",
        ]
        for match in others
    ]
    caption = f"The clusters of {run.manifest.title} most similar to “{pair.left.summary.label}”."
    body = [html.P(caption, className="muted small"), table(("cluster", "similarity"), rows)]
    return card("alike", html.H2("Most similar"), body, class_name="panel padded compare-others")


def _score(summary: ClusterSummary, name: str) -> str:
    return SCORES[name].write(summary.scores[name]) if name in summary.scores else "not measured"


def _listed(where: str, values: Sequence[str]) -> list[Node]:
    shown = [html.Li(value) for value in values[:MOST_VALUES]]
    rest = [html.Li(f"and {count(len(values) - MOST_VALUES)} more")] if len(values) > MOST_VALUES else []
    return [html.H3(f"{counted(len(values), 'value')} {where}"), html.Ul([*shown, *rest], className="compare-values")]

"""What a comparison draws, as two cards: both clouds with one camera, and where the features of either fire."""

from collections.abc import Callable, Sequence

from explorer.app import ids
from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.figures.strips import strips_table
from explorer.app.links import Links
from explorer.app.pages.card import card
from explorer.app.pages.cloud import point_rows
from explorer.app.pages.compare_bar import side_of
from explorer.app.pages.compare_words import drawn_words
from explorer.app.pages.manifold import OpenCluster
from explorer.app.pages.parts import attributes, details, late_table
from explorer.app.pair import SIDES, OpenPair
from explorer.app.words import counted, sentence

CLOUDS = (ids.COMPARE_CLOUD_LEFT, ids.COMPARE_CLOUD_RIGHT)
"""Where the clouds are drawn."""
STRIPS = (ids.COMPARE_STRIPS_LEFT, ids.COMPARE_STRIPS_RIGHT)
"""Where the strips are drawn."""
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""Names of columns, and rows."""


def clouds_card(pair: OpenPair, links: Links) -> Element:
    """Both clouds, what they are of, and how the right one was turned."""
    names = [side_of(one.run.id, one.summary.id) for one in pair.both]
    told = drawn_words(pair.found, pair.left.summary, pair.right.summary)
    heads = _halves(pair, CLOUDS, lambda one, at: [_head(one, links), _cloud(one, at)])
    drawn = html.Div(heads, id=ids.COMPARE_CLOUDS, className="compare-sides")
    picture = html.Div([drawn, html.P(told, className="muted small compare-told-drawn")], className="card-picture")
    columns = ("position", "value", "x", "y", "z")
    as_table = _as_table([(columns, point_rows(one.summary, one.geometry)) for one in pair.both])
    return card(
        "clouds",
        html.H2("Activations, one camera"),
        [picture, as_table],
        data=links.compare_points(*names),
        class_name="panel padded compare-clouds",
    )


def strips_card(pair: OpenPair) -> Element:
    """Where the features of either fire along its shape."""
    halves = _halves(pair, STRIPS, lambda one, at: [_fires(one), html.Div(id=at, className="compare-strips")])
    picture = html.Div(halves, className="compare-sides card-picture small muted")
    as_table = _as_table([strips_table(one.strips, one.run.labels()) for one in pair.both])
    return card(
        "strips", html.H2("Where each feature fires"), [picture, as_table], class_name="panel padded compare-fires"
    )


def beside(tables: Sequence[Table]) -> Table:
    """One table of both sides': a column that says which, then the columns of either, empty where a side has none."""
    columns = tuple(dict.fromkeys(name for head, _ in sorted(tables, key=lambda one: -len(one[0])) for name in head))
    told = [
        (side, *(dict(zip(head, row, strict=True)).get(name, "") for name in columns))
        for side, (head, rows) in zip(SIDES, tables, strict=True)
        for row in rows
    ]
    return ("side", *columns), told


def _as_table(tables: Sequence[Table]) -> Element:
    return details("as a table", [late_table(*beside(tables))], "small")


def _halves(pair: OpenPair, places: Sequence[str], drawn: Callable[[OpenCluster, str], list[Element]]) -> list[Element]:
    return [
        html.Div(drawn(one, place), className=f"compare-side {side}", role="group", **attributes(aria_label=side))
        for one, side, place in zip(pair.both, SIDES, places, strict=True)
    ]


def _head(one: OpenCluster, links: Links) -> Element:
    summary, run = one.summary, one.run
    name = dcc.Link(summary.label, href=links.cluster(run.id, summary.id), title="Open this manifold")
    words = [
        html.H3(name),
        html.P(_named(one), className="muted small"),
        html.P(sentence(summary.words), className="small"),
    ]
    portrait = html.Img(src=links.thumbnail(run.id, summary.id), alt="", width=96, height=72)
    return html.Div([portrait, html.Div(words)], className="compare-head")


def _fires(one: OpenCluster) -> Element:
    return html.H3(f"{_named(one)}: {counted(len(one.geometry.atoms), 'feature')}")


def _named(one: OpenCluster) -> str:
    return f"{one.run.manifest.title} · cluster {one.summary.id}"


def _cloud(one: OpenCluster, place: str) -> Element:
    names = html.Div(className="cloud-names", **attributes(aria_hidden="true"))
    label = attributes(aria_label=sentence(one.summary.words))
    return html.Div([html.Div(id=place), names], className="cloud-graph", role="figure", **label)

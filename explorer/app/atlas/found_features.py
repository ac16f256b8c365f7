"""The features that a search finds, above the tiles: each leads to where it can be seen, or says why it cannot."""

from dataclasses import replace

from explorer.app.atlas.tooltips import feature_words
from explorer.app.site.search import FoundFeatures
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import counted
from explorer.app.ui.labels import label_lines
from explorer.app.ui.parts import Node, attributes
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import View
from explorer.records import LEFT_OUT, NOISE
from explorer.runs.run.reader import Run

MOST_FOUND = 5
"""Features that are listed; more are counted."""


def found_features(run: Run, found: FoundFeatures, links: Links, view: View) -> list[Node]:
    """What the search found besides clusters; nothing where it found no feature."""
    if not found.total:
        return []
    more = f", {len(found.shown)} shown: more words find fewer" if found.total > len(found.shown) else ""
    rows = [_row(run, feature, links, view) for feature in found.shown]
    return [
        html.H2(f"{counted(found.total, 'feature')} of that number or label{more}", className="small muted"),
        html.Ul(rows, className="panel"),
    ]


def found_box(nodes: list[Node]) -> Element:
    """Where they stand."""
    return html.Div(nodes, id=ids.FOUND, className="found", **attributes(aria_live="polite"))


def _row(run: Run, feature: int, links: Links, view: View) -> Element:
    told, cluster = feature_words(run, feature), int(run.features().cluster[feature])
    facts = f"{told['tokens']} · fires on {told['fires']}"
    head = [_way(run, feature, cluster, links, view), html.Span(f" {_where(run, cluster)}", className="muted")]
    return html.Li([html.Div(head), *label_lines(run.labels().of(feature)), html.Div(facts, className="muted")])


def _way(run: Run, feature: int, cluster: int, links: Links, view: View) -> Node:
    """A cluster's page coloured by the feature; its place on the map where it is in none."""
    name = f"feature {feature}"
    if cluster == LEFT_OUT:
        return html.B(name)
    if cluster == NOISE:
        title = "Show it on the map"
        return html.Button(name, type="button", className="link", title=title, **attributes(data_seek=str(feature)))
    colored = replace(View(theme=view.theme), color=f"feature-{feature}")
    return dcc.Link(name, href=links.cluster(run.id, cluster, colored), title="Open its cluster, coloured by it")


def _where(run: Run, cluster: int) -> str:
    if cluster == LEFT_OUT:
        return "fires too rarely to be scored, so it has no place on the map"
    return "noise: in no cluster, on the map" if cluster == NOISE else f"in {run.summary(cluster).label}"

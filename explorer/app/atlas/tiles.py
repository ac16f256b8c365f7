"""The tiles and features that match a view: order for the wall of assets/js/atlas/wall.js, search hits, counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from explorer.app.atlas.tooltips import feature_tooltip
from explorer.app.site.addresses import atlas_run_at
from explorer.app.site.cluster_filters import choose_tiles
from explorer.app.site.search import FoundFeatures, find_features
from explorer.app.site.site import Site
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import counted
from explorer.app.ui.parts import Node, attributes, label_lines
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import View, read_fields
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import LEFT_OUT, NOISE
from explorer.runs.run.reader import Run

MOST_FOUND = 5
"""Features listed; the rest are counted."""


def found_features(run: Run, found: FoundFeatures, links: Links, view: View) -> list[Node]:
    """Features that match the search, or an empty list."""
    if not found.total:
        return []
    more = f", showing {len(found.shown)}; refine the search to see others" if found.total > len(found.shown) else ""
    rows = [_row(run, feature, links, view) for feature in found.shown]
    return [
        html.H2(f"{counted(found.total, 'feature')} with a matching id or label{more}", className="small muted"),
        html.Ul(rows, className="panel"),
    ]


def found_box(nodes: list[Node]) -> Element:
    """Container of the features that match the search."""
    return html.Div(nodes, id=ids.FOUND, className="found", **attributes(aria_live="polite"))


def _row(run: Run, feature: int, links: Links, view: View) -> Element:
    tooltip, cluster = feature_tooltip(run, feature), int(run.features().cluster[feature])
    facts = f"{tooltip['tokens']} · fires on {tooltip['fires']}"
    head = [_way(run, feature, cluster, links, view), html.Span(f" {_where(run, cluster)}", className="muted")]
    return html.Li([html.Div(head), *label_lines(run.labels().of(feature)), html.Div(facts, className="muted")])


def _way(run: Run, feature: int, cluster: int, links: Links, view: View) -> Node:
    """Link to the page of its cluster, coloured by the feature, or button that shows a noise feature on the map."""
    name = f"feature {feature}"
    if cluster == LEFT_OUT:
        return html.B(name)
    if cluster == NOISE:
        title = "Show on the map"
        return html.Button(name, type="button", className="link", title=title, **attributes(data_seek=str(feature)))
    colored = replace(View(theme=view.theme), color=f"feature-{feature}")
    return dcc.Link(name, href=links.cluster(run.id, cluster, colored), title="Open its cluster, coloured by it")


def _where(run: Run, cluster: int) -> str:
    if cluster == LEFT_OUT:
        return "fires too rarely to be scored; not on the map"
    return "noise, on the map only" if cluster == NOISE else f"in {run.summary(cluster).label}"


def wall_data(tiles: list[ClusterSummary], fires: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Cluster ids of a view in its order, those that fire on the tried text first.

    Args:
        tiles: clusters of the view, in its order.
        fires: number of tokens of the tried text on which each cluster fires, by cluster id.
    """
    firing = {str(one.id): count for one in tiles if (count := (fires or {}).get(str(one.id), 0))}
    return {"order": [one.id for one in sorted(tiles, key=lambda one: str(one.id) not in firing)], "fires": firing}


def tile_count(shown: int, total: int, firing: int = 0) -> str:
    """Heading of the tiles: clusters shown of all, and how many fire on the tried text."""
    shown_of = counted(total, "cluster") if shown == total else f"{shown:,} of {counted(total, 'cluster')}"
    return f"{shown_of}, {firing} {'fires' if firing == 1 else 'fire'}" if firing else shown_of


def _found(site: Site, run: Run, view: View) -> list[Node]:
    return found_features(run, find_features(run, view.query, site.features, MOST_FOUND), site.links, view)


@dataclass(frozen=True)
class TilesPart:
    """The part of the atlas that depends on search, filters and the tried text."""

    count: str
    """Heading of the tiles."""
    wall: dict[str, Any]
    """See ``wall_data``."""
    found: list[Node] = field(default_factory=list)
    """Features that match the search."""


def tiles_at(site: Site, path: str, chosen: dict[str, str], fires: Mapping[str, int] | None = None) -> TilesPart:
    """The tiles of the atlas at an address under the current filters.

    Args:
        site: resources of the app.
        path: path of the page.
        chosen: fields of the view that differ from its defaults.
        fires: number of tokens of a tried text on which each cluster fires, by cluster id.

    Raises:
        RequestError: an unknown filter, or an address without an atlas.
    """
    run, view = atlas_run_at(site, path), read_fields(chosen)
    tiles = choose_tiles(run.manifest.clusters, view, site.texts.of(run))
    wall = wall_data(tiles, fires)
    heading = tile_count(len(tiles), len(run.manifest.clusters), len(wall["fires"]))
    return TilesPart(heading, wall, _found(site, run, view))

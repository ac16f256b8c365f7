"""The atlas of a run: the map of its features and the grid of its tiles."""

from collections.abc import Mapping
from typing import Any

from explorer.app.atlas.map import REGIMES, SHAPES, map_palette
from explorer.app.atlas.tiles import found_box, tile_count, wall_data
from explorer.app.manifold.provenance import NOISE_LABELS, counted_line, provenance
from explorer.app.site.cluster_filters import SORTS
from explorer.app.steering.suggest import suggest_text
from explorer.app.try_text.panel import try_panel
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.page import Crumb, Page, share_view_button
from explorer.app.ui.parts import Node, attributes, details, select
from explorer.app.view import ids
from explorer.app.view.links import Links
from explorer.app.view.state import NoiseLook, Paint, View, Wall
from explorer.records.cluster import ClusterSummary
from explorer.runs.run.reader import Run


def atlas_page(
    run: Run, tiles: list[ClusterSummary], found: list[Node], links: Links, view: View, has_host: bool
) -> Page:
    """The atlas of a run with the tiles and features that match the view."""
    title = run.manifest.title
    body = [
        try_panel(run, links, view.text or suggest_text(run), has_host),
        html.Div([_map_side(run, links, view), _tile_side(run, tiles, found, view)], className="atlas"),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb(title))
    return Page(f"{title} · Manifold Explorer", body, crumbs, [search_box(view.query), share_view_button(True)])


def search_box(query: str) -> Element:
    """Search over labels, tokens and feature numbers; `/` focuses it."""
    box = dcc.Input(
        id=ids.SEARCH,
        type="search",
        value=query,
        className="field",
        debounce=True,
        placeholder="Search words, values, features",
        maxLength=200,
        autoComplete="off",
    )
    key = html.Kbd("/", **attributes(aria_hidden="true"))
    return html.Div([box, key, dcc.Store(id=ids.SEARCH_STORE, data=query)], className="search", role="search")


PAINTS: dict[Paint, str] = {
    "cluster": "colour: cluster",
    "shape": "colour: shape",
    "regime": "colour: regime",
    "stability": "colour: stability",
    "rate": "colour: firing rate",
}
"""Colourings of the map."""
NOISES: dict[NoiseLook, str] = {"shown": "noise shown", "faded": "noise faded", "hidden": "noise hidden"}
"""Rendering of features that belong to no cluster."""
WALLS: dict[Wall, str] = {"tiles": "tiles", "table": "table"}
"""Presentations of the clusters."""
KEYS = "Arrow keys pan, plus and minus zoom, 0 fits the map to the view, Escape clears the selection."
"""Keyboard help for screen readers."""
TOOLS = (
    ("pan", "Drag to pan"),
    ("lasso", "Drag a lasso to select the clusters that have a feature inside it"),
    ("box", "Drag a box to select the clusters that have a feature inside it"),
)
"""Drag modes of the map."""
ZOOMS = (("in", "Zoom in"), ("out", "Zoom out"), ("all", "Fit to view"))
"""Zoom buttons of the map."""


def _map_side(run: Run, links: Links, view: View) -> Element:
    drawer = html.Div(provenance(run.manifest, run.digest), className="drawer panel")
    line = [*counted_line(run.manifest, NOISE_LABELS[view.noise]), details("how this was made", [drawer])]
    clear = html.Button("Clear selection", id=ids.CLEAR_SELECTION, className="button", hidden=not view.selection)
    head = [
        select(ids.MAP_COLOR, _options(PAINTS), view.paint, "pill"),
        select(ids.MAP_NOISE, _options(NOISES), view.noise, "pill"),
        clear,
    ]
    return html.Div(
        [
            html.Div(head, className="map-head"),
            _map(run, links, view),
            html.Div(id=ids.MAP_LEGEND, className="map-legend small muted"),
            html.Div(line, className="counted small"),
        ],
        className="map-side",
    )


def _map(run: Run, links: Links, view: View) -> Element:
    data = {
        "base": links.clusters(run.id),
        "data": links.data(run.id),
        "digest": run.digest[:16],
        "palette": map_palette(),
        "paint": view.paint,
        "noise": view.noise,
        "noiseWords": NOISE_LABELS,
        "place": list(view.place),
    }
    label = f"Map of features; the tiles list the same clusters. {KEYS}"
    attach = attributes(aria_label=label, aria_roledescription="map")
    return html.Div(
        [
            html.Div(id=ids.MAP, className="map", role="application", tabIndex="0", **attach),
            html.Div(id=ids.MAP_LABELS),
            html.Div(_tools(), className="map-tools"),
            html.Div(id=ids.MAP_TIP, className="tip map-tip", hidden=True, role="tooltip"),
            dcc.Store(id=ids.MAP_STORE, data=data),
            dcc.Store(id=ids.SELECTION, data=view.selection),
        ],
        className="map-box panel",
    )


def _tools() -> list[Node]:
    taken = [_tool(name, title, aria_pressed=str(name == "pan").lower()) for name, title in TOOLS]
    zooms = [_tool(name, title) for name, title in ZOOMS]
    return [
        html.Div(taken, role="group", **attributes(aria_label="Drag mode")),
        html.Div(zooms, role="group", **attributes(aria_label="Zoom")),
    ]


def _tool(name: str, title: str, **more: str) -> Element:
    return html.Button(title=title, type="button", **attributes(data_tool=name, aria_label=title, **more))


def _tile_side(run: Run, tiles: list[ClusterSummary], found: list[Node], view: View) -> Element:
    count = tile_count(len(tiles), len(run.manifest.clusters))
    head = [
        html.H1(count, id=ids.TILE_COUNT, **attributes(aria_live="polite")),
        select(ids.SORT, _options(SORTS), view.sort, "pill"),
        select(ids.FILTER_SHAPE, _any("any shape", SHAPES), view.shape or ANY, "pill"),
        select(ids.FILTER_REGIME, _any("any regime", REGIMES), view.regime or ANY, "pill"),
        select(ids.WALL_LOOK, _options(WALLS), view.wall, "pill"),
    ]
    return html.Div(
        [
            html.Div(head, className="tiles-head"),
            found_box(found),
            html.Div(id=ids.TILES, className="wall", role="group", **attributes(aria_label="Clusters")),
            dcc.Store(id=ids.TILES_STORE, data=wall_data(tiles)),
        ]
    )


def _options(labels: Mapping[Any, str]) -> list[dict[str, str]]:
    return [{"label": text, "value": value} for value, text in labels.items()]


ANY = "any"
"""Value of an inactive filter: a drop-down cannot hold ""."""


def _any(label: str, values: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"label": label, "value": ANY}, *({"label": value, "value": value} for value in values)]

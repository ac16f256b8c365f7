"""One run: the map of its features beside the grid of its tiles."""

from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app import ids
from explorer.app.choose import SORTS
from explorer.app.figures.atlas_map import map_figure, map_labels
from explorer.app.links import Links
from explorer.app.pages.page import Crumb, Page
from explorer.app.pages.parts import Node, attributes, details, select
from explorer.app.pages.provenance import counted_line, provenance
from explorer.app.pages.share_button import share_view_button
from explorer.app.pages.tiles import PAGE_SIZE, tile_grid
from explorer.app.pages.try_text import try_panel
from explorer.app.state import View
from explorer.app.suggest import suggest_text
from explorer.app.words import counted
from explorer.records import ClusterSummary, FeatureTable
from explorer.runs.run import Run

SHAPES = ("closed curve", "open curve", "surface", "blob")
REGIMES = ("compact capture", "tiling", "dilution", "undetermined")


def atlas_page(
    run: Run, table: FeatureTable, tiles: list[ClusterSummary], links: Links, view: View, has_host: bool
) -> Page:
    """The atlas of a run, with the tiles that the view asks for."""
    title = run.manifest.title
    body = [
        try_panel(run, links, view.text or suggest_text(run), has_host),
        html.Div([_map_side(run, table, links), _tile_side(run, tiles, links, view)], className="atlas"),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb(title))
    return Page(f"{title} · Manifold Explorer", body, crumbs, [search_box(view.query), share_view_button(True)])


def search_box(query: str) -> Component:
    """Search over labels, tokens and numbers; `/` jumps there."""
    box = dcc.Input(
        id=ids.SEARCH,
        type="search",
        value=query,
        className="field",
        debounce=True,
        placeholder="Find a word, value or feature",
        maxLength=200,
        autoComplete="off",
    )
    key = html.Kbd("/", **attributes(aria_hidden="true"))
    return html.Div([box, key, dcc.Store(id=ids.SEARCH_STORE, data=query)], className="search", role="search")


def tile_count(shown: int, total: int, firing: int = 0) -> str:
    """How many of how many tiles are there, and how many of them fire on a tried text."""
    there = counted(total, "cluster") if shown == total else f"{shown} of {counted(total, 'cluster')}"
    return f"{there}, {firing} {'fires' if firing == 1 else 'fire'}" if firing else there


def more_tiles(shown: int, total: int) -> list[Node]:
    """The button for further tiles, where there are any."""
    return [f"{shown} of {total} shown · ", html.Span("show more")] if total > shown else []


MAP_CONFIG: Any = {"displayModeBar": False, "scrollZoom": True, "doubleClick": "reset", "responsive": True}
"""Plotly's own buttons stay away; the wheel zooms, a double click shows everything."""


def _map_side(run: Run, table: FeatureTable, links: Links) -> Component:
    made = html.Div(provenance(run.manifest, run.digest), className="drawer panel")
    line = [*counted_line(run.manifest), details("how this was made", [made])]
    return html.Div([_map(run, table, links), html.Div(line, className="counted small")], className="map-side")


def _map(run: Run, table: FeatureTable, links: Links) -> Component:
    labels = map_labels(table, run.manifest.clusters)
    data = {"labels": labels, "base": links.clusters(run.id), "data": links.data(run.id)}
    figure = map_figure(table)
    return html.Div(
        [
            dcc.Graph(id=ids.MAP, figure=figure, responsive=True, clear_on_unhover=True, config=MAP_CONFIG),
            html.Div(id=ids.MAP_LABELS),
            dcc.Tooltip(id=ids.MAP_TIP, direction="top", className="tip"),
            dcc.Store(id=ids.MAP_STORE, data=data),
        ],
        className="map-box panel",
        role="figure",
        **attributes(aria_label="Map of features, coloured by cluster; the tiles list the same clusters"),
    )


def _tile_side(run: Run, tiles: list[ClusterSummary], links: Links, view: View) -> Component:
    total, shown = len(run.manifest.clusters), min(PAGE_SIZE, len(tiles))
    sorts = [{"label": words, "value": key} for key, words in SORTS.items()]
    head = [
        html.H1(tile_count(len(tiles), total), id=ids.TILE_COUNT, **attributes(aria_live="polite")),
        select(ids.SORT, sorts, view.sort, "pill"),
        select(ids.FILTER_SHAPE, _any("any shape", SHAPES), view.shape or ANY, "pill"),
        select(ids.FILTER_REGIME, _any("any regime", REGIMES), view.regime or ANY, "pill"),
    ]
    more = more_tiles(shown, len(tiles))
    return html.Div(
        [
            html.Div(head, className="tiles-head"),
            html.Div(tile_grid(run.id, tiles, links, shown), id=ids.TILES, className="tiles"),
            html.Div(html.Button(more, id=ids.MORE_TILES, className="button", hidden=not more), className="tiles-more"),
        ]
    )


ANY = "any"
"""Value of a filter that lets everything through: a drop-down cannot hold ""."""


def _any(words: str, values: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"label": words, "value": ANY}, *({"label": value, "value": value} for value in values)]

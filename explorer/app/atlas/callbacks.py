"""Callbacks of the atlas: tiles, and the map's labels, tooltip and clicks."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app.atlas.page import ANY
from explorer.app.atlas.tiles import tiles_at
from explorer.app.site.site import Site
from explorer.app.ui.element import in_browser
from explorer.app.ui.parts import Node
from explorer.app.view import ids


def register(app: Dash, site: Site) -> None:
    """Register the callbacks."""

    @app.callback(
        Output(ids.TILE_COUNT, "children"),
        Output(ids.TILES_STORE, "data"),
        Output(ids.FOUND, "children"),
        Input(ids.SEARCH_STORE, "data"),
        Input(ids.SORT, "value"),
        Input(ids.FILTER_SHAPE, "value"),
        Input(ids.FILTER_REGIME, "value"),
        Input(ids.SELECTION, "data"),
        Input(ids.TRY_COUNTS, "data"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def show_tiles(
        query: str, sort: str, shape: str, regime: str, selection: str, fires: dict[str, int], path: str
    ) -> tuple[str, dict[str, Any], list[Node]]:
        chosen = {"query": query or "", "sort": sort, "shape": shape, "regime": regime, "selection": selection or ""}
        part = tiles_at(site, path, {key: value for key, value in chosen.items() if value != ANY}, fires)
        return part.count, part.wall, part.found

    filters = (Input(one, "value") for one in (ids.SORT, ids.FILTER_SHAPE, ids.FILTER_REGIME))
    in_browser(app, "filters", Input(ids.SEARCH_STORE, "data"), *filters)
    page = State(ids.MAP_STORE, "data")
    in_browser(app, "map", Output(ids.MAP_LABELS, "data-ready"), Input(ids.MAP_STORE, "data"), initially=True)
    in_browser(app, "mapColor", Input(ids.MAP_COLOR, "value"))
    in_browser(app, "mapNoise", Output(ids.NOISE_WORD, "children"), Input(ids.MAP_NOISE, "value"), page)
    in_browser(app, "selection", Output(ids.CLEAR_SELECTION, "hidden"), Input(ids.SELECTION, "data"))
    in_browser(app, "clearSelection", Output(ids.SELECTION, "data"), Input(ids.CLEAR_SELECTION, "n_clicks"))
    wall = (Input(ids.TILES_STORE, "data"), Input(ids.WALL_LOOK, "value"), page)
    in_browser(app, "wall", Output(ids.TILES, "data-ready"), *wall, initially=True)

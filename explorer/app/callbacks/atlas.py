"""Callbacks of the atlas: the tiles of a view, and the map's names, tooltip and clicks."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app import ids
from explorer.app.callbacks.browser import in_browser
from explorer.app.pages.atlas import ANY
from explorer.app.pages.route import tiles_at
from explorer.app.site import Site


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""

    @app.callback(
        Output(ids.TILE_COUNT, "children"),
        Output(ids.TILES, "children"),
        Output(ids.MORE_TILES, "children"),
        Output(ids.MORE_TILES, "hidden"),
        Input(ids.SEARCH_STORE, "data"),
        Input(ids.SORT, "value"),
        Input(ids.FILTER_SHAPE, "value"),
        Input(ids.FILTER_REGIME, "value"),
        Input(ids.MORE_TILES, "n_clicks"),
        Input(ids.TRY_COUNTS, "data"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def show_tiles(
        query: str, sort: str, shape: str, regime: str, more: int, fires: dict[str, int], path: str
    ) -> tuple[Any, ...]:
        chosen = {"query": query or "", "sort": sort, "shape": shape, "regime": regime}
        page = tiles_at(site, path, {key: value for key, value in chosen.items() if value != ANY}, more or 0, fires)
        return page.count, page.tiles, page.more, not page.more

    filters = (Input(one, "value") for one in (ids.SORT, ids.FILTER_SHAPE, ids.FILTER_REGIME))
    in_browser(app, "filters", Input(ids.SEARCH_STORE, "data"), *filters)
    in_browser(app, "map", Output(ids.MAP_LABELS, "data-ready"), Input(ids.MAP_STORE, "data"), initially=True)
    tip = (Output(ids.MAP_TIP, name) for name in ("show", "bbox", "children"))
    in_browser(app, "mapTip", *tip, Input(ids.MAP, "hoverData"), State(ids.MAP_STORE, "data"))
    in_browser(app, "mapClick", Input(ids.MAP, "clickData"), State(ids.MAP_STORE, "data"))

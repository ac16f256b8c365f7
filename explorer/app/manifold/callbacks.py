"""Callbacks of a manifold's page: colouring and axes of the cloud, selection, features, tooltip."""

from typing import Any

from dash import Dash, Input, Output, State, no_update

from explorer.app.manifold.feature_logits import request_logits
from explorer.app.manifold.parts import colors_at, feature_at, selection_at
from explorer.app.site.site import Site
from explorer.app.ui.element import in_browser
from explorer.app.view import ids


def register(app: Dash, site: Site) -> None:
    """Register the callbacks."""

    feature = (
        Output(ids.FEATURE_TITLE, "children"),
        Output(ids.FEATURE_DETAIL, "children"),
        Output(ids.FEATURE_STORE, "data"),
    )

    @app.callback(
        Output(ids.CLOUD_STORE, "data"),
        Output(ids.LEGEND, "children"),
        *feature,
        Input(ids.COLOR_BY, "value"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def color(by: str, path: str) -> tuple[Any, ...]:
        part, detail = colors_at(site, path, by), feature_at(site, path, by)
        shown = (no_update,) * 3 if detail is None else (detail.title, detail.detail, detail.feature)
        return part.drawn, part.legend, *shown

    @app.callback(
        Output(ids.CONTEXTS, "children"),
        Output(ids.PICK_FIRES, "data"),
        Input(ids.PICK_STORE, "data"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def select(selection: str, path: str) -> tuple[Any, Any]:
        part = selection_at(site, path, selection)
        return part.contexts, part.fires

    @app.callback(
        Output(ids.FEATURE_LOGITS, "children"),
        Input(ids.FEATURE_ASK, "n_clicks"),
        Input(ids.FEATURE_STORE, "data"),
        State(ids.URL, "pathname"),
        running=[(Output(ids.FEATURE_LOGITS, "className"), "stale", "")],
        prevent_initial_call=True,
    )
    async def logits(_: int | None, feature: int, path: str) -> Any:
        return await request_logits(site, path, feature)

    page = State(ids.CLUSTER_STORE, "data")
    in_browser(app, "colors", Input(ids.CLOUD_STORE, "data"), State(ids.COLOR_BY, "value"))
    in_browser(app, "cluster", Output(ids.STRIPS, "data-ready"), Input(ids.CLUSTER_STORE, "data"), initially=True)
    selected = (Input(ids.PICK_STORE, "data"), Input(ids.PICK_FIRES, "data"))
    in_browser(app, "picked", Output(ids.PICK_CLEAR, "hidden"), *selected, initially=True)
    in_browser(app, "pickNone", Input(ids.PICK_CLEAR, "n_clicks"))
    tip = (Output(ids.CLOUD_TIP, name) for name in ("show", "bbox", "children"))
    in_browser(app, "cloudTip", *tip, Input(ids.CLOUD_HOVER, "data"), page)

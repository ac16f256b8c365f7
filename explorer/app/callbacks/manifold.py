"""Callbacks of one manifold: the cloud's colours, its tooltip, its camera."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app import ids
from explorer.app.callbacks.browser import in_browser
from explorer.app.pages.route import colors_at
from explorer.app.site import Site


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""

    @app.callback(
        Output(ids.CLOUD_STORE, "data"),
        Input(ids.COLOR_BY, "value"),
        State(ids.URL, "pathname"),
        prevent_initial_call=True,
    )
    def color(by: str, path: str) -> dict[str, Any]:
        colors = colors_at(site, path, by)
        return {"numbers": colors.numbers.tolist(), "scale": colors.scale, "low": colors.low, "high": colors.high}

    in_browser(app, "colors", Input(ids.CLOUD_STORE, "data"), State(ids.COLOR_BY, "value"))
    in_browser(app, "cluster", Output(ids.STRIPS, "data-ready"), Input(ids.CLUSTER_STORE, "data"), initially=True)
    in_browser(app, "camera", Input(ids.CLOUD, "relayoutData"))
    tip = (Output(ids.CLOUD_TIP, name) for name in ("show", "bbox", "children"))
    in_browser(app, "cloudTip", *tip, Input(ids.CLOUD, "hoverData"), State(ids.CLUSTER_STORE, "data"))

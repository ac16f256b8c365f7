"""Callbacks of a comparison: what is compared is the address, and the browser keeps both cameras one."""

from dash import Dash, Input, Output, State

from explorer.app.site.site import Site
from explorer.app.ui.clientside import in_browser
from explorer.app.view import ids

_SIDES = (ids.COMPARE_LEFT_RUN, ids.COMPARE_LEFT_CLUSTER, ids.COMPARE_RIGHT_RUN, ids.COMPARE_RIGHT_CLUSTER)


def register(app: Dash, _site: Site) -> None:
    """Add them to the app."""
    in_browser(app, "compareWith", *(Input(one, "value") for one in _SIDES), State(ids.COMPARE_STORE, "data"))
    in_browser(
        app, "compare", Output(ids.COMPARE_CLOUDS, "data-ready"), Input(ids.COMPARE_STORE, "data"), initially=True
    )

"""Callbacks of the tour: the browser draws and steps on its own."""

from dash import Dash, Input, Output

from explorer.app.site.site import Site
from explorer.app.ui.element import in_browser
from explorer.app.view import ids


def register(app: Dash, _site: Site) -> None:
    """Register the callbacks."""
    in_browser(app, "tour", Output(ids.TOUR, "data-ready"), Input(ids.TOUR_STORE, "data"), initially=True)

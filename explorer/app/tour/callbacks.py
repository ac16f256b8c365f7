"""Callbacks of the presenter: the browser draws, and steps, by itself."""

from dash import Dash, Input, Output

from explorer.app.site.site import Site
from explorer.app.ui.clientside import in_browser
from explorer.app.view import ids


def register(app: Dash, _site: Site) -> None:
    """Add them to the app."""
    in_browser(app, "tour", Output(ids.TOUR, "data-ready"), Input(ids.TOUR_STORE, "data"), initially=True)

"""Callbacks of the frame: from the address to a page, and what the browser does by itself."""

from typing import Any

from dash import Dash, Input, Output

from explorer.app.server.router import page_at
from explorer.app.site.site import Site
from explorer.app.ui.element import in_browser
from explorer.app.ui.page import header
from explorer.app.view import ids


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""

    @app.callback(
        Output(ids.HEADER, "children"),
        Output(ids.PAGE, "children"),
        Output(ids.TITLE, "data"),
        Input(ids.URL, "pathname"),
        Input(ids.URL, "search"),
    )
    def open_page(path: str | None, query: str | None) -> tuple[Any, Any, str]:
        page = page_at(site, path, query)
        return header(page, site.links.gallery()), page.body, page.title

    in_browser(app, "title", Input(ids.TITLE, "data"))
    in_browser(app, "theme", Input(ids.THEME_TOGGLE, "n_clicks"))
    in_browser(app, "shareView", Input(ids.SHARE_VIEW, "n_clicks"))

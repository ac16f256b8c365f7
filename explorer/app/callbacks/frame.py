"""Callbacks of the frame: from the address to a page, and what the browser does by itself."""

from typing import Any

from dash import ClientsideFunction, Dash, Input, Output, State

from explorer.app import ids
from explorer.app.pages.page import header
from explorer.app.pages.route import page_at
from explorer.app.site import Site


def browser(name: str) -> ClientsideFunction:
    """A function of assets/js/clientside.js."""
    return ClientsideFunction(namespace="mx", function_name=name)


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""

    @app.callback(
        Output(ids.HEADER, "children"),
        Output(ids.PAGE, "children"),
        Output(ids.TITLE, "data"),
        Input(ids.URL, "pathname"),
        State(ids.URL, "search"),
    )
    def open_page(path: str | None, query: str | None) -> tuple[Any, Any, str]:
        page = page_at(site, path, query)
        return header(page, site.links.gallery()), page.body, page.title

    app.clientside_callback(browser("title"), Input(ids.TITLE, "data"))
    app.clientside_callback(browser("theme"), Input(ids.THEME_TOGGLE, "n_clicks"))
    app.clientside_callback(browser("shareView"), Input(ids.SHARE_VIEW, "n_clicks"))

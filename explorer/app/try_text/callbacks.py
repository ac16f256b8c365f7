"""Callbacks of a text that is tried: one request a text; chips, lights and marks are the browser's."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app.site.site import Site
from explorer.app.try_text.requests import ask_text
from explorer.app.ui.clientside import in_browser
from explorer.app.view import ids


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""
    asks = (Input(ids.TRY_RUN, "n_clicks"), Input(ids.TRY_TEXT, "n_submit"))

    @app.callback(
        Output(ids.TRY_ANSWER, "data"),
        Output(ids.TRY_STATUS, "children"),
        *asks,
        State(ids.TRY_TEXT, "value"),
        State(ids.URL, "pathname"),
        running=[(Output(ids.TRY_RUN, "disabled"), True, False)],
        prevent_initial_call=True,
    )
    async def try_text(_: int, __: int, text: str, path: str) -> tuple[Any, str]:
        answer = await ask_text(site, path, text)
        return answer.data, answer.problem

    in_browser(app, "textAsked", *asks, State(ids.TRY_TEXT, "value"))
    told = (Input(ids.TRY_ANSWER, "data"), Input(ids.TRY_STORE, "data"))
    in_browser(app, "text", Output(ids.TRY_TOKENS, "data-ready"), *told, initially=True)
    in_browser(app, "textClear", Input(ids.TRY_CLEAR, "n_clicks"))

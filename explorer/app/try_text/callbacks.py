"""Callbacks of the text probe: one request per text; the browser draws chips, highlights and marks."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app.site.site import Site
from explorer.app.try_text.requests import probe_text
from explorer.app.ui.element import in_browser
from explorer.app.view import ids


def register(app: Dash, site: Site) -> None:
    """Register the callbacks."""
    triggers = (Input(ids.TRY_RUN, "n_clicks"), Input(ids.TRY_TEXT, "n_submit"))

    @app.callback(
        Output(ids.TRY_ANSWER, "data"),
        Output(ids.TRY_STATUS, "children"),
        *triggers,
        State(ids.TRY_TEXT, "value"),
        State(ids.URL, "pathname"),
        running=[(Output(ids.TRY_RUN, "disabled"), True, False)],
        prevent_initial_call=True,
    )
    async def try_text(_: int, __: int, text: str, path: str) -> tuple[Any, str]:
        answer = await probe_text(site, path, text)
        return answer.data, answer.problem

    in_browser(app, "textAsked", *triggers, State(ids.TRY_TEXT, "value"))
    answer = (Input(ids.TRY_ANSWER, "data"), Input(ids.TRY_STORE, "data"))
    in_browser(app, "text", Output(ids.TRY_TOKENS, "data-ready"), *answer, initially=True)
    in_browser(app, "textClear", Input(ids.TRY_CLEAR, "n_clicks"))

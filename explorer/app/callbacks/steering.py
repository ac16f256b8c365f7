"""Callbacks of the steering panel: one request a path; drawing, dragging, streaming and sharing are the browser's."""

from typing import Any

from dash import Dash, Input, Output, State

from explorer.app import ids
from explorer.app.ask import ask_host
from explorer.app.callbacks.browser import in_browser
from explorer.app.site import Site
from explorer.app.state import Ask, Where

_FIELDS = (ids.STEER_PROMPT, ids.STEER_FROM, ids.STEER_TO, ids.STEER_STRENGTH, ids.STEER_AS, ids.STEER_WHERE)


def register(app: Dash, site: Site) -> None:
    """Add them to the app."""

    @app.callback(
        Output(ids.STEER_STORE, "data"),
        Output(ids.STEER_STATUS, "children"),
        Input(ids.STEER_RUN, "n_clicks"),
        *(Input(field, "value") for field in _FIELDS),
        State(ids.URL, "pathname"),
        running=[(Output(ids.STEER_RUN, "disabled"), True, False), (Output(ids.BANDS, "className"), "stale", "")],
        prevent_initial_call=True,
    )
    async def steer(
        _: int, prompt: str, start: str, end: str, strength: float, ask: Ask, where: Where, path: str
    ) -> tuple[Any, str]:
        answer = await ask_host(site, path, prompt, start, end, strength, ask, where)
        return answer.data, answer.problem

    in_browser(app, "steerFields", *(Input(field, "value") for field in _FIELDS))
    after = (
        Output(ids.GENERATE, "disabled"),
        Output(ids.SHARE_RESULT, "disabled"),
        Output(ids.STEER_VERDICT, "children"),
    )
    in_browser(app, "bands", *after, Input(ids.STEER_STORE, "data"), State(ids.POSITION_STORE, "data"))
    results = [State(store, "data") for store in (ids.STEER_STORE, ids.STREAM_STORE, ids.CLUSTER_STORE)]
    in_browser(app, "generate", Input(ids.GENERATE, "n_clicks"), results[0], results[2])
    in_browser(app, "stop", Input(ids.STOP, "n_clicks"))
    in_browser(app, "shareResult", Input(ids.SHARE_RESULT, "n_clicks"), *results)
    in_browser(app, "replay", Output(ids.BANDS, "data-ready"), Input(ids.REPLAY_STORE, "data"), initially=True)

"""Callbacks of the steering panel: one request per path; the browser draws, drags, streams and shares."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from dash import Dash, Input, Output, State

from explorer.app.site.site import Site
from explorer.app.steering.requests import (
    SteeringFields,
    request_behaviour,
    request_check,
    request_phrases,
    request_sweep,
)
from explorer.app.ui.element import in_browser
from explorer.app.view import ids
from explorer.app.view.state import Ask, Where

Handler = TypeVar("Handler", bound=Callable[..., Awaitable[tuple[Any, str]]])
_FIELDS = (ids.STEER_PROMPT, ids.STEER_FROM, ids.STEER_TO, ids.STEER_STRENGTH, ids.STEER_AS, ids.STEER_WHERE)
_ASKED = (*(State(field, "value") for field in (*_FIELDS, ids.READOUT)), State(ids.URL, "pathname"))


def register(app: Dash, site: Site) -> None:
    """Register the callbacks."""

    @app.callback(
        Output(ids.STEER_STORE, "data"),
        Output(ids.STEER_STATUS, "children"),
        Input(ids.STEER_RUN, "n_clicks"),
        Input(ids.READOUT_RUN, "n_clicks"),
        *(Input(field, "value") for field in _FIELDS),
        *_ASKED[-2:],
        running=[(Output(ids.STEER_RUN, "disabled"), True, False), (Output(ids.BANDS, "className"), "stale", "")],
        prevent_initial_call=True,
    )
    async def steer(
        _: int,
        __: int,
        prompt: str,
        start: str,
        end: str,
        strength: float,
        ask: Ask,
        where: Where,
        readout: str,
        path: str,
    ) -> tuple[Any, str]:
        answer = await request_behaviour(site, path, SteeringFields(prompt, start, end, strength, ask, where, readout))
        return answer.data, answer.problem

    _register_checks(app, site)
    _register_browser(app)


def _register_checks(app: Dash, site: Site) -> None:
    """One request per check, with the current values of the fields."""

    def check_callback(name: str, button: str, *more: State) -> Callable[[Handler], Handler]:
        registering: Callable[[Handler], Handler] = app.callback(
            Output(f"{name}-store", "data"),
            Output(f"{name}-status", "children"),
            Input(button, "n_clicks"),
            *_ASKED,
            *more,
            running=[(Output(button, "disabled"), True, False)],
            prevent_initial_call=True,
        )
        return registering

    @check_callback("check", ids.CHECK_RUN)
    async def check(
        _: int, prompt: str, start: str, end: str, strength: float, ask: Ask, where: Where, readout: str, path: str
    ) -> tuple[Any, str]:
        answer = await request_check(site, path, SteeringFields(prompt, start, end, strength, ask, where, readout))
        return answer.data, answer.problem

    @check_callback("sweep", ids.SWEEP_RUN)
    async def sweep(
        _: int, prompt: str, start: str, end: str, strength: float, ask: Ask, where: Where, readout: str, path: str
    ) -> tuple[Any, str]:
        answer = await request_sweep(site, path, SteeringFields(prompt, start, end, strength, ask, where, readout))
        return answer.data, answer.problem

    @check_callback("phrases", ids.PHRASES_RUN, State(ids.PHRASES, "value"))
    async def phrases(
        _: int,
        prompt: str,
        start: str,
        end: str,
        strength: float,
        ask: Ask,
        where: Where,
        readout: str,
        path: str,
        lines: str,
    ) -> tuple[Any, str]:
        fields = SteeringFields(prompt, start, end, strength, ask, where, readout)
        answer = await request_phrases(site, path, fields, lines)
        return answer.data, answer.problem


def _register_browser(app: Dash) -> None:
    in_browser(app, "steerFields", *(Input(field, "value") for field in _FIELDS))
    own = State(ids.CHECKS_STORE, "data")
    in_browser(app, "checkFields", Input(ids.PHRASES, "value"), Input(ids.READOUT, "value"), own)
    in_browser(app, "ownReadout", Output(ids.READOUT, "value"), Input(ids.READOUT_OWN, "n_clicks"), own)
    after = (
        Output(ids.GENERATE, "disabled"),
        Output(ids.SHARE_RESULT, "disabled"),
        Output(ids.STEER_VERDICT, "children"),
    )
    in_browser(app, "bands", *after, Input(ids.STEER_STORE, "data"), State(ids.POSITION_STORE, "data"))
    stores = (ids.CHECK_STORE, ids.SWEEP_STORE, ids.PHRASES_STORE)
    for store, draw in zip(stores, ("check", "sweep", "phrases"), strict=True):
        in_browser(app, draw, Input(store, "data"), State(ids.STEER_STORE, "data"))
    results = [State(store, "data") for store in (ids.STEER_STORE, ids.STREAM_STORE, ids.CLUSTER_STORE)]
    in_browser(app, "generate", Input(ids.GENERATE, "n_clicks"), results[0], results[2])
    in_browser(app, "stop", Input(ids.STOP, "n_clicks"))
    checked = [State(store, "data") for store in stores]
    in_browser(app, "shareResult", Input(ids.SHARE_RESULT, "n_clicks"), *results, *checked)
    in_browser(app, "replay", Output(ids.BANDS, "data-ready"), Input(ids.REPLAY_STORE, "data"), initially=True)

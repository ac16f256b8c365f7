"""Callbacks take values of their annotated types; errors tell a bad request from a failing callback."""

import asyncio
import time
from typing import Any, Literal

import pytest
from dash import Dash, Input, Output
from dash.exceptions import PreventUpdate

from explorer.app.security.callbacks import (
    MAX_CHANGED,
    ArgumentTypes,
    CallbackFailed,
    CallbackValueError,
    TypedDash,
    typed,
)
from explorer.app.security.filter import protect
from explorer.errors import RequestError
from tests.app.edge_app import good_body, post, settings, small_dash


def plain(word: str, number: float, flag: bool, choice: Literal["a", "b"], many: list[int | None]) -> None: ...


def nullable(path: str | None, *rest: str) -> None: ...


def loose(one, two: Any, three: object) -> None: ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("place", "good", "bad"),
    [
        (0, ["", "x", None], [1, 1.5, True, [], {}, ["x"]]),
        (1, [1, 1.5, None], ["1", "", True, [], {}]),
        (2, [True, False, None], [0, 1, "true"]),
        (3, ["a", "b", None], ["c", 1, ["a"]]),
        (4, [[], [1, None], None], [["1"], "1", {}, [[1]]]),
    ],
)
def test_values_of_another_type_are_refused(place: int, good: list[Any], bad: list[Any]) -> None:
    types = ArgumentTypes(plain)
    for value in good:
        types.check([*[None] * place, value, *[None] * (4 - place)])
    for value in bad:
        with pytest.raises(CallbackValueError):
            types.check([*[None] * place, value, *[None] * (4 - place)])


def test_variadic_arguments_are_checked_one_by_one() -> None:
    types = ArgumentTypes(nullable)
    types.check([None])
    types.check([None, "search", None])
    for values in ([None, 3], ["/", "search", 3], [3]):
        with pytest.raises(CallbackValueError):
            types.check(values)


def test_arguments_without_annotation_take_anything() -> None:
    for value in (1, "x", [], {}, None):
        ArgumentTypes(loose).check([value] * 3)


@pytest.mark.parametrize("count", [0, 4, 6, 7])
def test_another_number_of_values_is_refused(count: int) -> None:
    with pytest.raises(CallbackValueError):
        ArgumentTypes(plain).check([None] * count)


def failing(error: Any) -> str:
    if error is not None:
        raise error
    return "done"


async def failing_async(error: Any) -> str:
    return failing(error)


def call(function: Any, *values: Any) -> Any:
    result = typed(function)(*values)
    return asyncio.run(result) if asyncio.iscoroutine(result) else result


@pytest.mark.parametrize("function", [failing, failing_async])
def test_only_unexpected_errors_of_a_callback_are_marked(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    monkeypatch.setattr(ArgumentTypes, "check", lambda *_: None)
    assert call(function, None) == "done"
    for expected in (PreventUpdate(), RequestError("link", "a comma", "a full stop")):
        with pytest.raises(type(expected)):
            call(function, expected)
    with pytest.raises(CallbackFailed) as marked:
        call(function, ZeroDivisionError("bug"))
    assert isinstance(marked.value.__cause__, ZeroDivisionError)


def test_registering_returns_the_function_itself() -> None:
    app = TypedDash("typed", backend="fastapi")

    def shout(word: str) -> str:
        return word.upper()

    assert app.callback(Output("a", "children"), Input("b", "value"))(shout) is shout


def test_a_long_list_of_changed_inputs_is_refused_before_dash_searches_it() -> None:
    """Dash looks each input up in the list: within the size limit of a body that takes seconds."""
    body = good_body(inputs=[{"id": "a", "property": "b"}] * 2_000, changedPropIds=["x"] * 20_000)
    app = small_dash()
    started = time.perf_counter()
    plain_seconds = _timed(small_dash(Dash).server, body)
    refused = post(protect(app.server, app, settings()), body)
    assert (refused.status_code, refused.json()["code"]) == (400, "malformed")
    assert time.perf_counter() - started - plain_seconds < plain_seconds
    at_limit = good_body(changedPropIds=["button.n_clicks"] * MAX_CHANGED)
    assert post(protect(app.server, app, settings()), at_limit).status_code == 200


def _timed(app: Any, body: object) -> float:
    started = time.perf_counter()
    post(app, body)
    return time.perf_counter() - started

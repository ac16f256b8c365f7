"""Dash callbacks with typed arguments, and what tells a bad request from a failing callback.

Dash hands whatever JSON stands in the request to the callback's function, and answers its own errors with 500.
``TypedDash`` checks each value against the function's annotation first. What the function itself raises leaves as
CallbackFailed, so anything else raised on the callback route is the fault of the request.
"""

import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

from dash import Dash
from dash.exceptions import PreventUpdate
from pydantic import TypeAdapter, ValidationError

from explorer.errors import ExplorerError
from explorer.http.bodies import Json
from explorer.http.errors import ErrorReply

CALLBACK_PATH = "_dash-update-component"
MALFORMED = ErrorReply(400, "malformed", "The callback request is not one that the page sends.")
UNKNOWN = ErrorReply(404, "unknown_callback", "This server has no such callback; reload the page.")
MAX_CHANGED = 100
"""Entries of ``changedPropIds``. Dash searches this list once for each input: unbounded, it takes quadratic time."""
_QUERY_KEYS = frozenset({"endId"})

Function = TypeVar("Function", bound=Callable[..., Any])


class CallbackFailed(Exception):
    """A callback's function raised; its exception is the cause."""


class CallbackValueError(Exception):
    """A request holds more or fewer values than the callback takes, or one of another type."""


class TypedDash(Dash):
    """Dash whose callbacks take only values of their annotated types."""

    def callback(self, *args: Any, **kwargs: Any) -> Callable[[Function], Function]:
        """Register a callback as Dash does; returns the function unchanged."""
        register = super().callback(*args, **kwargs)

        def decorate(function: Function) -> Function:
            register(typed(function))
            return function

        return decorate


def typed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a callback's function so that it checks its arguments and marks its own errors.

    The wrapper raises:
        CallbackValueError: the arguments do not fit the annotations.
        CallbackFailed: the function raised anything but PreventUpdate or an ExplorerError.
    """
    arguments = ArgumentTypes(function)
    if inspect.iscoroutinefunction(function):

        @wraps(function)
        async def checked_async(*values: Json) -> Any:
            arguments.check(values)
            with _failures():
                return await function(*values)

        return checked_async

    @wraps(function)
    def checked(*values: Json) -> Any:
        arguments.check(values)
        with _failures():
            return function(*values)

    return checked


class ArgumentTypes:
    """The annotated types of a function's positional parameters.

    null is a value of every type: the browser sends it for a component that is not on the page yet. Parameters without
    an annotation take anything.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = typing.get_type_hints(function)
        self._signature = inspect.signature(function)
        self._types: dict[str, TypeAdapter[object]] = {
            name: TypeAdapter(hints[name]) for name in self._signature.parameters if name in hints
        }

    def check(self, values: Sequence[Json]) -> None:
        """Check the arguments of one call.

        Raises:
            CallbackValueError: too many or too few values, or one of another type.
        """
        try:
            bound = self._signature.bind(*values)
        except TypeError as error:
            raise CallbackValueError(str(error)) from error
        for name, value in bound.arguments.items():
            variadic = self._signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL
            if not all(self._fits(name, one) for one in (value if variadic else (value,))):
                raise CallbackValueError(f"{name}: a value of another type")

    def _fits(self, name: str, value: Json) -> bool:
        if value is None or name not in self._types:
            return True
        try:
            self._types[name].validate_python(value, strict=True)
        except ValidationError:
            return False
        return True


@contextmanager
def _failures() -> Iterator[None]:
    try:
        yield
    except (PreventUpdate, ExplorerError):
        raise
    except Exception as error:
        raise CallbackFailed from error


def check_callback(body: Json, query: Iterable[str]) -> ErrorReply | None:
    """Refuse what Dash would take up without raising: background jobs, and lists that cost quadratic time.

    Args:
        body: the parsed request.
        query: names of the query's parameters; those of background callbacks, which the app does not use, are refused.
    """
    changed = body.get("changedPropIds") if isinstance(body, dict) else None
    if not set(query) <= _QUERY_KEYS or (isinstance(changed, list) and len(changed) > MAX_CHANGED):
        return MALFORMED
    return None


def callback_error(error: Exception) -> ErrorReply:
    """The reply to an error that Dash raised while it took a request apart.

    Dash names an output that it does not know in a KeyError; every other error is a body that the page never sends.
    """
    return UNKNOWN if isinstance(error, KeyError) and "Callback function not found" in str(error) else MALFORMED

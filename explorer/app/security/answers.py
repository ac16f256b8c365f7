"""How the app says no: one JSON shape for every refusal and every failure."""

import logging
from dataclasses import dataclass
from pathlib import Path

from dash.exceptions import DashException, DependencyException, PreventUpdate
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.errors import (
    ExplorerError,
    HostError,
    HostMismatch,
    HostNotReady,
    HostRefused,
    HostUnreachable,
    InputError,
    RequestError,
    RunError,
)

LOG = logging.getLogger("explorer.app")
INTERNAL_MESSAGE = "Something went wrong on the server; its log says what."
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_type", 422: "invalid"}


@dataclass(frozen=True)
class Refusal:
    """Why a request gets no answer."""

    status: int
    """HTTP status."""
    code: str
    """Why, for programs."""
    message: str
    """Why, for people."""

    def response(self) -> JSONResponse:
        """The refusal as it goes to the browser: ``{"code", "message"}``."""
        return JSONResponse({"code": self.code, "message": self.message}, self.status)


INTERNAL = Refusal(500, "internal", INTERNAL_MESSAGE)


def refusal_of(error: ExplorerError) -> Refusal:
    """The refusal that tells one of the project's own errors, with file names but without their folders."""
    if isinstance(error, RequestError):
        return Refusal(400, "invalid", str(error))
    if isinstance(error, InputError):
        # A run that is not there or broken is the address's fault; anything else is this server's.
        status = 404 if isinstance(error, RunError) else 503
        return Refusal(status, "unreadable", f"{Path(error.where).name}: found {error.found}, wanted {error.wanted}")
    if isinstance(error, HostError):
        return Refusal(502, host_code(error), str(error))
    return Refusal(500, "internal", str(error))


def host_code(error: HostError) -> str:
    """A short word for what is wrong with the steering host."""
    words = {
        HostUnreachable: "unreachable",
        HostNotReady: "not_ready",
        HostRefused: "refused",
        HostMismatch: "mismatch",
    }
    return words.get(type(error), "host")


def first_complaint(error: RequestValidationError) -> str:
    """The first thing that is wrong with a request, as ``field: reason``, never with the value itself."""
    complaint = error.errors()[0]
    where = ".".join(str(part) for part in complaint["loc"] if part != "body")
    return f"{where or 'body'}: {complaint['msg']}"


async def _explorer_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ExplorerError)
    return refusal_of(error).response()


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "refused" if error.status_code < 500 else "internal")
    response = Refusal(error.status_code, code, str(error.detail)).response()
    response.headers.update(error.headers or {})
    return response


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return Refusal(422, "invalid", first_complaint(error)).response()


class CatchAll:
    """Innermost middleware: whatever a route lets through is logged here and leaves as JSON.

    Dash's own middleware would answer without a log line, and in its debug modes with a traceback. Its control-flow
    exception ``PreventUpdate`` passes on; a component file that Dash does not know is a 404.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watching(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watching)
        except PreventUpdate:
            raise
        except Exception as error:  # the last line of defence, logged with its traceback
            if started:
                raise
            await _failure(scope, error).response()(scope, receive, send)


def _failure(scope: Scope, error: Exception) -> Refusal:
    if isinstance(error, DependencyException):
        return Refusal(404, "not_found", "There is no such file.")
    if isinstance(error, ExplorerError):
        return refusal_of(error)
    kind = "Dash" if isinstance(error, DashException) else "Unexpected"
    LOG.error("%s error at %s %s", kind, scope["method"], scope["path"], exc_info=error)
    return INTERNAL


def install_answers(server: FastAPI) -> None:
    """Make every error of a FastAPI app one JSON shape, ``{"code", "message"}``.

    Call before the server starts. Works beside Dash: the handlers run inside Dash's own middleware.
    """
    server.add_exception_handler(ExplorerError, _explorer_error)
    server.add_exception_handler(HTTPException, _http_error)
    server.add_exception_handler(RequestValidationError, _invalid)
    # Starlette runs user_middleware from first (outermost) to last: appended, this one stands inside Dash's.
    server.user_middleware.append(Middleware(CatchAll))

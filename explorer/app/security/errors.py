"""Errors of the app as HTTP: every failure leaves as ``{"code", "message"}``."""

import logging
from pathlib import Path
from typing import Literal, TypeAlias

from dash.exceptions import DependencyException, PreventUpdate
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from explorer.app.security.callbacks import CALLBACK_PATH, CallbackFailed, callback_error
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
from explorer.http.errors import ErrorReply

LOG = logging.getLogger("explorer.app")
INTERNAL = ErrorReply(500, "internal", "Something went wrong on the server; see its log.")
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_type", 422: "invalid"}
HostCode: TypeAlias = Literal["unreachable", "not_ready", "refused", "mismatch", "host"]
_HOST_CODES: dict[type[HostError], HostCode] = {
    HostUnreachable: "unreachable",
    HostNotReady: "not_ready",
    HostRefused: "refused",
    HostMismatch: "mismatch",
}


def error_reply(error: ExplorerError) -> ErrorReply:
    """The HTTP form of one of the project's own errors; files are named without their folders."""
    if isinstance(error, RequestError):
        return ErrorReply(400, "invalid", str(error))
    if isinstance(error, InputError):
        # A missing or broken run is a bad address; any other unreadable file is this server's fault.
        status = 404 if isinstance(error, RunError) else 503
        return ErrorReply(status, "unreadable", f"{Path(error.where).name}: found {error.found}, wanted {error.wanted}")
    if isinstance(error, HostError):
        return ErrorReply(502, host_code(error), str(error))
    return ErrorReply(500, "internal", str(error))


def host_code(error: HostError) -> HostCode:
    """Machine-readable code of a steering host's error."""
    return _HOST_CODES.get(type(error), "host")


def first_complaint(error: RequestValidationError) -> str:
    """The first invalid field of a request as ``field: reason``, without its value."""
    complaint = error.errors()[0]
    where = ".".join(str(part) for part in complaint["loc"] if part != "body")
    return f"{where or 'body'}: {complaint['msg']}"


def install_error_handlers(server: FastAPI) -> None:
    """Make every error of a FastAPI app an ErrorReply; call before the server starts."""
    server.add_exception_handler(ExplorerError, _explorer_error)
    server.add_exception_handler(HTTPException, _http_error)
    server.add_exception_handler(RequestValidationError, _invalid)
    # Starlette runs user_middleware from first (outermost) to last: appended, this one stands inside Dash's.
    server.user_middleware.append(Middleware(CatchAll))


async def _explorer_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ExplorerError)
    return error_reply(error).response()


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, "refused" if error.status_code < 500 else "internal")
    return ErrorReply(error.status_code, code, str(error.detail)).response(headers=error.headers)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return ErrorReply(422, "invalid", first_complaint(error)).response()


class CatchAll:
    """Innermost middleware: turns whatever a route raises into an ErrorReply, and logs what is a bug.

    Dash's own middleware would answer 500 without a log line, or with a traceback in its debug modes. PreventUpdate is
    its control flow and passes.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except PreventUpdate:
            raise
        except Exception as error:
            if started:
                raise
            await _reply(scope, error).response()(scope, receive, send)


def _reply(scope: Scope, error: Exception) -> ErrorReply:
    if isinstance(error, ExplorerError):
        return error_reply(error)
    if isinstance(error, DependencyException):
        return ErrorReply(404, "not_found", "There is no such file.")
    if scope["path"].endswith(f"/{CALLBACK_PATH}") and not isinstance(error, CallbackFailed):
        LOG.info("Dash failed on a callback request", exc_info=error)
        return callback_error(error)
    LOG.error("Unexpected error at %s %s", scope["method"], scope["path"], exc_info=error)
    return INTERNAL

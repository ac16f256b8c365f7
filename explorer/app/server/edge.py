"""The ASGI app around Dash: API routes, the front filter, and pseudonyms of viewers."""

import hashlib
import secrets
from contextvars import ContextVar
from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from explorer.app.security.filter import EdgeSettings, protect
from explorer.app.server.relay import RelayLimits, relay_router
from explorer.app.share.routes import share_router
from explorer.app.site.hosts import SteeringHosts
from explorer.app.site.shares import ShareStore
from explorer.http.errors import ErrorReply

if TYPE_CHECKING:
    from dash import Dash


def unknown_api_router() -> APIRouter:
    """A JSON 404 for every other path under ``/api``, where Dash would serve its page."""
    router = APIRouter(prefix="/api", include_in_schema=False)

    @router.get("/{path:path}")
    async def unknown(path: str) -> Response:  # noqa: ARG001 - part of the route
        return ErrorReply(404, "not_found", "There is no such API route.").response()

    return router


def build_edge(
    dash_app: "Dash",
    *,
    hosts: SteeringHosts,
    shares: ShareStore,
    settings: EdgeSettings,
    limits: RelayLimits | None = None,
) -> ASGIApp:
    """Add the API to a Dash app on FastAPI and wrap it in the front filter; serve the result.

    Call it after all other routes are added and before the server starts, which is when Dash adds its catch-all page.

    Args:
        dash_app: made with ``Dash(backend="fastapi")``, or with a FastAPI app as its server.
        hosts: steering hosts by run.
        shares: store of shared results.
        settings: what the filter lets through.
        limits: bounds of the relay.
    """
    server = dash_app.server
    for router in (share_router(shares), relay_router(hosts, limits), unknown_api_router()):
        server.include_router(router)
    return NameViewer(protect(server, dash_app, settings))


_VIEWER: ContextVar[str] = ContextVar("viewer", default="")


def current_viewer() -> str:
    """Pseudonym of the viewer whose request is being served; "" outside of a request."""
    return _VIEWER.get()


class NameViewer:
    """Outermost ASGI middleware: gives each client address a pseudonym, salted per process."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self._salt = secrets.token_bytes(16)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        address = (scope.get("client") or ("",))[0]
        before = _VIEWER.set(hashlib.sha256(self._salt + address.encode()).hexdigest()[:16])
        try:
            await self.app(scope, receive, send)
        finally:
            _VIEWER.reset(before)

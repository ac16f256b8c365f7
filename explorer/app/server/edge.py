"""The app's edge in one call: the API routes beside Dash, and the front filter around all of it."""

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
    """A JSON 404 for every other path under ``/api``: Dash would answer them with its page."""
    router = APIRouter(prefix="/api", include_in_schema=False)

    @router.get("/{path:path}")
    async def unknown(path: str) -> Response:  # noqa: ARG001 - part of the route
        return ErrorReply(404, "not_found", "There is no such part of the API.").response()

    return router


def build_edge(
    dash_app: "Dash",
    *,
    hosts: SteeringHosts,
    shares: ShareStore,
    settings: EdgeSettings,
    limits: RelayLimits | None = None,
) -> ASGIApp:
    """Add the API to a Dash app on FastAPI and put the front filter around it; serve the result.

    Call it once the Dash app's own extra routes are there and before its first request: Dash adds its catch-all page
    when the server starts, so everything here comes before that.

    Args:
        dash_app: made with ``Dash(backend="fastapi")``, or with a FastAPI app as its server.
        hosts: who is asked about which run.
        shares: where shared results are kept.
        settings: what the filter lets through.
        limits: bounds of the relay.
    """
    server = dash_app.server
    for router in (share_router(shares), relay_router(hosts, limits), unknown_api_router()):
        server.include_router(router)
    return NameViewer(protect(server, dash_app, settings))


_VIEWER: ContextVar[str] = ContextVar("viewer", default="")


def current_viewer() -> str:
    """Name of the viewer whose request is being served, "" outside of one; it does not give the address away."""
    return _VIEWER.get()


class NameViewer:
    """ASGI around everything else: names each viewer after its address, and otherwise in every process."""

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

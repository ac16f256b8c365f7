"""The app's edge in one call: the API routes beside Dash, and the front filter around all of it."""

from typing import TYPE_CHECKING

from fastapi import APIRouter
from fastapi.responses import Response
from starlette.types import ASGIApp

from explorer.app.relay import RelayLimits, SteeringHosts, relay_router
from explorer.app.security.answers import Refusal
from explorer.app.security.filter import EdgeSettings, protect
from explorer.app.share_routes import share_router
from explorer.app.shares import ShareStore
from explorer.app.viewer import NameViewer

if TYPE_CHECKING:
    from dash import Dash


def unknown_api_router() -> APIRouter:
    """A JSON 404 for every other path under ``/api``: Dash would answer them with its page."""
    router = APIRouter(prefix="/api", include_in_schema=False)

    @router.get("/{path:path}")
    async def unknown(path: str) -> Response:  # noqa: ARG001 - part of the route
        return Refusal(404, "not_found", "There is no such part of the API.").response()

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

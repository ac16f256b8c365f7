"""Callbacks of a comparison: the URL holds what is compared, and the browser keeps the two cameras in sync."""

from dash import Dash, Input, Output, State
from fastapi import APIRouter, Request
from fastapi.responses import Response

from explorer.app.compare.compared_clusters import compared_at, compared_points
from explorer.app.site.site import Site
from explorer.app.ui.element import in_browser
from explorer.app.view import ids
from explorer.app.view.state import decode
from explorer.runs.report.tables import as_tsv

_SIDES = (ids.COMPARE_LEFT_RUN, ids.COMPARE_LEFT_CLUSTER, ids.COMPARE_RIGHT_RUN, ids.COMPARE_RIGHT_CLUSTER)


def register(app: Dash, _site: Site) -> None:
    """Register the callbacks."""
    in_browser(app, "compareWith", *(Input(one, "value") for one in _SIDES), State(ids.COMPARE_STORE, "data"))
    in_browser(
        app, "compare", Output(ids.COMPARE_CLOUDS, "data-ready"), Input(ids.COMPARE_STORE, "data"), initially=True
    )


def compare_router(site: Site) -> APIRouter:
    """Routes that read two runs."""
    router = APIRouter(prefix="/api/compare")

    @router.get("/points.tsv")
    def points(request: Request) -> Response:
        """The drawn tokens of both clusters, aligned, as tab-separated text; takes the query of the page."""
        text = as_tsv(compared_points(compared_at(site, decode(request.url.query))))
        return Response(text, media_type="text/tab-separated-values")

    return router

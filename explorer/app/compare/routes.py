"""Data that a comparison's page asks for when it is copied."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from explorer.app.compare.pair import asked_pair, pair_rows
from explorer.app.site.site import Site
from explorer.app.view.state import decode
from explorer.runs.report.tables import as_tsv


def compare_router(site: Site) -> APIRouter:
    """The routes that read two runs."""
    router = APIRouter(prefix="/api/compare")

    @router.get("/points.tsv")
    def points(request: Request) -> Response:
        """The drawn tokens of both clusters as they are drawn, as tab-separated text; the query is the page's."""
        text = as_tsv(pair_rows(asked_pair(site, decode(request.url.query))))
        return Response(text, media_type="text/tab-separated-values")

    return router

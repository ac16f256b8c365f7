"""HTTP routes of stored results: ``POST /api/share`` stores one, ``GET /api/share/<id>`` returns it."""

import asyncio
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from explorer.app.site.shares import SharedResult, ShareStore
from explorer.http.errors import ErrorReply

NO_SUCH_SHARE = ErrorReply(404, "not_found", "There is no shared result under this link.")


@dataclass(frozen=True)
class ShareLink:
    """Address of a stored result."""

    id: str
    path: str
    """Path of the page that replays it."""


def share_router(store: ShareStore) -> APIRouter:
    """Routes of a store. A read-only store refuses new results."""
    router = APIRouter(prefix="/api/share")

    @router.post("", status_code=201)
    async def keep(result: SharedResult) -> ShareLink:
        """Store a result permanently."""
        share_id = await asyncio.to_thread(store.put, result)
        return ShareLink(share_id, f"/s/{share_id}")

    @router.get("/{share_id}")
    async def replay(share_id: str) -> Response:
        """The stored result, unchanged."""
        share = await asyncio.to_thread(store.get, share_id)
        if share is None:
            return NO_SUCH_SHARE.response()
        return JSONResponse(share.model_dump(mode="json"))

    return router

"""The app sends the host a pseudonym of the viewer, never the address."""

import asyncio

import httpx
from starlette.types import Receive, Scope, Send

from explorer.app.server.edge import NameViewer, current_viewer
from explorer.steering.client import AsyncSteeringClient
from explorer.steering.protocol.wire import VIEWER_HEADER
from tests.steering.fake import TOKEN, FakeHandlers


def test_viewers_have_pseudonyms_without_their_addresses() -> None:
    names: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        names.append(request.headers[VIEWER_HEADER])
        return httpx.Response(200, text=FakeHandlers().subject().model_dump_json())

    async def app(_: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
        async with AsyncSteeringClient(
            "http://host", TOKEN, transport=httpx.MockTransport(answer), viewer=current_viewer
        ) as client:
            await client.subject()

    async def serve() -> None:
        named = NameViewer(app)
        for address in ("10.0.0.1", "10.0.0.2", "10.0.0.1"):
            await named({"type": "http", "client": (address, 1)}, None, None)  # type: ignore[arg-type]

    asyncio.run(serve())
    first, second, third = names
    assert first == third != second
    assert not any("10.0.0" in name for name in names)
    assert current_viewer() == ""

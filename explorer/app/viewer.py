"""Who is being served: told to the steering host, which shares its places and turns fairly between viewers."""

import hashlib
import secrets
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

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

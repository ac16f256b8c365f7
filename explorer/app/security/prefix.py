"""Serves an app under a path prefix."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from explorer.errors import RequestError

OUTSIDE = "/api/outside"
"""A path that the app does not have; stands in for every path outside the prefix, so that all get the same 404."""
_PREFIX = re.compile(r"/([A-Za-z0-9._~@-]+/)*")
_MAX_LENGTH = 200


def read_prefix(text: str) -> str:
    """Normalise a prefix to a slash at both ends.

    Raises:
        RequestError: it has characters that need escaping, or "." or ".." as a segment.
    """
    inner = text.strip("/")
    prefix = f"/{inner}/" if inner else "/"
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _MAX_LENGTH or {".", ".."} & set(prefix.split("/")):
        raise RequestError("prefix", repr(text[:80]), "a path such as /lab/explorer/")
    return prefix


class UnderPrefix:
    """ASGI middleware that strips a prefix from request paths.

    Args:
        app: the app, whose own paths have no prefix.
        prefix: with a slash at both ends.
        only: respond 404 to paths without the prefix. Otherwise the prefix is optional: a proxy may have stripped it.
    """

    def __init__(self, app: ASGIApp, prefix: str, only: bool = False) -> None:
        self.app = app
        self.prefix = prefix
        self.only = only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            path = self._inside(scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode("utf-8", "surrogateescape")}
        await self.app(scope, receive, send)

    def _inside(self, path: str) -> str:
        if f"{path}/" == self.prefix:
            return "/"
        if path.startswith(self.prefix):
            return path[len(self.prefix) - 1 :]
        return OUTSIDE if self.only else path

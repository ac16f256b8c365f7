"""Serves an app below a path: what a proxy leaves of it is taken off here, and what lies outside can be refused."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

from explorer.errors import RequestError

OUTSIDE = "/api/outside"
"""An address that the app does not have: its answer is the one to every path outside."""
_PREFIX = re.compile(r"/([A-Za-z0-9._~@-]+/)*")
_LONGEST = 200


def read_prefix(text: str) -> str:
    """A path with a slash at both ends.

    Raises:
        RequestError: characters that would need escaping, or dots that climb.
    """
    inner = text.strip("/")
    prefix = f"/{inner}/" if inner else "/"
    if not _PREFIX.fullmatch(prefix) or len(prefix) > _LONGEST or {".", ".."} & set(prefix.split("/")):
        raise RequestError("prefix", repr(text[:80]), "a path such as /lab/explorer/")
    return prefix


class UnderPrefix:
    """An app whose paths may come with a prefix, or must.

    Args:
        app: the app, which knows its own paths without the prefix.
        prefix: with a slash at both ends.
        only: answer nothing that comes without the prefix. Otherwise it may be missing: a proxy may take it off.
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

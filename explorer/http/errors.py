"""The JSON shape that every HTTP error of the app and of a steering host has."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response


@dataclass(frozen=True)
class ErrorReply:
    """An HTTP error as a value: built where a check fails, sent where the connection is."""

    status: int
    code: str
    """Machine-readable reason in snake_case."""
    message: str
    """Human-readable reason; never repeats what the client sent."""
    field: str | None = None
    """Dotted path of the offending field, in replies of a steering host."""
    retry_after: float | None = None
    """Seconds until a retry may succeed; sent as ``Retry-After`` in whole seconds, rounded up."""

    def response(self, *, with_field: bool = False, headers: Mapping[str, str] | None = None) -> Response:
        """Encode as ``{"code", "message"}``, and ``"field"`` where the protocol has it."""
        body = {"code": self.code, "message": self.message}
        more = dict(headers or {})
        if self.retry_after is not None:
            more["retry-after"] = str(math.ceil(self.retry_after))
        if self.status == 401:
            more["www-authenticate"] = "Bearer"
        return JSONResponse(body | {"field": self.field} if with_field else body, self.status, more)

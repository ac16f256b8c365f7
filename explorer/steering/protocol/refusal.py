"""Why a host gives no answer, as it is told to a client."""

import logging
from typing import Literal, TypeAlias

from explorer.errors import ExplorerError, HookNotFired, HostError, InputError, RequestError
from explorer.http.errors import ErrorReply
from explorer.steering.protocol.wire import Wire

LOG = logging.getLogger("explorer.host")
_INTERNAL = "the host failed on this request; its log says more"
_FILES = "the host's own files are at fault; its log says more"


ErrorCode: TypeAlias = Literal[
    "invalid",
    "malformed",
    "too_large",
    "too_deep",
    "unauthorized",
    "throttled",
    "bad_host",
    "not_found",
    "method_not_allowed",
    "fingerprint_mismatch",
    "busy",
    "stopped",
    "hook_not_fired",
    "numeric_overflow",
    "internal",
]
"""Why a request got no answer."""


class ErrorBody(Wire):
    """Every refusal has this shape."""

    code: ErrorCode
    """Why, for programs."""
    message: str
    """Why, for people."""
    field: str | None = None
    """Which field of the request, as a dotted path."""

    @property
    def words(self) -> str:
        """The message, after the field where there is one."""
        return f"{self.field}: {self.message}" if self.field else self.message


class Refusal(HostError):
    """A request that is not answered, with the protocol's code and HTTP status."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code=code, message=message, field=field)
        self.retry_after = retry_after

    @property
    def reply(self) -> ErrorReply:
        """The HTTP form."""
        return ErrorReply(self.status, self.body.code, self.body.message, self.body.field, self.retry_after)


def overflow() -> Refusal:
    """The model's logits are not finite: the move was too strong for its number format."""
    return Refusal(422, "numeric_overflow", "the model's logits are not finite: the strength is too large here")


def explained(error: Exception) -> Refusal:
    """What a client is told of whatever ended its request; what no request should meet is logged."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, RequestError):
        return Refusal(422, "invalid", f"found {error.found}, wanted {error.wanted}", field=error.where)
    if isinstance(error, HookNotFired):
        return Refusal(500, "hook_not_fired", str(error))
    LOG.error("A request failed", exc_info=error)
    if not isinstance(error, ExplorerError):
        return Refusal(500, "internal", _INTERNAL)
    return Refusal(500, "internal", _FILES if isinstance(error, InputError) else str(error))

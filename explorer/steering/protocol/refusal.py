"""Errors of a host: the body of an error response, and the exception that carries it through the host. No torch."""

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
"""Cause of an error, for programs."""


class ErrorBody(Wire):
    """Body of every error response."""

    code: ErrorCode
    """Cause, for programs."""
    message: str
    """Cause, for people."""
    field: str | None = None
    """Field of the request at fault, as a dotted path."""

    @property
    def words(self) -> str:
        """The message, preceded by the field where there is one."""
        return f"{self.field}: {self.message}" if self.field else self.message


class Refusal(HostError):
    """The host refuses a request, or fails on it."""

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
    """The error where logits are not finite: the strength is too large for the model's number format."""
    return Refusal(422, "numeric_overflow", "the model's logits are not finite: the strength is too large here")


def explained(error: Exception) -> Refusal:
    """The error response for an exception; unexpected exceptions are logged, and their text is not disclosed."""
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

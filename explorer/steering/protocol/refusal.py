"""Why a host gives no answer, as it is told to a client."""

import logging

from explorer.errors import ExplorerError, HookNotFired, HostError, InputError, RequestError
from explorer.http.errors import ErrorReply
from explorer.steering.protocol.protocol import ErrorBody, ErrorCode

LOG = logging.getLogger("explorer.host")
_INTERNAL = "the host failed on this request; its log says more"
_FILES = "the host's own files are at fault; its log says more"


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

"""Why a host gives no answer, as it is told to a client."""

from explorer.errors import HostError
from explorer.steering.protocol import ErrorBody, ErrorCode


class Refusal(HostError):
    """A request that is not answered, with the protocol's code and HTTP status."""

    def __init__(
        self, status: int, code: ErrorCode, message: str, *, field: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = ErrorBody(code=code, message=message, field=field)
        self.retry_after = retry_after


def overflow() -> Refusal:
    """The model's logits are not finite: the move was too strong for its number format."""
    return Refusal(422, "numeric_overflow", "the model's logits are not finite: the strength is too large here")

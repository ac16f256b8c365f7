"""The messages of `POST /v1/steer`: a request for text, and the events of its stream. No torch."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from explorer.steering.protocol.behaviour import PathRequest, PromptToken
from explorer.steering.protocol.refusal import ErrorCode
from explorer.steering.protocol.wire import ARMS, DEFAULT_ARMS, Arm, Count, Distance, Finish, Row, Share, Strength, Wire


class SteerRequest(PathRequest):
    """Request of `POST /v1/steer`: generate text for each arm and the unsteered model, streamed token by token."""

    strength: Strength = 1.0
    """See ``BehaviourRequest``."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Arms, each once."""
    position: Share = 1.0
    """Applied point of the path: 0 is its start, 1 its end."""
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=4096)] = 32
    """Largest number of generated tokens of a row. The host's limit applies as well."""
    temperature: Annotated[float, Field(strict=True, ge=0.0, le=10.0)] = 0.0
    """Sampling temperature; 0 takes the likeliest token."""


class StartEvent(Wire):
    """First event of a stream."""

    type: Literal["start"] = "start"
    fingerprint: str
    """Subject that generates."""
    rows: tuple[Row, ...]
    """Rows that are generated, the baseline first."""
    own_coordinate: Share
    """Intrinsic coordinate of the curve's nearest point to the unsteered prompt."""
    coordinate: Share
    """Intrinsic coordinate that the manifold arm moves to."""
    off_manifold: dict[Row, Annotated[float, Field(ge=0.0)]]
    """Distance of each row's moved state from the curve, in units of the cluster's own spread."""
    prompt_tokens: tuple[PromptToken, ...]
    """Tokens of the prompt."""


class TokenEvent(Wire):
    """The next token of one row."""

    type: Literal["token"] = "token"
    row: Row
    """Row."""
    index: Count
    """Number of the token in its row, from 0."""
    text: str
    """Text to append; empty where a character is incomplete."""
    token_id: Count
    """Id in the vocabulary."""
    logprob: Annotated[float, Field(le=0.0)]
    """Log-probability at temperature 1, in nats."""


class RowDoneEvent(Wire):
    """A row is finished."""

    type: Literal["row_done"] = "row_done"
    row: Row
    """Row."""
    finish: Finish
    """Why the row ended."""
    text: str
    """Its whole text."""
    hook_fired: Count
    """Number of tokens at which the edit was applied; 0 for the baseline only."""


class WrittenToken(Wire):
    """One generated token, as the unsteered model reads it."""

    text: str
    """Text that the token adds."""
    coordinate: Share
    """Realised: intrinsic coordinate of the curve's nearest point to the token's state."""
    off_manifold: Distance
    """Distance from the curve, in units of the cluster's own spread."""
    fires: bool
    """Whether the cluster fires on the token; elsewhere its coordinate is not meaningful."""


class Written(Wire):
    """A generated text, read back by the unsteered model."""

    tokens: tuple[WrittenToken, ...]
    """Tokens of the text, in order."""
    perplexity: Annotated[float, Field(ge=1.0)] | None
    """Perplexity under the unsteered model after the same prompt; None for an empty text."""
    repeated: Share | None
    """Share of the text's trigrams of tokens that repeat an earlier one; None for fewer than three tokens."""


class DoneEvent(Wire):
    """Last event of a stream that succeeded."""

    type: Literal["done"] = "done"
    hook_fired: dict[Row, int]
    """Number of tokens of each row at which the edit was applied."""
    finish: dict[Row, Finish]
    """Why each row ended."""
    tokens: Count
    """Number of generated tokens, over all rows."""
    written: dict[Row, Written] = Field(default_factory=dict)
    """The text of each row, read back by the unsteered model."""


class ErrorEvent(Wire):
    """Last event of a stream that failed; the events before it remain valid."""

    type: Literal["error"] = "error"
    code: ErrorCode
    """Cause, for programs."""
    message: str
    """Cause, for people."""


Event: TypeAlias = StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent
"""One event of a generation."""
SteerEvent: TypeAlias = Annotated[
    StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent, Field(discriminator="type")
]
"""One event of `POST /v1/steer`."""
_EVENTS: TypeAdapter[SteerEvent] = TypeAdapter(SteerEvent)


def event_to_sse(event: StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent) -> str:
    """One event as server-sent-event text: type, one line of JSON, empty line."""
    return f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


def event_from_json(data: str) -> Event:
    """Parse the data of one server-sent event.

    Raises:
        pydantic.ValidationError: not an event of this protocol.
    """
    return _EVENTS.validate_json(data)

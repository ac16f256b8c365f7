"""The messages of `POST /v1/steer`: a request for text, and the events of its stream. No torch."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field, TypeAdapter

from explorer.steering.protocol.behaviour import PathRequest, PromptToken
from explorer.steering.protocol.refusal import ErrorCode
from explorer.steering.protocol.wire import ARMS, DEFAULT_ARMS, Arm, Count, Distance, Finish, Row, Share, Strength, Wire


class SteerRequest(PathRequest):
    """Ask for text, one column for each arm, streamed token by token."""

    strength: Strength = 1.0
    """As in BehaviourRequest."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Which arms, each once."""
    position: Share = 1.0
    """Which point of the path is applied: 0 its start, 1 its end."""
    max_tokens: Annotated[int, Field(strict=True, ge=1, le=4096)] = 32
    """Longest continuation. The host's own limit holds too."""
    temperature: Annotated[float, Field(strict=True, ge=0.0, le=10.0)] = 0.0
    """0 takes the likeliest token each time."""


class StartEvent(Wire):
    """First event of a stream."""

    type: Literal["start"] = "start"
    fingerprint: str
    """Subject that answers."""
    rows: tuple[Row, ...]
    """Columns that will be filled, the baseline first."""
    own_coordinate: Share
    """Nearest place of the unsteered prompt on the curve."""
    coordinate: Share
    """Place on the curve that the manifold arm moves to."""
    off_manifold: dict[Row, Annotated[float, Field(ge=0.0)]]
    """Distance of each row's moved state from the curve, in units of the cluster's own spread."""
    prompt_tokens: tuple[PromptToken, ...]
    """The prompt as the model reads it."""


class TokenEvent(Wire):
    """One more token of one column."""

    type: Literal["token"] = "token"
    row: Row
    """Which column."""
    index: Count
    """Number of the token in it, from 0."""
    text: str
    """What to append; empty where the character is not complete yet."""
    token_id: Count
    """Vocabulary number."""
    logprob: Annotated[float, Field(le=0.0)]
    """Log-probability at temperature 1, in nats."""


class RowDoneEvent(Wire):
    """A column is finished."""

    type: Literal["row_done"] = "row_done"
    row: Row
    """Which column."""
    finish: Finish
    """Why."""
    text: str
    """Everything that it said."""
    hook_fired: Count
    """Tokens at which the edit was applied; 0 for the baseline only."""


class WrittenToken(Wire):
    """One token of a generated text, as the unsteered model reads it."""

    text: str
    """What it adds to the text."""
    coordinate: Share
    """Realised: the curve's point nearest to its state."""
    off_manifold: Distance
    """Distance from there."""
    fires: bool
    """Whether the cluster fires on it; elsewhere its place says little."""


class Written(Wire):
    """A generated text, run through the unsteered model."""

    tokens: tuple[WrittenToken, ...]
    """Token by token."""
    perplexity: Annotated[float, Field(ge=1.0)] | None
    """Under the unsteered model, after the same prompt; None for an empty text."""
    repeated: Share | None
    """Share of its runs of three tokens that stood in it before; None for a text of fewer than three."""


class DoneEvent(Wire):
    """Last event of a stream that succeeded."""

    type: Literal["done"] = "done"
    hook_fired: dict[Row, int]
    """For each column."""
    finish: dict[Row, Finish]
    """For each column."""
    tokens: Count
    """Tokens generated, all columns together."""
    written: dict[Row, Written] = Field(default_factory=dict)
    """Each column's text as the unsteered model reads it."""


class ErrorEvent(Wire):
    """Last event of a stream that failed; what came before it stays valid."""

    type: Literal["error"] = "error"
    code: ErrorCode
    """Why, for programs."""
    message: str
    """Why, for people."""


Event: TypeAlias = StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent
"""One message of a steered generation."""
SteerEvent: TypeAlias = Annotated[
    StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent, Field(discriminator="type")
]
"""One event of `POST /v1/steer`."""
_EVENTS: TypeAdapter[SteerEvent] = TypeAdapter(SteerEvent)


def event_to_sse(event: StartEvent | TokenEvent | RowDoneEvent | DoneEvent | ErrorEvent) -> str:
    """One event as server-sent-event text: its type, one line of JSON, an empty line."""
    return f"event: {event.type}\ndata: {event.model_dump_json()}\n\n"


def event_from_json(data: str) -> Event:
    """Read the data line of one server-sent event.

    Raises:
        pydantic.ValidationError: it is no event of this protocol.
    """
    return _EVENTS.validate_json(data)

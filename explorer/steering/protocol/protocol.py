"""What a steering host and its clients say to each other: requests, replies, events, errors.

Plain data without torch: frozen, unknown keys refused, every number finite and inside a range. Numbers are strict, so
"1" is no number. What a value must be beyond its type (cluster exists, prompt short enough) the host checks, and
answers 422 naming the field.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from explorer.config import SteeringLimits
from explorer.records import Hook

PROTOCOL_VERSION = 1
"""Raised when a request or reply changes its meaning."""

VIEWER_HEADER = "x-explorer-viewer"
"""Header by which a client that asks for several people tells them apart: the host's places and turns are shared fairly
between them. Any short text."""

Arm: TypeAlias = Literal["manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""A way to move: along the curve, straight in the whole residual, straight inside the subspace, an equal move in a
random direction, the curve's points in shuffled order, the manifold's move with its sign turned."""
Row: TypeAlias = Literal["baseline", "manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""One column of generated text: an arm, or the model left alone."""
Where: TypeAlias = Literal["last_prompt", "all_prompt", "generated"]
"""At the last prompt token only, at every prompt token, or at the last one and at each token fed back after it."""
Kind: TypeAlias = Literal["base", "instruct"]
"""A model that goes on with text, or one that answers messages: its tokenizer has a chat template."""
Finish: TypeAlias = Literal["length", "end", "stopped"]
"""The limit was reached, the model ended its text, or somebody stopped it."""
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

Finite: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(strict=True, ge=0.0, le=1.0)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=0)]
Place: TypeAlias = Annotated[str, Field(min_length=1, max_length=200)] | Share
"""A value's name, or an intrinsic coordinate in [0, 1]."""
Strength: TypeAlias = Annotated[float, Field(strict=True, ge=-100.0, le=100.0)]
"""Multiple of a whole move."""
Distance: TypeAlias = Annotated[float, Field(ge=0.0)]
"""From the curve, in units of the cluster's own spread around it; 1 is usual."""

ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord", "random", "shuffled", "flipped")
DEFAULT_ARMS: tuple[Arm, ...] = ("manifold", "linear", "chord")


class Wire(BaseModel):
    """Frozen data of the protocol; refuses keys that it does not know, and NaN. What stands under a field is its
    description in the OpenAPI document."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ReadoutValue(Wire):
    """One class of the readout: a value and the texts that count as it."""

    name: str = Field(min_length=1, max_length=200)
    """Name of the value, as shown."""
    spellings: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(min_length=1, max_length=16)
    """Texts whose first token counts as this value, each as it stands in running text, word-initial space included."""


ReadoutValues: TypeAlias = Annotated[tuple[ReadoutValue, ...], Field(min_length=1, max_length=256)]
"""Readout classes; "other" is what none of them counts."""


class ChatMessage(Wire):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who says it."""
    content: str = Field(min_length=1, max_length=20_000)
    """What is said."""


class PathRequest(Wire):
    """What every question about a path names."""

    run: str = Field(min_length=1, max_length=200)
    """Which of the host's runs: an id from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """The subject that the asker's copy of the run names; another one is refused."""
    cluster: Count
    """Cluster number."""
    prompt: str = Field(min_length=1, max_length=20_000)
    """Text to go on with; ``where`` says which of its tokens are steered."""
    chat: tuple[ChatMessage, ...] | None = Field(default=None, max_length=64)
    """None: the prompt is plain text, as harvested text is. Else the messages before it, which may be none: the prompt
    is the user's next message, and all of them go through the model's own chat template up to where it answers."""
    where: Where = "last_prompt"
    """Which tokens are steered; all of them are moved alike, by what moves the last of the prompt's. For the next token
    alone "generated" is the same as "last_prompt"."""
    skip_special: bool = True
    """Leave special tokens alone, such as those that mark a turn; the last prompt token is then the last other one."""
    start: Place | None = None
    """Where the path begins: a value, a coordinate, or None for the prompt's own place."""
    end: Place
    """Where the path ends."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """Decides the random directions, the shuffled order and the sampling."""


class BehaviourRequest(PathRequest):
    """Ask what the next token would be at every waypoint of a path, under every arm."""

    strength: Strength = 1.0
    """Multiple of the whole move; 0 is the unsteered model. The host's own limit holds too."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=1024)] = 50
    """Points of the path, both ends included."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Which arms, each once."""
    random_repeats: Annotated[int, Field(strict=True, ge=1, le=8)] = 1
    """Directions of the random arm; each comes back as an arm of its own."""
    values: ReadoutValues | None = None
    """Readout classes; None takes the cluster's own values."""


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


class ServedRun(Wire):
    """One run that a host can steer."""

    id: str
    """Name that requests use."""
    clusters: Count
    """How many clusters it has, numbered from 0."""


class SubjectReply(Wire):
    """What a host holds and what it allows: `GET /v1/subject`."""

    protocol_version: int
    """PROTOCOL_VERSION of the host."""
    app_version: str
    """Version of this project that the host runs."""
    fingerprint: str
    """Over model, vocabulary, SAE, layer and hook."""
    model: str
    """Id of the language model."""
    sae: str
    """Id of the sparse autoencoder."""
    layer: Count
    """Decoder block, from 0."""
    hook: Hook
    """Where in that block."""
    d_model: Count
    """Width of the residual stream."""
    device: str
    """Such as "cpu" or "cuda:0"."""
    dtype: str
    """Such as "float32"."""
    kind: Kind = "base"
    """Whether it takes messages."""
    batch_difference: Annotated[float, Field(ge=0.0)] | None = None
    """Largest difference of a row's logits in a batch and of the same row alone, and of a text's rows together with
    those of other texts and by themselves, as measured on this device and in this number format when the subject was
    opened; 0 is equal to the bit."""
    arms: tuple[Arm, ...]
    """Arms on offer."""
    limits: SteeringLimits
    """What one request may ask for."""
    runs: tuple[ServedRun, ...]
    """Runs on offer."""


class PromptToken(Wire):
    """One token of the prompt as the model reads it."""

    text: str
    """Its text, word-initial space included."""
    steered: bool
    """Whether the edit is applied here."""
    special: bool = False
    """Whether it stands for no text, such as one that begins a text or marks a turn."""


class TopToken(Wire):
    """The likeliest next token."""

    text: str
    """Its text, word-initial space included."""
    probability: Share
    """Its probability."""


class Reach(Wire):
    """How far an arm moved behaviour; an energy means nothing without it."""

    target: str
    """Name of the readout value nearest to the path's end."""
    p_target: Share
    """Its probability at the last waypoint."""
    visited: Share | None
    """Share of the values strictly between start and target that become the likeliest class at some waypoint, without
    one that is so at the first already; None where there are none."""


class Effect(Wire):
    """Whether the manifold arm moves the model more than chance directions of equal norm do."""

    shift: Share
    """Largest change of p(target) from the baseline along the manifold arm."""
    control_mean: Share
    """Mean over random directions of that change at the manifold arm's longest move."""
    control_max: Share
    """Largest of them."""
    controls: Count
    """How many random directions."""
    moves_model: bool
    """The shift is at least MOVES_AT_LEAST and more than twice the largest control."""
    control_sd: Share | None = None
    """Standard deviation of that change over the random directions."""
    over_spread: Finite | None = None
    """Shift minus control_mean, in units of control_sd; None where the controls do not spread."""
    distinguishable: bool | None = None
    """Whether the shift is more than twice the largest control; None in results that are older than this field."""


MOVES_AT_LEAST = 0.1
"""Smallest change of p(target) that counts as moving the model."""
SAFE_DISTANCE = 2.0
"""In usual distances: a state further from the curve than this is one that the model hardly meets."""


class ArmBehaviour(Wire):
    """What the model would say along one arm. Every tuple has one entry for each waypoint."""

    arm: Arm
    """Which arm."""
    repeat: Count = 0
    """Number of the random direction; 0 for every other arm."""
    coordinate: tuple[Finite, ...] | None
    """Intrinsic coordinate, in [0, 1); None for arms that do not run along the curve."""
    probabilities: tuple[tuple[Share, ...], ...]
    """Readout probabilities of each waypoint, the values in order, "other" last."""
    top: tuple[TopToken, ...]
    """Likeliest next token of the whole vocabulary."""
    off_manifold: tuple[Annotated[float, Field(ge=0.0)], ...]
    """Distance of the moved state from the curve, in units of the cluster's own spread around it; 1 is usual."""
    kl: tuple[Annotated[float, Field(ge=0.0)], ...]
    """Kullback-Leibler divergence of the whole next-token distribution from the baseline's, in nats."""
    e_bc: Annotated[float, Field(ge=0.0)] | None
    """Bhattacharyya energy to the behaviour manifold, summed over the waypoints; None where that manifold is missing
    (own readout values, or too few stored contexts)."""
    reach: Reach | None
    """How far behaviour moved; None where no readout value belongs to the path's end."""
    hook_fired: Annotated[int, Field(ge=1)]
    """Rows in which the edit was applied; a reply where it was not is never sent."""
    state_coordinate: tuple[Share, ...] | None = None
    """Realised: the curve's point nearest to the moved state. None in results that are older than this field, here and
    below."""
    answer_coordinate: tuple[Share, ...] | None = None
    """Realised: where on the behaviour manifold the nearest natural answer lies; None where there is no manifold."""
    isometry: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    """Pearson's r, over all pairs of values that the path passes, of the way between them in activation space and in
    behaviour space; None where it passes fewer than three."""


class Meter(Wire):
    """How far from the curve the manifold arm would bring the state at any strength, before anything is generated."""

    strengths: tuple[Finite, ...]
    """From the least to the largest that the host takes."""
    positions: tuple[Share, ...]
    """Shares of the path."""
    off_manifold: tuple[tuple[Distance, ...], ...]
    """For each position, for each strength."""
    safe: Distance
    """Distance up to which a strength counts as safe: SAFE_DISTANCE, or the prompt's own where that is more."""


class BehaviourReply(Wire):
    """Answer to BehaviourRequest: `POST /v1/behaviour`."""

    fingerprint: str
    """Subject that answered."""
    run: str
    """Which run."""
    cluster: Count
    """Which cluster."""
    closed: bool
    """Whether the coordinate is cyclic."""
    values: tuple[str, ...]
    """Readout values in order along the coordinate."""
    value_coordinate: tuple[Share | None, ...]
    """Coordinate of each, where the model's own answers put it; None for a class that is no value of the cluster."""
    partial_values: tuple[str, ...]
    """Values that are longer than one token in every spelling: their first token stands for them."""
    own_coordinate: Share
    """Nearest place of the unsteered prompt on the curve."""
    own_off_manifold: Annotated[float, Field(ge=0.0)]
    """The unsteered prompt's distance from the curve, in units of the cluster's own spread."""
    start: Share
    """Coordinate where the path begins."""
    end: Share
    """Coordinate where it ends."""
    strength: Finite
    """Multiple of the move that was applied."""
    seed: Count
    """Seed that was used."""
    baseline: tuple[Share, ...]
    """Readout probabilities of the unsteered row of the same batch, "other" last."""
    baseline_top: TopToken
    """Its likeliest next token."""
    arms: tuple[ArmBehaviour, ...]
    """One for each arm asked, each random direction for itself."""
    effect: Effect | None
    """Verdict on the manifold arm; None where no readout value belongs to the path's end."""
    prompt_tokens: tuple[PromptToken, ...]
    """The prompt as the model reads it."""
    meter: Meter | None = None
    """Distance from the curve at other strengths; None in results that are older than this field."""


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

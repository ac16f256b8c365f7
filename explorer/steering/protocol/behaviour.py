"""The messages of `POST /v1/behaviour`, and the fields that all requests about a path share. No torch."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from explorer.steering.protocol.wire import (
    ARMS,
    DEFAULT_ARMS,
    Arm,
    Count,
    Distance,
    Finite,
    PathEnd,
    Request,
    Share,
    Strength,
    Where,
    Wire,
)


class ReadoutValue(Wire):
    """One class of the readout."""

    name: str = Field(min_length=1, max_length=200)
    """Displayed name of the value."""
    spellings: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(min_length=1, max_length=16)
    """Texts whose first token counts as this value, as written in running text, word-initial space included."""


ReadoutValues: TypeAlias = Annotated[tuple[ReadoutValue, ...], Field(min_length=1, max_length=256)]
"""Readout classes; everything else counts as "other"."""


class ChatMessage(Wire):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Author of the message."""
    content: str = Field(min_length=1, max_length=20_000)
    """Text of the message."""


class PathRequest(Wire):
    """Fields of every request about a path."""

    run: str = Field(min_length=1, max_length=200)
    """Run id, from ``SubjectReply.runs``."""
    fingerprint: str = Field(min_length=1, max_length=200)
    """Subject named by the client's copy of the run; the host refuses a different one."""
    cluster: Count
    """Cluster number."""
    prompt: str = Field(min_length=1, max_length=20_000)
    """Text to continue; ``where`` decides which of its tokens are steered."""
    chat: tuple[ChatMessage, ...] | None = Field(default=None, max_length=64)
    """None: the prompt is plain text, as harvested text is. Otherwise the messages before the prompt, possibly none;
    the prompt is the user's next message, and all of them go through the model's chat template."""
    where: Where = "last_prompt"
    """Steered tokens; all of them get the displacement that is computed for the last steered prompt token. For a single
    next token, "generated" equals "last_prompt"."""
    skip_special: bool = True
    """Exclude special tokens, such as turn markers, from steering; the last prompt token is then the last other one."""
    start: PathEnd | None = None
    """Start of the path: a value, a coordinate, or None for the prompt's own position."""
    end: PathEnd
    """End of the path."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**32)] = 0
    """Seed of the random directions, the shuffled order and the sampling."""


class PromptToken(Wire):
    """One token of the prompt."""

    text: str
    """Text, word-initial space included."""
    steered: bool
    """Whether the edit is applied to it."""
    special: bool = False
    """Whether it is special, such as a beginning-of-text token or a turn marker."""


class TopToken(Wire):
    """The likeliest next token."""

    text: str
    """Text, word-initial space included."""
    probability: Share
    """Probability."""


class Reach(Wire):
    """How far an arm moved behaviour. An energy is meaningful only together with its reach."""

    target: str
    """Readout value at the path's end."""
    p_target: Share
    """Probability of the target at the last waypoint."""
    visited: Share | None
    """Share of the values strictly between start and target that become the likeliest class at some waypoint, excluding
    one that is the likeliest at the first waypoint; None where there are none."""


class Effect(Wire):
    """Whether the manifold arm moves the model more than random directions of equal norm."""

    shift: Share
    """Largest change of p(target) along the manifold arm, relative to the baseline."""
    control_mean: Share
    """Mean change of p(target) over random directions as long as the manifold arm's longest displacement."""
    control_max: Share
    """Largest change over the random directions."""
    controls: Count
    """Number of random directions."""
    moves_model: bool
    """Whether the shift is at least MOVES_AT_LEAST and more than twice the largest control."""
    control_sd: Share | None = None
    """Standard deviation of the change over the random directions."""
    over_spread: Finite | None = None
    """Shift minus control_mean, in units of control_sd; None where control_sd is 0."""
    distinguishable: bool | None = None
    """Whether the shift is more than twice the largest control; None in results older than this field."""


MOVES_AT_LEAST = 0.1
"""Smallest change of p(target) that counts as an effect."""
SAFE_DISTANCE = 2.0
"""Largest safe distance, in usual distances: the model rarely encounters states farther from the curve."""


class ArmBehaviour(Wire):
    """Next-token behaviour along one arm. Every tuple has one entry per waypoint."""

    arm: Arm
    """Arm."""
    repeat: Count = 0
    """Number of the random direction; 0 for every other arm."""
    coordinate: tuple[Finite, ...] | None
    """Intrinsic coordinate; None for arms that do not follow the curve."""
    probabilities: tuple[tuple[Share, ...], ...]
    """Readout probabilities, the values in order, "other" last."""
    top: tuple[TopToken, ...]
    """Likeliest next token."""
    off_manifold: tuple[Annotated[float, Field(ge=0.0)], ...]
    """Distance of the moved state from the curve, in units of the cluster's own spread; 1 is usual."""
    kl: tuple[Annotated[float, Field(ge=0.0)], ...]
    """KL divergence of the next-token distribution from the baseline's, in nats."""
    e_bc: Annotated[float, Field(ge=0.0)] | None
    """Bhattacharyya energy to the behaviour manifold, summed over the waypoints; None where that manifold is missing
    (custom readout values, or too few stored contexts)."""
    reach: Reach | None
    """How far behaviour moved; None where the path's end has no readout value."""
    hook_fired: Annotated[int, Field(ge=1)]
    """Number of rows in which the edit was applied; never 0, since that is an error."""
    state_coordinate: tuple[Share, ...] | None = None
    """Realised: intrinsic coordinate of the curve's nearest point to the moved state. None in results older than this
    field."""
    answer_coordinate: tuple[Share, ...] | None = None
    """Realised: coordinate of the behaviour manifold's nearest point to the answer; None where it is missing."""
    isometry: Annotated[float, Field(ge=-1.0, le=1.0)] | None = None
    """Pearson's r between path lengths in activation and in behaviour space, over all pairs of values on the path;
    None for fewer than three values."""


class Meter(Wire):
    """Distance of the manifold arm's moved state from the curve at other strengths, known before generating."""

    strengths: tuple[Finite, ...]
    """Strengths, from the host's smallest to its largest."""
    positions: tuple[Share, ...]
    """Shares of the path."""
    off_manifold: tuple[tuple[Distance, ...], ...]
    """Distance: [position][strength]."""
    safe: Distance
    """Largest safe distance: SAFE_DISTANCE, or the prompt's own distance where that is larger."""


class BehaviourReply(Wire):
    """Reply of `POST /v1/behaviour`."""

    fingerprint: str
    """Subject that produced the reply."""
    run: str
    """Run id."""
    cluster: Count
    """Cluster number."""
    closed: bool
    """Whether the coordinate is cyclic."""
    values: tuple[str, ...]
    """Names of the readout values."""
    value_coordinate: tuple[Share | None, ...]
    """Intrinsic coordinate of each value, as the model predicts it; None for a class that is no cluster value."""
    partial_values: tuple[str, ...]
    """Values longer than one token in every spelling; their first token represents them."""
    own_coordinate: Share
    """Intrinsic coordinate of the curve's nearest point to the unsteered prompt."""
    own_off_manifold: Annotated[float, Field(ge=0.0)]
    """Distance of the unsteered prompt from the curve, in units of the cluster's own spread."""
    start: Share
    """Intrinsic coordinate of the path's start."""
    end: Share
    """Intrinsic coordinate of its end."""
    strength: Finite
    """Applied multiple of the move."""
    seed: Count
    """Seed of the request."""
    baseline: tuple[Share, ...]
    """Readout probabilities of the unsteered row of the same batch, "other" last."""
    baseline_top: TopToken
    """Likeliest next token of the unsteered row."""
    arms: tuple[ArmBehaviour, ...]
    """One per arm, and one per random direction."""
    effect: Effect | None
    """Verdict on the manifold arm; None where the path's end has no readout value."""
    prompt_tokens: tuple[PromptToken, ...]
    """Tokens of the prompt."""
    meter: Meter | None = None
    """Distance from the curve at other strengths; None in results older than this field."""


class BehaviourRequest(PathRequest, Request[BehaviourReply]):
    """Request of `POST /v1/behaviour`: next-token distribution at every waypoint of a path, under every arm."""

    strength: Strength = 1.0
    """Multiple of the move; 0 is the unsteered model. The host's limit applies as well."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=1024)] = 50
    """Number of waypoints, both ends included."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Arms, each once."""
    random_repeats: Annotated[int, Field(strict=True, ge=1, le=8)] = 1
    """Number of directions of the random arm; each is an arm of its own in the reply."""
    values: ReadoutValues | None = None
    """Readout classes; None takes the cluster's own values."""

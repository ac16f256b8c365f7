"""The messages of `POST /v1/behaviour`, and what every request about a path has. No torch."""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from explorer.steering.protocol.wire import (
    ARMS,
    DEFAULT_ARMS,
    Arm,
    Count,
    Distance,
    Finite,
    Place,
    Request,
    Share,
    Strength,
    Where,
    Wire,
)


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


class BehaviourRequest(PathRequest, Request[BehaviourReply]):
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

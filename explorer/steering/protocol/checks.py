"""The messages that put a steering result to the test: controls, a dose sweep, phrases. No torch.

`POST /v1/check`, `POST /v1/sweep` and `POST /v1/phrases`, each about one path and answered once.
"""

from typing import Annotated, TypeAlias

from pydantic import Field

from explorer.steering.protocol.behaviour import BehaviourReply, PathRequest, ReadoutValues, TopToken
from explorer.steering.protocol.wire import (
    ARMS,
    DEFAULT_ARMS,
    Arm,
    Count,
    Distance,
    Finite,
    Request,
    Share,
    Strength,
    Wire,
)

CONTROL_ARMS: tuple[Arm, ...] = ("manifold", "random", "shuffled", "flipped")
"""The manifold arm with what it is held against."""
LogProbability: TypeAlias = Annotated[float, Field(le=0.0, allow_inf_nan=False)]


class Spread(Wire):
    """A number over several prompts."""

    mean: Finite
    """Mean."""
    sd: Annotated[float, Field(ge=0.0)] | None
    """Standard deviation; None for one prompt."""


class ArmSpread(Wire):
    """One arm from several prompts; its energy never without its reach."""

    arm: Arm
    """Which arm."""
    e_bc: Spread
    """Bhattacharyya energy over the waypoints."""
    p_target: Spread
    """Probability of the end's value at the last waypoint."""
    visited: Share | None
    """Mean share of the values between that are visited; None where there are none between."""


class AcrossPrompts(Wire):
    """One move from several stored contexts of its first value."""

    start: str
    """The value that the contexts are for."""
    end: str
    """The value that the path ends at."""
    prompts: Count
    """How many contexts."""
    arms: tuple[ArmSpread, ...]
    """Manifold, linear and chord."""


class CheckReply(Wire):
    """Answer to CheckRequest: `POST /v1/check`."""

    controls: BehaviourReply
    """The manifold arm, several random directions, the shuffled order and the turned sign, from one batch."""
    across: AcrossPrompts | None
    """The same move from other prompts; None where the cluster's contexts do not allow it: no context for the path's
    first value, no behaviour manifold, own readout values, or an end that is no value."""
    adjacent: AcrossPrompts | None
    """From the same contexts to the next value only, where the chord is as good as the curve; None likewise."""


class CheckRequest(PathRequest, Request[CheckReply]):
    """Ask for the controls of a path, and for the same move from other prompts."""

    strength: Strength = 1.0
    """As in BehaviourRequest."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=1024)] = 50
    """As in BehaviourRequest."""
    values: ReadoutValues | None = None
    """As in BehaviourRequest."""
    random_repeats: Annotated[int, Field(strict=True, ge=1, le=8)] = 4
    """Random directions whose whole path is told."""
    prompts: Annotated[int, Field(strict=True, ge=1, le=40)] = 8
    """Stored contexts of the path's first value that the move is repeated from, where there are so many."""


class SweepArm(Wire):
    """One arm's grid: every tuple has a row for each strength, with an entry for each position."""

    arm: Arm
    """Which arm."""
    p_target: tuple[tuple[Share, ...], ...]
    """Probability of the target's value."""
    off_manifold: tuple[tuple[Distance, ...], ...]
    """Distance of the moved state from the curve."""
    kl: tuple[tuple[Annotated[float, Field(ge=0.0)], ...], ...]
    """Kullback-Leibler divergence of the next-token distribution from the baseline's, in nats."""
    top: tuple[tuple[TopToken, ...], ...]
    """Likeliest next token of the whole vocabulary."""


class SweepReply(Wire):
    """Answer to SweepRequest: `POST /v1/sweep`."""

    fingerprint: str
    """Subject that answered."""
    run: str
    """Which run."""
    cluster: Count
    """Which cluster."""
    target: str
    """The readout value that the path's end is for."""
    strengths: tuple[Finite, ...]
    """As asked."""
    positions: tuple[Share, ...]
    """As asked."""
    baseline: Share
    """p(target) of the unsteered row of the same batch."""
    safe: Distance
    """As in Meter."""
    arms: tuple[SweepArm, ...]
    """One for each arm asked."""


class SweepRequest(PathRequest, Request[SweepReply]):
    """Ask for every strength at every position of a path, in one batch."""

    strengths: tuple[Strength, ...] = Field(min_length=1, max_length=64)
    """Multiples of the whole move, each once; the host's own limit holds too."""
    positions: tuple[Share, ...] = Field(min_length=1, max_length=64)
    """Shares of the path, ascending."""
    arms: tuple[Arm, ...] = Field(default=("manifold", "linear", "random"), min_length=1, max_length=len(ARMS))
    """Which arms, each once."""
    values: ReadoutValues | None = None
    """As in BehaviourRequest."""


class PhraseArm(Wire):
    """One phrase along one arm."""

    arm: Arm
    """Which arm."""
    logprob: tuple[LogProbability, ...]
    """Sum of the log-probabilities of its tokens at each waypoint, in nats."""


class Phrase(Wire):
    """One phrase."""

    text: str
    """As asked."""
    read: str
    """What the model reads: another text where its tokenizer does not know a word."""
    tokens: Annotated[int, Field(ge=1)]
    """Into how many tokens it falls after this prompt."""
    baseline: LogProbability
    """Sum of the log-probabilities of its tokens, unsteered, in nats."""
    arms: tuple[PhraseArm, ...]
    """One for each arm asked."""


class PhrasesReply(Wire):
    """Answer to PhrasesRequest: `POST /v1/phrases`."""

    fingerprint: str
    """Subject that answered."""
    run: str
    """Which run."""
    cluster: Count
    """Which cluster."""
    phrases: tuple[Phrase, ...]
    """In the order asked."""


class PhrasesRequest(PathRequest, Request[PhrasesReply]):
    """Ask how likely some phrases are after the prompt, unsteered and along a path."""

    phrases: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(min_length=1, max_length=64)
    """Texts that may follow, each once. The host's own limits hold too."""
    strength: Strength = 1.0
    """As in BehaviourRequest."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=64)] = 11
    """Points of the path at which they are read, both ends included."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Which arms, each once."""

"""The messages of `POST /v1/check`, `POST /v1/sweep` and `POST /v1/phrases`: checks of one path. No torch."""

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
"""The manifold arm and its controls."""
LogProbability: TypeAlias = Annotated[float, Field(le=0.0, allow_inf_nan=False)]


class Spread(Wire):
    """A statistic over several prompts."""

    mean: Finite
    """Mean over the prompts."""
    sd: Annotated[float, Field(ge=0.0)] | None
    """Sample standard deviation; None for one prompt."""


class ArmSpread(Wire):
    """One arm over several prompts. An energy is meaningful only together with its reach."""

    arm: Arm
    """Arm."""
    e_bc: Spread
    """Bhattacharyya energy, summed over the waypoints."""
    p_target: Spread
    """Probability of the end value at the last waypoint."""
    visited: Share | None
    """Mean share of the values between start and end that are visited; None where there are none."""


class AcrossPrompts(Wire):
    """One move, repeated from several stored contexts of its start value."""

    start: str
    """Value of the contexts."""
    end: str
    """Value at the path's end."""
    prompts: Count
    """Number of contexts."""
    arms: tuple[ArmSpread, ...]
    """SteeringManifold, linear and chord."""


class CheckReply(Wire):
    """Reply of `POST /v1/check`."""

    controls: BehaviourReply
    """The arms manifold, random (several directions), shuffled and flipped, from one batch."""
    across: AcrossPrompts | None
    """The same move from other prompts; None where it is not possible: no stored context of the start value, no
    behaviour manifold, custom readout values, or an end that is not a value."""
    adjacent: AcrossPrompts | None
    """From the same contexts to the adjacent value, where the chord is as good as the curve; None in the same cases."""


class CheckRequest(PathRequest, Request[CheckReply]):
    """Request of `POST /v1/check`: measure the controls of a path, and the same move from other prompts."""

    strength: Strength = 1.0
    """See ``BehaviourRequest``."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=1024)] = 50
    """See ``BehaviourRequest``."""
    values: ReadoutValues | None = None
    """See ``BehaviourRequest``."""
    random_repeats: Annotated[int, Field(strict=True, ge=1, le=8)] = 4
    """Number of random directions that are steered along the whole path."""
    prompts: Annotated[int, Field(strict=True, ge=1, le=40)] = 8
    """Number of stored contexts of the start value from which the move is repeated, at most."""


class SweepArm(Wire):
    """Measures of one arm on the grid: [strength][position]."""

    arm: Arm
    """Arm."""
    p_target: tuple[tuple[Share, ...], ...]
    """Probability of the target value."""
    off_manifold: tuple[tuple[Distance, ...], ...]
    """Distance of the moved state from the curve, in units of the cluster's own spread."""
    kl: tuple[tuple[Annotated[float, Field(ge=0.0)], ...], ...]
    """KL divergence of the next-token distribution from the baseline's, in nats."""
    top: tuple[tuple[TopToken, ...], ...]
    """Likeliest next token."""


class SweepReply(Wire):
    """Reply of `POST /v1/sweep`."""

    fingerprint: str
    """Subject that produced the reply."""
    run: str
    """Run id."""
    cluster: Count
    """Cluster number."""
    target: str
    """Readout value at the path's end."""
    strengths: tuple[Finite, ...]
    """As requested."""
    positions: tuple[Share, ...]
    """As requested."""
    baseline: Share
    """Probability of the target value in the unsteered row of the same batch."""
    safe: Distance
    """See ``Meter``."""
    arms: tuple[SweepArm, ...]
    """In the order requested."""


class SweepRequest(PathRequest, Request[SweepReply]):
    """Request of `POST /v1/sweep`: measure every strength at every position of a path, in one batch."""

    strengths: tuple[Strength, ...] = Field(min_length=1, max_length=64)
    """Multiples of the move, each once; the host's limit applies as well."""
    positions: tuple[Share, ...] = Field(min_length=1, max_length=64)
    """Shares of the path, each once."""
    arms: tuple[Arm, ...] = Field(default=("manifold", "linear", "random"), min_length=1, max_length=len(ARMS))
    """Arms, each once."""
    values: ReadoutValues | None = None
    """See ``BehaviourRequest``."""


class PhraseArm(Wire):
    """Log-probability of one phrase along one arm."""

    arm: Arm
    """Arm."""
    logprob: tuple[LogProbability, ...]
    """Sum over its tokens at each waypoint, in nats."""


class Phrase(Wire):
    """Log-probability of one phrase."""

    text: str
    """As requested."""
    read: str
    """Text after tokenization: it differs where the tokenizer does not know a word."""
    tokens: Annotated[int, Field(ge=1)]
    """Number of tokens after this prompt."""
    baseline: LogProbability
    """Sum over its tokens in the unsteered row, in nats."""
    arms: tuple[PhraseArm, ...]
    """In the order requested."""


class PhrasesReply(Wire):
    """Reply of `POST /v1/phrases`."""

    fingerprint: str
    """Subject that produced the reply."""
    run: str
    """Run id."""
    cluster: Count
    """Cluster number."""
    phrases: tuple[Phrase, ...]
    """In the order requested."""


class PhrasesRequest(PathRequest, Request[PhrasesReply]):
    """Request of `POST /v1/phrases`: log-probability of phrases after the prompt, unsteered and along a path."""

    phrases: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field(min_length=1, max_length=64)
    """Possible continuations, each once. The host's limits apply as well."""
    strength: Strength = 1.0
    """See ``BehaviourRequest``."""
    waypoints: Annotated[int, Field(strict=True, ge=2, le=64)] = 11
    """Number of waypoints, both ends included."""
    arms: tuple[Arm, ...] = Field(default=DEFAULT_ARMS, min_length=1, max_length=len(ARMS))
    """Arms, each once."""

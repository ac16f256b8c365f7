"""From a request to what is run: the cluster, its readout, the prompt as read, the path and every arm's moves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from pydantic import TypeAdapter

from explorer.errors import RequestError
from explorer.lm.generation.next_tokens import NextTokens
from explorer.maths.steering.arms import Path, Way, waypoints
from explorer.steering.answers.displacements import Move, OwnPlace, moves, own_place, place_of
from explorer.steering.answers.measure import Aim, aim_of
from explorer.steering.engine.engine import Engine, Prompt
from explorer.steering.engine.prepared import Prepared
from explorer.steering.engine.readout import Readout, custom_readout
from explorer.steering.protocol.behaviour import PathRequest, ReadoutValue, TopToken
from explorer.steering.protocol.wire import Arm

_TOP_TOKENS = TypeAdapter(tuple[TopToken, ...])


@dataclass(frozen=True)
class Plan:
    """A request as the subject understands it."""

    prepared: Prepared
    """The cluster."""
    readout: Readout
    """What is read of its answers."""
    prompt: Prompt
    """The prompt, read."""
    own: OwnPlace
    """Where the prompt lies."""
    way: Way
    """How it goes from there."""
    aim: Aim
    """Between which readout classes."""
    arms: list[Move]
    """What each arm adds on the way."""

    @property
    def path(self) -> Path:
        """Where to go."""
        return self.way.path


def plan(
    engine: Engine,
    request: PathRequest,
    t: Float[np.ndarray, "waypoint"],
    arms: tuple[Arm, ...],
    *,
    strength: float = 1.0,
    values: tuple[ReadoutValue, ...] | None = None,
    room: int = 0,
    random_repeats: int = 1,
) -> Plan:
    """Check a request against the subject, and turn it into moves.

    Args:
        engine: holds the subject.
        request: names run, cluster, prompt and path.
        t: shares of the path.
        arms: which arms.
        strength: multiple of the move.
        values: own readout classes; None takes the cluster's.
        room: positions that must stay free after the prompt.
        random_repeats: directions of the random arm.

    Raises:
        RequestError: a field is out of its range for this subject and cluster.
        Refusal: another subject or run.
    """
    engine.served(request.run, request.fingerprint)
    check_strength(engine, strength, "strength")
    prepared = engine.prepared(request.run, request.cluster)
    readout = prepared.readout if values is None else custom_readout(values, prepared.readout, engine.tokenize)
    start = None if request.start is None else place_of(request.start, "start", prepared)
    end = place_of(request.end, "end", prepared)
    prompt = engine.read(request, room=room)
    residual = prompt.prefix.residual
    own = own_place(prepared.manifold, residual)
    first = own.coordinate if start is None else start
    path = waypoints(first, end, t, closed=prepared.closed, anchored=start is None)
    way = Way.of(prepared.manifold, residual, path)
    planned = moves(way, arms, seed=request.seed, strength=strength, random_repeats=random_repeats)
    aim = aim_of(readout, path, request.end, closed=prepared.closed)
    return Plan(prepared, readout, prompt, own, way, aim, planned)


def check_strength(engine: Engine, strength: float, field: str) -> None:
    """Raise RequestError where a strength is beyond the host's limit."""
    largest = engine.limits.max_strength
    if abs(strength) > largest:
        raise RequestError(field, f"{strength:g}", f"from -{largest:g} to {largest:g}")


def check_waypoints(engine: Engine, waypoints: int) -> None:
    """Raise RequestError where a path has more points than the host allows."""
    if waypoints > engine.limits.max_waypoints:
        raise RequestError("waypoints", str(waypoints), f"at most {engine.limits.max_waypoints}")


def check_readout(readout: Readout) -> None:
    """Raise RequestError where there is nothing to read."""
    if not readout.names:
        raise RequestError("values", "none, and the cluster names none", "readout values")


def top_tokens(engine: Engine, run: str, said: NextTokens) -> tuple[TopToken, ...]:
    """Likeliest next token of each row."""
    texts = engine.vocabulary(run)
    text = {token: texts.text(token) if token < len(texts) else "" for token in set(said.likeliest.tolist())}
    found = zip(said.likeliest.tolist(), np.minimum(said.probability, 1.0).tolist(), strict=True)
    return _TOP_TOKENS.validate_python([{"text": text[token], "probability": most} for token, most in found])

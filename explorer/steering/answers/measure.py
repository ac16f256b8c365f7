"""From next-token probabilities along a path to everything that a reply says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from explorer.lm.generation.next_tokens import NextTokens
from explorer.maths.steering.arms import Path, Way, coordinates, nearest_on_curve
from explorer.maths.steering.behaviour import (
    nearest_behaviour,
    path_isometries,
    stops_of,
    target_shift,
    values_between,
    visited_share,
)
from explorer.steering.answers.displacements import Move, OwnPlace, off_at_strengths
from explorer.steering.engine.prepared import Prepared
from explorer.steering.engine.readout import Readout
from explorer.steering.protocol.behaviour import (
    MOVES_AT_LEAST,
    SAFE_DISTANCE,
    ArmBehaviour,
    Effect,
    Meter,
    Reach,
    TopToken,
)

_CONTROL_FACTOR = 2.0
_METER_STRENGTHS = 33
_METER_POSITIONS = 11


@dataclass(frozen=True)
class Aim:
    """Which values a path runs between, as numbers of readout classes."""

    start: int | None
    """Class nearest to the path's start."""
    target: int | None
    """Class that the path's end is for; None where no class lies on the curve."""


def aim_of(readout: Readout, path: Path, end: str | float, *, closed: bool) -> Aim:
    """The class named by the end, else the nearest one."""
    named = readout.index(end) if isinstance(end, str) else None
    target = named if named is not None else readout.nearest(path.end, closed=closed)
    return Aim(readout.nearest(float(path.u[0]), closed=closed), target)


def _reach(
    readout: Readout,
    aim: Aim,
    between: Bool[np.ndarray, "value"] | None,
    behaviour: Float[np.ndarray, "waypoint behaviour"],
) -> Reach | None:
    """p(target) at the path's end, and the share of the values between that become the likeliest on the way."""
    if aim.target is None or between is None:
        return None
    return Reach(
        target=readout.names[aim.target],
        p_target=float(behaviour[-1, aim.target]),
        visited=visited_share(behaviour, between),
    )


def effect_of(
    aim: Aim,
    baseline: Float[np.ndarray, "behaviour"],
    along: Float[np.ndarray, "waypoint behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Effect | None:
    """Whether the manifold arm changes p(target) more than chance directions of equal norm do."""
    if aim.target is None:
        return None
    found = target_shift(float(baseline[aim.target]), along[:, aim.target], chance[:, aim.target])
    return Effect(
        shift=found.shift,
        control_mean=found.control_mean,
        control_max=found.control_max,
        controls=len(chance),
        moves_model=moves_model(found.shift, found.control_max),
        control_sd=found.control_sd,
        over_spread=found.over_spread,
        distinguishable=distinguishable(found.shift, found.control_max),
    )


def moves_model(shift: float, control: float) -> bool:
    """Whether a change of p(target) is worth the name, and no chance direction's largest change comes near it."""
    return shift >= MOVES_AT_LEAST and distinguishable(shift, control)


def distinguishable(shift: float, control: float) -> bool:
    """Whether no chance direction's largest change of p(target) comes near a change."""
    return shift > _CONTROL_FACTOR * control


def arm_behaviours(
    prepared: Prepared,
    readout: Readout,
    way: Way,
    aim: Aim,
    moves: Sequence[Move],
    behaviour: Float[np.ndarray, "point behaviour"],
    said: Sequence[NextTokens],
    top: Sequence[tuple[TopToken, ...]],
) -> tuple[ArmBehaviour, ...]:
    """Everything that a reply says of its arms; what is measured point by point is measured at all points at once.

    Args:
        prepared: the cluster.
        readout: the classes of the answers.
        way: how the state goes.
        aim: between which classes.
        moves: the arms.
        behaviour: the answers at every waypoint of every arm, one arm's after the other's.
        said: what else is read of each arm's rows.
        top: their likeliest tokens.
    """
    path = way.path
    natural = prepared.natural if readout is prepared.readout else None
    answers = None if natural is None else nearest_behaviour(natural, behaviour)
    moved = np.stack([move.displacement for move in moves])
    arms, waypoints, _ = moved.shape
    state = nearest_on_curve(
        way.manifold, coordinates(way.manifold, (way.residual + moved).reshape(len(behaviour), -1))
    )
    off = state.distance / prepared.spread
    isometries = path_isometries(moved, behaviour.reshape(arms, waypoints, -1), stops_of(path, readout.places))
    ends = None if aim.start is None or aim.target is None else (aim.start, aim.target)
    between = None if ends is None else values_between(path, readout.places, *ends)

    def told(number: int, move: Move) -> ArmBehaviour:
        mine = slice(number * waypoints, (number + 1) * waypoints)
        return ArmBehaviour(
            arm=move.arm,
            repeat=move.repeat,
            coordinate=tuple(path.u.tolist()) if move.arm == "manifold" else None,
            probabilities=tuple(map(tuple, behaviour[mine].tolist())),
            top=top[number],
            off_manifold=tuple(off[mine].tolist()),
            kl=tuple(said[number].kl.tolist()),
            e_bc=None if answers is None else float(answers.distance[mine].sum()),
            reach=_reach(readout, aim, between, behaviour[mine]),
            hook_fired=waypoints,
            state_coordinate=tuple(state.coordinate[mine].tolist()),
            answer_coordinate=None if answers is None else tuple(answers.coordinate[mine].tolist()),
            isometry=isometries[number],
        )

    return tuple(told(number, move) for number, move in enumerate(moves))


def meter_of(prepared: Prepared, own: OwnPlace, way: Way, largest: float) -> Meter:
    """Distance from the curve at every strength up to the largest, both ways, at some positions of a path."""
    strengths = np.linspace(-largest, largest, _METER_STRENGTHS)
    at = np.unique(np.linspace(0, len(way.path.t) - 1, _METER_POSITIONS).round().astype(np.int64))
    off = off_at_strengths(way, strengths, at) / prepared.spread
    return Meter(
        strengths=tuple(strengths.tolist()),
        positions=tuple(way.path.t[at].tolist()),
        off_manifold=tuple(map(tuple, off.tolist())),
        safe=safe_distance(prepared, own),
    )


def safe_distance(prepared: Prepared, own: OwnPlace) -> float:
    """Distance from the curve, in usual ones, up to which a move of a state at its own place is called safe."""
    return max(SAFE_DISTANCE, own.distance / prepared.spread)

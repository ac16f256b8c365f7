"""From next-token probabilities along a path to everything that a reply says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from explorer.lm.next_tokens import NextTokens
from explorer.maths.behaviour import (
    nearest_behaviour,
    path_isometry,
    stops_of,
    target_shift,
    values_between,
    visited_share,
)
from explorer.maths.steering import Path, coordinates, nearest_on_curve
from explorer.steering.moves import Move, off_at_strengths, own_place
from explorer.steering.natural import Prepared
from explorer.steering.protocol import MOVES_AT_LEAST, SAFE_DISTANCE, ArmBehaviour, Effect, Meter, Reach, TopToken
from explorer.steering.readout import Readout

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


def reach_of(
    readout: Readout, aim: Aim, path: Path, behaviour: Float[np.ndarray, "waypoint behaviour"]
) -> Reach | None:
    """p(target) at the path's end, and the share of the values between that become the likeliest on the way."""
    if aim.target is None or aim.start is None:
        return None
    between = values_between(path, _places(readout), aim.start, aim.target)
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
    residual: Float[np.ndarray, "d_model"],
    path: Path,
    aim: Aim,
    moves: Sequence[Move],
    said: Sequence[NextTokens],
    top: Sequence[tuple[TopToken, ...]],
) -> tuple[ArmBehaviour, ...]:
    """Everything that a reply says of its arms; what is measured point by point is measured at all points at once."""
    behaviour, waypoints = readout.behaviour(np.concatenate([one.asked for one in said])), len(path.u)
    natural = prepared.natural if readout is prepared.readout else None
    answers = None if natural is None else nearest_behaviour(natural, behaviour)
    moved = np.concatenate([move.displacement for move in moves])
    state = nearest_on_curve(prepared.manifold, coordinates(prepared.manifold, residual + moved))
    off, stops = state.distance / prepared.spread, stops_of(path, _places(readout))

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
            reach=reach_of(readout, aim, path, behaviour[mine]),
            hook_fired=waypoints,
            state_coordinate=tuple(state.coordinate[mine].tolist()),
            answer_coordinate=None if answers is None else tuple(answers.coordinate[mine].tolist()),
            isometry=path_isometry(move.displacement, behaviour[mine], stops),
        )

    return tuple(told(number, move) for number, move in enumerate(moves))


def meter_of(prepared: Prepared, residual: Float[np.ndarray, "d_model"], path: Path, largest: float) -> Meter:
    """Distance from the curve at every strength up to the largest, both ways, at some positions of a path."""
    strengths = np.linspace(-largest, largest, _METER_STRENGTHS)
    at = np.unique(np.linspace(0, len(path.t) - 1, _METER_POSITIONS).round().astype(np.int64))
    off = off_at_strengths(prepared.manifold, residual, path, strengths, at) / prepared.spread
    return Meter(
        strengths=tuple(strengths.tolist()),
        positions=tuple(path.t[at].tolist()),
        off_manifold=tuple(map(tuple, off.tolist())),
        safe=safe_distance(prepared, residual),
    )


def safe_distance(prepared: Prepared, residual: Float[np.ndarray, "d_model"]) -> float:
    """Distance from the curve, in usual ones, up to which a move of this state is called safe."""
    return max(SAFE_DISTANCE, own_place(prepared.manifold, residual)[1] / prepared.spread)


def _places(readout: Readout) -> Float[np.ndarray, "value"]:
    return np.array([np.nan if at is None else at for at in readout.coordinate])

"""Measures of steered behaviour: reach, effect, distance from the curve, energy, isometry (methods.md section 3)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from pydantic import TypeAdapter

from explorer.lm.generation.next_tokens import NextTokens
from explorer.maths.steering.arms import coordinates, nearest_on_curve
from explorer.maths.steering.behaviour import (
    nearest_behaviour,
    path_isometries,
    target_shift,
    value_waypoints,
    values_between,
    visited_share,
)
from explorer.steering.answers.displacements import ArmDisplacements, CurvePosition, off_at_strengths
from explorer.steering.answers.plan import PathClasses, SteeringPlan
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import PreparedCluster
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
_TOP_TOKENS = TypeAdapter(tuple[TopToken, ...])


def effect_of(
    classes: PathClasses,
    baseline: Float[np.ndarray, "behaviour"],
    along: Float[np.ndarray, "waypoint behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Effect | None:
    """Whether the manifold arm changes p(target) more than random directions of equal norm; None without a target."""
    if classes.target is None:
        return None
    shift = target_shift(float(baseline[classes.target]), along[:, classes.target], chance[:, classes.target])
    return Effect(
        shift=shift.shift,
        control_mean=shift.control_mean,
        control_max=shift.control_max,
        controls=len(chance),
        moves_model=moves_model(shift.shift, shift.control_max),
        control_sd=shift.control_sd,
        over_spread=shift.over_spread,
        distinguishable=distinguishable(shift.shift, shift.control_max),
    )


def moves_model(shift: float, control: float) -> bool:
    """Whether a change of p(target) is at least MOVES_AT_LEAST, and distinguishable from chance."""
    return shift >= MOVES_AT_LEAST and distinguishable(shift, control)


def distinguishable(shift: float, control: float) -> bool:
    """Whether a change of p(target) is more than twice the largest one under random directions."""
    return shift > _CONTROL_FACTOR * control


def arm_behaviours(
    planned: SteeringPlan,
    behaviour: Float[np.ndarray, "point behaviour"],
    next_tokens: Sequence[NextTokens],
    top: Sequence[tuple[TopToken, ...]],
) -> tuple[ArmBehaviour, ...]:
    """Every measure of every arm; pointwise ones are computed for all waypoints of all arms at once.

    Args:
        planned: the plan.
        behaviour: readout probabilities at every waypoint, arm by arm.
        next_tokens: the next-token distributions of each arm's rows.
        top: their likeliest tokens.
    """
    cluster, readout, way, path = planned.cluster, planned.readout, planned.way, planned.path
    manifold = cluster.behaviour_manifold if readout is cluster.readout else None
    nearest = None if manifold is None else nearest_behaviour(manifold, behaviour)
    moved = np.stack([arm.displacement for arm in planned.arms])
    arms, waypoints, _ = moved.shape
    state = nearest_on_curve(
        way.manifold, coordinates(way.manifold, (way.residual + moved).reshape(len(behaviour), -1))
    )
    off = state.distance / cluster.spread
    isometries = path_isometries(moved, behaviour.reshape(arms, waypoints, -1), value_waypoints(path, readout.places))
    between = _classes_between(planned)

    def measures(number: int, arm: ArmDisplacements) -> ArmBehaviour:
        own = slice(number * waypoints, (number + 1) * waypoints)
        return ArmBehaviour(
            arm=arm.arm,
            repeat=arm.repeat,
            coordinate=tuple(path.u.tolist()) if arm.arm == "manifold" else None,
            probabilities=tuple(map(tuple, behaviour[own].tolist())),
            top=top[number],
            off_manifold=tuple(off[own].tolist()),
            kl=tuple(next_tokens[number].kl.tolist()),
            e_bc=None if nearest is None else float(nearest.distance[own].sum()),
            reach=_reach(readout, planned.classes, between, behaviour[own]),
            hook_fired=waypoints,
            state_coordinate=tuple(state.coordinate[own].tolist()),
            answer_coordinate=None if nearest is None else tuple(nearest.coordinate[own].tolist()),
            isometry=isometries[number],
        )

    return tuple(measures(number, arm) for number, arm in enumerate(planned.arms))


def _classes_between(planned: SteeringPlan) -> Bool[np.ndarray, "value"] | None:
    """The readout classes strictly between start and target; None where one of these is missing."""
    start, target = planned.classes.start, planned.classes.target
    if start is None or target is None:
        return None
    return values_between(planned.path, planned.readout.places, start, target)


def _reach(
    readout: Readout,
    classes: PathClasses,
    between: Bool[np.ndarray, "value"] | None,
    behaviour: Float[np.ndarray, "waypoint behaviour"],
) -> Reach | None:
    """p(target) at the last waypoint, and the share of the classes between that become the likeliest on the way."""
    if classes.target is None or between is None:
        return None
    return Reach(
        target=readout.names[classes.target],
        p_target=float(behaviour[-1, classes.target]),
        visited=visited_share(behaviour, between),
    )


def meter_of(planned: SteeringPlan, max_strength: float) -> Meter:
    """Distance from the curve at strengths from -max_strength to max_strength, at some positions of the path."""
    t = planned.path.t
    strengths = np.linspace(-max_strength, max_strength, _METER_STRENGTHS)
    at = np.unique(np.linspace(0, len(t) - 1, _METER_POSITIONS).round().astype(np.int64))
    off = off_at_strengths(planned.way, strengths, at) / planned.cluster.spread
    return Meter(
        strengths=tuple(strengths.tolist()),
        positions=tuple(t[at].tolist()),
        off_manifold=tuple(map(tuple, off.tolist())),
        safe=safe_distance(planned.cluster, planned.own),
    )


def safe_distance(cluster: PreparedCluster, own: CurvePosition) -> float:
    """Largest distance from the curve, in units of the cluster's spread, at which a move counts as safe."""
    return max(SAFE_DISTANCE, own.distance / cluster.spread)


def top_tokens(engine: Engine, run: str, next_tokens: NextTokens) -> tuple[TopToken, ...]:
    """Likeliest next token of each row."""
    vocabulary, likeliest = engine.vocabulary(run), next_tokens.likeliest.tolist()
    text = {token: vocabulary.text(token) if token < len(vocabulary) else "" for token in set(likeliest)}
    found = zip(likeliest, np.minimum(next_tokens.probability, 1.0).tolist(), strict=True)
    return _TOP_TOKENS.validate_python([{"text": text[token], "probability": most} for token, most in found])

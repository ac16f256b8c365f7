"""Trials: steering from stored contexts of one value to other values, for single moves and for all distant pairs.

An energy is meaningful only together with its reach (methods.md section 3), so a trial has both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.lm.generation.batched_edits import Prefix
from explorer.maths.steering.arms import CurvePath, SteeringManifold, Trajectory, path_between
from explorer.maths.steering.behaviour import (
    arc_length,
    bhattacharyya_energy,
    hellinger_length,
    isometries,
    values_between,
    visited_share,
)
from explorer.steering.answers.displacements import (
    ArmDisplacements,
    arm_displacements,
    control_displacements,
    curve_position,
)
from explorer.steering.answers.measure import effect_of
from explorer.steering.answers.plan import PathClasses
from explorer.steering.engine.engine import Engine
from explorer.steering.engine.prepared import PreparedCluster
from explorer.steering.protocol.wire import Arm

_CONTROLS = 8
_MAX_ROWS = 4096


@dataclass(frozen=True)
class PairSettings:
    """Settings of trials."""

    arms: tuple[Arm, ...] = ("manifold", "linear", "chord")
    prompts_per_value: int = 8
    """Stored contexts of each value from which it is steered."""
    waypoints: int = 50
    strength: float = 1.0
    """Multiple of the move."""
    seed: int = 0
    """Seed of random directions and shuffled orders."""


@dataclass(frozen=True)
class SteeredCurve:
    """A curve that replaces the cluster's own, on the same pairs and from the same contexts."""

    manifold: SteeringManifold
    place: Float[np.ndarray, "value"]
    """Coordinate of every value of the cluster's order; NaN leaves a value out."""


@dataclass(frozen=True)
class Trial:
    """One arm from one context to one value."""

    start: int
    """Number of the context's value."""
    end: int
    """Number of the value at the path's end."""
    arm: Arm
    e_bc: float
    """Bhattacharyya bhattacharyya_energy, summed over the waypoints."""
    p_target: float
    """Probability of the end value at the last waypoint."""
    visited: float | None
    """Share of the values between that become the likeliest class; None where there are none."""
    activation_length: float
    """Arc length of the path in the residual stream."""
    behaviour_length: float
    """Arc length of the path of behaviours, in Hellinger distance."""
    shift: float
    """Largest change of p(target) relative to the baseline."""
    control: float
    """Largest change of p(target) under random directions of equal norm."""


def distant_pairs(count: int, *, closed: bool) -> list[tuple[int, int]]:
    """Ordered pairs of values that are not neighbours along the coordinate."""
    pairs = [(a, b) for a in range(count) for b in range(count)]
    apart = {(a, b): min((a - b) % count, (b - a) % count) if closed else abs(a - b) for a, b in pairs}
    return [pair for pair in pairs if apart[pair] > 1]


def all_pairs(
    engine: Engine, run: str, cluster: int, settings: PairSettings | None = None, *, curve: SteeredCurve | None = None
) -> list[Trial]:
    """Steer between all pairs of values that are not neighbours, from each stored context's own position.

    Args:
        engine: holds the subject.
        run: run id.
        cluster: cluster number.
        settings: contexts, waypoints and arms.
        curve: another curve to steer along; readout, behaviour manifold, pairs and contexts stay the cluster's.

    Raises:
        RequestError: the cluster has no two such values, or no behaviour manifold.
    """
    settings = settings or PairSettings()
    prepared = engine.prepared(run, cluster)
    steered = prepared if curve is None else replace(prepared, manifold=curve.manifold, place=curve.place)
    along = np.argsort(prepared.place, kind="stable").tolist()
    seen = [value for value in along if len(prepared.contexts.of(value))]
    pairs = [(seen[a], seen[b]) for a, b in distant_pairs(len(seen), closed=prepared.closed)]
    if not pairs or prepared.behaviour_manifold is None:
        raise RequestError("cluster", f"{len(seen)} values with contexts", "at least two that are not neighbours")
    known = np.isfinite(steered.place)
    trials = []
    for first in seen:
        ends = [end for start, end in pairs if start == first and known[start] and known[end]]
        for text in prepared.typical(first, settings.prompts_per_value):
            trials += from_context(engine, steered, engine.model.read_prefix(text), first, ends, settings)
    return trials


def from_context(
    engine: Engine, prepared: PreparedCluster, prefix: Prefix, start: int, ends: list[int], settings: PairSettings
) -> list[Trial]:
    """Steer from one context to several values under every arm, in as few batches as _MAX_ROWS allows.

    Args:
        engine: holds the subject.
        prepared: the cluster; it has a behaviour manifold.
        prefix: the context.
        start: its value.
        ends: target values.
        settings: arms, waypoints, strength and seed.
    """
    per_end = len(settings.arms) * settings.waypoints + _CONTROLS
    step = max(1, _MAX_ROWS // per_end)
    parts = (ends[first : first + step] for first in range(0, len(ends), step))
    return [trial for part in parts for trial in _batch(engine, prepared, prefix, start, part, settings)]


def _batch(
    engine: Engine, prepared: PreparedCluster, prefix: Prefix, start: int, ends: list[int], settings: PairSettings
) -> list[Trial]:
    t = np.linspace(0.0, 1.0, settings.waypoints)
    own = curve_position(prepared.manifold, prefix.residual).coordinate
    planned: list[tuple[int, CurvePath, list[ArmDisplacements]]] = []
    rows: list[Float[np.ndarray, "row d_model"]] = []
    for end in ends:
        path = path_between(own, float(prepared.place[end]), t, closed=prepared.closed, anchored=True)
        way = Trajectory.of(prepared.manifold, prefix.residual, path)
        arms = arm_displacements(way, settings.arms, seed=settings.seed, strength=settings.strength)
        chance = control_displacements(way, seed=settings.seed, strength=settings.strength, count=_CONTROLS)
        planned.append((end, path, arms))
        rows += [*(move.displacement for move in arms), chance]
    readout = prepared.readout
    behaviours = (readout.behaviour(part.requested) for part in engine.model.next_tokens(prefix, rows, readout.tokens))
    baseline = next(behaviours)[0]
    trials = []
    for end, path, arms in planned:
        along = [next(behaviours) for _ in arms]
        chance = next(behaviours)
        trials += [
            _trial(prepared, path, PathClasses(start, end), move, rows, baseline, chance)
            for move, rows in zip(arms, along, strict=True)
        ]
    return trials


def _trial(
    prepared: PreparedCluster,
    path: CurvePath,
    aim: PathClasses,
    move: ArmDisplacements,
    behaviour: Float[np.ndarray, "waypoint behaviour"],
    baseline: Float[np.ndarray, "behaviour"],
    chance: Float[np.ndarray, "control behaviour"],
) -> Trial:
    assert prepared.behaviour_manifold is not None
    assert aim.start is not None
    assert aim.target is not None
    between = values_between(path, prepared.place, aim.start, aim.target)
    effect = effect_of(aim, baseline, behaviour, chance)
    assert effect is not None
    return Trial(
        start=aim.start,
        end=aim.target,
        arm=move.arm,
        e_bc=bhattacharyya_energy(prepared.behaviour_manifold, behaviour),
        p_target=float(behaviour[-1, aim.target]),
        visited=visited_share(behaviour, between),
        activation_length=arc_length(move.displacement),
        behaviour_length=hellinger_length(behaviour),
        shift=effect.shift,
        control=effect.control_max,
    )


def arm_isometry(trials: list[Trial], arm: Arm) -> float | None:
    """Pearson's r between path lengths in activation space and in behaviour space, over all trials of an arm."""
    own = [trial for trial in trials if trial.arm == arm]
    first, second = [trial.activation_length for trial in own], [trial.behaviour_length for trial in own]
    return isometries(np.array([first]), np.array([second]))[0]


def mean_known(values: Sequence[float | None]) -> float | None:
    """Mean of the values that are not None; None without any."""
    known = [value for value in values if value is not None]
    return fmean(known) if known else None

"""The steering plan of a request: cluster, readout, encoded prompt, path, and each arm's displacements."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from explorer.errors import RequestError
from explorer.maths.steering.arms import CurvePath, Trajectory, path_between
from explorer.steering.answers.displacements import (
    ArmDisplacements,
    CurvePosition,
    arm_displacements,
    coordinate_of,
    curve_position,
)
from explorer.steering.engine.engine import EncodedPrompt, Engine
from explorer.steering.engine.prepared import PreparedCluster
from explorer.steering.engine.readout import Readout, custom_readout
from explorer.steering.protocol.behaviour import PathRequest, ReadoutValue
from explorer.steering.protocol.wire import Arm


@dataclass(frozen=True)
class PathClasses:
    """The readout classes that a path runs between, by number."""

    start: int | None
    """Class nearest to the path's start."""
    target: int | None
    """Class of the path's end; None where no class lies on the curve."""


@dataclass(frozen=True)
class SteeringPlan:
    """A request, resolved against the subject."""

    cluster: PreparedCluster
    readout: Readout
    """The request's own classes, or the cluster's."""
    prompt: EncodedPrompt
    own: CurvePosition
    """Position of the unsteered prompt."""
    way: Trajectory
    """The path as displacements from the prompt's state."""
    classes: PathClasses
    arms: list[ArmDisplacements]

    @property
    def path(self) -> CurvePath:
        """The waypoints."""
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
) -> SteeringPlan:
    """Check a request against the subject, and compute its displacements.

    Args:
        engine: holds the subject.
        request: names run, cluster, prompt and path.
        t: shares of the path, in [0, 1].
        arms: which arms.
        strength: multiple of the move.
        values: readout classes; None takes the cluster's.
        room: positions of the context window that must stay free after the prompt.
        random_repeats: directions of the random arm.

    Raises:
        RequestError: a field is out of its range for this subject and cluster.
        Refusal: another subject or run.
    """
    engine.served(request.run, request.fingerprint)
    check_strength(engine, strength, "strength")
    cluster = engine.prepared(request.run, request.cluster)
    readout = cluster.readout if values is None else custom_readout(values, cluster.readout, engine.tokenizer.encode)
    start = None if request.start is None else coordinate_of(request.start, "start", cluster)
    end = coordinate_of(request.end, "end", cluster)
    prompt = engine.read(request, room=room)
    residual = prompt.prefix.residual
    own = curve_position(cluster.manifold, residual)
    first = own.coordinate if start is None else start
    path = path_between(first, end, t, closed=cluster.closed, anchored=start is None)
    way = Trajectory.of(cluster.manifold, residual, path)
    displacements = arm_displacements(way, arms, seed=request.seed, strength=strength, random_repeats=random_repeats)
    classes = path_classes(readout, path, request.end, closed=cluster.closed)
    return SteeringPlan(cluster, readout, prompt, own, way, classes, displacements)


def path_classes(readout: Readout, path: CurvePath, end: str | float, *, closed: bool) -> PathClasses:
    """The class nearest to the path's start, and the one that the end names, else the nearest to it."""
    named = readout.index(end) if isinstance(end, str) else None
    target = named if named is not None else readout.nearest(path.end, closed=closed)
    return PathClasses(readout.nearest(float(path.u[0]), closed=closed), target)


def check_strength(engine: Engine, strength: float, field: str) -> None:
    """Raise RequestError where a strength exceeds the host's limit."""
    largest = engine.limits.max_strength
    if abs(strength) > largest:
        raise RequestError(field, f"{strength:g}", f"from -{largest:g} to {largest:g}")


def check_waypoints(engine: Engine, waypoints: int) -> None:
    """Raise RequestError where a path has more waypoints than the host allows."""
    if waypoints > engine.limits.max_waypoints:
        raise RequestError("waypoints", str(waypoints), f"at most {engine.limits.max_waypoints}")


def check_readout(readout: Readout) -> None:
    """Raise RequestError where a readout has no classes."""
    if not readout.names:
        raise RequestError("values", "none, and the cluster names none", "readout values")

"""Displacements: what each arm adds to the residual at each waypoint of a path (methods.md section 3)."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from explorer.errors import RequestError
from explorer.maths.steering.arms import (
    SteeringManifold,
    Trajectory,
    coordinates,
    displacements,
    nearest_on_curve,
    random_direction,
    row_lengths,
)
from explorer.steering.engine.prepared import PreparedCluster
from explorer.steering.protocol.wire import ARMS, Arm, PathEnd

_CONTROL_STREAM = 1_000
_SHOWN_VALUES = 12


@dataclass(frozen=True)
class ArmDisplacements:
    """One arm along one path."""

    arm: Arm
    repeat: int
    """Number of the random direction; 0 for every other arm."""
    displacement: Float[np.ndarray, "waypoint d_model"]
    """Added to the residual, strength included."""


class CurvePosition(NamedTuple):
    """Position of a state relative to a curve."""

    coordinate: float
    """Intrinsic coordinate of the curve's nearest point."""
    distance: float
    """Distance to that point, in units of the residual."""


def coordinate_of(place: PathEnd, field: str, cluster: PreparedCluster) -> float:
    """Intrinsic coordinate of a place: of a value by its name, or the coordinate itself.

    Raises:
        RequestError: the cluster has no such value.
    """
    order = cluster.summary.order
    if not isinstance(place, str):
        return float(place)
    for names in (order, tuple(name.strip() for name in order)):
        if place in names:
            return float(cluster.place[names.index(place)])
    known = ", ".join(order[:_SHOWN_VALUES]) + (", ..." if len(order) > _SHOWN_VALUES else "")
    raise RequestError(field, repr(place), f"a value of the cluster ({known}) or a coordinate in [0, 1]")


def curve_position(manifold: SteeringManifold, residual: Float[np.ndarray, "d_model"]) -> CurvePosition:
    """Nearest point of the curve to a state, and the distance to it."""
    nearest = nearest_on_curve(manifold, coordinates(manifold, residual[None]))
    return CurvePosition(float(nearest.coordinate[0]), float(nearest.distance[0]))


def arm_displacements(
    way: Trajectory, arms: tuple[Arm, ...], *, seed: int, strength: float = 1.0, random_repeats: int = 1
) -> list[ArmDisplacements]:
    """Displacements of every arm; the random arm once for each direction.

    Raises:
        RequestError: the linear arm of a cluster without values.
    """
    if "linear" in arms and not len(way.manifold.value_coordinate):
        raise RequestError("arms", "linear", "another arm: the cluster has no values, so the line has no end")
    return [
        ArmDisplacements(arm, repeat, displacements(way, arm, _rng(seed, arm, repeat), strength))
        for arm in dict.fromkeys(arms)
        for repeat in range(random_repeats if arm == "random" else 1)
    ]


def control_displacements(
    way: Trajectory, *, seed: int, strength: float, count: int
) -> Float[np.ndarray, "control d_model"]:
    """The random arm in several directions, each as long as the longest move of the manifold arm."""
    longest = way.along[row_lengths(way.start + way.along).argmax()]
    length = float(np.linalg.norm(longest))
    return np.asarray(strength * (way.start + length * _control_directions(seed, count, len(longest))))


def off_at_strengths(
    way: Trajectory, strengths: Float[np.ndarray, "strength"], at: Int64[np.ndarray, "position"]
) -> Float[np.ndarray, "position strength"]:
    """Distance of the moved state from the curve at each strength, at some waypoints of the manifold arm.

    Needs no forward pass: a move scales linearly with its strength, in the subspace too.
    """
    inside = (way.start + way.along[at]) @ way.manifold.basis.T
    moved = way.state_coordinates + strengths[None, :, None] * inside[:, None, :]
    found = nearest_on_curve(way.manifold, moved.reshape(-1, len(way.state_coordinates)))
    return found.distance.reshape(len(at), len(strengths))


def off_curve(
    manifold: SteeringManifold, residual: Float[np.ndarray, "d_model"], moved: Float[np.ndarray, "waypoint d_model"]
) -> Float[np.ndarray, "waypoint"]:
    """Distance of each moved state from the curve, inside the subspace."""
    return nearest_on_curve(manifold, coordinates(manifold, residual + moved)).distance


@lru_cache(maxsize=16)
def _control_directions(seed: int, count: int, width: int) -> Float[np.ndarray, "control d_model"]:
    streams = (np.random.default_rng([seed, _CONTROL_STREAM, number]) for number in range(count))
    directions = np.stack([random_direction(rng, width) for rng in streams])
    directions.setflags(write=False)
    return directions


def _rng(seed: int, arm: Arm, repeat: int) -> np.random.Generator:
    return np.random.default_rng([seed, ARMS.index(arm), repeat])

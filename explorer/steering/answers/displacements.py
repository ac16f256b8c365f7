"""From a request to displacements: where the path runs, and what each arm adds at each waypoint."""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int64

from explorer.errors import RequestError
from explorer.maths.steering.arms import (
    Manifold,
    Way,
    coordinates,
    displacements,
    nearest_on_curve,
    random_direction,
    row_lengths,
)
from explorer.steering.engine.prepared import Prepared
from explorer.steering.protocol.wire import ARMS, Arm, Place

_CONTROL_STREAM = 1_000
_SHOWN_VALUES = 12


@dataclass(frozen=True)
class Move:
    """One arm along one path."""

    arm: Arm
    """Which arm."""
    repeat: int
    """Number of the random direction; 0 for every other arm."""
    displacement: Float[np.ndarray, "waypoint d_model"]
    """What is added to the residual, strength included."""


class OwnPlace(NamedTuple):
    """Where a state lies beside a curve."""

    coordinate: float
    """Intrinsic coordinate of the curve's nearest point."""
    distance: float
    """How far it is from there, in units of the residual."""


def place_of(place: Place, field: str, prepared: Prepared) -> float:
    """Intrinsic coordinate of a value's name or of a coordinate.

    Raises:
        RequestError: the cluster has no such value.
    """
    order = prepared.summary.order
    if not isinstance(place, str):
        return float(place)
    for names in (order, tuple(name.strip() for name in order)):
        if place in names:
            return float(prepared.place[names.index(place)])
    known = ", ".join(order[:_SHOWN_VALUES]) + (", ..." if len(order) > _SHOWN_VALUES else "")
    raise RequestError(field, repr(place), f"a value of the cluster ({known}) or a coordinate in [0, 1]")


def own_place(manifold: Manifold, residual: Float[np.ndarray, "d_model"]) -> OwnPlace:
    """Where on the curve a state lies, and how far from it."""
    nearest = nearest_on_curve(manifold, coordinates(manifold, residual[None]))
    return OwnPlace(float(nearest.coordinate[0]), float(nearest.distance[0]))


def moves(way: Way, arms: tuple[Arm, ...], *, seed: int, strength: float = 1.0, random_repeats: int = 1) -> list[Move]:
    """Every arm's displacements, the random one once for each direction.

    Raises:
        RequestError: the straight line is asked of a cluster without values.
    """
    if "linear" in arms and not len(way.manifold.value_coordinate):
        raise RequestError("arms", "linear", "another arm: the cluster has no values, so the line has no end")
    return [
        Move(arm, repeat, displacements(way, arm, _rng(seed, arm, repeat), strength))
        for arm in dict.fromkeys(arms)
        for repeat in range(random_repeats if arm == "random" else 1)
    ]


def controls(way: Way, *, seed: int, strength: float, count: int) -> Float[np.ndarray, "control d_model"]:
    """The random arm in several directions, where the manifold arm's move is longest."""
    longest = way.along[row_lengths(way.start + way.along).argmax()]
    length = float(np.linalg.norm(longest))
    return np.asarray(strength * (way.start + length * _control_directions(seed, count, len(longest))))


def off_at_strengths(
    way: Way, strengths: Float[np.ndarray, "strength"], at: Int64[np.ndarray, "position"]
) -> Float[np.ndarray, "position strength"]:
    """Distance from the curve to which the manifold arm brings a state with each strength, at some waypoints.

    Nothing is run for it: the move is known before the model is asked, and a multiple of it in the subspace too.
    """
    inside = (way.start + way.along[at]) @ way.manifold.basis.T
    moved = way.own + strengths[None, :, None] * inside[:, None, :]
    found = nearest_on_curve(way.manifold, moved.reshape(-1, len(way.own)))
    return found.distance.reshape(len(at), len(strengths))


def off_curve(
    manifold: Manifold, residual: Float[np.ndarray, "d_model"], moved: Float[np.ndarray, "waypoint d_model"]
) -> Float[np.ndarray, "waypoint"]:
    """Distance of each moved state's subspace part from the curve."""
    return nearest_on_curve(manifold, coordinates(manifold, residual + moved)).distance


@lru_cache(maxsize=16)
def _control_directions(seed: int, count: int, width: int) -> Float[np.ndarray, "control d_model"]:
    streams = (np.random.default_rng([seed, _CONTROL_STREAM, number]) for number in range(count))
    directions = np.stack([random_direction(rng, width) for rng in streams])
    directions.setflags(write=False)
    return directions


def _rng(seed: int, arm: Arm, repeat: int) -> np.random.Generator:
    return np.random.default_rng([seed, ARMS.index(arm), repeat])

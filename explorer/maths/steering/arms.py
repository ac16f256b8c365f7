"""Displacements of the steering arms: a cluster's curve, paths along it, and what each arm adds to a residual.

The state h is the residual at one token, c(h) = P (h - center) its coordinates in the cluster's subspace, s(u) the
curve there. Arms follow Wurgaft, Rager et al. 2026 (arXiv 2605.05115); the anchored start and the flipped arm are ours.
All arithmetic is in float64.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from explorer.records.cluster import ClusterGeometry

ArmKind = Literal["manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""Along the curve; straight in the whole residual; straight inside the subspace; the manifold's norm in a random
direction; the curve's points in shuffled order; the manifold's displacement with its sign flipped."""

_CHUNK = 4096


@dataclass(frozen=True)
class Segments:
    """The line segments between neighbouring knots of a curve, precomputed for projection."""

    begin: Float[np.ndarray, "segment axis"]
    """First end."""
    step: Float[np.ndarray, "segment axis"]
    """From the first end to the second."""
    begin2: Float[np.ndarray, "segment"]
    """begin · begin."""
    step2: Float[np.ndarray, "segment"]
    """step · step, at least the smallest positive float."""
    share: Float[np.ndarray, "segment axis"]
    """step / step2: a point's position along a segment is share · (point - begin)."""
    begin_share: Float[np.ndarray, "segment"]
    """begin · share."""


@dataclass(frozen=True)
class SteeringManifold:
    """One cluster's curve in its subspace, and the mean activation of each of its values."""

    basis: Float[np.ndarray, "axis d_model"]
    """Orthonormal rows P."""
    center: Float[np.ndarray, "d_model"]
    """The residual with coordinates 0."""
    knots: Float[np.ndarray, "knot axis"]
    """s(u) at equally spaced u; a closed curve does not repeat its first knot."""
    closed: bool
    """Whether u is cyclic with period 1."""
    value_coordinate: Float[np.ndarray, "value"]
    """u of each value."""
    value_residual: Float[np.ndarray, "value d_model"]
    """Mean activation of each value."""

    @cached_property
    def segments(self) -> Segments:
        """The polyline through the knots."""
        begin = self.knots if self.closed else self.knots[:-1]
        step = np.roll(self.knots, -1, axis=0)[: len(begin)] - begin
        step2 = np.maximum((step**2).sum(axis=1), np.finfo(np.float64).tiny)
        share = step / step2[:, None]
        return Segments(begin, step, (begin**2).sum(axis=1), step2, share, (begin * share).sum(axis=1))

    @classmethod
    def of(cls, geometry: ClusterGeometry, *, closed: bool) -> "SteeringManifold":
        """The steering data of a stored cluster, without values that no token has."""
        has_tokens = geometry.value_count > 0
        return cls(
            basis=geometry.basis.astype(np.float64),
            center=geometry.center.astype(np.float64),
            knots=geometry.path.astype(np.float64),
            closed=closed,
            value_coordinate=geometry.value_coordinate[has_tokens].astype(np.float64),
            value_residual=geometry.value_residual[has_tokens].astype(np.float64),
        )


@dataclass(frozen=True)
class CurvePath:
    """Waypoints from a start to an end along the curve."""

    t: Float[np.ndarray, "waypoint"]
    """Share of the path, 0 at the start and 1 at the end."""
    u: Float[np.ndarray, "waypoint"]
    """Intrinsic coordinate, in [0, 1) on a closed curve and in [0, 1] on an open one."""
    end: float
    """Intrinsic coordinate of the end."""
    length: float
    """Signed length in u: negative if u decreases."""
    closed: bool
    """Whether u is cyclic with period 1."""
    anchored: bool
    """True if the path begins at the state itself and converges to the curve; False if the state is first moved onto
    the curve's start."""


@dataclass(frozen=True)
class CurveProjection:
    """Nearest position on a curve of each point."""

    coordinate: Float[np.ndarray, "point"]
    """Intrinsic coordinate."""
    distance: Float[np.ndarray, "point"]
    """Distance to the curve, in units of the residual."""


def coordinates(
    manifold: SteeringManifold, residual: Float[np.ndarray, "point d_model"]
) -> Float[np.ndarray, "point axis"]:
    """c(h) = P (h - center), for each residual."""
    coordinate: Float[np.ndarray, "point axis"] = (residual.astype(np.float64) - manifold.center) @ manifold.basis.T
    return coordinate


def on_curve(manifold: SteeringManifold, u: Float[np.ndarray, "point"]) -> Float[np.ndarray, "point axis"]:
    """s(u), linear between knots; u is clipped to the ends of an open curve."""
    count = len(manifold.knots)
    place = (u % 1.0) * count if manifold.closed else np.clip(u, 0.0, 1.0) * (count - 1)
    below = np.floor(place).astype(np.int64)
    share = (place - below)[:, None]
    first = below % count if manifold.closed else np.minimum(below, count - 1)
    second = (below + 1) % count if manifold.closed else np.minimum(below + 1, count - 1)
    point: Float[np.ndarray, "point axis"] = (1.0 - share) * manifold.knots[first] + share * manifold.knots[second]
    return point


def nearest_on_curve(manifold: SteeringManifold, points: Float[np.ndarray, "point axis"]) -> CurveProjection:
    """Project points of the subspace onto the polyline through the knots; ties go to the first segment."""
    parts = [_nearest(manifold, points[start : start + _CHUNK]) for start in range(0, len(points), _CHUNK)]
    return CurveProjection(
        np.concatenate([part.coordinate for part in parts]), np.concatenate([part.distance for part in parts])
    )


def _nearest(manifold: SteeringManifold, points: Float[np.ndarray, "point axis"]) -> CurveProjection:
    count, parts = len(manifold.knots), manifold.segments
    across = points @ parts.share.T
    across -= parts.begin_share
    along = np.clip(across, 0.0, 1.0)
    # squared distance to each segment's nearest point minus the point's own square, without an array [point, segment,
    # axis]: begin2 - 2 point · begin + step2 along (along - 2 across)
    squared = along - across
    squared -= across
    squared *= along
    squared *= parts.step2
    squared += parts.begin2
    squared += (-2.0 * points) @ parts.begin.T
    segment = squared.argmin(axis=1)
    share = along[np.arange(len(points)), segment]
    u = (segment + share) / (count if manifold.closed else count - 1)
    offset = points - parts.begin[segment] - share[:, None] * parts.step[segment]
    return CurveProjection(u % 1.0 if manifold.closed else u, row_lengths(offset))


def row_lengths(vectors: Float[np.ndarray, "*row axis"]) -> Float[np.ndarray, "*row"]:
    """Euclidean length of each row."""
    return np.asarray(np.sqrt(np.einsum("...a,...a->...", vectors, vectors)))


def path_between(
    start: float, end: float, t: Float[np.ndarray, "waypoint"], *, closed: bool, anchored: bool
) -> CurvePath:
    """The path from u = start to u = end, the shorter way around a closed curve.

    Args:
        start: intrinsic coordinate, in [0, 1].
        end: the same; half a turn away, u increases.
        t: shares of the path.
        closed: whether u is cyclic.
        anchored: whether the path begins at the state itself.
    """
    length = end - start
    if closed:
        length = (length + 0.5) % 1.0 - 0.5
        length = 0.5 if length == -0.5 else length
        return CurvePath(t, (start + t * length) % 1.0, end % 1.0, length, closed, anchored)
    return CurvePath(t, np.clip(start + t * length, 0.0, 1.0), end, length, closed, anchored)


def residual_at(manifold: SteeringManifold, u: float) -> Float[np.ndarray, "d_model"]:
    """Mean residual at a coordinate: a value's own mean, linearly interpolated between values.

    Raises:
        ValueError: the manifold has no values.
    """
    if not len(manifold.value_coordinate):
        raise ValueError("a manifold without values has no mean residual along it")
    order = np.argsort(manifold.value_coordinate, kind="stable")
    at, means = manifold.value_coordinate[order], manifold.value_residual[order]
    if manifold.closed:
        at = np.concatenate([[at[-1] - 1.0], at, [at[0] + 1.0]])
        means = np.concatenate([means[-1:], means, means[:1]])
    upper = int(np.clip(np.searchsorted(at, u), 1, len(at) - 1)) if len(at) > 1 else 0
    lower = max(upper - 1, 0)
    gap = at[upper] - at[lower]
    share = float(np.clip((u - at[lower]) / gap, 0.0, 1.0)) if gap > 0 else 0.0
    return np.asarray((1.0 - share) * means[lower] + share * means[upper])


@dataclass(frozen=True)
class Trajectory:
    """One state's way along a path: the quantities shared by all arms' displacements."""

    manifold: SteeringManifold
    residual: Float[np.ndarray, "d_model"]
    """The state h."""
    path: CurvePath
    state_coordinates: Float[np.ndarray, "axis"]
    """c(h)."""
    to_start: Float[np.ndarray, "axis"]
    """Displacement from h to the path's start, in the subspace; 0 if the path is anchored."""
    steps: Float[np.ndarray, "waypoint axis"]
    """The manifold arm's displacement from there to each waypoint, in the subspace."""

    @classmethod
    def of(cls, manifold: SteeringManifold, residual: Float[np.ndarray, "d_model"], path: CurvePath) -> "Trajectory":
        """The trajectory of a state along a path."""
        state_coordinates, curve = coordinates(manifold, residual[None])[0], on_curve(manifold, path.u)
        if path.anchored:
            steps = curve - curve[0] - path.t[:, None] * (state_coordinates - curve[0])
            return cls(
                manifold, residual.astype(np.float64), path, state_coordinates, np.zeros_like(state_coordinates), steps
            )
        return cls(
            manifold,
            residual.astype(np.float64),
            path,
            state_coordinates,
            curve[0] - state_coordinates,
            curve - curve[0],
        )

    @cached_property
    def start(self) -> Float[np.ndarray, "d_model"]:
        """Displacement from h to the path's start."""
        return np.asarray(self.to_start @ self.manifold.basis)

    @cached_property
    def along(self) -> Float[np.ndarray, "waypoint d_model"]:
        """The manifold arm's displacement from there to each waypoint."""
        return np.asarray(self.steps @ self.manifold.basis)


def displacements(
    trajectory: Trajectory, kind: ArmKind, rng: np.random.Generator, strength: float = 1.0
) -> Float[np.ndarray, "waypoint d_model"]:
    """Displacement that one arm adds to the residual h at each waypoint.

    Anchored paths begin at h itself: c_t = s(u_t) + (1 - t) (c(h) - s(u_0)), so t = 0 adds exactly zero and t = 1 lies
    on the curve. Other paths begin, for every arm, at h_A = h + P^T (s(u_0) - c(h)) and follow the curve: c_t = s(u_t).

    The manifold arm adds P^T (c_t - c(h)). Linear runs straight from the start to the mean residual at the end, chord
    straight inside the subspace to s(u_end). Random and flipped redirect the manifold's displacement from the start;
    shuffled permutes the manifold's waypoints after the first.

    Args:
        way: the state's trajectory.
        kind: which arm.
        rng: draws the direction of random and the order of shuffled; not used by other arms.
        strength: factor on the whole displacement.

    Raises:
        ValueError: linear on a manifold without values.
    """
    return np.asarray(strength * (trajectory.start + _from_start(trajectory, kind, rng)))


def _from_start(
    trajectory: Trajectory, kind: ArmKind, rng: np.random.Generator
) -> Float[np.ndarray, "waypoint d_model"]:
    manifold, path, t = trajectory.manifold, trajectory.path, trajectory.path.t[:, None]
    if kind == "linear":
        return np.asarray(t * (residual_at(manifold, path.end) - (trajectory.residual + trajectory.start)))
    if kind == "chord":
        to_end = on_curve(manifold, np.array([path.end]))[0] - trajectory.state_coordinates - trajectory.to_start
        return np.asarray(t * (to_end @ manifold.basis))
    if kind == "random":
        return np.asarray(row_lengths(trajectory.along)[:, None] * random_direction(rng, len(trajectory.residual)))
    if kind == "shuffled":
        return np.asarray(trajectory.along[np.concatenate([[0], 1 + rng.permutation(len(trajectory.along) - 1)])])
    return -trajectory.along if kind == "flipped" else trajectory.along


def random_direction(rng: np.random.Generator, width: int) -> Float[np.ndarray, "d_model"]:
    """A unit vector drawn uniformly from the sphere."""
    direction = rng.standard_normal(width)
    return np.asarray(direction / np.linalg.norm(direction))

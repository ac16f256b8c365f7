"""Where to move a residual: a cluster's curve, paths along it, and every arm's displacement.

The state h is the residual at one token, c(h) = P (h - center) its coordinates in the cluster's subspace, s(u) the
curve there. Arms follow Wurgaft, Rager et al. 2026 (arXiv 2605.05115), methods.md section 3; the anchored start and the
flipped arm are ours. All arithmetic is float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from jaxtyping import Float

from explorer.records import ClusterGeometry

MoveKind = Literal["manifold", "linear", "chord", "random", "shuffled", "flipped"]
"""Along the curve; straight in the whole residual; straight inside the subspace; the manifold's norm in a random
direction; the curve's points in shuffled order; the manifold's move with its sign turned."""

_CHUNK = 4096


@dataclass(frozen=True)
class Segments:
    """The straight pieces between neighbouring knots of a curve."""

    begin: Float[np.ndarray, "segment axis"]
    """Where each begins."""
    step: Float[np.ndarray, "segment axis"]
    """From there to its end."""
    begin2: Float[np.ndarray, "segment"]
    """begin · begin."""
    begin_step: Float[np.ndarray, "segment"]
    """begin · step."""
    step2: Float[np.ndarray, "segment"]
    """step · step, never 0."""


@dataclass(frozen=True)
class Manifold:
    """One cluster's curve in its subspace, and the mean activation at each of its values."""

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
        return Segments(begin, step, (begin**2).sum(axis=1), (begin * step).sum(axis=1), step2)

    @classmethod
    def of(cls, geometry: ClusterGeometry, *, closed: bool) -> "Manifold":
        """The steering part of a stored cluster; values that no token has are left out."""
        seen = geometry.value_count > 0
        return cls(
            basis=geometry.basis.astype(np.float64),
            center=geometry.center.astype(np.float64),
            knots=geometry.path.astype(np.float64),
            closed=closed,
            value_coordinate=geometry.value_coordinate[seen].astype(np.float64),
            value_residual=geometry.value_residual[seen].astype(np.float64),
        )


@dataclass(frozen=True)
class Path:
    """Waypoints from a start to an end along the curve."""

    t: Float[np.ndarray, "waypoint"]
    """Share of the way, 0 at the start and 1 at the end."""
    u: Float[np.ndarray, "waypoint"]
    """Intrinsic coordinate, in [0, 1) on a closed curve and in [0, 1] on an open one."""
    end: float
    """Intrinsic coordinate of the end."""
    away: float
    """Signed length of the way in u: negative where it runs down."""
    closed: bool
    """Whether u is cyclic with period 1."""
    anchored: bool
    """True where the path begins at the state itself and closes in on the curve; False where the state is first moved
    onto the curve's start."""


@dataclass(frozen=True)
class Nearest:
    """The place on a curve that is nearest to each of some points."""

    coordinate: Float[np.ndarray, "point"]
    """Intrinsic coordinate."""
    distance: Float[np.ndarray, "point"]
    """Distance to the curve, in units of the residual."""


def coordinates(manifold: Manifold, residual: Float[np.ndarray, "point d_model"]) -> Float[np.ndarray, "point axis"]:
    """c(h) = P (h - center), for each residual."""
    coordinate: Float[np.ndarray, "point axis"] = (residual.astype(np.float64) - manifold.center) @ manifold.basis.T
    return coordinate


def on_curve(manifold: Manifold, u: Float[np.ndarray, "point"]) -> Float[np.ndarray, "point axis"]:
    """s(u), linear between knots; u beyond the ends of an open curve stays at its end."""
    count = len(manifold.knots)
    place = (u % 1.0) * count if manifold.closed else np.clip(u, 0.0, 1.0) * (count - 1)
    below = np.floor(place).astype(np.int64)
    share = (place - below)[:, None]
    first = below % count if manifold.closed else np.minimum(below, count - 1)
    second = (below + 1) % count if manifold.closed else np.minimum(below + 1, count - 1)
    point: Float[np.ndarray, "point axis"] = (1.0 - share) * manifold.knots[first] + share * manifold.knots[second]
    return point


def nearest_on_curve(manifold: Manifold, points: Float[np.ndarray, "point axis"]) -> Nearest:
    """Project points of the subspace onto the polyline through the knots; of equal distances, the first segment's."""
    parts = [_nearest(manifold, points[start : start + _CHUNK]) for start in range(0, len(points), _CHUNK)]
    return Nearest(
        np.concatenate([part.coordinate for part in parts]), np.concatenate([part.distance for part in parts])
    )


def _nearest(manifold: Manifold, points: Float[np.ndarray, "point axis"]) -> Nearest:
    count, parts = len(manifold.knots), manifold.segments
    across = points @ parts.step.T - parts.begin_step
    along = np.clip(across / parts.step2, 0.0, 1.0)
    # Squared distance to each segment's nearest point, without an array [point, segment, axis].
    to_begin = (points**2).sum(axis=1)[:, None] - 2.0 * points @ parts.begin.T + parts.begin2
    segment = (to_begin - 2.0 * along * across + along**2 * parts.step2).argmin(axis=1)
    rows = np.arange(len(points))
    u = (segment + along[rows, segment]) / (count if manifold.closed else count - 1)
    foot = parts.begin[segment] + along[rows, segment, None] * parts.step[segment]
    return Nearest(u % 1.0 if manifold.closed else u, np.linalg.norm(points - foot, axis=1))


def waypoints(start: float, end: float, t: Float[np.ndarray, "waypoint"], *, closed: bool, anchored: bool) -> Path:
    """The path from u = start to u = end, the shorter way round where the curve is closed.

    Args:
        start: intrinsic coordinate, in [0, 1].
        end: the same; half a turn away, the way goes up.
        t: shares of the way.
        closed: whether u is cyclic.
        anchored: whether the path begins at the state itself.
    """
    away = end - start
    if closed:
        away = (away + 0.5) % 1.0 - 0.5
        away = 0.5 if away == -0.5 else away
        return Path(t, (start + t * away) % 1.0, end % 1.0, away, closed, anchored)
    return Path(t, np.clip(start + t * away, 0.0, 1.0), end, away, closed, anchored)


def residual_at(manifold: Manifold, u: float) -> Float[np.ndarray, "d_model"]:
    """Mean whole residual at a coordinate: at a value its own mean, between two values their linear interpolation.

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


def displacements(
    manifold: Manifold,
    residual: Float[np.ndarray, "d_model"],
    path: Path,
    kind: MoveKind,
    rng: np.random.Generator,
    strength: float = 1.0,
) -> Float[np.ndarray, "waypoint d_model"]:
    """What one arm adds to the residual h at each waypoint.

    Anchored paths begin at h itself: c_t = s(u_t) + (1 - t) (c(h) - s(u_0)), so t = 0 adds exactly zero and t = 1 lies
    on the curve. Other paths begin at h_A = h + P^T (s(u_0) - c(h)), for every arm, and run on the curve: c_t = s(u_t).
    The manifold arm adds P^T (c_t - c(h)); linear runs straight from the start to the mean whole residual at the end,
    chord straight inside the subspace to s(u_end); random and flipped take the manifold's move from the start and turn
    it; shuffled takes the manifold's waypoints after the first in another order.

    Args:
        manifold: the cluster's curve.
        residual: h.
        path: where to go.
        kind: which arm.
        rng: decides the direction of random and the order of shuffled; others do not draw.
        strength: multiple of the whole displacement.

    Raises:
        ValueError: linear on a manifold without values.
    """
    start, along = _start_and_move(manifold, residual, path)
    t = path.t[:, None]
    if kind == "linear":
        along = t * (residual_at(manifold, path.end) - (residual.astype(np.float64) + start))
    elif kind == "chord":
        own = coordinates(manifold, residual[None])[0]
        to_end = on_curve(manifold, np.array([path.end]))[0] - own
        along = t * (to_end @ manifold.basis - start)
    elif kind == "random":
        along = _turned(along, rng)
    elif kind == "shuffled":
        along = along[np.concatenate([[0], 1 + rng.permutation(len(along) - 1)])]
    elif kind == "flipped":
        along = -along
    return np.asarray(strength * (start + along))


def random_displacements(
    manifold: Manifold,
    residual: Float[np.ndarray, "d_model"],
    path: Path,
    rngs: Sequence[np.random.Generator],
    strength: float = 1.0,
) -> Float[np.ndarray, "direction waypoint d_model"]:
    """The random arm of ``displacements`` once for each generator."""
    start, along = _start_and_move(manifold, residual, path)
    return np.stack([strength * (start + _turned(along, rng)) for rng in rngs])


def _turned(
    along: Float[np.ndarray, "waypoint d_model"], rng: np.random.Generator
) -> Float[np.ndarray, "waypoint d_model"]:
    """A way of the same lengths straight in a random direction."""
    direction = rng.standard_normal(along.shape[1])
    return np.asarray(np.linalg.norm(along, axis=1)[:, None] * (direction / np.linalg.norm(direction)))


def _start_and_move(
    manifold: Manifold, residual: Float[np.ndarray, "d_model"], path: Path
) -> tuple[Float[np.ndarray, "d_model"], Float[np.ndarray, "waypoint d_model"]]:
    """How h is moved to the path's start, and the manifold arm's way from there."""
    own = coordinates(manifold, residual[None])[0]
    curve = on_curve(manifold, path.u)
    first = on_curve(manifold, np.array([path.u[0]]))[0]
    if path.anchored:
        along = curve - first - path.t[:, None] * (own - first)
        return np.zeros(len(residual)), along @ manifold.basis
    return (first - own) @ manifold.basis, (curve - first) @ manifold.basis

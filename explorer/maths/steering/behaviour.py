"""Effects of steering: on the next-token distribution (energy, reach, isometry, controls) and on generated text.

A behaviour is a distribution p over the readout's classes: the values, and "other" last. The behaviour manifold is the
curve of natural behaviours, a spline on sqrt(p) through the values' means (Wurgaft, Rager et al. 2026, arXiv
2605.05115). Reach and the comparison with controls are ours.

Distance from the behaviour manifold is misleading if a text collapses into repetition, so perplexity and repetition of
the generated text are reported with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64
from scipy.interpolate import CubicSpline

from explorer.maths.group_sums import sums_by_group
from explorer.maths.steering.arms import CurvePath, row_lengths

_SAMPLES = 1_000
_REFINEMENTS = 2
_NARROWER = 0.25
_SMALL_ANGLE = 1e-12
_MAX_NATS = 700.0

NGRAM = 3
"""Length of the n-grams whose recurrence counts as repetition."""


@dataclass(frozen=True)
class BehaviourManifold:
    """A curve of distributions, as square roots on the unit sphere: q(u) = exp_b(spline(u))."""

    base: Float[np.ndarray, "behaviour"]
    """b, the normalised mean of the values' sqrt(p)."""
    tangent: CubicSpline
    """Spline through log_b of each value's sqrt(p), over the intrinsic coordinate."""
    start: float
    """First coordinate of the curve."""
    stop: float
    """Last coordinate of the curve."""
    closed: bool
    """Whether the coordinate is cyclic with period 1."""
    dense: Float[np.ndarray, "sample behaviour"]
    """sqrt of the distribution at 1,000 equally spaced coordinates."""

    def at(self, u: Float[np.ndarray, "*sample"]) -> Float[np.ndarray, "*sample behaviour"]:
        """sqrt of the distribution at each coordinate."""
        return _roots(self.base, self.tangent, u)

    @cached_property
    def coarse(self) -> Float32[np.ndarray, "behaviour sample"]:
        """``dense`` minus its mean, which does not affect the ranking of samples but would cost float32 precision on
        short curves."""
        return np.ascontiguousarray((self.dense - self.dense.mean(axis=0)).T, dtype=np.float32)


@dataclass(frozen=True)
class NearestBehaviour:
    """The natural behaviour nearest to each of some behaviours."""

    coordinate: Float[np.ndarray, "point"]
    """Its intrinsic coordinate; in [0, 1) on a closed curve."""
    distance: Float[np.ndarray, "point"]
    """-log sum_i sqrt(p_i q_i), in nats."""


@dataclass(frozen=True)
class TargetShift:
    """Change of p(target) under an arm, compared with random directions of equal norm."""

    shift: float
    """Largest change from the baseline along the arm's path."""
    control_mean: float
    """Mean change over the random directions."""
    control_sd: float | None
    """Standard deviation of the change over the random directions; None for a single one."""
    control_max: float
    """Largest change over the random directions."""

    @property
    def over_spread(self) -> float | None:
        """The shift minus the controls' mean, in standard deviations of the controls; None if these do not vary."""
        return (self.shift - self.control_mean) / self.control_sd if self.control_sd else None


def fit_behaviour_manifold(
    distributions: Float[np.ndarray, "value behaviour"], coordinate: Float[np.ndarray, "value"], *, closed: bool
) -> BehaviourManifold:
    """Fit a spline through the values' mean distributions on the sphere of square roots; values at one coordinate are
    merged.

    log_b(q) = theta / sin(theta) (q - cos(theta) b), cos(theta) = q . b (arXiv 2605.05115). Periodic with period 1 on a
    closed curve, natural on an open one.

    Raises:
        ValueError: fewer than two distinct coordinates, or three on a closed curve.
    """
    at, place = np.unique(coordinate.astype(np.float64), return_inverse=True)
    if len(at) < (3 if closed else 2):
        raise ValueError(f"{len(at)} places on a {'closed' if closed else 'open'} curve do not make a manifold")
    sums = sums_by_group(distributions, place, len(at))
    roots = np.sqrt(sums / sums.sum(axis=1, keepdims=True))
    mean = roots.mean(axis=0)
    base = mean / np.linalg.norm(mean)
    tangents = _log(base, roots)
    if closed:
        spline = CubicSpline(np.append(at, at[0] + 1.0), np.vstack([tangents, tangents[:1]]), bc_type="periodic")
    else:
        spline = CubicSpline(at, tangents, bc_type="natural")
    start, stop = float(at[0]), float(at[0] + 1.0 if closed else at[-1])
    return BehaviourManifold(
        base, spline, start, stop, closed, _roots(base, spline, np.linspace(start, stop, _SAMPLES))
    )


def nearest_behaviour(manifold: BehaviourManifold, behaviour: Float[np.ndarray, "point behaviour"]) -> NearestBehaviour:
    """For each p, the q on the manifold that minimises -log sum_i sqrt(p_i q_i).

    The best of 1,000 points of the curve is refined twice by a parabola through it and its neighbours, the second time
    a quarter as wide. All 1,000 are compared in float32, the five around the best of them again in float64.
    """
    roots = np.sqrt(np.clip(behaviour, 0.0, None)).astype(np.float64)
    grid, rows = np.linspace(manifold.start, manifold.stop, _SAMPLES), np.arange(len(roots))
    likeliest = (roots.astype(np.float32) @ manifold.coarse).argmax(axis=1)
    near = np.clip(likeliest, 2, _SAMPLES - 3)[:, None] + np.arange(-2, 3)
    five = np.einsum("pb,psb->ps", roots, manifold.dense[near])
    likeliest = five.argmax(axis=1)
    best, place = five[rows, likeliest], grid[near[rows, likeliest]]
    middle = np.clip(likeliest, 1, 3)
    three = five[rows[:, None], middle[:, None] + np.arange(-1, 2)]
    at, width = grid[near[rows, middle]], grid[1] - grid[0]
    for _ in range(_REFINEMENTS):
        at = np.clip(at + width * _vertex(three), manifold.start, manifold.stop)
        width *= _NARROWER
        around = np.clip(at[:, None] + width * np.arange(-1, 2), manifold.start, manifold.stop)
        three = np.einsum("pb,psb->ps", roots, manifold.at(around))
        place = np.where(three.max(axis=1) > best, around[rows, three.argmax(axis=1)], place)
        best = np.maximum(best, three.max(axis=1))
    distance = -np.log(np.clip(best, np.finfo(np.float64).tiny, 1.0))
    return NearestBehaviour(place % 1.0 if manifold.closed else place, distance)


def bhattacharyya_energy(manifold: BehaviourManifold, behaviour: Float[np.ndarray, "waypoint behaviour"]) -> float:
    """E_BC: the Bhattacharyya distance to the behaviour manifold, summed over a path's waypoints (arXiv 2605.05115)."""
    return float(nearest_behaviour(manifold, behaviour).distance.sum())


def arc_length(points: Float[np.ndarray, "waypoint axis"]) -> float:
    """Length of the polyline through the points."""
    return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())


def hellinger_length(behaviour: Float[np.ndarray, "waypoint behaviour"]) -> float:
    """Length of a path of distributions in Hellinger distance, |sqrt(p) - sqrt(q)| / sqrt(2) between neighbours."""
    return float(arc_length(np.sqrt(np.clip(behaviour, 0.0, None))) / np.sqrt(2.0))


def isometries(first: Float[np.ndarray, "arm pair"], second: Float[np.ndarray, "arm pair"]) -> list[float | None]:
    """Pearson's r of lengths in activation and behaviour space for each arm; None if either is constant."""
    if first.shape[1] < 3:
        return [None] * len(first)
    varies = (np.ptp(first, axis=1) >= 1e-9) & (np.ptp(second, axis=1) >= 1e-9)
    x, y = (lengths - lengths.mean(axis=1, keepdims=True) for lengths in (first, second))
    size = np.where(varies, row_lengths(x) * row_lengths(y), 1.0)
    r = np.clip(np.einsum("ap,ap->a", x, y) / size, -1.0, 1.0)
    return [one if known else None for one, known in zip(r.tolist(), varies.tolist(), strict=True)]


def path_isometries(
    states: Float[np.ndarray, "arm waypoint axis"],
    behaviour: Float[np.ndarray, "arm waypoint behaviour"],
    stops: Int64[np.ndarray, "stop"],
) -> list[float | None]:
    """Isometry of each arm's path: Pearson's r, over all pairs of its stops, of the path lengths between them in both
    spaces.

    Args:
        states: the state, or its displacement, at each waypoint.
        behaviour: the behaviour at each waypoint.
        stops: waypoints of the values that the path passes, ascending.
    """
    return isometries(_between(states, stops), _between(np.sqrt(np.clip(behaviour, 0.0, None) / 2.0), stops))


def _between(
    points: Float[np.ndarray, "arm waypoint axis"], stops: Int64[np.ndarray, "stop"]
) -> Float[np.ndarray, "arm pair"]:
    """Length of each path between any two of its stops."""
    passed = np.zeros(points.shape[:2])
    np.cumsum(row_lengths(np.diff(points, axis=1)), axis=1, out=passed[:, 1:])
    first, second = np.triu_indices(len(stops), 1)
    return np.asarray(passed[:, stops[second]] - passed[:, stops[first]])


def value_waypoints(path: CurvePath, coordinate: Float[np.ndarray, "value"]) -> Int64[np.ndarray, "stop"]:
    """Waypoints nearest to the values that a path passes, including both ends, ascending.

    Args:
        path: the path.
        coordinate: coordinate of each value; NaN for one without.
    """
    ahead = (coordinate[np.isfinite(coordinate)] - path.u[0]) * np.sign(path.length)
    if path.closed:
        ahead = ahead % 1.0
    share = ahead[(ahead > 0) & (ahead < abs(path.length))] / max(abs(path.length), np.finfo(np.float64).tiny)
    last = len(path.u) - 1
    return np.unique(np.concatenate([[0, last], np.rint(share * last)]).astype(np.int64))


def values_between(
    path: CurvePath, coordinate: Float[np.ndarray, "value"], first: int, last: int
) -> Bool[np.ndarray, "value"]:
    """Which values the path passes strictly between its ends, excluding the values ``first`` and ``last``."""
    ahead = (coordinate - path.u[0]) * np.sign(path.length)
    if path.closed:
        ahead = ahead % 1.0
    inside = (ahead > 0) & (ahead < abs(path.length))
    inside[[first, last]] = False
    return np.asarray(inside)


def visited_share(
    behaviour: Float[np.ndarray, "waypoint behaviour"], between: Bool[np.ndarray, "value"]
) -> float | None:
    """Share of the values between that become the most likely class, "other" included, at some waypoint; None if there
    are none.

    The most likely class at the first waypoint is excluded, because nothing has moved there.
    """
    first, *further = behaviour.argmax(axis=1).tolist()
    left = set(np.flatnonzero(between).tolist()) - {first}
    return len(left & set(further)) / len(left) if left else None


def target_shift(
    baseline: float, along: Float[np.ndarray, "waypoint"], controls: Float[np.ndarray, "control"]
) -> TargetShift:
    """Compare the change of p(target) along an arm with its change under random directions."""
    changes = np.abs(controls - baseline)
    spread = float(changes.std(ddof=1)) if len(changes) > 1 else None
    return TargetShift(float(np.abs(along - baseline).max()), float(changes.mean()), spread, float(changes.max()))


def perplexity(logprob: Float[np.ndarray, "token"]) -> float | None:
    """exp of the mean negative log-probability of a text's tokens; None for an empty text."""
    return float(np.exp(min(-logprob.mean(dtype=np.float64), _MAX_NATS))) if len(logprob) else None


def repetition_rate(token_ids: Sequence[int], n: int = NGRAM) -> float | None:
    """Share of a text's n-grams that occurred in it before, 1 - distinct / all; None if it is shorter than one.

    seq-rep-n of Welleck et al. 2020 (arXiv 1908.04319), with n = 3 because the generated texts are short.
    """
    ngrams = [tuple(token_ids[at : at + n]) for at in range(len(token_ids) - n + 1)]
    return 1.0 - len(set(ngrams)) / len(ngrams) if ngrams else None


def _vertex(three: Float[np.ndarray, "point 3"]) -> Float[np.ndarray, "point"]:
    """Position in [-1, 1] of the maximum of the parabola through values at -1, 0 and 1; that of the largest value if
    the parabola has no maximum."""
    curvature = three[:, 0] - 2.0 * three[:, 1] + three[:, 2]
    bends = curvature < 0.0
    peak = 0.5 * (three[:, 0] - three[:, 2]) / np.where(bends, curvature, -1.0)
    return np.asarray(np.where(bends, np.clip(peak, -1.0, 1.0), three.argmax(axis=1) - 1.0))


def _roots(
    base: Float[np.ndarray, "behaviour"], tangent: CubicSpline, u: Float[np.ndarray, "*sample"]
) -> Float[np.ndarray, "*sample behaviour"]:
    points = _exp(base, tangent(u))
    return np.asarray(np.abs(points, out=points))


def _log(
    base: Float[np.ndarray, "behaviour"], points: Float[np.ndarray, "p behaviour"]
) -> Float[np.ndarray, "p behaviour"]:
    cosine = np.clip(points @ base, -1.0, 1.0)
    angle = np.arccos(cosine)
    scale = np.where(angle < _SMALL_ANGLE, 1.0, angle / np.maximum(np.sin(angle), _SMALL_ANGLE))
    tangents: Float[np.ndarray, "p behaviour"] = scale[:, None] * (points - cosine[:, None] * base)
    return tangents


def _exp(
    base: Float[np.ndarray, "behaviour"], tangents: Float[np.ndarray, "*p behaviour"]
) -> Float[np.ndarray, "*p behaviour"]:
    angle = row_lengths(tangents)[..., None]
    points: Float[np.ndarray, "*p behaviour"] = np.sinc(angle / np.pi) * tangents
    points += np.cos(angle) * base
    return points

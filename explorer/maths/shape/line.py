"""Whether a curve is one line: it does not come back beside itself, and it has no hole that its points do not explain.

A fitted curve always explains something; these questions tell a line from a tangle and from a line that was closed over
nothing. Ours.
"""

import numpy as np
from jaxtyping import Bool, Float

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import project, squared_distances
from explorer.maths.shape.landmarks import Cells
from explorer.maths.shape.surface import strip

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

DOUBLED = 0.12
"""Largest share of points that may lie nearly as close to another part of the curve."""
NEAR = 0.38
"""Widest hole of a curve, from rim to rim, in units of the curve's width."""
APART = 0.85
"""The same where the hole is a step like the others; the neighbours of seven values on a ring with harmonics: 0.62."""
ONWARD = 0.5
"""Least cosine between the curve beside a hole and the line across it."""
LONE = 0.03
"""A point that is so far from its neighbours along the curve, on both sides, is alone."""
MANY = 4
"""Large steps from which on they count as the usual steps between clumps."""


def is_line(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether a curve does not double back, has no hole, and is not the middle of a band."""
    return (
        doubled(points, curve, closed=closed) <= DOUBLED
        and whole(points, clumps, curve, closed=closed)
        and not strip(points, curve, closed=closed)
    )


def doubled(points: Points, curve: Curve, *, closed: bool) -> float:
    """Share of the points that another part of the curve passes nearly as closely as the nearest part.

    A line that fills a disk comes back beside itself; one that follows a ring does not. "Nearly": the squared distance
    to the second nearest part exceeds that to the nearest by less than five times the mean squared distance.
    """
    squared = squared_distances(points, curve)
    sides = np.roll(squared, 1, axis=1), np.roll(squared, -1, axis=1)
    if not closed:
        sides[0][:, 0] = np.inf
        sides[1][:, -1] = np.inf
    valleys = np.where((squared <= sides[0]) & (squared <= sides[1]), squared, np.inf)
    lowest = np.partition(valleys, 1, axis=1)
    spread = project(points, curve, closed=closed).squared.mean()
    return float((lowest[:, 1] - lowest[:, 0] < 5 * spread).mean())


def chord_share(curve: Curve) -> float:
    """Distance of the ends over the length."""
    length = float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
    return float(np.linalg.norm(curve[-1] - curve[0])) / max(length, 1e-300)


def whole(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether the points, or the clumps that they form, leave no hole in the curve that a curve should not have.

    A curve may have one hole if its rims are close in space, less than NEAR of the curve's width apart: a ring with a
    gap. Where many steps are holes and the steps between clumps are all alike, none of them is one.
    """
    place = _without_lone(np.sort(project(points, curve, closed=closed).coordinate), closed)
    step = _steps(place, closed)
    large = _large_steps(step)
    holes = int((large & (step > 2.2 * float(np.sort(step)[-min(6, len(step))]))).sum())
    rim = int(step.argmax())
    hole = (float(place[rim]), float(step[rim]))
    even = large.sum() >= MANY and _even_steps(clumps, curve, closed=closed)
    across = _across(curve, hole, closed=closed)
    if holes == 0 or even:
        return across < (APART if even else NEAR)
    return holes == 1 and across < NEAR and (not closed or _goes_on(curve, hole, closed=True))


def _steps(place: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "step"]:
    return np.diff(place, append=place[0] + 1.0) if closed else np.diff(place)


def _without_lone(place: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "near"]:
    """Leave out points that stand alone on the curve: they do not fill a hole."""
    step = _steps(place, closed)
    before, after = (np.roll(step, 1), step) if closed else (np.append(0.0, step), np.append(step, 0.0))
    return place[(before < LONE) | (after < LONE)]


def _across(curve: Curve, hole: tuple[float, float], *, closed: bool) -> float:
    """Distance of a hole's rims in units of the curve's width."""
    ends = _at(curve, [hole[0], hole[0] + hole[1]], closed=closed)
    width = float(np.sqrt(np.quantile(squared_distances(curve, curve), 0.9)))
    return float(np.linalg.norm(ends[1] - ends[0])) / max(width, 1e-12)


def _goes_on(curve: Curve, hole: tuple[float, float], *, closed: bool, back: float = 0.05) -> bool:
    """Whether the curve crosses the hole in the direction that it has on both sides; a closed spiral does not."""
    before, start, end, after = _at(curve, [hole[0] - back, hole[0], sum(hole), sum(hole) + back], closed=closed)
    chord = end - start
    return all(
        float(side @ chord) > ONWARD * float(np.linalg.norm(side) * np.linalg.norm(chord))
        for side in (start - before, after - end)
    )


def _at(curve: Curve, coordinate: list[float], *, closed: bool) -> Float[np.ndarray, "point axis"]:
    place = np.array(coordinate)
    return curve_at(curve, place % 1.0 if closed else np.clip(place, 0.0, 1.0), closed=closed)


def _large_steps(step: Float[np.ndarray, "step"]) -> Bool[np.ndarray, "step"]:
    """Steps that are large on the curve, and beside the eight around them."""
    window = 4
    padded = np.pad(step, window, mode="wrap")
    around = np.array([padded[at : at + 2 * window + 1].sum() for at in range(len(step))])
    local = (around - step) / (2 * window)
    found: Bool[np.ndarray, "step"] = (step > 0.03) & (step > 8 * local)
    return found


def _even_steps(clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether at least five clumps follow each other along the curve at like distances in space."""
    if clumps is None or len(clumps.centres) < 5:
        return False
    order = np.argsort(project(clumps.centres, curve, closed=closed).coordinate)
    stops = clumps.centres[np.append(order, order[0])] if closed else clumps.centres[order]
    step = np.linalg.norm(np.diff(stops, axis=0), axis=1)
    return bool(step.max() < 1.5 * np.median(step))

"""Tests that a curve is one line: it does not double back, and every gap in it is explained by its points.

A fitted curve always explains something; these tests distinguish a line from a tangle and from a curve that was closed
over nothing. Ours.
"""

import numpy as np
from jaxtyping import Bool, Float

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.curve import project, squared_distances
from explorer.maths.shape.landmarks import Cells
from explorer.maths.shape.surface import is_band

Points = Float[np.ndarray, "sample axis"]
Curve = Float[np.ndarray, "knot axis"]

MAX_DOUBLING = 0.12
"""Maximum share of points that lie nearly as close to another part of the curve."""
MAX_GAP = 0.38
"""Maximum gap of a curve, from rim to rim, in units of the curve's width."""
MAX_EVEN_GAP = 0.85
"""The same if the gap is one of many equal steps; neighbours of seven values on a ring with harmonics are .62 apart."""
MIN_GAP_COSINE = 0.5
"""Minimum cosine between the curve next to a gap and the line across it."""
LONE_POINT_STEP = 0.03
"""A point this far from its neighbours along the curve, on both sides, is isolated."""
MIN_EVEN_STEPS = 4
"""Minimum number of large steps for them to count as regular steps between clumps."""


def is_line(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether a curve does not double back, has no gap, and is not the centre line of a band."""
    return (
        doubling_share(points, curve, closed=closed) <= MAX_DOUBLING
        and has_no_gap(points, clumps, curve, closed=closed)
        and not is_band(points, curve, closed=closed)
    )


def doubling_share(points: Points, curve: Curve, *, closed: bool) -> float:
    """Share of the points that another part of the curve passes nearly as closely as the nearest part.

    A line that fills a disk runs next to itself; one that follows a ring does not. "Nearly": the squared distance to
    the second nearest part exceeds that to the nearest by less than five times the mean squared distance.
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


def straightness(curve: Curve) -> float:
    """Distance of the ends over the length."""
    length = float(np.linalg.norm(np.diff(curve, axis=0), axis=1).sum())
    return float(np.linalg.norm(curve[-1] - curve[0])) / max(length, 1e-300)


def has_no_gap(points: Points, clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether the points, or the clumps that they form, leave no gap that a curve should not have.

    A curve may have one gap if its rims are less than MAX_GAP of the curve's width apart: an incomplete ring. If many
    steps are large and the steps between clumps are all similar, none of them is a gap.
    """
    positions = _drop_lone_points(np.sort(project(points, curve, closed=closed).coordinate), closed)
    step = _steps(positions, closed)
    large = _large_steps(step)
    n_gaps = int((large & (step > 2.2 * float(np.sort(step)[-min(6, len(step))]))).sum())
    rim = int(step.argmax())
    gap = (float(positions[rim]), float(step[rim]))
    evenly_spaced = large.sum() >= MIN_EVEN_STEPS and _evenly_spaced_clumps(clumps, curve, closed=closed)
    width_of_gap = _gap_width(curve, gap, closed=closed)
    if n_gaps == 0 or evenly_spaced:
        return width_of_gap < (MAX_EVEN_GAP if evenly_spaced else MAX_GAP)
    return n_gaps == 1 and width_of_gap < MAX_GAP and (not closed or _continues_across(curve, gap, closed=True))


def _steps(positions: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "step"]:
    return np.diff(positions, append=positions[0] + 1.0) if closed else np.diff(positions)


def _drop_lone_points(positions: Float[np.ndarray, "stop"], closed: bool) -> Float[np.ndarray, "selected"]:
    """Leave out points that are isolated on the curve: they do not fill a gap."""
    step = _steps(positions, closed)
    before, after = (np.roll(step, 1), step) if closed else (np.append(0.0, step), np.append(step, 0.0))
    return positions[(before < LONE_POINT_STEP) | (after < LONE_POINT_STEP)]


def _gap_width(curve: Curve, gap: tuple[float, float], *, closed: bool) -> float:
    """Distance of a gap's rims in units of the curve's width."""
    ends = _at(curve, [gap[0], gap[0] + gap[1]], closed=closed)
    width = float(np.sqrt(np.quantile(squared_distances(curve, curve), 0.9)))
    return float(np.linalg.norm(ends[1] - ends[0])) / max(width, 1e-12)


def _continues_across(curve: Curve, gap: tuple[float, float], *, closed: bool, back: float = 0.05) -> bool:
    """Whether the curve crosses the gap in the direction that it has on both sides; a closed spiral does not."""
    before, start, end, after = _at(curve, [gap[0] - back, gap[0], sum(gap), sum(gap) + back], closed=closed)
    chord = end - start
    return all(
        float(side @ chord) > MIN_GAP_COSINE * float(np.linalg.norm(side) * np.linalg.norm(chord))
        for side in (start - before, after - end)
    )


def _at(curve: Curve, coordinate: list[float], *, closed: bool) -> Float[np.ndarray, "point axis"]:
    positions = np.array(coordinate)
    return curve_at(curve, positions % 1.0 if closed else np.clip(positions, 0.0, 1.0), closed=closed)


def _large_steps(step: Float[np.ndarray, "step"]) -> Bool[np.ndarray, "step"]:
    """Steps that are large in absolute terms and relative to the eight around them."""
    window = 4
    padded = np.pad(step, window, mode="wrap")
    around = np.array([padded[at : at + 2 * window + 1].sum() for at in range(len(step))])
    local = (around - step) / (2 * window)
    found: Bool[np.ndarray, "step"] = (step > 0.03) & (step > 8 * local)
    return found


def _evenly_spaced_clumps(clumps: Cells | None, curve: Curve, *, closed: bool) -> bool:
    """Whether at least five clumps follow each other along the curve at similar distances in space."""
    if clumps is None or len(clumps.centres) < 5:
        return False
    order = np.argsort(project(clumps.centres, curve, closed=closed).coordinate)
    stops = clumps.centres[np.append(order, order[0])] if closed else clumps.centres[order]
    step = np.linalg.norm(np.diff(stops, axis=0), axis=1)
    return bool(step.max() < 1.5 * np.median(step))

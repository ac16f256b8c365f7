"""A tile's portrait: the first two axes of the point cloud, coloured by position, with the fitted curve, as a small
SVG."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from explorer.palette import cyclic_rgb, hex_colors, sequential_rgb
from explorer.records.cluster import CURVES, ShapeKind

WIDTH, HEIGHT, MARGIN = 160, 120, 12
"""Of the viewBox."""
MAX_POINTS = 220
"""Maximum number of points drawn, spread evenly along the coordinate."""
DOT_RADIUS, DOT_OPACITY = 1.8, 0.9
"""Radius and opacity of a point."""
STROKE_WIDTH, STROKE_OPACITY = 1.0, 0.7
"""Width and opacity of the curve."""
GREY = (134, 142, 156)
"""Colour of the curve, and of clouds without a coordinate: legible on black and on white."""
COLOUR_STEPS = 36
"""Number of distinct colours in one portrait."""
OUTLIER_QUANTILE = 0.01
"""Share of the points on either side of an axis that may lie outside the viewport; these are not drawn."""


@dataclass(frozen=True)
class Portrait:
    """Geometry to draw, in viewBox units with y downwards."""

    line: Float64[np.ndarray, "knot xy"]
    """The curve, its first knot repeated at the end if it is closed; empty if there is none."""
    dots: Float64[np.ndarray, "shown xy"]
    """The drawn points."""
    rgb: UInt8[np.ndarray, "shown rgb"]
    """Their colours, quantised."""


def draw_portrait(
    points: Float32[np.ndarray, "sample xyz"],
    coordinate: Float32[np.ndarray, "sample"],
    curve: Float32[np.ndarray, "knot xyz"],
    kind: ShapeKind,
) -> Portrait:
    """Lay out a cloud's first two axes.

    Args:
        points: drawn tokens, in the position space without the hub.
        coordinate: their intrinsic coordinate, shown as colour on closed and open curves.
        curve: the fitted curve.
        kind: selects the palette and whether the curve is drawn.
    """
    nothing = np.zeros((0, 2))
    if not len(points):
        return Portrait(nothing, nothing, np.zeros((0, 3), np.uint8))
    curved = kind in CURVES
    frame = _Viewport(points[:, :2], curve[:, :2] if curved else points[:, :2])
    knots = np.concatenate([curve, curve[:1]]) if kind == "closed curve" else curve
    shown = _evenly_spread(coordinate, frame.inside(points[:, :2]))
    line = frame.into(knots[:, :2]) if curved else nothing
    return Portrait(line, frame.into(points[shown, :2]), _colours(coordinate[shown], kind))


def portrait_svg(portrait: Portrait) -> str:
    """Render the portrait as an SVG of plain shapes."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">']
    if len(portrait.line):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in portrait.line)
        (grey,) = hex_colors(np.array([GREY], np.uint8))
        stroke = f'stroke="{grey}" stroke-width="{STROKE_WIDTH:g}" stroke-opacity="{STROKE_OPACITY}"'
        parts.append(f'<polyline points="{text}" fill="none" {stroke}/>')
    colour = hex_colors(portrait.rgb)
    for colour_group in dict.fromkeys(colour):
        dots = [place for place, own in zip(portrait.dots, colour, strict=True) if own == colour_group]
        circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DOT_RADIUS}"/>' for x, y in dots)
        parts.append(f'<g fill="{colour_group}" fill-opacity="{DOT_OPACITY}">{circles}</g>')
    return "".join([*parts, "</svg>"])


class _Viewport:
    """Fits points into the viewBox without changing their aspect ratio."""

    def __init__(self, points: Float32[np.ndarray, "sample xy"], curve: Float32[np.ndarray, "knot xy"]) -> None:
        low, high = np.quantile(points, [OUTLIER_QUANTILE, 1 - OUTLIER_QUANTILE], axis=0)
        self.low = np.minimum(low, curve.min(0))
        self.high = np.maximum(high, curve.max(0))
        room = np.array([WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN])
        self.scale = float((room / np.maximum(self.high - self.low, 1e-9)).min())

    def into(self, points: Float32[np.ndarray, "sample xy"]) -> Float64[np.ndarray, "sample xy"]:
        upright = np.array([self.scale, -self.scale])
        placed: Float64[np.ndarray, "sample xy"] = (points - (self.low + self.high) / 2) * upright
        placed += np.array([WIDTH / 2, HEIGHT / 2])
        return placed

    def inside(self, points: Float32[np.ndarray, "sample xy"]) -> Bool[np.ndarray, "sample"]:
        placed = self.into(points)
        visible: Bool[np.ndarray, "sample xy"] = (placed > 2) & (placed < np.array([WIDTH - 2, HEIGHT - 2]))
        return np.asarray(visible.all(axis=1))


def _evenly_spread(
    coordinate: Float32[np.ndarray, "sample"], allowed: Bool[np.ndarray, "sample"]
) -> Int64[np.ndarray, "shown"]:
    """Rows to draw: at most MAX_POINTS, evenly spread over the ranks of the coordinate."""
    order = np.flatnonzero(allowed)[np.argsort(coordinate[allowed], kind="stable")]
    if len(order) <= MAX_POINTS:
        return order
    return order[np.linspace(0, len(order) - 1, MAX_POINTS).round().astype(np.int64)]


def _colours(coordinate: Float32[np.ndarray, "shown"], kind: ShapeKind) -> UInt8[np.ndarray, "shown rgb"]:
    if kind == "blob":
        return np.tile(np.array(GREY, np.uint8), (len(coordinate), 1))
    palette = cyclic_rgb if kind == "closed curve" else sequential_rgb
    return palette(np.round(coordinate * COLOUR_STEPS) / COLOUR_STEPS)

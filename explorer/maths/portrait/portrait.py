"""A tile's picture: the cloud's first two axes, coloured by position, with the fitted curve; as a small static SVG."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt8

from explorer.palette import cyclic_rgb, hex_colors, sequential_rgb
from explorer.records import CURVES, ShapeKind

WIDTH, HEIGHT, MARGIN = 160, 120, 12
"""Of the picture, in its own units."""
MOST_POINTS = 220
"""Points that are drawn, spread evenly along the coordinate."""
DOT, DOT_OPACITY = 1.8, 0.9
"""Radius of a point, and how much of it covers what lies below."""
STROKE, STROKE_OPACITY = 1.0, 0.7
"""The same of the curve: its width."""
GREY = (134, 142, 156)
"""Of clouds without a coordinate, and of the curve: legible on black and on white."""
SHADES = 36
"""Different colours of one picture."""
OUTLIERS = 0.01
"""Share of the points at either side of an axis that may lie outside the frame, and are then left out."""


@dataclass(frozen=True)
class Portrait:
    """What is drawn, in the picture's units, y downwards."""

    line: Float64[np.ndarray, "knot xy"]
    """The curve, its first knot again at the end where it closes; empty where there is none."""
    dots: Float64[np.ndarray, "shown xy"]
    """The points that are shown."""
    rgb: UInt8[np.ndarray, "shown rgb"]
    """Their colours, of which there are few."""


def draw_portrait(
    points: Float32[np.ndarray, "sample xyz"],
    coordinate: Float32[np.ndarray, "sample"],
    curve: Float32[np.ndarray, "knot xyz"],
    kind: ShapeKind,
) -> Portrait:
    """Lay out a cloud's first two axes.

    Args:
        points: drawn tokens, position without the hub.
        coordinate: their intrinsic coordinate, which is the colour of closed and open curves.
        curve: the fitted curve.
        kind: decides the palette, and whether there is a curve.
    """
    nothing = np.zeros((0, 2))
    if not len(points):
        return Portrait(nothing, nothing, np.zeros((0, 3), np.uint8))
    curved = kind in CURVES
    frame = _Frame(points[:, :2], curve[:, :2] if curved else points[:, :2])
    knots = np.concatenate([curve, curve[:1]]) if kind == "closed curve" else curve
    shown = _spread(coordinate, frame.inside(points[:, :2]))
    line = frame.into(knots[:, :2]) if curved else nothing
    return Portrait(line, frame.into(points[shown, :2]), _colours(coordinate[shown], kind))


def portrait_svg(portrait: Portrait) -> str:
    """The picture as an SVG of plain shapes."""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">']
    if len(portrait.line):
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in portrait.line)
        (grey,) = hex_colors(np.array([GREY], np.uint8))
        stroke = f'stroke="{grey}" stroke-width="{STROKE:g}" stroke-opacity="{STROKE_OPACITY}"'
        parts.append(f'<polyline points="{text}" fill="none" {stroke}/>')
    colour = hex_colors(portrait.rgb)
    for shade in dict.fromkeys(colour):
        dots = [place for place, own in zip(portrait.dots, colour, strict=True) if own == shade]
        circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{DOT}"/>' for x, y in dots)
        parts.append(f'<g fill="{shade}" fill-opacity="{DOT_OPACITY}">{circles}</g>')
    return "".join([*parts, "</svg>"])


class _Frame:
    """Fits points into the picture without changing their proportions."""

    def __init__(self, points: Float32[np.ndarray, "sample xy"], curve: Float32[np.ndarray, "knot xy"]) -> None:
        low, high = np.quantile(points, [OUTLIERS, 1 - OUTLIERS], axis=0)
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


def _spread(
    coordinate: Float32[np.ndarray, "sample"], allowed: Bool[np.ndarray, "sample"]
) -> Int64[np.ndarray, "shown"]:
    """Rows to draw: at most MOST_POINTS, evenly spread over the ranks of the coordinate."""
    order = np.flatnonzero(allowed)[np.argsort(coordinate[allowed], kind="stable")]
    if len(order) <= MOST_POINTS:
        return order
    return order[np.linspace(0, len(order) - 1, MOST_POINTS).round().astype(np.int64)]


def _colours(coordinate: Float32[np.ndarray, "shown"], kind: ShapeKind) -> UInt8[np.ndarray, "shown rgb"]:
    if kind == "blob":
        return np.tile(np.array(GREY, np.uint8), (len(coordinate), 1))
    palette = cyclic_rgb if kind == "closed curve" else sequential_rgb
    return palette(np.round(coordinate * SHADES) / SHADES)

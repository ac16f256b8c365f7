"""A tile's picture: a small static SVG of the cloud, coloured by position, with the fitted curve."""

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from explorer.palette import cyclic_rgb, hex_colors, sequential_rgb
from explorer.records import CURVES, ShapeKind

WIDTH, HEIGHT, MARGIN = 160, 120, 12
"""Of the picture, in its own units."""
MOST_POINTS = 220
"""Points that are drawn, spread evenly along the coordinate."""
GREY = "rgb(134,142,156)"
"""Of clouds without a coordinate, and of the curve: legible on black and on white."""
SHADES = 36
"""Different colours of one picture."""
OUTLIERS = 0.01
"""Share of the points at either side of an axis that may lie outside the frame, and are then left out."""


def portrait_svg(
    points: Float32[np.ndarray, "sample xyz"],
    coordinate: Float32[np.ndarray, "sample"],
    curve: Float32[np.ndarray, "knot xyz"],
    kind: ShapeKind,
) -> str:
    """Draw a cloud's first two axes.

    Args:
        points: drawn tokens, position without the hub.
        coordinate: their intrinsic coordinate, which is the colour of closed and open curves.
        curve: the fitted curve.
        kind: decides the palette, and whether there is a curve.
    """
    if not len(points):
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"></svg>'
    curved = kind in CURVES
    frame = _Frame(points[:, :2], curve[:, :2] if curved else points[:, :2])
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">']
    if curved:
        line = frame.into(np.concatenate([curve[:, :2], curve[:1, :2]]) if kind == "closed curve" else curve[:, :2])
        text = " ".join(f"{x:.1f},{y:.1f}" for x, y in line)
        parts.append(f'<polyline points="{text}" fill="none" stroke="{GREY}" stroke-width="1" stroke-opacity="0.7"/>')
    shown = _spread(coordinate, frame.inside(points[:, :2]))
    colour = _colours(coordinate[shown], kind)
    for shade in dict.fromkeys(colour):
        dots = [row for row, own in zip(shown, colour, strict=True) if own == shade]
        circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.8"/>' for x, y in frame.into(points[dots, :2]))
        parts.append(f'<g fill="{shade}" fill-opacity="0.9">{circles}</g>')
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


def _colours(coordinate: Float32[np.ndarray, "shown"], kind: ShapeKind) -> list[str]:
    if kind == "blob":
        return [GREY] * len(coordinate)
    palette = cyclic_rgb if kind == "closed curve" else sequential_rgb
    return hex_colors(palette(np.round(coordinate * SHADES) / SHADES))

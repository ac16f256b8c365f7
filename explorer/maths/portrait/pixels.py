"""Raster version of a tile's portrait, for programs without SVG: round, anti-aliased marks on a transparent
background."""

import numpy as np
from jaxtyping import Float, UInt8

from explorer.maths.portrait.portrait import (
    DOT_OPACITY,
    DOT_RADIUS,
    GREY,
    HEIGHT,
    STROKE_OPACITY,
    STROKE_WIDTH,
    WIDTH,
    Portrait,
)

SCALE = 6
"""Pixels per unit of the portrait: 960 x 720 in total."""
FINER = 2
"""Supersampling factor per axis."""


def portrait_pixels(portrait: Portrait) -> UInt8[np.ndarray, "row column rgba"]:
    """Rasterise a portrait in the same order as its SVG: the curve, then the points, colour by colour."""
    unit = SCALE * FINER
    canvas = np.zeros((HEIGHT * unit, WIDTH * unit, 4), np.float32)
    if len(portrait.line):
        _paint(canvas, _along(portrait.line * unit), STROKE_WIDTH / 2 * unit, GREY, STROKE_OPACITY)
    for shade in dict.fromkeys(map(tuple, portrait.rgb.tolist())):
        dots = portrait.dots[(portrait.rgb == shade).all(axis=1)]
        _paint(canvas, dots * unit, DOT_RADIUS * unit, shade, DOT_OPACITY)
    return _averaged(canvas)


def _along(line: Float[np.ndarray, "knot xy"]) -> Float[np.ndarray, "place xy"]:
    """Points along a polyline, at most a pixel apart."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    at = np.linspace(0.0, length[-1], int(np.ceil(length[-1])) + 1)
    return np.stack([np.interp(at, length, line[:, axis]) for axis in (0, 1)], axis=1)


def _paint(
    canvas: Float[np.ndarray, "row column rgba"],
    centres: Float[np.ndarray, "place xy"],
    radius: float,
    rgb: tuple[int, ...],
    opacity: float,
) -> None:
    """Composite a colour over the pixels within a radius of any of the centres; colours are premultiplied by alpha
    (Porter and Duff 1984)."""
    reach = int(np.ceil(radius)) + 1
    left, top = np.maximum(centres.min(0).astype(int) - reach, 0)
    right, bottom = centres.max(0).astype(int) + reach + 1
    box = canvas[top:bottom, left:right]
    marked = np.zeros(box.shape[:2], dtype=bool)
    for x, y in centres - (left, top):
        above, before = max(int(y) - reach, 0), max(int(x) - reach, 0)
        part = marked[above : int(y) + reach + 1, before : int(x) + reach + 1]
        row, column = np.ogrid[above : above + part.shape[0], before : before + part.shape[1]]
        part |= (row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 <= radius**2
    colour = np.array([*(part / 255 for part in rgb), 1.0], np.float32) * opacity
    box[marked] = colour + box[marked] * (1 - opacity)


def _averaged(canvas: Float[np.ndarray, "row column rgba"]) -> UInt8[np.ndarray, "row column rgba"]:
    """Downsample blocks of pixels and undo the premultiplication."""
    mean = np.zeros((canvas.shape[0] // FINER, canvas.shape[1] // FINER, 4), np.float32)
    for row, column in np.ndindex(FINER, FINER):
        mean += canvas[row::FINER, column::FINER] / np.float32(FINER**2)
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    pixels: UInt8[np.ndarray, "row column rgba"] = (mean * 255).round().astype(np.uint8)
    return pixels

"""A tile's picture as pixels, for programs that take no SVG: round marks, anti-aliased, on a transparent ground."""

import numpy as np
from jaxtyping import Float, UInt8

from explorer.maths.portrait.portrait import DOT, DOT_OPACITY, GREY, HEIGHT, STROKE, STROKE_OPACITY, WIDTH, Portrait

SCALE = 6
"""Pixels of one unit of the picture: 960 x 720 of them."""
FINER = 2
"""Each pixel is the mean of so many by so many."""


def portrait_pixels(portrait: Portrait) -> UInt8[np.ndarray, "row column rgba"]:
    """Draw what the SVG draws, in the same order: the curve, then the points, colour by colour."""
    unit = SCALE * FINER
    canvas = np.zeros((HEIGHT * unit, WIDTH * unit, 4), np.float32)
    if len(portrait.line):
        _paint(canvas, _along(portrait.line * unit), STROKE / 2 * unit, GREY, STROKE_OPACITY)
    for shade in dict.fromkeys(map(tuple, portrait.rgb.tolist())):
        dots = portrait.dots[(portrait.rgb == shade).all(axis=1)]
        _paint(canvas, dots * unit, DOT * unit, shade, DOT_OPACITY)
    return _averaged(canvas)


def _along(line: Float[np.ndarray, "knot xy"]) -> Float[np.ndarray, "place xy"]:
    """Places along a line, at most a pixel apart."""
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
    """Lay a colour over the pixels within a radius of any of the places; colours are kept multiplied by how much they
    cover (Porter and Duff 1984)."""
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
    """Blocks of pixels as one each, colours no longer multiplied by how much they cover."""
    mean = np.zeros((canvas.shape[0] // FINER, canvas.shape[1] // FINER, 4), np.float32)
    for row, column in np.ndindex(FINER, FINER):
        mean += canvas[row::FINER, column::FINER] / np.float32(FINER**2)
    mean[..., :3] /= np.maximum(mean[..., 3:], 1e-6)
    pixels: UInt8[np.ndarray, "row column rgba"] = (mean * 255).round().astype(np.uint8)
    return pixels

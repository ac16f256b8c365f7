"""Tile portraits as PNG, for programs that cannot read SVG: the same picture, anti-aliased, on a transparent ground."""

import io

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from explorer.runs.report.portrait import (
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
"""Pixels per unit of the portrait: 960 x 720 of them."""
SUPERSAMPLING = 4
"""Each mask is drawn this many times finer, and averaged."""

RGB = tuple[int, int, int]


def portrait_png(portrait: Portrait) -> bytes:
    """A portrait as the bytes of a PNG file; equal portraits give equal bytes under one Pillow and zlib."""
    out = io.BytesIO()
    portrait_image(portrait).save(out, "PNG")
    return out.getvalue()


def portrait_image(portrait: Portrait) -> Image.Image:
    """Draw what the SVG draws, in the same order: the curve, then the points, colour by colour.

    Marks of one colour do not darken each other where they overlap: each colour is one mask, composited once.
    """
    unit = SCALE * SUPERSAMPLING
    image = Image.new("RGBA", (WIDTH * SCALE, HEIGHT * SCALE))
    if len(portrait.line):
        mask = _empty_mask()
        knots = portrait.line * unit
        ImageDraw.Draw(mask).line([tuple(knot) for knot in (knots - 0.5).tolist()], 255, round(STROKE_WIDTH * unit))
        _draw_circles(mask, knots, STROKE_WIDTH / 2 * unit)
        image = _composite(image, mask, GREY, STROKE_OPACITY)
    for shade in dict.fromkeys(map(tuple, portrait.rgb.tolist())):
        mask = _empty_mask()
        dots = portrait.dots[(portrait.rgb == shade).all(axis=1)]
        _draw_circles(mask, dots * unit, DOT_RADIUS * unit)
        image = _composite(image, mask, shade, DOT_OPACITY)
    return image


def _empty_mask() -> Image.Image:
    return Image.new("L", (WIDTH * SCALE * SUPERSAMPLING, HEIGHT * SCALE * SUPERSAMPLING))


def _draw_circles(mask: Image.Image, centres: Float[np.ndarray, "circle xy"], radius: float) -> None:
    draw = ImageDraw.Draw(mask)
    for x, y in (centres - 0.5).tolist():  # Pillow's coordinates are those of pixel centres
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)


def _composite(image: Image.Image, mask: Image.Image, rgb: RGB, opacity: float) -> Image.Image:
    layer = Image.new("RGBA", image.size, (*rgb, 255))
    layer.putalpha(mask.reduce(SUPERSAMPLING).point([round(cover * opacity) for cover in range(256)]))
    return Image.alpha_composite(image, layer)

"""The PNG of a portrait shows what its SVG shows."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from explorer.records.cluster import ShapeKind
from explorer.runs.report.png import SCALE, portrait_image, portrait_png
from explorer.runs.report.portrait import DOT_RADIUS, GREY, HEIGHT, WIDTH, Portrait, draw_portrait

KINDS: tuple[ShapeKind, ...] = ("closed curve", "open curve", "surface", "blob")


def ring(kind: ShapeKind, n: int = 3000) -> Portrait:
    """A noisy circle of points with the circle as its curve."""
    rng = np.random.default_rng(0)
    turns = rng.uniform(size=n).astype(np.float32)
    points = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns), 0 * turns], axis=1).astype(np.float32)
    angle = 2 * np.pi * np.arange(128) / 128
    curve = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)
    return draw_portrait(points + rng.normal(0, 0.05, points.shape).astype(np.float32), turns, curve, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_match_the_points_of_the_portrait(kind: ShapeKind) -> None:
    portrait = ring(kind)
    pixels = np.asarray(portrait_image(portrait))
    assert pixels.shape == (SCALE * HEIGHT, SCALE * WIDTH, 4)
    column, row = (portrait.dots * SCALE).astype(int).T
    last = {(x, y): rgb for x, y, rgb in zip(column.tolist(), row.tolist(), portrait.rgb.tolist(), strict=True)}
    own = [bool((np.abs(pixels[y, x, :3].astype(int) - rgb) <= 30).all()) for (x, y), rgb in last.items()]
    assert np.mean(own) > 0.5, "the centre of a point has its colour, unless another point covers it"
    assert pixels[row, column, 3].min() >= 0.9 * 254
    apart = np.linalg.norm(portrait.dots[:, None] - [[0, 0], [WIDTH, HEIGHT]], axis=2).min()
    assert apart > DOT_RADIUS
    assert pixels[0, 0, 3] == pixels[-1, -1, 3] == 0, "the ground is transparent"


def test_the_curve_is_drawn_and_a_cloud_without_one_is_empty() -> None:
    curved = ring("closed curve")
    alone = np.asarray(portrait_image(replace(curved, dots=curved.dots[:0], rgb=curved.rgb[:0])))
    column, row = (curved.line * SCALE).astype(int).T
    assert (alone[row, column, :3] == GREY).mean() > 0.9
    assert (alone[..., 3] > 0).mean() < 0.02
    assert np.asarray(portrait_image(ring("blob", 0))).max() == 0


def test_the_file_is_a_valid_png_of_the_same_pixels_and_bytes() -> None:
    portrait = ring("closed curve")
    data = portrait_png(portrait)
    assert data == portrait_png(portrait)
    Image.open(io.BytesIO(data)).verify()  # every chunk's checksum
    with Image.open(io.BytesIO(data)) as opened:
        assert (opened.format, opened.mode) == ("PNG", "RGBA")
        np.testing.assert_array_equal(np.asarray(opened), np.asarray(portrait_image(portrait)))

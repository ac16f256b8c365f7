"""Portraits as SVG and as raster images."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest

from explorer.maths.portrait.pixels import SCALE, portrait_pixels
from explorer.maths.portrait.portrait import DOT_RADIUS, GREY, HEIGHT, WIDTH, Portrait, draw_portrait, portrait_svg
from explorer.records import ShapeKind

ALLOWED = {"svg", "g", "path", "circle", "polyline", "rect"}
KINDS: tuple[ShapeKind, ...] = ("closed curve", "open curve", "surface", "blob")


def _portrait(kind: ShapeKind, n: int = 3000) -> Portrait:
    rng = np.random.default_rng(0)
    turns = rng.uniform(size=n).astype(np.float32)
    points = np.stack([np.cos(2 * np.pi * turns), np.sin(2 * np.pi * turns), 0 * turns], axis=1).astype(np.float32)
    angle = 2 * np.pi * np.arange(128) / 128
    curve = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1).astype(np.float32)
    return draw_portrait(points + rng.normal(0, 0.05, points.shape).astype(np.float32), turns, curve, kind)


def _draw(kind: ShapeKind, n: int = 3000) -> str:
    return portrait_svg(_portrait(kind, n))


@pytest.mark.parametrize("kind", KINDS)
def test_a_portrait_is_a_small_static_svg_without_references(kind: ShapeKind) -> None:
    svg = _draw(kind)
    assert len(svg.encode()) < 12_000
    root = ElementTree.fromstring(svg)
    assert root.attrib["viewBox"] == "0 0 160 120"
    for element in root.iter():
        assert element.tag.removeprefix("{http://www.w3.org/2000/svg}") in ALLOWED
        for name, value in element.attrib.items():
            assert not name.startswith("on")
            assert name not in ("style", "href", "class")
            assert "url" not in value
            assert "nan" not in value


def test_curves_are_coloured_by_position_and_blobs_are_not() -> None:
    def colours(kind: ShapeKind) -> set[str]:
        return {
            element.attrib["fill"] for element in ElementTree.fromstring(_draw(kind)).iter() if "fill" in element.attrib
        }

    assert len(colours("closed curve")) > 12
    assert len(colours("blob") - {"none"}) <= 2


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_or_no_points_still_give_valid_svg(n: int) -> None:
    ElementTree.fromstring(_draw("blob", n))


@pytest.mark.parametrize("kind", KINDS)
def test_the_raster_matches_the_svg(kind: ShapeKind) -> None:
    portrait = _portrait(kind)
    pixels = portrait_pixels(portrait)
    assert pixels.shape == (SCALE * HEIGHT, SCALE * WIDTH, 4)
    column, row = (portrait.dots * SCALE).astype(int).T
    last = {(x, y): rgb for x, y, rgb in zip(column.tolist(), row.tolist(), portrait.rgb.tolist(), strict=True)}
    own = [bool((np.abs(pixels[y, x, :3].astype(int) - rgb) <= 30).all()) for (x, y), rgb in last.items()]
    assert np.mean(own) > 0.5, "a point's middle has its colour, unless another lies over it"
    assert pixels[row, column, 3].min() >= 0.9 * 254
    apart = np.linalg.norm(portrait.dots[:, None] - [[0, 0], [WIDTH, HEIGHT]], axis=2).min()
    assert apart > DOT_RADIUS
    assert pixels[0, 0, 3] == pixels[-1, -1, 3] == 0, "the ground is transparent"


def test_the_raster_contains_the_curve_if_there_is_one() -> None:
    curved = _portrait("closed curve")
    alone = portrait_pixels(replace(curved, dots=curved.dots[:0], rgb=curved.rgb[:0]))
    column, row = (curved.line * SCALE).astype(int).T
    assert (alone[row, column, :3] == GREY).mean() > 0.9
    assert (alone[..., 3] > 0).mean() < 0.02
    assert portrait_pixels(_portrait("blob", 0)).max() == 0

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from explorer.records.cluster import ShapeKind
from explorer.runs.report.portrait import Portrait, draw_portrait, portrait_svg

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
def test_a_portrait_is_small_static_and_reaches_for_nothing(kind: ShapeKind) -> None:
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
def test_hardly_any_points_are_drawn_all_the_same(n: int) -> None:
    ElementTree.fromstring(_draw("blob", n))

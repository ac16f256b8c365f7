"""The 3-D point cloud of one manifold: points, fitted curve, value labels and the traces of the steering handle.

The figure is the plain dictionary that plotly.js reads. Plotly's Python classes would validate every property on each
page and add an unused template; the tests run that validation instead.
"""

import base64
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32

from explorer.app.figures.colors import GREY, CloudColors, cloud_colors, position_colors
from explorer.app.view.state import View
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary

Trace: TypeAlias = dict[str, Any]
"""A trace of plotly.js."""
POINTS, CURVE, CHORD, PATH, START, HANDLE, TEXTS, PICKED, HERE = range(9)
"""Trace numbers; assets/js/manifold/cloud.js moves all but the first two."""
CURVE_COLOR = "#8a939e"
MAX_LABELS = 64
"""Values labelled in the drawing; longer lists are thinned evenly."""
COARSEST = 3
"""Number of times the spacing of the labels with the highest priority is halved."""
ROOM = 1 / 32
"""Margin beyond the cloud at either end of an axis, as a share of its length."""
LONGEST_LABEL = 24
"""Characters of a label."""
DEFAULT_CAMERA: dict[str, dict[str, float]] = {
    "eye": {"x": 0.12, "y": -0.3, "z": 1.45},
    "center": {"x": 0, "y": 0, "z": 0},
    "up": {"x": 0, "y": 1, "z": 0},
}


@dataclass(frozen=True)
class CloudLabel:
    """Label of a value in the drawing."""

    text: str
    color: str
    """Hex colour of the value."""
    point: tuple[float, float, float]
    """Anchor: on the curve, or the mean of the value's points where there is no curve."""


def cloud_figure(
    summary: ClusterSummary, geometry: ClusterGeometry, view: View, vocabulary: Vocabulary | None = None
) -> dict[str, Any]:
    """Figure of the cloud; the page shows a sketch of it first, then draws it in its single WebGL context.

    Returns:
        ``data`` and ``layout`` of plotly.js.
    """
    colors = cloud_colors(summary, geometry, view.color, vocabulary)
    return {
        "data": [_points(geometry, colors), _curve(summary, geometry), *_empty_traces()],
        "layout": _layout(geometry, view),
    }


def camera_of(view: View) -> dict[str, dict[str, float]]:
    """Plotly camera of a view."""
    if len(view.camera) != 9:
        return DEFAULT_CAMERA
    axes = ("x", "y", "z")
    parts = ("eye", "center", "up")
    return {part: dict(zip(axes, view.camera[3 * i : 3 * i + 3], strict=True)) for i, part in enumerate(parts)}


def named_values(summary: ClusterSummary) -> list[int]:
    """Indices of the values labelled in the drawing, by priority.

    The page draws labels in this order while there is room, so every prefix is spread evenly over the values.
    """
    every = -(-len(summary.order) // MAX_LABELS) or 1
    return sorted(range(0, len(summary.order), every), key=lambda index: _spread(index // every))


def _spread(rank: int) -> tuple[int, int]:
    """Sort key that puts 0, 8, 16, ... before 4, 12, ... before 2, 6, ... before the odd ranks."""
    halvings = (rank & -rank).bit_length() - 1 if rank else COARSEST
    return (-min(halvings, COARSEST), rank)


def curve_point(closed: bool, curve: Float32[np.ndarray, "knot xyz"], coordinate: float) -> Float32[np.ndarray, "xyz"]:
    """Point of a fitted curve at an intrinsic coordinate, by linear interpolation between knots."""
    knots = len(curve)
    place = (coordinate % 1.0) * knots if closed else float(np.clip(coordinate, 0, 1)) * (knots - 1)
    low = int(place)
    following = (low + 1) % knots if closed else min(low + 1, knots - 1)
    share = np.float32(place - low)
    point: Float32[np.ndarray, "xyz"] = curve[low % knots] * (1 - share) + curve[following] * share
    return point


def _points(geometry: ClusterGeometry, colors: CloudColors) -> Trace:
    return {
        "type": "scatter3d", **_places(geometry.points), "customdata": _typed(geometry.coordinate),
        "mode": "markers", "hoverinfo": "none", "showlegend": False,
        "marker": {
            "size": 3.4, "opacity": 0.8, "color": _typed(colors.numbers), "colorscale": colors.scale,
            "cmin": colors.low, "cmax": colors.high, "line": {"width": 0},
        },
    }  # fmt: skip


def _places(points: Float32[np.ndarray, "point xyz"]) -> Trace:
    return {axis: _typed(points[:, at]) for at, axis in enumerate("xyz")}


def _typed(numbers: Float32[np.ndarray, "point"]) -> dict[str, str] | list[float]:
    """Typed array of plotly.js, base64 without per-number parsing; plotly.js rejects empty ones, hence the list."""
    if not len(numbers):
        return []
    return {"dtype": "f4", "bdata": base64.b64encode(numbers.astype("<f4").tobytes()).decode("ascii")}


def _curve(summary: ClusterSummary, geometry: ClusterGeometry) -> Trace:
    has_curve = summary.shape in CURVES
    curve = geometry.curve if has_curve else geometry.curve[:0]
    if summary.shape == "closed curve":
        curve = np.concatenate([curve, curve[:1]])
    return _line(curve, CURVE_COLOR, 5)


def _line(xyz: Float32[np.ndarray, "knot xyz"], color: str, width: float, dash: str = "solid") -> Trace:
    return {
        "type": "scatter3d", **_places(xyz), "mode": "lines", "hoverinfo": "skip", "showlegend": False,
        "line": {"color": color, "width": width, "dash": dash},
    }  # fmt: skip


def _empty_traces() -> list[Trace]:
    nothing = np.zeros((0, 3), dtype=np.float32)
    chord = _line(nothing, CURVE_COLOR, 3, "dash")
    path = _line(nothing, "#ecb44c", 9)
    start, handle, texts = (_marks(size, color) for size, color in ((7, "#f4f5f6"), (11, "#ecb44c"), (9, "#f4f5f6")))
    return [chord, path, start, handle, texts, _marks(4.6, GREY, "none"), _marks(13, "#f4f5f6", symbol="circle-open")]


def _marks(size: float, color: str, hover: str = "skip", symbol: str = "circle") -> Trace:
    return {
        "type": "scatter3d", "x": [], "y": [], "z": [], "mode": "markers", "hoverinfo": hover, "showlegend": False,
        "marker": {
            "size": size, "color": color, "symbol": symbol, "line": {"width": 2, "color": "#14181d"}, "opacity": 1
        },
    }  # fmt: skip


def cloud_labels(summary: ClusterSummary, geometry: ClusterGeometry) -> list[CloudLabel]:
    """Labels of the values by priority; the page decides which have room, because it knows the camera."""
    colors = position_colors(summary.shape == "closed curve", geometry.value_coordinate)
    labels: list[CloudLabel] = []
    for index in named_values(summary):
        place = _label_place(summary, geometry, index)
        if place is not None:
            x, y, z = place.tolist()
            labels.append(CloudLabel(summary.order[index].strip()[:LONGEST_LABEL], colors[index], (x, y, z)))
    return labels


def _label_place(summary: ClusterSummary, geometry: ClusterGeometry, index: int) -> Float32[np.ndarray, "xyz"] | None:
    if summary.shape in CURVES and len(geometry.curve):
        closed = summary.shape == "closed curve"
        return curve_point(closed, geometry.curve, float(geometry.value_coordinate[index]))
    own = geometry.points[geometry.value == index]
    return own.mean(axis=0) if len(own) else None


def _axes(geometry: ClusterGeometry) -> dict[str, object]:
    """Three hidden axes in equal units, the longest of unit length, so the camera sees any cloud in full.

    The ranges are explicit so that the browser's sketch and plotly's scene agree and no later trace changes them.
    """
    drawn = np.concatenate([geometry.points, geometry.curve]).astype(np.float64)
    low, extent = drawn.min(axis=0), np.ptp(drawn, axis=0) + 1e-9
    ratio = (extent / extent.max()).tolist()
    ends = np.stack([low - extent * ROOM, low + extent * (1 + ROOM)], axis=1).tolist()
    hidden = {"visible": False, "showspikes": False}
    return {
        **{f"{axis}axis": {**hidden, "range": at} for axis, at in zip("xyz", ends, strict=True)},
        "aspectmode": "manual", "aspectratio": dict(zip("xyz", ratio, strict=True)),
    }  # fmt: skip


def _layout(geometry: ClusterGeometry, view: View) -> dict[str, object]:
    return {
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "scene": {
            **_axes(geometry), "bgcolor": "rgba(0,0,0,0)",
            "camera": camera_of(view), "dragmode": "orbit",
        },
    }  # fmt: skip

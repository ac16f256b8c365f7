"""Colours: of positions, the same in cloud, strips, bands and text; of clusters; and of a cloud's points."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32

from explorer.app.ui.format import count, number, visible
from explorer.app.view.selection import write_picks
from explorer.palette import NOISE_GREY, cyclic_rgb, hex_colors, sequential_rgb
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CONTEXT_BEFORE, CURVES, ClusterGeometry, ClusterSummary

GREY = NOISE_GREY
"""Noise, and anything without a position."""
CATEGORIES = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7")
"""Unordered classes, colour-blind safe: Okabe and Ito (2008), "Color universal design"."""
GOLDEN = 0.6180339887
"""Hue difference between consecutive cluster ids in turns, so that neighbours differ."""


def position_colors(closed: bool, coordinate: Float[np.ndarray, "n"]) -> list[str]:
    """Hex colours of intrinsic coordinates: cyclic on a closed curve, sequential otherwise."""
    rgb = cyclic_rgb(coordinate) if closed else sequential_rgb(coordinate)
    return hex_colors(rgb)


def value_colors(closed: bool, coordinate: Sequence[float | None]) -> list[str]:
    """Hex colours of named values; grey for a value without a coordinate."""
    known = position_colors(closed, np.array([0.0 if c is None else c for c in coordinate], dtype=np.float64))
    return [GREY if c is None else color for c, color in zip(coordinate, known, strict=True)]


def cluster_turns(cluster: Float[np.ndarray, "n"]) -> Float[np.ndarray, "n"]:
    """Hue of each cluster id, in turns."""
    return (np.asarray(cluster, dtype=np.float64) * GOLDEN) % 1.0


def cyclic_ramp(steps: int = 24) -> list[str]:
    """Evenly spaced colours over one turn, both ends included."""
    return hex_colors(cyclic_rgb(np.linspace(0.0, 1.0, steps + 1)))


def sequential_ramp(steps: int = 16) -> list[str]:
    """Evenly spaced colours over an open curve, both ends included."""
    return hex_colors(sequential_rgb(np.linspace(0.0, 1.0, steps + 1)))


def cyclic_scale() -> list[list[float | str]]:
    """Plotly colour scale over one turn."""
    return _scale(cyclic_ramp())


def sequential_scale() -> list[list[float | str]]:
    """Plotly colour scale over an open curve."""
    return _scale(sequential_ramp())


def _scale(ramp: list[str]) -> list[list[float | str]]:
    return [[at / (len(ramp) - 1), color] for at, color in enumerate(ramp)]


Scale: TypeAlias = list[list[float | str]]
"""Plotly colour scale: pairs of a position in [0, 1] and a colour."""

MOST_TOKENS = 10
"""Most frequent tokens, each with its own colour."""


@dataclass(frozen=True)
class Kind:
    """Points that share a colour: one entry of the legend."""

    text: str
    color: str
    points: int
    """Number of points."""
    pick: str
    """The points as a selection in the URL's notation."""


@dataclass(frozen=True)
class CloudColors:
    """Colouring of a cloud's points."""

    numbers: Float32[np.ndarray, "sample"]
    """One number per point, mapped through ``scale``; NaN is drawn grey."""
    scale: Scale
    low: float
    """Number at the start of the scale."""
    high: float
    """Number at the end of the scale."""
    kinds: tuple[Kind, ...] = ()
    """Legend entries of a categorical colouring."""
    ends: tuple[str, str] = ("", "")
    """Labels of both ends of a continuous colouring."""


def cloud_colors(
    summary: ClusterSummary, geometry: ClusterGeometry, color: str, vocabulary: Vocabulary | None = None
) -> CloudColors:
    """Colours of the points.

    Falls back to the intrinsic coordinate for a feature that is not an atom of the cluster, or a property that the
    cluster lacks, because a link may come from another run.

    Args:
        summary: the cluster.
        geometry: arrays of the cluster.
        color: the colouring in a view's notation.
        vocabulary: token texts; without it, tokens cannot be coloured.
    """
    atom = np.flatnonzero(geometry.atoms == _feature_number(color))
    if len(atom):
        return _by_feature(geometry, int(atom[0]))
    if color == "value" and len(summary.order):
        return _by_value(summary, geometry)
    if color == "token" and vocabulary is not None:
        return _by_token(geometry, vocabulary)
    if color == "document":
        return _by_document(geometry)
    if color == "text":
        return _by_text(geometry)
    return _by_coordinate(summary, geometry)


def feature_scale() -> Scale:
    """Grey for silent, through to the warm accent for the largest activation."""
    return [[0.0, "#4d5661"], [0.02, "#6f7680"], [0.5, "#b99a5d"], [1.0, "#f0b548"]]


def _by_coordinate(summary: ClusterSummary, geometry: ClusterGeometry) -> CloudColors:
    ends = ("position 0", "position 1") if summary.shape in CURVES else ("start of the longest axis", "its end")
    return CloudColors(geometry.coordinate, _position_scale(summary), 0.0, 1.0, ends=ends)


def _by_value(summary: ClusterSummary, geometry: ClusterGeometry) -> CloudColors:
    place = np.append(geometry.value_coordinate, np.float32(np.nan))
    colors = position_colors(summary.shape == "closed curve", geometry.value_coordinate)
    named = [(visible(text).strip(), color) for text, color in zip(summary.order, colors, strict=True)]
    kinds = [_kind(text, color, geometry.value == index) for index, (text, color) in enumerate(named)]
    none = _kind("none of these", GREY, geometry.value < 0)
    shown = tuple(kind for kind in (*kinds, none) if kind.points)
    return CloudColors(place[geometry.value].astype(np.float32), _position_scale(summary), 0.0, 1.0, shown)


def _by_feature(geometry: ClusterGeometry, atom: int) -> CloudColors:
    codes = geometry.codes[:, atom].astype(np.float32)
    top = max(float(codes.max(initial=0.0)), 1e-6)
    return CloudColors(codes, feature_scale(), 0.0, top, ends=("silent", f"activation {number(top)}"))


def _by_token(geometry: ClusterGeometry, vocabulary: Vocabulary) -> CloudColors:
    tokens = geometry.context_ids[:, CONTEXT_BEFORE]
    common = [token for token, _ in Counter(tokens.tolist()).most_common(MOST_TOKENS)]
    rank = np.full(len(tokens), np.nan, dtype=np.float32)
    for place, token in enumerate(common):
        rank[tokens == token] = place
    colors = position_colors(True, np.arange(len(common)) / max(len(common), 1))
    kinds = [
        _kind(visible(vocabulary.text(token)).strip(), color, tokens == token)
        for token, color in zip(common, colors, strict=True)
    ]
    other = _kind("other tokens", GREY, np.isnan(rank))
    shown = tuple(kind for kind in (*kinds, other) if kind.points)
    return CloudColors(rank, _steps(colors), -0.5, len(common) - 0.5, shown)


def _by_document(geometry: ClusterGeometry) -> CloudColors:
    before = (geometry.context_ids[:, :CONTEXT_BEFORE] >= 0).sum(axis=1).astype(np.float32)
    ends = ("first token of the document", f"{CONTEXT_BEFORE} or more tokens in")
    return CloudColors(before, sequential_scale(), 0.0, float(CONTEXT_BEFORE), ends=ends)


def _by_text(geometry: ClusterGeometry) -> CloudColors:
    place = geometry.token_index.astype(np.float32)
    low, high = float(place.min(initial=0.0)), float(place.max(initial=1.0))
    ends = ("start of the text", f"token {count(int(high))}")
    return CloudColors(place, sequential_scale(), low, max(high, low + 1), ends=ends)


def _kind(text: str, color: str, mask: np.ndarray) -> Kind:
    return Kind(text, color, int(mask.sum()), write_picks(np.flatnonzero(mask).tolist()))


def _position_scale(summary: ClusterSummary) -> Scale:
    return cyclic_scale() if summary.shape == "closed curve" else sequential_scale()


def _steps(colors: list[str]) -> Scale:
    """A step-wise scale that gives each colour an equal interval."""
    edges = np.linspace(0.0, 1.0, len(colors) + 1).tolist()
    return [[at, color] for i, color in enumerate(colors) for at in (edges[i], edges[i + 1])]


def _feature_number(color: str) -> int:
    return int(color.removeprefix("feature-")) if color.startswith("feature-") else -1

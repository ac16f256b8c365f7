"""What colours a cloud's points and what that means: position, value, a feature, the token, the place in the text."""

from collections import Counter
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from explorer.app.figures.colors import GREY, cyclic_scale, position_colors, sequential_scale
from explorer.app.ui.format import count, number, visible
from explorer.app.view.selection import write_picks
from explorer.records import CONTEXT_BEFORE, CURVES, ClusterGeometry, ClusterSummary, Vocabulary

Scale: TypeAlias = list[list[float | str]]
"""Plotly colour scale: places in [0, 1] and their colours."""

MOST_TOKENS = 10
"""Tokens that have a colour of their own."""


@dataclass(frozen=True)
class Kind:
    """Points that share a colour."""

    text: str
    """What they are."""
    color: str
    """Their colour."""
    points: int
    """How many they are."""
    pick: str
    """Which they are, as a link writes it."""


@dataclass(frozen=True)
class CloudColors:
    """What colours the points."""

    numbers: Float32[np.ndarray, "sample"]
    """One number a point; NaN draws it grey."""
    scale: Scale
    """Plotly colour scale."""
    low: float
    """Number at the scale's beginning."""
    high: float
    """Number at its end."""
    kinds: tuple[Kind, ...] = ()
    """Points by colour, where colours are few and each means one thing."""
    ends: tuple[str, str] = ("", "")
    """What the scale's beginning and its end mean, where colours are many."""


def cloud_colors(
    summary: ClusterSummary, geometry: ClusterGeometry, color: str, vocabulary: Vocabulary | None = None
) -> CloudColors:
    """Choose the points' colours.

    A feature that is not one of the cluster's atoms falls back to the coordinate, as everything does that the cluster
    does not have: a link may come from another run.

    Args:
        summary: the cluster.
        geometry: its arrays.
        color: as a view names it.
        vocabulary: texts of the tokens; without it nothing is coloured by token.
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
    """From grey, not firing, to the warm accent, firing most."""
    return [[0.0, "#4d5661"], [0.02, "#6f7680"], [0.5, "#b99a5d"], [1.0, "#f0b548"]]


def _by_coordinate(summary: ClusterSummary, geometry: ClusterGeometry) -> CloudColors:
    ends = ("position 0", "position 1") if summary.shape in CURVES else ("one end of the longest axis", "the other")
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
    ends = ("first token of its document", f"{CONTEXT_BEFORE} tokens in, or further")
    return CloudColors(before, sequential_scale(), 0.0, float(CONTEXT_BEFORE), ends=ends)


def _by_text(geometry: ClusterGeometry) -> CloudColors:
    place = geometry.token_index.astype(np.float32)
    low, high = float(place.min(initial=0.0)), float(place.max(initial=1.0))
    ends = ("beginning of the text", f"token {count(int(high))}")
    return CloudColors(place, sequential_scale(), low, max(high, low + 1), ends=ends)


def _kind(text: str, color: str, mask: np.ndarray) -> Kind:
    return Kind(text, color, int(mask.sum()), write_picks(np.flatnonzero(mask).tolist()))


def _position_scale(summary: ClusterSummary) -> Scale:
    return cyclic_scale() if summary.shape == "closed curve" else sequential_scale()


def _steps(colors: list[str]) -> Scale:
    """A scale without transitions: each colour has an equal stretch."""
    edges = np.linspace(0.0, 1.0, len(colors) + 1).tolist()
    return [[at, color] for i, color in enumerate(colors) for at in (edges[i], edges[i + 1])]


def _feature_number(color: str) -> int:
    return int(color.removeprefix("feature-")) if color.startswith("feature-") else -1

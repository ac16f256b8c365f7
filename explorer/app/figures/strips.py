"""Receptive strips: where along the coordinate each feature of a cluster fires. Hubs are flat and grey, tiles bumps."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from explorer.app.figures.colors import GREY, position_colors
from explorer.records import ClusterGeometry, ClusterSummary

WIDTH = 1000
"""Width of a strip in its own units."""
HEIGHT = 100
"""Height in the same units."""
VARIES = 0.35
"""A feature is a tile where its mean activation swings by more than this share of its peak, else a hub."""
LONGEST_TICK = 12
"""Characters of a name under the strips."""


@dataclass(frozen=True)
class Strip:
    """One feature's tuning curve."""

    feature: int
    """Feature number."""
    role: str
    """"core" or "halo"."""
    color: str
    """Colour of the place where it fires most; grey where it does not vary."""
    varies: bool
    """Whether it tells positions apart."""
    path: str
    """SVG path of the area."""
    peak: str
    """Name of the value at which it fires most, or the coordinate."""
    strongest: float
    """Mean activation there."""


@dataclass(frozen=True)
class StripsView:
    """Everything that the panel draws."""

    strips: tuple[Strip, ...]
    """Tiles by where they fire most, then hubs."""
    ticks: tuple[tuple[str, float], ...]
    """Names of values and their share of the width."""
    ramp: tuple[str, ...]
    """Colours of the coordinate from left to right."""
    closed: bool
    """Whether the right end is the left one again."""


def strips_view(summary: ClusterSummary, geometry: ClusterGeometry) -> StripsView:
    """Turn a cluster's tuning curves into areas."""
    closed = summary.shape == "closed curve"
    strips = [_strip(summary, geometry, atom, closed) for atom in range(len(geometry.atoms))]
    place = {int(feature): rank for rank, feature in enumerate(summary.feature_order)}
    ordered = sorted(strips, key=lambda strip: (not strip.varies, place.get(strip.feature, len(place))))
    return StripsView(
        strips=tuple(ordered),
        ticks=coordinate_ticks(summary, geometry),
        ramp=tuple(position_colors(closed, np.linspace(0, 1, 13))),
        closed=closed,
    )


def coordinate_ticks(summary: ClusterSummary, geometry: ClusterGeometry) -> tuple[tuple[str, float], ...]:
    """Names of values along the coordinate; the page shows those that have room."""
    pairs = zip(summary.order, geometry.value_coordinate.tolist(), strict=True)
    return tuple(sorted(((name.strip()[:LONGEST_TICK], round(float(at), 4)) for name, at in pairs), key=lambda t: t[1]))


def _strip(summary: ClusterSummary, geometry: ClusterGeometry, atom: int, closed: bool) -> Strip:
    curve = np.nan_to_num(geometry.tuning[atom].astype(np.float32))
    top = float(curve.max(initial=0.0))
    peak = (int(np.argmax(curve)) + 0.5) / max(len(curve), 1)
    varies = tells_apart(curve)
    return Strip(
        feature=int(geometry.atoms[atom]),
        role="core" if atom < geometry.n_core else "halo",
        color=position_colors(closed, np.array([peak]))[0] if varies else GREY,
        varies=varies,
        path=_area(curve / top if top > 0 else curve, closed),
        peak=nearest_value(summary, geometry, peak),
        strongest=top,
    )


def tells_apart(curve: Float32[np.ndarray, "bin"]) -> bool:
    """Whether a tuning curve tells positions apart: it swings by more than VARIES of its peak."""
    top = float(curve.max(initial=0.0))
    return top > 0 and (top - float(curve.min())) / top > VARIES


def _area(curve: Float32[np.ndarray, "bin"], closed: bool) -> str:
    centres = (np.arange(len(curve)) + 0.5) / len(curve) * WIDTH
    left, right = (curve[0], curve[-1]) if not closed else ((curve[0] + curve[-1]) / 2,) * 2
    x = np.concatenate([[0.0], centres, [WIDTH]])
    y = np.concatenate([[left], curve, [right]])
    points = "L".join(f"{px:.1f} {HEIGHT * (1 - 0.96 * py):.2f}" for px, py in zip(x, y, strict=True))
    return f"M0 {HEIGHT}L{points}L{WIDTH} {HEIGHT}Z"


def nearest_value(summary: ClusterSummary, geometry: ClusterGeometry, at: float) -> str:
    """Name of the value nearest to an intrinsic coordinate; the coordinate itself where there are no values."""
    if not len(summary.order):
        return f"{at:.2f}"
    gap = np.abs(geometry.value_coordinate - np.float32(at))
    gap = np.minimum(gap, 1 - gap) if summary.shape == "closed curve" else gap
    return summary.order[int(np.argmin(gap))].strip()

"""Tuning strips: mean activation of each feature of a cluster along the coordinate. Hubs are flat, tiles are bumps."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from explorer.app.figures.colors import GREY, position_colors
from explorer.app.ui.format import cut, feature_name, number
from explorer.maths.features.tuning_test import ALPHA, tuning_p_values
from explorer.records.cluster import ClusterGeometry, ClusterSummary
from explorer.runs.run.label_file import LabelTable

WIDTH = 1000
"""Width of a strip in its own units."""
HEIGHT = 100
"""Height in the same units."""
VARIES = 0.35
"""Smallest modulation depth (range over peak) of a tuned feature, which must also pass the test against chance."""
UNTUNED = "untuned"
"""Peak of the other features: uniform, or too rare to distinguish from chance."""
LONGEST_TICK = 12
"""Characters of a tick label."""


@dataclass(frozen=True)
class Strip:
    """Tuning curve of one feature."""

    feature: int
    role: str
    """"core" or "halo"."""
    color: str
    """Colour of the peak position; grey if untuned."""
    varies: bool
    """Whether it is tuned to a position."""
    path: str
    """SVG path of the area."""
    peak: str
    """Value nearest to the peak, or the coordinate."""
    strongest: float
    """Mean activation at the peak."""

    @property
    def peak_label(self) -> str:
        """The peak, or a note that the feature is untuned."""
        return self.peak if self.varies else UNTUNED


@dataclass(frozen=True)
class FieldCoverage:
    """Coverage of the shape by the receptive fields of the tuned features."""

    coverage: float
    """Share of the shape covered by at least one field."""
    overlap: float
    """Mean number of fields per position."""
    gaps: tuple[tuple[float, float], ...]
    """Uncovered intervals; on a closed curve one may wrap, ending at a smaller coordinate than it starts."""


@dataclass(frozen=True)
class StripsView:
    """Data of the panel."""

    strips: tuple[Strip, ...]
    """Tuned features by peak position, then the others."""
    ticks: tuple[tuple[str, float], ...]
    """Value names and their positions as shares of the width."""
    ramp: tuple[str, ...]
    """Colours of the coordinate from left to right."""
    closed: bool
    """Whether the curve is closed, so that left and right end coincide."""
    fields: FieldCoverage


def strips_view(summary: ClusterSummary, geometry: ClusterGeometry) -> StripsView:
    """View of a cluster's tuning curves."""
    closed = summary.shape == "closed curve"
    curves = tuning_curves(geometry)
    varies = is_tuned(geometry, curves, closed=closed)
    strips = _strips(summary, geometry, curves, varies)
    place = {int(feature): rank for rank, feature in enumerate(summary.feature_order)}
    ordered = sorted(strips, key=lambda strip: (not strip.varies, place.get(strip.feature, len(place))))
    return StripsView(
        strips=tuple(ordered),
        ticks=coordinate_ticks(summary, geometry),
        ramp=tuple(position_colors(closed, np.linspace(0, 1, 13))),
        closed=closed,
        fields=field_coverage(curves[varies], closed=closed),
    )


def strips_data(view: StripsView, labels: LabelTable) -> dict[str, Any]:
    """Data of the panel for the page's scripts; ``names`` maps labelled features to their display names."""
    features = [strip.feature for strip in view.strips]
    names = {feature: feature_name(feature, given) for feature in features if (given := labels.of(feature))}
    return asdict(view) | ({"names": names} if names else {})


def strips_table(view: StripsView, labels: LabelTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the panel as a table; the label column is present only if a feature has labels."""
    named = [labels.of(strip.feature) for strip in view.strips]
    cells = [("; ".join(cut(one.label) for one in given),) if any(named) else () for given in named]
    head = ("feature", *(("label",) if any(named) else ()), "peak position", "mean activation there")
    rows = [
        (f"{strip.role} {strip.feature}", *label, strip.peak_label, number(strip.strongest))
        for strip, label in zip(view.strips, cells, strict=True)
    ]
    return head, rows


def coordinate_ticks(summary: ClusterSummary, geometry: ClusterGeometry) -> tuple[tuple[str, float], ...]:
    """Value names along the coordinate, sorted; the page shows those that fit."""
    pairs = zip(summary.order, geometry.value_coordinate.tolist(), strict=True)
    return tuple(sorted(((name.strip()[:LONGEST_TICK], round(float(at), 4)) for name, at in pairs), key=lambda t: t[1]))


def _strips(
    summary: ClusterSummary,
    geometry: ClusterGeometry,
    curves: Float32[np.ndarray, "atom bin"],
    varies: Bool[np.ndarray, "atom"],
) -> list[Strip]:
    closed, peaks = summary.shape == "closed curve", peak_places(curves)
    tops = curves.max(axis=1, initial=0.0)
    columns: dict[str, list[Any]] = {
        "feature": geometry.atoms.tolist(),
        "role": roles(geometry),
        "color": [
            color if tuned else GREY for color, tuned in zip(position_colors(closed, peaks), varies, strict=True)
        ],
        "varies": varies.tolist(),
        "path": _areas(curves / np.where(tops > 0, tops, 1)[:, None], closed),
        "peak": nearest_values(summary, geometry, peaks),
        "strongest": tops.tolist(),
    }
    return [Strip(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def roles(geometry: ClusterGeometry) -> list[str]:
    """Role of each atom: "core" or "halo"."""
    return ["core" if atom < geometry.n_core else "halo" for atom in range(len(geometry.atoms))]


def tuning_curves(geometry: ClusterGeometry) -> Float32[np.ndarray, "atom bin"]:
    """Mean activation of each atom per bin of the coordinate, 0 in empty bins."""
    return np.nan_to_num(geometry.tuning.astype(np.float32))


def peak_places(curves: Float32[np.ndarray, "atom bin"]) -> Float64[np.ndarray, "atom"]:
    """Coordinate of each atom's largest mean activation: the centre of its bin."""
    places: Float64[np.ndarray, "atom"] = (curves.argmax(axis=1) + 0.5) / curves.shape[1]
    return places


def is_tuned(
    geometry: ClusterGeometry, curves: Float32[np.ndarray, "atom bin"], *, closed: bool
) -> Bool[np.ndarray, "atom"]:
    """Whether each atom is tuned: modulation depth above VARIES and significantly beyond chance."""
    top = curves.max(axis=1, initial=0.0).astype(np.float64)
    low = curves.min(axis=1).astype(np.float64)
    swings = (top - low) / np.where(top > 0, top, 1) > VARIES
    chance = tuning_p_values(geometry.codes.astype(np.float64), geometry.coordinate.astype(np.float64), closed=closed)
    tuned: Bool[np.ndarray, "atom"] = swings & (chance <= ALPHA)
    return tuned


def field_places(curves: Float32[np.ndarray, "atom bin"]) -> Bool[np.ndarray, "atom bin"]:
    """Receptive field of each atom: the bins where its mean activation is at least half its peak."""
    top = curves.max(axis=1, keepdims=True, initial=0.0)
    places: Bool[np.ndarray, "atom bin"] = (curves >= top / 2) & (top > 0)
    return places


def field_coverage(curves: Float32[np.ndarray, "atom bin"], *, closed: bool) -> FieldCoverage:
    """Coverage of the shape by the fields of the given atoms."""
    overlapping = field_places(curves).sum(axis=0)
    bins = len(overlapping)
    empty = _runs(overlapping == 0, closed)
    gaps = tuple((round(first / bins, 4), round((first + length) / bins % 1 or 1.0, 4)) for first, length in empty)
    return FieldCoverage(float((overlapping > 0).mean()), float(overlapping.mean()), gaps)


def _runs(flags: Bool[np.ndarray, "bin"], closed: bool) -> list[tuple[int, int]]:
    """First bin and length of each run of true flags; on a closed curve a run may wrap."""
    turn = int(np.argmin(flags)) if closed and not flags.all() else 0
    edges = np.diff(np.concatenate([[0], np.roll(flags, -turn).astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [((int(a) + turn) % len(flags), int(b - a)) for a, b in zip(starts, ends, strict=True)]


def _areas(curves: Float32[np.ndarray, "atom bin"], closed: bool) -> list[str]:
    """SVG paths of the areas; on a closed curve both ends have the same height."""
    bins = curves.shape[1]
    left, right = curves[:, :1], curves[:, -1:]
    if closed:
        left = right = (left + right) / 2
    heights = HEIGHT * (1 - 0.96 * np.concatenate([left, curves, right], axis=1))
    places = [0.0, *((np.arange(bins) + 0.5) / bins * WIDTH).tolist(), WIDTH]
    path = f"M0 {HEIGHT}L{'L'.join(f'{place:.1f} %.2f' for place in places)}L{WIDTH} {HEIGHT}Z"
    return [path % tuple(row) for row in heights.tolist()]


def nearest_value(summary: ClusterSummary, geometry: ClusterGeometry, at: float) -> str:
    """Name of the value nearest to an intrinsic coordinate, or the coordinate itself if there are no values."""
    (name,) = nearest_values(summary, geometry, np.array([at]))
    return name


def nearest_values(summary: ClusterSummary, geometry: ClusterGeometry, at: Float[np.ndarray, "place"]) -> list[str]:
    """Names of the values nearest to each coordinate, or the coordinates themselves if there are no values."""
    if not len(summary.order):
        return [f"{place:.2f}" for place in at.tolist()]
    gap = np.abs(geometry.value_coordinate[None, :] - at.astype(np.float32)[:, None])
    gap = np.minimum(gap, 1 - gap) if summary.shape == "closed curve" else gap
    return [summary.order[index].strip() for index in gap.argmin(axis=1).tolist()]

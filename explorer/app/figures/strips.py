"""Receptive strips: where along the coordinate each feature of a cluster fires. Hubs are flat and grey, tiles bumps."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from explorer.app.figures.colors import GREY, position_colors
from explorer.app.ui.format import cut, feature_name, number
from explorer.maths.features.tuning_test import ALPHA, tuning_p_values
from explorer.records import ClusterGeometry, ClusterSummary
from explorer.runs.run.label_file import LabelTable

WIDTH = 1000
"""Width of a strip in its own units."""
HEIGHT = 100
"""Height in the same units."""
VARIES = 0.35
"""A feature tells positions apart where its mean activation swings by so much of its peak, beyond chance."""
NO_PLACE = "no place told"
"""What is said of the others: alike everywhere, or so rare that chance may have put them where they are."""
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

    @property
    def told(self) -> str:
        """Where it fires most, if anywhere."""
        return self.peak if self.varies else NO_PLACE


@dataclass(frozen=True)
class Fields:
    """How the receptive fields of the features that tell positions apart share the shape."""

    coverage: float
    """Share of it on which at least one of them stands."""
    overlap: float
    """How many stand at one place, on average."""
    gaps: tuple[tuple[float, float], ...]
    """Stretches on which none does; on a closed curve one may end at a smaller coordinate than it begins."""


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
    fields: Fields
    """How those that tell positions apart share the shape."""


def strips_view(summary: ClusterSummary, geometry: ClusterGeometry) -> StripsView:
    """Turn a cluster's tuning curves into areas."""
    closed = summary.shape == "closed curve"
    curves = tuning_curves(geometry)
    varies = tells_apart(geometry, curves, closed=closed)
    strips = _strips(summary, geometry, curves, varies)
    place = {int(feature): rank for rank, feature in enumerate(summary.feature_order)}
    ordered = sorted(strips, key=lambda strip: (not strip.varies, place.get(strip.feature, len(place))))
    return StripsView(
        strips=tuple(ordered),
        ticks=coordinate_ticks(summary, geometry),
        ramp=tuple(position_colors(closed, np.linspace(0, 1, 13))),
        closed=closed,
        fields=share_of_fields(curves[varies], closed=closed),
    )


def strips_data(view: StripsView, labels: LabelTable) -> dict[str, Any]:
    """What the page's scripts need of the panel; where features have labels, `names` holds theirs by their number."""
    features = [strip.feature for strip in view.strips]
    names = {feature: feature_name(feature, given) for feature in features if (given := labels.of(feature))}
    return asdict(view) | ({"names": names} if names else {})


def strips_table(view: StripsView, labels: LabelTable) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The panel as a table: its head and its rows; a column of labels only where one of its features has any."""
    named = [labels.of(strip.feature) for strip in view.strips]
    words = [("; ".join(cut(one.label) for one in given),) if any(named) else () for given in named]
    head = ("feature", *(("label",) if any(named) else ()), "fires most at", "mean activation there")
    rows = [
        (f"{strip.role} {strip.feature}", *label, strip.told, number(strip.strongest))
        for strip, label in zip(view.strips, words, strict=True)
    ]
    return head, rows


def coordinate_ticks(summary: ClusterSummary, geometry: ClusterGeometry) -> tuple[tuple[str, float], ...]:
    """Names of values along the coordinate; the page shows those that have room."""
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
            color if tells else GREY for color, tells in zip(position_colors(closed, peaks), varies, strict=True)
        ],
        "varies": varies.tolist(),
        "path": _areas(curves / np.where(tops > 0, tops, 1)[:, None], closed),
        "peak": nearest_values(summary, geometry, peaks),
        "strongest": tops.tolist(),
    }
    return [Strip(**dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def roles(geometry: ClusterGeometry) -> list[str]:
    """What each atom is to the cluster: "core" or "halo"."""
    return ["core" if atom < geometry.n_core else "halo" for atom in range(len(geometry.atoms))]


def tuning_curves(geometry: ClusterGeometry) -> Float32[np.ndarray, "atom bin"]:
    """Mean activation of each atom along the coordinate, 0 where no token lies."""
    return np.nan_to_num(geometry.tuning.astype(np.float32))


def peak_places(curves: Float32[np.ndarray, "atom bin"]) -> Float64[np.ndarray, "atom"]:
    """Coordinate at which each atom's mean activation is largest: the middle of its bin."""
    places: Float64[np.ndarray, "atom"] = (curves.argmax(axis=1) + 0.5) / curves.shape[1]
    return places


def tells_apart(
    geometry: ClusterGeometry, curves: Float32[np.ndarray, "atom bin"], *, closed: bool
) -> Bool[np.ndarray, "atom"]:
    """Whether each atom tells positions apart: its curve swings by more than VARIES of its peak, beyond chance."""
    top = curves.max(axis=1, initial=0.0).astype(np.float64)
    low = curves.min(axis=1).astype(np.float64)
    swings = (top - low) / np.where(top > 0, top, 1) > VARIES
    chance = tuning_p_values(geometry.codes.astype(np.float64), geometry.coordinate.astype(np.float64), closed=closed)
    told: Bool[np.ndarray, "atom"] = swings & (chance <= ALPHA)
    return told


def field_places(curves: Float32[np.ndarray, "atom bin"]) -> Bool[np.ndarray, "atom bin"]:
    """Each atom's receptive field: where its mean activation is at least half of its peak."""
    top = curves.max(axis=1, keepdims=True, initial=0.0)
    places: Bool[np.ndarray, "atom bin"] = (curves >= top / 2) & (top > 0)
    return places


def share_of_fields(curves: Float32[np.ndarray, "atom bin"], *, closed: bool) -> Fields:
    """How the fields of some atoms lie along the shape."""
    stand = field_places(curves).sum(axis=0)
    bins = len(stand)
    empty = _runs(stand == 0, closed)
    gaps = tuple((round(first / bins, 4), round((first + length) / bins % 1 or 1.0, 4)) for first, length in empty)
    return Fields(float((stand > 0).mean()), float(stand.mean()), gaps)


def _runs(flags: Bool[np.ndarray, "bin"], closed: bool) -> list[tuple[int, int]]:
    """First bin and length of each unbroken run of flags; on a circle one may go on past the end."""
    turn = int(np.argmin(flags)) if closed and not flags.all() else 0
    edges = np.diff(np.concatenate([[0], np.roll(flags, -turn).astype(np.int8), [0]]))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [((int(a) + turn) % len(flags), int(b - a)) for a, b in zip(starts, ends, strict=True)]


def _areas(curves: Float32[np.ndarray, "atom bin"], closed: bool) -> list[str]:
    """The SVG path of each area; a closed one has the same height at both ends."""
    bins = curves.shape[1]
    left, right = curves[:, :1], curves[:, -1:]
    if closed:
        left = right = (left + right) / 2
    heights = HEIGHT * (1 - 0.96 * np.concatenate([left, curves, right], axis=1))
    places = [0.0, *((np.arange(bins) + 0.5) / bins * WIDTH).tolist(), WIDTH]
    path = f"M0 {HEIGHT}L{'L'.join(f'{place:.1f} %.2f' for place in places)}L{WIDTH} {HEIGHT}Z"
    return [path % tuple(row) for row in heights.tolist()]


def nearest_value(summary: ClusterSummary, geometry: ClusterGeometry, at: float) -> str:
    """Name of the value nearest to an intrinsic coordinate; the coordinate itself where there are no values."""
    (name,) = nearest_values(summary, geometry, np.array([at]))
    return name


def nearest_values(summary: ClusterSummary, geometry: ClusterGeometry, at: Float[np.ndarray, "place"]) -> list[str]:
    """Names of the values nearest to some coordinates; the coordinates themselves where there are no values."""
    if not len(summary.order):
        return [f"{place:.2f}" for place in at.tolist()]
    gap = np.abs(geometry.value_coordinate[None, :] - at.astype(np.float32)[:, None])
    gap = np.minimum(gap, 1 - gap) if summary.shape == "closed curve" else gap
    return [summary.order[index].strip() for index in gap.argmin(axis=1).tolist()]

"""Data of the map: eight bytes per feature, sent once, and one column per property of the clusters."""

from typing import Any, get_args

import numpy as np
from jaxtyping import Float, Float32, Int64

from explorer.app.figures.colors import CATEGORIES, GREY, cyclic_ramp, sequential_ramp
from explorer.app.site.cluster_filters import likeness
from explorer.records.cluster import ClusterSummary, Regime, ShapeKind
from explorer.records.clustering import LEFT_OUT, FeatureTable

SHAPES: tuple[str, ...] = get_args(ShapeKind)
"""Shapes by their code in ``cluster_columns``."""
REGIMES: tuple[str, ...] = get_args(Regime)
"""Regimes by their code in ``cluster_columns``."""
NOT_DRAWN = 0xFFFFFF
"""Cluster code of a feature that was left out and has no position."""
_STEPS = 65_535
_LEVELS = 255


def map_points(table: FeatureTable) -> bytes:
    """Position, cluster and firing rate of every feature in feature order, little-endian.

    Header: two float32, the smallest and largest number of tokens on which a drawn feature fires. Then x and y of each
    feature as uint16 in units of 1/65,535 of the map's longer side. Then one uint32 per feature: cluster + 1 in the
    lower three bytes (0 for noise, NOT_DRAWN for features left out), and the firing rate in the highest byte, on a log
    scale between the two numbers of the header.
    """
    drawn = table.cluster != LEFT_OUT
    low, high, level = _levels(table.fires, drawn)
    cluster = np.where(drawn, table.cluster + 1, NOT_DRAWN).astype(np.uint32)
    place = _places(np.where(drawn[:, None], table.xy, np.nan))
    ends = np.array([low, high], dtype="<f4")
    return (
        ends.tobytes()
        + place.astype("<u2").tobytes()
        + (cluster | level.astype(np.uint32) << 24).astype("<u4").tobytes()
    )


def _places(xy: Float32[np.ndarray, "feature xy"]) -> Float[np.ndarray, "feature xy"]:
    """Positions on a square of side _STEPS, centred; 0 for features without one."""
    if not np.isfinite(xy).any():
        return np.zeros(xy.shape)
    low, high = np.nanmin(xy, axis=0), np.nanmax(xy, axis=0)
    side = float((high - low).max()) or 1.0
    return np.asarray(np.nan_to_num(np.rint(_STEPS * ((xy - (low + high) / 2) / side + 0.5))))


def _levels(
    fires: Int64[np.ndarray, "feature"], drawn: np.ndarray
) -> tuple[float, float, Float[np.ndarray, "feature"]]:
    """Ends of the log scale of firing rates, and each feature's level on it, 0 to _LEVELS."""
    counts = np.maximum(fires, 1).astype(np.float64)
    low, high = (float(counts[drawn].min()), float(counts[drawn].max())) if drawn.any() else (1.0, 1.0)
    share = np.log(counts / low) / (np.log(high / low) or 1.0)
    return low, high, np.rint(_LEVELS * np.clip(share, 0.0, 1.0))


def cluster_columns(clusters: tuple[ClusterSummary, ...]) -> dict[str, list[Any]]:
    """Properties of every cluster for tiles, table, labels and colours, one column each.

    ``rank`` is the rank by manifold-likeness; ``stability`` is None if not measured.
    """
    rank = np.argsort(sorted(range(len(clusters)), key=lambda at: -likeness(clusters[at])))
    return {
        "label": [one.label for one in clusters],
        "shape": [SHAPES.index(one.shape) for one in clusters],
        "regime": [REGIMES.index(one.regime) for one in clusters],
        "values": [len(one.order) for one in clusters],
        "features": [len(one.features) + len(one.halo) for one in clusters],
        "tokens": [one.n_tokens for one in clusters],
        "stability": [_rounded(one.scores.get("stability")) for one in clusters],
        "rank": rank.tolist(),
    }


def map_palette() -> dict[str, Any]:
    """Colours that the browser draws with."""
    return {
        "cyclic": cyclic_ramp(),
        "sequential": sequential_ramp(),
        "categories": list(CATEGORIES),
        "grey": GREY,
        "shapes": list(SHAPES),
        "regimes": list(REGIMES),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)

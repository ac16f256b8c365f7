"""Ground-truth regime of planted receptive fields, from true positions and with thresholds of its own.

Compact capture, tiling and dilution are those of Bhalla, Fel et al. 2026 (arXiv 2604.28119), as are support size, mean
pairwise distance and restricted R2; every threshold is ours. Independent of ``maths.features.regime``.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32

from explorer.maths.features.explained import matching_pursuit, restricted_r2
from explorer.records.cluster import Regime

MIN_SUPPORT_SHARE: Final = 0.1
"""Minimum share of the manifold's samples on which a support atom fires."""
MIN_WIDE_SHARE: Final = 0.25
"""Minimum share of the manifold on which a wide atom fires: a half space covers half of it, a quadrant a quarter."""
MAX_DISJOINT_OVERLAP: Final = 1.25
"""Maximum mean number of firing atoms, on samples where any fires, for atoms to count as disjoint."""
ATOMS_PER_DIMENSION: Final = 2
"""Codes are non-negative, so a direction needs up to two atoms, one for each side."""
VARIANCE_SHARE: Final = 0.95
"""Share of the planted variance that the counted dimensions hold, and of all atoms' R2 that the needed atoms reach."""
MIN_R2: Final = 0.9
"""Minimum restricted R2 for the atoms to span the manifold."""
DISTANCE_PAIRS: Final = 4000
"""Random pairs from which a mean distance is estimated."""


@dataclass(frozen=True)
class PlantedFields:
    """Receptive fields of the atoms that a manifold owns, from true positions."""

    regime: Regime
    dimensions: int
    """Axes that hold the manifold's variance."""
    support: int
    """Number of support atoms."""
    needed: int
    """Atoms that reach VARIANCE_SHARE of the restricted R2 of all of them."""
    share: float
    """Median share of the manifold's samples on which a support atom fires."""
    spread: float
    """Median distance of two points in a support atom's field, relative to that of any two points."""
    overlap: float
    """Mean number of firing atoms, on samples where any fires."""
    r2: float
    """Restricted R2 of all of them."""


def planted_fields(
    codes: Float32[np.ndarray, "sample atom"],
    positions: Float32[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
) -> PlantedFields:
    """Classify the regime from the true receptive fields.

    *Compact capture*: at most two support atoms per dimension (one for each side), wide, which together explain the
    manifold. *Tiling*: narrow atoms that hardly overlap. *Dilution*: everything else, overlapping narrow atoms or more
    wide ones than the dimensions need.

    Args:
        codes: activations of the atoms that the manifold owns, on samples that contain it.
        positions: its planted contribution to these samples, in its own basis.
        fitted: samples that restricted R2 is fitted on; it is measured on the others.
        rng: draws the pairs that distances are estimated from.
    """
    fires = codes > 0
    support = fires.mean(0) >= MIN_SUPPORT_SHARE
    support = support if support.any() else np.ones_like(support)
    whole = _mean_distance(positions, rng)
    spreads = [_mean_distance(positions[fires[:, atom]], rng) / whole for atom in np.flatnonzero(support)]
    r2, needed = _atoms_needed(codes, positions, fitted)
    share = float(np.median(fires[:, support].mean(0)))
    overlap = float(fires.sum(1)[fires.any(1)].mean()) if fires.any() else 0.0
    dimensions, n_support = _dimensions(positions), int(support.sum())
    regime: Regime = "dilution"
    if share < MIN_WIDE_SHARE and overlap <= MAX_DISJOINT_OVERLAP:
        regime = "tiling"
    elif share >= MIN_WIDE_SHARE and n_support <= ATOMS_PER_DIMENSION * dimensions and r2 >= MIN_R2:
        regime = "compact capture"
    return PlantedFields(regime, dimensions, n_support, needed, share, float(np.median(spreads)), overlap, r2)


def _atoms_needed(
    codes: Float32[np.ndarray, "sample atom"],
    positions: Float32[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
) -> tuple[float, int]:
    order = matching_pursuit(codes[fitted], positions[fitted], codes.shape[1])
    reached = [restricted_r2(codes[:, order[: n + 1]], positions, fitted) for n in range(len(order))]
    if not reached:
        return 0.0, 0
    return reached[-1], 1 + next(n for n, r2 in enumerate(reached) if r2 >= VARIANCE_SHARE * reached[-1])


def _dimensions(positions: Float32[np.ndarray, "sample axis"]) -> int:
    centred = positions.astype(np.float64) - positions.mean(0, dtype=np.float64)
    share = np.linalg.svd(centred, compute_uv=False) ** 2
    return int(np.searchsorted(np.cumsum(share), VARIANCE_SHARE * share.sum())) + 1


def _mean_distance(points: Float32[np.ndarray, "sample axis"], rng: np.random.Generator) -> float:
    if len(points) < 2:
        return 0.0
    first, second = rng.integers(len(points), size=(2, DISTANCE_PAIRS))
    return float(np.linalg.norm(points[first] - points[second], axis=1).mean())

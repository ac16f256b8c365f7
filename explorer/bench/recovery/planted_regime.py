"""The regime that planted receptive fields imply: from true positions, by thresholds of its own.

Compact capture, tiling and dilution are those of Bhalla, Fel et al. 2026 (arXiv 2604.28119), as are support size, mean
pairwise distance and restricted R2; every threshold here is ours. Nothing is
taken from `explorer.maths.features.regime`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32

from explorer.maths.features.explained import matching_pursuit, restricted_r2
from explorer.records import Regime

SUPPORT: Final = 0.1
"""An atom supports a manifold where it fires on at least this share of the manifold's samples."""
WIDE: Final = 0.25
"""An atom that fires on this share of the manifold is wide: a half space takes half of it, a quadrant a quarter."""
DISJOINT: Final = 1.25
"""Atoms are disjoint where no more than so many fire, on average, on a sample on which any does."""
SIDES: Final = 2
"""A code is not negative: a direction needs at most so many atoms, one for either side."""
HOLDS: Final = 0.95
"""Share of the planted variance that counted dimensions hold, and of all atoms' R2 that the needed atoms reach."""
EXPLAINED: Final = 0.9
"""The atoms span the manifold where their restricted R2 is at least this."""
PAIRS: Final = 4000
"""Random pairs from which a mean distance is estimated."""


@dataclass(frozen=True)
class PlantedFields:
    """What the true positions say of the atoms that a manifold owns."""

    regime: Regime
    """What they imply."""
    dimensions: int
    """Axes that hold the manifold's variance."""
    support: int
    """Atoms that support it."""
    needed: int
    """Atoms that reach HOLDS of the restricted R2 of all of them."""
    share: float
    """Median share of the manifold's samples on which a supporting atom fires."""
    spread: float
    """Median distance of two points in a supporting atom's field, as a share of that of any two points."""
    overlap: float
    """Atoms that fire on a sample on which any does, on average."""
    r2: float
    """Restricted R2 of all of them."""


def planted_fields(
    codes: Float32[np.ndarray, "sample atom"],
    positions: Float32[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
) -> PlantedFields:
    """Read the regime off the true receptive fields.

    *Compact capture*: at most two supporting atoms for each dimension (one for either side), wide, and together they
    explain the manifold. *Tiling*: narrow atoms, of which hardly two fire on one sample. *Dilution*: all else, narrow
    atoms that overlap or more wide ones than the dimensions need.

    Args:
        codes: activations of the atoms that the manifold owns, on samples that it is in.
        positions: its planted contribution to these samples, in the axes of its own basis.
        fitted: samples that restricted R2 is fitted on; it is measured on the others.
        rng: draws the pairs that distances are estimated from.
    """
    fires = codes > 0
    support = fires.mean(0) >= SUPPORT
    support = support if support.any() else np.ones_like(support)
    whole = _mean_distance(positions, rng)
    spreads = [_mean_distance(positions[fires[:, atom]], rng) / whole for atom in np.flatnonzero(support)]
    r2, needed = _needed(codes, positions, fitted)
    share = float(np.median(fires[:, support].mean(0)))
    overlap = float(fires.sum(1)[fires.any(1)].mean()) if fires.any() else 0.0
    dimensions, n_support = _dimensions(positions), int(support.sum())
    regime: Regime = "dilution"
    if share < WIDE and overlap <= DISJOINT:
        regime = "tiling"
    elif share >= WIDE and n_support <= SIDES * dimensions and r2 >= EXPLAINED:
        regime = "compact capture"
    return PlantedFields(regime, dimensions, n_support, needed, share, float(np.median(spreads)), overlap, r2)


def _needed(
    codes: Float32[np.ndarray, "sample atom"],
    positions: Float32[np.ndarray, "sample axis"],
    fitted: Bool[np.ndarray, "sample"],
) -> tuple[float, int]:
    order = matching_pursuit(codes[fitted], positions[fitted], codes.shape[1])
    reached = [restricted_r2(codes[:, order[: n + 1]], positions, fitted) for n in range(len(order))]
    if not reached:
        return 0.0, 0
    return reached[-1], 1 + next(n for n, r2 in enumerate(reached) if r2 >= HOLDS * reached[-1])


def _dimensions(positions: Float32[np.ndarray, "sample axis"]) -> int:
    centred = positions.astype(np.float64) - positions.mean(0, dtype=np.float64)
    share = np.linalg.svd(centred, compute_uv=False) ** 2
    return int(np.searchsorted(np.cumsum(share), HOLDS * share.sum())) + 1


def _mean_distance(points: Float32[np.ndarray, "sample axis"], rng: np.random.Generator) -> float:
    if len(points) < 2:
        return 0.0
    first, second = rng.integers(len(points), size=(2, PAIRS))
    return float(np.linalg.norm(points[first] - points[second], axis=1).mean())

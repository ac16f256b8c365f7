"""Capture regime of a cluster: compact capture, tiling, dilution or undetermined.

Regimes after Bhalla, Fel et al. 2026 (arXiv 2604.28119): in compact capture about as many broad features as the
manifold's embedding has dimensions span it; in tiling each narrow feature covers its own patch; in dilution overlapping
features cover a part each. Receptive-field spread and support size are theirs; the thresholds between the regimes are
ours, and the underlying statistics are always returned with the label. Codes are non-negative, so an atom sees one side
of a direction, and two atoms per dimension still count as compact.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from explorer.maths.features.explained import COUNTS, restricted_r2_curve
from explorer.maths.group_sums import sums_by_group
from explorer.maths.shape.coordinate import coordinate_distance
from explorer.records.cluster import Regime

MIN_SUPPORT_SHARE = 0.1
"""Minimum share of the manifold's points on which a support atom fires."""
MIN_SUPPORT_POINTS = 30
"""Minimum number of points on which a support atom fires."""
MIN_TUNING_RANGE = 0.5
"""An atom is tuned to the coordinate if the range of its tuning curve is at least this share of its maximum."""
MAX_TILE_SPREAD = 0.45
"""Largest receptive-field spread of tiles."""
MIN_BROAD_SPREAD = 0.6
"""Smallest receptive-field spread of broad atoms; half a circle has .73 and half a sphere .78."""
EMBEDDING_VARIANCE = 0.95
"""The embedding dimension is the number of principal axes that hold this share of the points' variance."""
ATOMS_PER_DIMENSION = 2
"""Maximum tuned atoms per embedding dimension in compact capture: one for each side."""
MIN_EXPECTED_COFIRES = 7.07
"""Minimum co-fires expected by chance of a typical pair for their absence to be evidence of avoidance (Poisson, 99.9
%)."""
MAX_TILE_OVERLAP = 2.5
"""Mean number of tuned atoms per token above which overlapping atoms are dilution rather than tiling."""
DISTANCE_PAIRS = 2000
"""Random pairs that a mean distance is estimated from."""
MIN_TOKENS = 100
"""With fewer sampled tokens the regime is undetermined."""


@dataclass(frozen=True)
class RegimeEstimate:
    """A regime with the statistics behind it."""

    regime: Regime
    statistics: dict[str, float]
    """``support_size``, ``receptive_spread``, ``varying_atoms``, ``overlap``, ``effective_rank``, ``embedding_dim``;
    with enough tokens also ``r2_at_1`` to ``r2_at_16``, and if co-fires are known ``positive_pairs`` and
    ``expected_cofires``."""


@dataclass(frozen=True)
class CorePairs:
    """Co-firing of the pairs of a core against the chance expectation."""

    positive: float
    """Share of the pairs that co-fire more often than expected."""
    expected: float
    """Median number of co-fires expected of a pair."""

    @classmethod
    def of(cls, together: Int64[np.ndarray, "core core"], n_tokens: int) -> "CorePairs":
        """From the tokens on which both features fire; the diagonal holds the tokens on which each one fires."""
        first, second = np.triu_indices(len(together), 1)
        fires = np.diag(together).astype(np.float64)
        expected = fires[first] * fires[second] / n_tokens
        if not len(expected):
            return cls(0.0, 0.0)
        return cls(float((together[first, second] > expected).mean()), float(np.median(expected)))


def classify_regime(
    codes: Float32[np.ndarray, "sample atom"],
    points: Float32[np.ndarray, "sample axis"],
    coordinate: Float32[np.ndarray, "sample"],
    *,
    closed: bool,
    rng: np.random.Generator,
    cofires: CorePairs | None = None,
) -> RegimeEstimate:
    """Classify a cluster by the receptive fields of the atoms that are tuned to its coordinate.

    Rare features hardly ever co-fire by chance, so tiling is claimed only if a typical pair of the core would be
    expected to.

    Args:
        codes: activations of the cluster's atoms on its tokens.
        points: the tokens in the position space.
        coordinate: their intrinsic coordinate.
        closed: whether the coordinate is cyclic.
        rng: draws the pairs that mean distances are estimated from, and the half that R2 is measured on.
        cofires: of the core over all tokens; None if they are not known, in which case tiling is not tested for power.
    """
    fires = codes > 0
    support = fires.sum(0) >= max(MIN_SUPPORT_POINTS, MIN_SUPPORT_SHARE * len(codes))
    whole = _mean_pair_distance(points, rng)
    spreads = np.array([_mean_pair_distance(points[fires[:, atom]], rng) / whole for atom in np.flatnonzero(support)])
    tuning = tuning_curves(codes, coordinate, closed=closed, bins=24)
    varying = is_tuned(tuning) & support
    overlap = float(fires[:, varying].sum(1).mean()) if varying.any() else 0.0
    rank = participation_ratio(points)
    spread = float(np.median(spreads[varying[support]])) if varying.any() else 0.0
    dimensions = embedding_dim(points)
    statistics = {
        "support_size": float(support.sum()),
        "receptive_spread": spread,
        "varying_atoms": float(varying.sum()),
        "overlap": overlap,
        "effective_rank": rank,
        "embedding_dim": float(dimensions),
    }
    if cofires is not None:
        statistics |= {"positive_pairs": cofires.positive, "expected_cofires": cofires.expected}
    if len(codes) < MIN_TOKENS:
        return RegimeEstimate("undetermined", statistics)
    half = rng.permutation(len(codes)) < len(codes) // 2
    statistics |= {f"r2_at_{n}": r2 for n, r2 in zip(COUNTS, restricted_r2_curve(codes, points, half), strict=True)}
    if varying.sum() < 2:
        return RegimeEstimate("undetermined", statistics)
    if spread >= MIN_BROAD_SPREAD and varying.sum() <= ATOMS_PER_DIMENSION * dimensions:
        return RegimeEstimate("compact capture", statistics)
    if spread <= MAX_TILE_SPREAD and overlap <= MAX_TILE_OVERLAP:
        has_power = cofires is None or cofires.expected >= MIN_EXPECTED_COFIRES
        return RegimeEstimate("tiling" if has_power else "undetermined", statistics)
    return RegimeEstimate("dilution", statistics)


def embedding_dim(points: Float32[np.ndarray, "sample axis"], share: float = EMBEDDING_VARIANCE) -> int:
    """Number of principal axes that hold a share of the points' variance."""
    variance = np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)).reshape(points.shape[1], points.shape[1]))[::-1]
    running = np.cumsum(np.maximum(variance, 0.0))
    return int(np.searchsorted(running, share * running[-1])) + 1


def _mean_pair_distance(points: Float32[np.ndarray, "sample axis"], rng: np.random.Generator) -> float:
    if len(points) < 2:
        return 0.0
    first, second = rng.integers(len(points), size=(2, DISTANCE_PAIRS))
    return float(np.linalg.norm(points[first] - points[second], axis=1).mean()) or 1e-12


def participation_ratio(points: Float32[np.ndarray, "sample axis"]) -> float:
    """Participation ratio of the covariance's eigenvalues: (sum)^2 / sum of squares."""
    variance = np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)).reshape(points.shape[1], points.shape[1]))
    return float(variance.sum() ** 2 / max(float((variance**2).sum()), 1e-300))


def tuning_curves(
    codes: Float32[np.ndarray, "sample atom"], coordinate: Float32[np.ndarray, "sample"], *, closed: bool, bins: int
) -> Float32[np.ndarray, "atom bin"]:
    """Mean activation of each atom along the coordinate, smoothed by a Gaussian with a standard deviation of one bin.

    Bins are equally wide, centred at (bin + 0.5) / bins; a bin without tokens nearby takes the value of its neighbours.
    """
    centres = (np.arange(bins) + 0.5) / bins
    total = np.full((bins, codes.shape[1]), 0.0)
    weight = np.full(bins, 1e-9)
    place = np.minimum((coordinate * 8 * bins).astype(np.int64), 8 * bins - 1)
    count = np.bincount(place, minlength=8 * bins).astype(np.float64)
    sums = sums_by_group(codes, place, 8 * bins)
    fine = (np.arange(8 * bins) + 0.5) / (8 * bins)
    bin_distance = coordinate_distance(centres[:, None], fine[None, :], closed=closed) * bins
    kernel = np.exp(-0.5 * bin_distance**2) + 1e-9 * np.exp(-bin_distance / 4)
    total += kernel @ sums
    weight += kernel @ count
    curves: Float32[np.ndarray, "atom bin"] = (total / weight[:, None]).T.astype(np.float32)
    return curves


def is_tuned(tuning: Float32[np.ndarray, "atom bin"]) -> Bool[np.ndarray, "atom"]:
    """Which atoms carry position: those whose tuning curve falls well below its maximum somewhere."""
    largest = tuning.max(1)
    tuned: Bool[np.ndarray, "atom"] = (largest > 0) & ((largest - tuning.min(1)) >= MIN_TUNING_RANGE * largest)
    return tuned


def order_by_peak(tuning: Float32[np.ndarray, "atom bin"]) -> Int64[np.ndarray, "atom"]:
    """Order the atoms by the coordinate at which they fire most; untuned atoms come last."""
    peak: Float64[np.ndarray, "atom"] = tuning.argmax(1).astype(np.float64)
    return np.lexsort((np.arange(len(tuning)), np.where(is_tuned(tuning), peak, np.inf)))

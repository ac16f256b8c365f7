"""How a cluster's features share its manifold: compact capture, tiling, dilution, or not to be told.

Regimes after Bhalla, Fel et al. 2026 (arXiv 2604.28119): in compact capture about as many broad features as the
manifold's embedding has dimensions span it; in tiling narrow features each own one patch; in dilution overlapping
features each cover a part. The receptive-field spread and the support size are theirs; the thresholds between the
regimes are ours, and the numbers behind a label are always given beside it. Codes are not negative: an atom sees one
side of a direction, and two atoms a dimension are still compact.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from explorer.maths.features.explained import COUNTS, r2_curve
from explorer.maths.group_sums import sums_by_group
from explorer.maths.shape.coordinate import distance
from explorer.records import Regime

SUPPORT_SHARE = 0.1
"""A support atom fires on at least this share of the manifold's points,"""
SUPPORT_POINTS = 30
"""and on at least so many of them."""
VARIES = 0.5
"""An atom varies along the coordinate where its tuning curve's range is at least this share of its largest value."""
NARROW = 0.45
"""Receptive-field spread below which atoms are tiles,"""
BROAD = 0.6
"""and above which they are broad: half a circle is .73, half a sphere .78 of the whole."""
SPANNED = 0.95
"""The embedding has as many dimensions as principal axes hold this share of the points' variance."""
ATOMS_A_DIMENSION = 2
"""In compact capture at most so many atoms vary for each of these: one for either side."""
POWER = 7.07
"""Co-fires expected by chance of a usual pair; below this, silence shows no avoidance (Poisson, 99.9 %)."""
OVERLAP = 2.5
"""More varying atoms than this on a mean token are dilution, not tiling."""
PAIRS = 2000
"""Random pairs that a mean distance is estimated from."""
FEWEST = 100
"""Fewer sampled tokens leave the regime undetermined."""


@dataclass(frozen=True)
class Judgement:
    """A regime with the numbers behind it."""

    regime: Regime
    """The label."""
    numbers: dict[str, float]
    """``support_size``, ``receptive_spread``, ``varying_atoms``, ``overlap``, ``effective_rank``, ``embedding_dim``;
    where there are enough tokens ``r2_at_1`` to ``r2_at_16``, and with the co-fires ``positive_pairs`` and
    ``expected_cofires``."""


@dataclass(frozen=True)
class Cofires:
    """How often the pairs of a core fire together, beside what chance would give."""

    positive: float
    """Share of the pairs that fire together more often than by chance."""
    expected: float
    """Median number of tokens on which a pair would fire together by chance."""

    @classmethod
    def of(cls, together: Int64[np.ndarray, "core core"], n_tokens: int) -> "Cofires":
        """From the tokens on which both fire; on the diagonal, those on which each does."""
        first, second = np.triu_indices(len(together), 1)
        fires = np.diag(together).astype(np.float64)
        expected = fires[first] * fires[second] / n_tokens
        if not len(expected):
            return cls(0.0, 0.0)
        return cls(float((together[first, second] > expected).mean()), float(np.median(expected)))


def judge_regime(
    codes: Float32[np.ndarray, "sample atom"],
    points: Float32[np.ndarray, "sample axis"],
    coordinate: Float32[np.ndarray, "sample"],
    *,
    closed: bool,
    rng: np.random.Generator,
    cofires: Cofires | None = None,
) -> Judgement:
    """Label a cluster by the receptive fields of the atoms that vary along it.

    Rare features hardly meet, whatever they mean; tiling is said only where a usual pair of the core had the chance to.

    Args:
        codes: activations of the cluster's atoms on its tokens.
        points: the tokens in the position space.
        coordinate: their intrinsic coordinate.
        closed: whether it is cyclic.
        rng: draws the pairs that mean distances are estimated from, and the half that R2 is measured on.
        cofires: of the core over all tokens; None where they are not known, and then nothing is asked of them.
    """
    fires = codes > 0
    support = fires.sum(0) >= max(SUPPORT_POINTS, SUPPORT_SHARE * len(codes))
    whole = _mean_pair_distance(points, rng)
    spreads = np.array([_mean_pair_distance(points[fires[:, atom]], rng) / whole for atom in np.flatnonzero(support)])
    tuning = tuning_curves(codes, coordinate, closed=closed, bins=24)
    varying = varies(tuning) & support
    overlap = float(fires[:, varying].sum(1).mean()) if varying.any() else 0.0
    rank = effective_rank(points)
    spread = float(np.median(spreads[varying[support]])) if varying.any() else 0.0
    dimensions = embedding_dim(points)
    numbers = {
        "support_size": float(support.sum()),
        "receptive_spread": spread,
        "varying_atoms": float(varying.sum()),
        "overlap": overlap,
        "effective_rank": rank,
        "embedding_dim": float(dimensions),
    }
    if cofires is not None:
        numbers |= {"positive_pairs": cofires.positive, "expected_cofires": cofires.expected}
    if len(codes) < FEWEST:
        return Judgement("undetermined", numbers)
    half = rng.permutation(len(codes)) < len(codes) // 2
    numbers |= {f"r2_at_{n}": r2 for n, r2 in zip(COUNTS, r2_curve(codes, points, half), strict=True)}
    if varying.sum() < 2:
        return Judgement("undetermined", numbers)
    if spread >= BROAD and varying.sum() <= ATOMS_A_DIMENSION * dimensions:
        return Judgement("compact capture", numbers)
    if spread <= NARROW and overlap <= OVERLAP:
        seen = cofires is None or cofires.expected >= POWER
        return Judgement("tiling" if seen else "undetermined", numbers)
    return Judgement("dilution", numbers)


def embedding_dim(points: Float32[np.ndarray, "sample axis"], share: float = SPANNED) -> int:
    """Principal axes that hold a share of the points' variance."""
    variance = np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)).reshape(points.shape[1], points.shape[1]))[::-1]
    running = np.cumsum(np.maximum(variance, 0.0))
    return int(np.searchsorted(running, share * running[-1])) + 1


def _mean_pair_distance(points: Float32[np.ndarray, "sample axis"], rng: np.random.Generator) -> float:
    if len(points) < 2:
        return 0.0
    first, second = rng.integers(len(points), size=(2, PAIRS))
    return float(np.linalg.norm(points[first] - points[second], axis=1).mean()) or 1e-12


def effective_rank(points: Float32[np.ndarray, "sample axis"]) -> float:
    """Participation ratio of the covariance's eigenvalues."""
    variance = np.linalg.eigvalsh(np.cov(points.T.astype(np.float64)).reshape(points.shape[1], points.shape[1]))
    return float(variance.sum() ** 2 / max(float((variance**2).sum()), 1e-300))


def tuning_curves(
    codes: Float32[np.ndarray, "sample atom"], coordinate: Float32[np.ndarray, "sample"], *, closed: bool, bins: int
) -> Float32[np.ndarray, "atom bin"]:
    """Mean activation of each atom along the coordinate, smoothed by a Gaussian one bin wide.

    Bins are equally wide, centred at (bin + 0.5) / bins; where no token lies near a bin its neighbours decide.
    """
    centres = (np.arange(bins) + 0.5) / bins
    total = np.full((bins, codes.shape[1]), 0.0)
    weight = np.full(bins, 1e-9)
    place = np.minimum((coordinate * 8 * bins).astype(np.int64), 8 * bins - 1)
    count = np.bincount(place, minlength=8 * bins).astype(np.float64)
    sums = sums_by_group(codes, place, 8 * bins)
    fine = (np.arange(8 * bins) + 0.5) / (8 * bins)
    apart = distance(centres[:, None], fine[None, :], closed=closed) * bins
    kernel = np.exp(-0.5 * apart**2) + 1e-9 * np.exp(-apart / 4)
    total += kernel @ sums
    weight += kernel @ count
    curves: Float32[np.ndarray, "atom bin"] = (total / weight[:, None]).T.astype(np.float32)
    return curves


def varies(tuning: Float32[np.ndarray, "atom bin"]) -> Bool[np.ndarray, "atom"]:
    """Which atoms carry position: their tuning curve falls well below its own largest value somewhere."""
    largest = tuning.max(1)
    carries: Bool[np.ndarray, "atom"] = (largest > 0) & ((largest - tuning.min(1)) >= VARIES * largest)
    return carries


def feature_order(tuning: Float32[np.ndarray, "atom bin"]) -> Int64[np.ndarray, "atom"]:
    """Atoms by where along the coordinate they fire most; those that do not vary come last."""
    peak: Float64[np.ndarray, "atom"] = tuning.argmax(1).astype(np.float64)
    return np.lexsort((np.arange(len(tuning)), np.where(varies(tuning), peak, np.inf)))

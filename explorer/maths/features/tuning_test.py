"""Permutation test of tuning: which features fire more in some places of the coordinate than in others."""

from typing import Final

import numpy as np
from jaxtyping import Float, Float64
from scipy.special import chdtrc

from explorer.maths.features.regime import MIN_EXPECTED_COFIRES
from explorer.maths.shape.coordinate import ranks

HARMONICS: Final = 2
"""Harmonics of a closed curve, a cosine and a sine each; an open curve has as many terms, all half-wave cosines."""
ALPHA: Final = 0.05
"""Significance level at which a feature counts as tuned."""
MIN_FIRES: Final = 10
"""Features that fire on fewer of the sampled tokens are not tested: chi2 is anti-conservative for so few."""


def tuning_p_values(
    codes: Float[np.ndarray, "sample atom"], coordinate: Float[np.ndarray, "sample"], *, closed: bool
) -> Float64[np.ndarray, "atom"]:
    """Bonferroni-corrected p-values of the association between each feature's activation and the coordinate.

    The score test of a regression on a few waves of the coordinate's rank: (n - 1) R2 against chi2, with the mean and
    covariance that these sums have under random permutations of the coordinate over the samples. Ranks limit the
    leverage of outlying samples.

    Args:
        codes: activations of the cluster's atoms on the sampled tokens.
        coordinate: their intrinsic coordinate.
        closed: whether the coordinate is cyclic.

    Returns:
        p-values, at most 1; 1 for features that are constant or fire on too few samples.
    """
    waves = _orthonormal_waves(coordinate, closed)
    centred = codes - codes.mean(axis=0) if len(codes) else codes
    spread = (centred**2).sum(axis=0)
    r_squared = ((waves.T @ centred) ** 2).sum(axis=0) / np.where(spread > 0, spread, 1.0)
    p_values: Float64[np.ndarray, "atom"] = chdtrc(waves.shape[1], (len(codes) - 1) * r_squared)
    tested = (spread > 0) & ((codes > 0).sum(axis=0) >= MIN_FIRES)
    return np.where(tested, np.minimum(p_values * codes.shape[1], 1.0), 1.0)


def exclusion_detectable(expected: float) -> bool:
    """Whether avoidance is detectable: whether a pair with this many co-fires expected by chance would co-fire if it
    were independent."""
    return expected >= MIN_EXPECTED_COFIRES


def _orthonormal_waves(coordinate: Float[np.ndarray, "sample"], closed: bool) -> Float64[np.ndarray, "sample wave"]:
    """Orthonormal waves of mean 0 along the coordinate's ranks; zeros if all samples share one coordinate."""
    if len(coordinate) <= 2 * HARMONICS + 1 or np.ptp(coordinate) == 0:
        return np.zeros((len(coordinate), 2 * HARMONICS))
    rank = (ranks(coordinate) - 0.5) / len(coordinate)
    frequencies = np.arange(1, HARMONICS + 1) if closed else np.arange(1, 2 * HARMONICS + 1) / 2
    angle = 2 * np.pi * rank[:, None] * frequencies
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) if closed else np.cos(angle)
    return np.asarray(np.linalg.qr(waves - waves.mean(axis=0))[0])

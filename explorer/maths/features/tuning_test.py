"""What a cluster's features can tell: which fire more in some places than in others, and whether silence means much."""

from typing import Final

import numpy as np
from jaxtyping import Float, Float64
from scipy.special import chdtrc

from explorer.maths.features.regime import POWER
from explorer.maths.shape.coordinate import ranks

HARMONICS: Final = 2
"""Waves along a closed curve, a cosine and a sine each; an open one has as many terms, cosines of half turns."""
CLAIM: Final = 0.05
"""Largest p at which a feature is said to tell positions apart."""
FEWEST_FIRES: Final = 10
"""Features that fire on fewer of the drawn tokens are not asked: of so few, chi2 allows too many by chance."""


def place_p_values(
    codes: Float[np.ndarray, "sample atom"], coordinate: Float[np.ndarray, "sample"], *, closed: bool
) -> Float64[np.ndarray, "atom"]:
    """How often chance would tie each feature's activation to the place as closely, were all of them asked.

    The score test of a regression on a few waves of the place's rank, (n - 1) R2 against chi2: with the mean and the
    covariance that these sums have where the places are dealt out anew among the samples. Ranks keep a few samples far
    out from deciding. The p-values are multiplied by the number of features (Bonferroni).

    Args:
        codes: activations of the cluster's atoms on the drawn tokens.
        coordinate: their intrinsic coordinate.
        closed: whether it is cyclic.

    Returns:
        p-values, at most 1; 1 for features that are alike on all samples or fire on too few.
    """
    waves = _waves(coordinate, closed)
    centred = codes - codes.mean(axis=0) if len(codes) else codes
    spread = (centred**2).sum(axis=0)
    told = ((waves.T @ centred) ** 2).sum(axis=0) / np.where(spread > 0, spread, 1.0)
    p_values: Float64[np.ndarray, "atom"] = chdtrc(waves.shape[1], (len(codes) - 1) * told)
    asked = (spread > 0) & ((codes > 0).sum(axis=0) >= FEWEST_FIRES)
    return np.where(asked, np.minimum(p_values * codes.shape[1], 1.0), 1.0)


def silence_tells(expected: float) -> bool:
    """Whether features that never meet avoid each other, where chance would have them meet so often."""
    return expected >= POWER


def _waves(coordinate: Float[np.ndarray, "sample"], closed: bool) -> Float64[np.ndarray, "sample wave"]:
    """Orthonormal waves along the ranks of the places, each of mean 0; none where all samples lie in one place."""
    if len(coordinate) <= 2 * HARMONICS + 1 or np.ptp(coordinate) == 0:
        return np.zeros((len(coordinate), 2 * HARMONICS))
    rank = (ranks(coordinate) - 0.5) / len(coordinate)
    turns = np.arange(1, HARMONICS + 1) if closed else np.arange(1, 2 * HARMONICS + 1) / 2
    angle = 2 * np.pi * rank[:, None] * turns
    waves = np.concatenate([np.cos(angle), np.sin(angle)], axis=1) if closed else np.cos(angle)
    return np.asarray(np.linalg.qr(waves - waves.mean(axis=0))[0])

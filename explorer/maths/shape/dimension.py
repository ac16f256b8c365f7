"""How many directions a cloud has, and whether it is more than the sum of its axes.

Sources: TwoNN (Facco et al., Estimating the intrinsic dimension of datasets by a minimal neighborhood information,
2017); mixture and separability indices (Engels et al., Not all language model features are one-dimensionally linear,
2024); effective rank (Roy and Vetterli 2007).
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

Points = Float[np.ndarray, "sample axis"]


def twonn_dimension(points: Points, *, trim: float = 0.1) -> float:
    """Intrinsic dimension (N - 1) / sum ln(r2 / r1), the largest ``trim`` share of the ratios left out.

    Points that coincide are counted once; 0.0 where fewer than ten are left.
    """
    distinct = np.unique(np.asarray(points, dtype=np.float64), axis=0)
    if len(distinct) < 10:
        return 0.0
    apart = np.asarray(cKDTree(distinct).query(distinct, k=3)[0])
    ratio = np.sort(np.log(apart[:, 2] / np.maximum(apart[:, 1], 1e-300)))
    kept = ratio[: int(np.ceil(len(ratio) * (1 - trim)))]
    # The sum over all ratios is estimated from the kept ones: what is trimmed is at least the largest that is kept.
    total = float(kept.sum() + (len(ratio) - len(kept)) * kept[-1])
    return (len(kept) - 1) / total if total > 0 else 0.0


def effective_rank(points: Points) -> float:
    """Exponential of the entropy of the covariance's spectrum."""
    variances = np.linalg.svd(points - points.mean(0), compute_uv=False).astype(np.float64) ** 2
    share = variances[variances > 0] / max(float(variances.sum()), 1e-300)
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def mixture_index(points: Float[np.ndarray, "sample 2"], *, width: float = 0.1, directions: int = 180) -> float:
    """Largest share of points that a strip of half-width ``width`` (in units of the projection's rms) can hold.

    Near 1 for a mixture of things that do not vary together, small for one that fills its plane (Engels et al. 2024).
    The offset is searched exactly: for each direction the densest window of the sorted projections.
    """
    best = 0.0
    for angle in np.arange(directions) * np.pi / directions:
        along = np.sort(points @ np.array([np.cos(angle), np.sin(angle)]))
        window = 2 * width * float(np.sqrt(((along - along.mean()) ** 2).mean()))
        inside = np.searchsorted(along, along + window, side="left") - np.arange(len(along))
        best = max(best, float(inside.max()) / len(along))
    return best


def separability_index(points: Float[np.ndarray, "sample 2"], *, rotations: int = 100, bins: int = 10) -> float:
    """Smallest mutual information, in bits, of the two coordinates over all rotations; 0 where they part.

    From a histogram of ``bins`` a side; its bias, (bins - 1)^2 / (2 N ln 2), is taken off (Miller 1955).
    """
    bias = (bins - 1) ** 2 / (2 * len(points) * np.log(2))
    least = np.inf
    for angle in np.arange(rotations) * (np.pi / 2) / rotations:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        along, across = (points @ turn).T
        joint, _, _ = np.histogram2d(along, across, bins=bins)
        least = min(least, _mutual_information(joint))
    return float(max(0.0, least - bias))


def _mutual_information(joint: Float[np.ndarray, "one other"]) -> float:
    """Mutual information of a table of counts, in bits."""
    share = joint / joint.sum()
    apart = share.sum(1, keepdims=True) * share.sum(0, keepdims=True)
    there = share > 0
    return float((share[there] * np.log2(share[there] / apart[there])).sum())


def irreducibility(points: Points) -> float:
    """(1 - M) S in the plane of the first two principal components (Engels et al. 2024)."""
    centred = points - points.mean(0)
    if min(centred.shape) < 2:
        return 0.0
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    return (1.0 - mixture_index(plane)) * separability_index(plane)

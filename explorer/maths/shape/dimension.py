"""Dimension and irreducibility of a point cloud.

Sources: TwoNN (Facco et al., Estimating the intrinsic dimension of datasets by a minimal neighborhood information,
2017); mixture and separability indices (Engels et al., Not all language model features are one-dimensionally linear,
2024, arXiv 2405.14860); effective rank (Roy and Vetterli 2007).
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

Points = Float[np.ndarray, "sample axis"]


def twonn_dimension(points: Points, *, trim: float = 0.1) -> float:
    """Intrinsic dimension (N - 1) / sum ln(r2 / r1), without the largest ``trim`` share of the ratios.

    Coincident points are counted once; 0.0 if fewer than ten remain.
    """
    distinct = np.unique(np.asarray(points, dtype=np.float64), axis=0)
    if len(distinct) < 10:
        return 0.0
    neighbour_distance = np.asarray(cKDTree(distinct).query(distinct, k=3)[0])
    ratio = np.sort(np.log(neighbour_distance[:, 2] / np.maximum(neighbour_distance[:, 1], 1e-300)))
    trimmed = ratio[: int(np.ceil(len(ratio) * (1 - trim)))]
    # the sum over all ratios is estimated from the remaining ones: each trimmed ratio is at least the largest of these
    total = float(trimmed.sum() + (len(ratio) - len(trimmed)) * trimmed[-1])
    return (len(trimmed) - 1) / total if total > 0 else 0.0


def effective_rank(points: Points) -> float:
    """Exponential of the entropy of the covariance spectrum (Roy and Vetterli 2007)."""
    variances = np.linalg.svd(points - points.mean(0), compute_uv=False).astype(np.float64) ** 2
    share = variances[variances > 0] / max(float(variances.sum()), 1e-300)
    return float(np.exp(-(share * np.log(share)).sum())) if len(share) else 0.0


def mixture_index(points: Float[np.ndarray, "sample 2"], *, width: float = 0.1, directions: int = 180) -> float:
    """Largest share of points inside a strip of half-width ``width``, in units of the projection's rms (Engels et al.
    2024).

    Near 1 for a mixture of features that do not vary together, small for a cloud that fills its plane. The offset is
    searched exactly: for each direction, the densest window of the sorted projections.
    """
    best = 0.0
    for angle in np.arange(directions) * np.pi / directions:
        along = np.sort(points @ np.array([np.cos(angle), np.sin(angle)]))
        window = 2 * width * float(np.sqrt(((along - along.mean()) ** 2).mean()))
        inside = np.searchsorted(along, along + window, side="left") - np.arange(len(along))
        best = max(best, float(inside.max()) / len(along))
    return best


def separability_index(points: Float[np.ndarray, "sample 2"], *, rotations: int = 100, bins: int = 10) -> float:
    """Smallest mutual information, in bits, of the two coordinates over all rotations (Engels et al. 2024); 0 if they
    are independent in some rotation.

    From a histogram with ``bins`` bins per side, minus its bias (bins - 1)^2 / (2 N ln 2) (Miller 1955).
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
    """Mutual information of a contingency table, in bits."""
    share = joint / joint.sum()
    neighbour_distance = share.sum(1, keepdims=True) * share.sum(0, keepdims=True)
    there = share > 0
    return float((share[there] * np.log2(share[there] / neighbour_distance[there])).sum())


def irreducibility(points: Points) -> float:
    """(1 - M) S in the plane of the first two principal components (Engels et al. 2024)."""
    centred = points - points.mean(0)
    if min(centred.shape) < 2:
        return 0.0
    plane = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T
    return (1.0 - mixture_index(plane)) * separability_index(plane)

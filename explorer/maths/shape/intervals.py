"""95 % confidence intervals of a shape's statistics, by the method of random groups over documents.

The documents of a cloud's tokens are split into groups, and each statistic is computed per group. Its standard error on
the whole cloud is the groups' standard deviation over the square root of their number, on a log scale because both
statistics are positive; the interval uses Student's t (Wolter, Introduction to Variance Estimation, 2007, chapter 2).
Nothing is drawn at random. The fitted shape is held fixed: the interval covers neither the variability of the fit nor a
bias shared by all groups.

A jackknife that keeps each point's neighbours makes the dimension's interval a fifth too narrow, one that recomputes
them two thirds too wide: nearest-neighbour estimates are not smooth in their points.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.dimension import twonn_dimension
from explorer.records.cluster import Shape

Points = Float[np.ndarray, "sample axis"]
Interval = tuple[float, float]

MAX_GROUPS = 20
"""Number of document groups."""
MIN_GROUP_POINTS = 30
"""Minimum points per group; with fewer points there are fewer groups."""
MIN_GROUPS = 5
"""With fewer groups there is no interval."""
COVERAGE = 0.95
"""Nominal coverage of an interval."""
MAX_DIMENSION_POINTS = 1200
"""Number of evenly thinned points for the dimension, the same as for its estimate."""


def shape_intervals(
    points: Float[np.ndarray, "sample axis"], shape: Shape, doc: Int[np.ndarray, "sample"]
) -> dict[str, Interval]:
    """Confidence intervals of a shape's statistics.

    Args:
        points: the cloud that the shape was fitted to.
        shape: the fitted shape.
        doc: document of each point.

    Returns:
        Lower and upper end by name, `intrinsic_dim` and `variance_explained`; a statistic without an interval (too few
        documents or points, or a curve without residual) is left out.
    """
    thinned = np.linspace(0, len(points) - 1, min(len(points), MAX_DIMENSION_POINTS)).astype(np.int64)
    dimension = _log_interval(shape.intrinsic_dim, _dimensions(points[thinned], document_groups(doc[thinned])))
    unexplained = _log_interval(1.0 - shape.variance_explained, _unexplained(points, shape, document_groups(doc)))
    intervals = {} if dimension is None else {"intrinsic_dim": dimension}
    if unexplained is not None:
        intervals["variance_explained"] = (1.0 - unexplained[1], 1.0 - unexplained[0])
    return intervals


def document_groups(doc: Int[np.ndarray, "sample"]) -> Int[np.ndarray, "sample"]:
    """Group of each point, from 0: runs of consecutive documents, with equally many documents that contain a point."""
    documents, rank = np.unique(doc, return_inverse=True)
    count = min(MAX_GROUPS, len(doc) // MIN_GROUP_POINTS, len(documents))
    groups: Int[np.ndarray, "sample"] = rank * count // max(len(documents), 1)
    return groups


def _log_interval(estimate: float, parts: Float[np.ndarray, "group"]) -> Interval | None:
    """Interval around an estimate from its values per group; None if there are too few or a value is not positive."""
    count = len(parts)
    if count < MIN_GROUPS or estimate <= 0 or not (parts > 0).all():
        return None
    error = float(np.log(parts).std(ddof=1)) / np.sqrt(count)
    reach = float(np.exp(student.ppf((1 + COVERAGE) / 2, count - 1) * error))
    return estimate / reach, estimate * reach


def _dimensions(points: Points, group: Int[np.ndarray, "sample"]) -> Float[np.ndarray, "group"]:
    """TwoNN estimate of each group."""
    return np.array([twonn_dimension(points[group == one]) for one in range(int(group.max(initial=-1)) + 1)])


def _unexplained(points: Points, shape: Shape, group: Int[np.ndarray, "sample"]) -> Float[np.ndarray, "group"]:
    """Share of each group's variance that the curve leaves unexplained."""
    if not len(points):
        return np.zeros(0)
    on_curve = curve_at(shape.curve, shape.coordinate, closed=shape.kind == "closed curve")
    left = np.bincount(group, ((points - on_curve) ** 2).sum(1))
    spread = np.bincount(group, ((points - points.mean(0, dtype=np.float64)) ** 2).sum(1))
    shares: Float[np.ndarray, "group"] = left / np.maximum(spread, 1e-300)
    return shares

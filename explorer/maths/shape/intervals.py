"""How far a cloud's numbers would move on other documents: 95 % intervals by the method of random groups.

The documents that a cloud's tokens stand in are parted into groups, and each number is computed in every group by
itself. Its standard error on the whole is the groups' standard deviation over the root of their number, on a log
scale, since both numbers here are above 0; the interval takes Student's t (Wolter, Introduction to Variance Estimation,
2007, chapter 2). Nothing is drawn. The shape that was found is held: what would be found on other documents is not in
the interval, nor is a bias that a number has on all.

A jackknife that keeps each point's neighbours makes the dimension's interval too narrow by a fifth, one that seeks them
anew too wide by two thirds: estimates from neighbours are not smooth in their points.
"""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import t as student

from explorer.maths.shape.coordinate import curve_at
from explorer.maths.shape.dimension import twonn_dimension
from explorer.records import Shape

Points = Float[np.ndarray, "sample axis"]
Interval = tuple[float, float]

GROUPS = 20
"""Groups of documents; fewer where they would hold fewer than"""
FEWEST_POINTS = 30
"""points each, and no interval where there are fewer than"""
FEWEST_GROUPS = 5
"""groups."""
COVERS = 0.95
"""How often such an interval holds what it is about."""
MOST = 1200
"""Points, evenly thinned, for the dimension: as many as it is estimated from."""


def shape_intervals(
    points: Float[np.ndarray, "sample axis"], shape: Shape, doc: Int[np.ndarray, "sample"]
) -> dict[str, Interval]:
    """Intervals of a shape's numbers.

    Args:
        points: the cloud that the shape was found in.
        shape: what was found.
        doc: document of each point.

    Returns:
        Low and high end by name, `intrinsic_dim` and `variance_explained`; a number is left out where nothing can be
        told: too few documents or points, or a curve that leaves nothing.
    """
    thinned = np.linspace(0, len(points) - 1, min(len(points), MOST)).astype(np.int64)
    dimension = _around(shape.intrinsic_dim, _dimensions(points[thinned], document_groups(doc[thinned])))
    unexplained = _around(1.0 - shape.variance_explained, _unexplained(points, shape, document_groups(doc)))
    intervals = {} if dimension is None else {"intrinsic_dim": dimension}
    if unexplained is not None:
        intervals["variance_explained"] = (1.0 - unexplained[1], 1.0 - unexplained[0])
    return intervals


def document_groups(doc: Int[np.ndarray, "sample"]) -> Int[np.ndarray, "sample"]:
    """Group of each point, from 0: stretches of consecutive documents, each with equally many that hold a point."""
    documents, rank = np.unique(doc, return_inverse=True)
    count = min(GROUPS, len(doc) // FEWEST_POINTS, len(documents))
    groups: Int[np.ndarray, "sample"] = rank * count // max(len(documents), 1)
    return groups


def _around(estimate: float, parts: Float[np.ndarray, "group"]) -> Interval | None:
    """The interval about an estimate, from what it is in each group; None where that cannot be told."""
    count = len(parts)
    if count < FEWEST_GROUPS or estimate <= 0 or not (parts > 0).all():
        return None
    error = float(np.log(parts).std(ddof=1)) / np.sqrt(count)
    reach = float(np.exp(student.ppf((1 + COVERS) / 2, count - 1) * error))
    return estimate / reach, estimate * reach


def _dimensions(points: Points, group: Int[np.ndarray, "sample"]) -> Float[np.ndarray, "group"]:
    """TwoNN's estimate in each group."""
    return np.array([twonn_dimension(points[group == one]) for one in range(int(group.max(initial=-1)) + 1)])


def _unexplained(points: Points, shape: Shape, group: Int[np.ndarray, "sample"]) -> Float[np.ndarray, "group"]:
    """Share of each group's variance that lies between its points and their places on the curve."""
    if not len(points):
        return np.zeros(0)
    on_curve = curve_at(shape.curve, shape.coordinate, closed=shape.kind == "closed curve")
    left = np.bincount(group, ((points - on_curve) ** 2).sum(1))
    spread = np.bincount(group, ((points - points.mean(0, dtype=np.float64)) ** 2).sum(1))
    shares: Float[np.ndarray, "group"] = left / np.maximum(spread, 1e-300)
    return shares

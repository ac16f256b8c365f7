"""The curve that labels give: what a cluster's own curve, found without any, is held against."""

import numpy as np
from jaxtyping import Float, Int64
from scipy.interpolate import CubicSpline

from explorer.maths.steering.arms import Manifold

KNOTS = 128
"""Points of the curve, as many as a build gives a cluster's."""


def labelled_manifold(
    residual: Float[np.ndarray, "token d_model"],
    value: Int64[np.ndarray, "token"],
    place: Float[np.ndarray, "value"],
    n_axes: int,
    *,
    closed: bool,
) -> Manifold:
    """Fit a curve to labelled activations: their principal axes, and a cubic spline there through the values' means.

    This is the published way to make a manifold to steer along (Wurgaft, Rager et al. 2026, arXiv 2605.05115): the
    spline is periodic on a cyclic concept and natural on an open one. Where the values stand along it is told by the
    labels too, and not read off the first two axes: no order can be got wrong.

    Args:
        residual: activations of which the value is known.
        value: number of each one's value; every value has some.
        place: where each value stands, different for each: in [0, 1) on a cyclic concept, in [0, 1] on an open one.
        n_axes: dimension of the subspace, at most that of the activations.
        closed: whether the concept is cyclic.

    Raises:
        ValueError: fewer than two values, or three of a cyclic concept.
    """
    if len(place) < (3 if closed else 2):
        raise ValueError(f"{len(place)} values on {'a cyclic' if closed else 'an open'} concept do not make a curve")
    points = residual.astype(np.float64)
    center = points.mean(axis=0)
    basis = np.linalg.svd(points - center, full_matrices=False)[2][:n_axes]
    means = np.stack([points[value == number].mean(axis=0) for number in range(len(place))])
    order = np.argsort(place)
    at, through = place[order], (means[order] - center) @ basis.T
    if closed:
        spline = CubicSpline(np.append(at, at[0] + 1.0), np.vstack([through, through[:1]]), bc_type="periodic")
    else:
        spline = CubicSpline(at, through, bc_type="natural")
    knots = np.asarray(spline(np.linspace(0.0, 1.0, KNOTS, endpoint=not closed)))
    return Manifold(basis, center, knots, closed, place.astype(np.float64), means)

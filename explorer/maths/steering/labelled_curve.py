"""Steering curve from labelled activations, the reference for a cluster's own, unsupervised curve."""

import numpy as np
from jaxtyping import Float, Int64
from scipy.interpolate import CubicSpline

from explorer.maths.steering.arms import SteeringManifold

KNOTS = 128
"""Knots of the curve, as many as a build gives a cluster's."""


def labelled_manifold(
    residual: Float[np.ndarray, "token d_model"],
    value: Int64[np.ndarray, "token"],
    place: Float[np.ndarray, "value"],
    n_axes: int,
    *,
    closed: bool,
) -> SteeringManifold:
    """Fit a curve to labelled activations: a cubic spline through the values' means in the principal subspace.

    This is the published way to construct a steering manifold (Wurgaft, Rager et al. 2026, arXiv 2605.05115): the
    spline is periodic for a cyclic concept and natural for an open one. The coordinates of the values come from the
    labels instead of the first two axes, so their order is always right.

    Args:
        residual: activations with a known value.
        value: number of each activation's value; every value occurs.
        place: coordinate of each value, all distinct: in [0, 1) for a cyclic concept, in [0, 1] for an open one.
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
    return SteeringManifold(basis, center, knots, closed, place.astype(np.float64), means)

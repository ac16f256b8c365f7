"""Multinomial logistic regression with a ridge: which class a point belongs to, linear in the point.

A language model's own readout has this form: the next token's log-odds are linear in the last activation. So the same
form, fitted to text, finds the directions in which activations answer, whatever else varies in them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.optimize import minimize

MOST_STEPS = 120
"""Steps of the optimiser (L-BFGS) in one fit."""


class Multinomial(NamedTuple):
    """Log-odds of the classes: ``(points - centre) / scale @ weights + bias``."""

    centre: Float64[np.ndarray, "axis"]
    scale: float
    weights: Float64[np.ndarray, "axis point_class"]
    bias: Float64[np.ndarray, "point_class"]

    def log_odds(self, points: Float[np.ndarray, "sample axis"]) -> Float64[np.ndarray, "sample point_class"]:
        """Log-probabilities up to a constant of each sample."""
        return np.asarray((points - self.centre) / self.scale @ self.weights + self.bias)

    def log_posterior(self, points: Float[np.ndarray, "sample axis"]) -> Float64[np.ndarray, "sample point_class"]:
        """Log-probability of each class."""
        return log_normalised(self.log_odds(points))


def fit_multinomial(
    points: Float[np.ndarray, "sample axis"],
    own: Int64[np.ndarray, "sample"],
    n_classes: int,
    ridge: float,
    start: Multinomial | None = None,
) -> Multinomial:
    """Maximise the mean log-probability of each sample's own class, less ``ridge / 2`` times the squared weights.

    Args:
        points: coordinates; they are centred, and scaled as a whole, before the ridge applies.
        own: class of each sample.
        n_classes: how many classes there are; one without a sample keeps the probability of half a sample.
        ridge: strength of the penalty.
        start: where the search begins; the class frequencies where it is None.
    """
    centre = points.mean(0, dtype=np.float64)
    scale = max(float(points.std(dtype=np.float64)), 1e-12)
    scaled = (points - centre) / scale
    n, d = scaled.shape
    target = np.zeros((n, n_classes))
    target[np.arange(n), own] = 1.0

    def loss(flat: Float64[np.ndarray, "parameter"]) -> tuple[float, Float64[np.ndarray, "parameter"]]:
        parameters = flat.reshape(d + 1, n_classes)
        log_p = log_normalised(scaled @ parameters[:d] + parameters[d])
        left = (np.exp(log_p) - target) / n
        slope = np.concatenate([scaled.T @ left + ridge * parameters[:d], left.sum(0)[None]])
        told = float(log_p[np.arange(n), own].mean())
        return 0.5 * ridge * float((parameters[:d] ** 2).sum()) - told, slope.ravel()

    begin = np.zeros((d + 1, n_classes))
    begin[d] = np.log(np.maximum(target.sum(0), 0.5) / n)
    if start is not None:
        begin = np.concatenate([start.weights, start.bias[None]])
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS})
    fitted = found.x.reshape(d + 1, n_classes)
    return Multinomial(centre, scale, fitted[:d], fitted[d])


def log_normalised(log_odds: Float64[np.ndarray, "sample point_class"]) -> Float64[np.ndarray, "sample point_class"]:
    """Log-probabilities whose sum over the classes is 1."""
    above = log_odds - log_odds.max(axis=1, keepdims=True)
    return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))

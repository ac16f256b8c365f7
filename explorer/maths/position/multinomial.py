"""Multinomial logistic regression with a ridge: which class a point belongs to, linear in the point.

A language model's own readout has this form: the next token's log-odds are linear in the last activation. So the same
form, fitted to text, finds the directions in which activations answer, whatever else varies in them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.optimize import minimize

MOST_STEPS = 120
"""Steps of the optimiser (L-BFGS) in one fit,"""
LEAST_GAIN = 1e-6
"""which ends once a step gains less than this share of the loss, unless another is asked for."""


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
    *,
    least_gain: float = LEAST_GAIN,
) -> Multinomial:
    """Maximise the mean log-probability of each sample's own class, less ``ridge / 2`` times the squared weights.

    Args:
        points: coordinates; they are centred, and scaled as a whole, before the ridge applies.
        own: class of each sample.
        n_classes: how many classes there are; one without a sample keeps the probability of half a sample.
        ridge: strength of the penalty.
        start: where the search begins; the class frequencies where it is None.
        least_gain: share of the loss that a step gains at least, or it is the last one.
    """
    centre = points.mean(0, dtype=np.float64)
    scale = max(float(points.std(dtype=np.float64)), 1e-12)
    scaled = ((points - centre) / scale).astype(np.float32)
    (n, d), rows = scaled.shape, np.arange(len(own))
    frequency = np.maximum(np.bincount(own, minlength=n_classes), 0.5) / n
    unit = _units(scaled, frequency, ridge)
    turned = np.ascontiguousarray(scaled.T)

    def loss(flat: Float64[np.ndarray, "parameter"]) -> tuple[float, Float64[np.ndarray, "parameter"]]:
        parameters = flat.reshape(unit.shape) * unit
        weights, bias = parameters[:d], parameters[d:]
        # samples lie next to each other: sums and largest values over the classes then go through memory in order
        left = weights.T.astype(np.float32) @ turned
        left += bias.T.astype(np.float32)
        left -= left.max(axis=0)
        told = left[own, rows]
        np.exp(left, out=left)
        total = left.sum(axis=0)
        told -= np.log(total)
        left /= total
        left[own, rows] -= 1.0
        slope = np.concatenate([turned @ left.T / n + ridge * weights, left.mean(axis=1, dtype=np.float64)[None]])
        loss = 0.5 * ridge * float((weights**2).sum()) - float(told.mean(dtype=np.float64))
        return loss, (slope * unit).ravel()

    begin = np.concatenate([np.zeros((d, n_classes)), np.log(frequency)[None]])
    if start is not None:
        begin = np.concatenate([start.weights, start.bias[None]])
    found = minimize(
        loss, (begin / unit).ravel(), jac=True, method="L-BFGS-B", options={"maxiter": MOST_STEPS, "ftol": least_gain}
    )
    fitted = found.x.reshape(unit.shape) * unit
    return Multinomial(centre, scale, fitted[:d], fitted[d])


def _units(
    scaled: Float32[np.ndarray, "sample axis"], frequency: Float64[np.ndarray, "point_class"], ridge: float
) -> Float64[np.ndarray, "axis_plus_1 point_class"]:
    """Steps in which the loss is about as curved along every weight and bias as along every other.

    Its second derivative is at most the class's frequency times the axis's variance, and the ridge; in these units the
    optimiser arrives in a half to a tenth of the steps.
    """
    variance = scaled.var(axis=0, dtype=np.float64)
    weights = 1 / np.sqrt(np.outer(variance, frequency) + ridge)
    return np.concatenate([weights, 1 / np.sqrt(frequency)[None]])


def log_normalised(log_odds: Float64[np.ndarray, "sample point_class"]) -> Float64[np.ndarray, "sample point_class"]:
    """Log-probabilities whose sum over the classes is 1."""
    above = log_odds - log_odds.max(axis=1, keepdims=True)
    return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))

"""Multinomial logistic regression with a ridge penalty.

A language model's unembedding has this form: the next token's log-odds are linear in the last activation. Fitted to
text, the same form finds the directions in which activations predict tokens, whatever else varies in them.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Float64, Int64
from scipy.optimize import minimize

MAX_ITERATIONS = 120
"""Maximum L-BFGS iterations of one fit."""
MIN_RELATIVE_GAIN = 1e-6
"""Relative decrease of the loss below which the optimiser stops, unless the caller sets another."""


class Multinomial(NamedTuple):
    """Log-odds of the classes: ``(points - centre) / scale @ weights + bias``."""

    centre: Float64[np.ndarray, "axis"]
    scale: float
    weights: Float64[np.ndarray, "axis point_class"]
    bias: Float64[np.ndarray, "point_class"]

    def log_odds(self, points: Float[np.ndarray, "sample axis"]) -> Float64[np.ndarray, "sample point_class"]:
        """Log-probabilities of each sample up to a constant."""
        return np.asarray((points - self.centre) / self.scale @ self.weights + self.bias)

    def log_posterior(self, points: Float[np.ndarray, "sample axis"]) -> Float64[np.ndarray, "sample point_class"]:
        """Log-probability of each class."""
        return log_softmax(self.log_odds(points))


def fit_multinomial(
    points: Float[np.ndarray, "sample axis"],
    label: Int64[np.ndarray, "sample"],
    n_classes: int,
    ridge: float,
    start: Multinomial | None = None,
    *,
    min_relative_gain: float = MIN_RELATIVE_GAIN,
) -> Multinomial:
    """Maximise the mean log-likelihood of the labels minus ``ridge / 2`` times the squared weights.

    Args:
        points: coordinates; they are centred and scaled by one common factor before the penalty applies.
        label: class of each sample.
        n_classes: number of classes; one without samples gets the prior of half a sample.
        ridge: strength of the penalty.
        start: initial parameters; the class frequencies if None.
        min_relative_gain: relative decrease of the loss below which the optimiser stops.
    """
    centre = points.mean(0, dtype=np.float64)
    scale = max(float(points.std(dtype=np.float64)), 1e-12)
    scaled = ((points - centre) / scale).astype(np.float32)
    (n, d), rows = scaled.shape, np.arange(len(label))
    frequency = np.maximum(np.bincount(label, minlength=n_classes), 0.5) / n
    unit = _units(scaled, frequency, ridge)
    transposed = np.ascontiguousarray(scaled.T)

    def loss(flat: Float64[np.ndarray, "parameter"]) -> tuple[float, Float64[np.ndarray, "parameter"]]:
        parameters = flat.reshape(unit.shape) * unit
        weights, bias = parameters[:d], parameters[d:]
        # contiguous samples: sums and maxima over the classes then access memory in order
        residual = weights.T.astype(np.float32) @ transposed
        residual += bias.T.astype(np.float32)
        residual -= residual.max(axis=0)
        log_likelihood = residual[label, rows]
        np.exp(residual, out=residual)
        total = residual.sum(axis=0)
        log_likelihood -= np.log(total)
        residual /= total
        residual[label, rows] -= 1.0
        slope = np.concatenate(
            [transposed @ residual.T / n + ridge * weights, residual.mean(axis=1, dtype=np.float64)[None]]
        )
        loss = 0.5 * ridge * float((weights**2).sum()) - float(log_likelihood.mean(dtype=np.float64))
        return loss, (slope * unit).ravel()

    begin = np.concatenate([np.zeros((d, n_classes)), np.log(frequency)[None]])
    if start is not None:
        begin = np.concatenate([start.weights, start.bias[None]])
    found = minimize(
        loss,
        (begin / unit).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": min_relative_gain},
    )
    fitted = found.x.reshape(unit.shape) * unit
    return Multinomial(centre, scale, fitted[:d], fitted[d])


def _units(
    scaled: Float32[np.ndarray, "sample axis"], frequency: Float64[np.ndarray, "point_class"], ridge: float
) -> Float64[np.ndarray, "axis_plus_1 point_class"]:
    """Parameter scales that make the loss about equally curved along every weight and bias.

    Its second derivative is at most the class frequency times the axis variance, plus the ridge; in these units L-BFGS
    needs a half to a tenth of the iterations.
    """
    variance = scaled.var(axis=0, dtype=np.float64)
    weights = 1 / np.sqrt(np.outer(variance, frequency) + ridge)
    return np.concatenate([weights, 1 / np.sqrt(frequency)[None]])


def log_softmax(log_odds: Float64[np.ndarray, "sample point_class"]) -> Float64[np.ndarray, "sample point_class"]:
    """Log-probabilities that are normalised over the classes."""
    above = log_odds - log_odds.max(axis=1, keepdims=True)
    return np.asarray(above - np.log(np.exp(above).sum(axis=1, keepdims=True)))

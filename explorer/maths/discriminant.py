"""Where on its manifold each token of a cluster stands: the directions that tell tokens apart. Ours.

On a cluster's tokens most of the activations' variance is presence and wording. What carries position is what tells the
text apart: which token stands here, or which one comes next. Linear discriminants (Fisher 1936, the within-class
covariance shrunk) of the text's own tokens, inside the span of the cluster's atoms, give oblique axes in which wording
cancels out. No concept, no order and no period is read: the tokens are the input text itself.

Three steps keep it honest: the information that the axes give about held-out tokens is measured in bits against
shuffled tokens; populations that do not hang together are parted and the largest is kept; and samples of which the axes
say little more than their overall frequency ("a weekday comes, but which?") count as unknown, are left out of the
curve, and the axes are then found again without them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

FEWEST = 8
"""A token stands on so many samples, or it is no class."""
MOST_AXES = 8
"""Discriminants that are looked at."""
LEADING = 0.3
"""A discriminant belongs to the shape where its strength is at least this share of the first one's."""
SHRINK = 0.05
"""Share of the within-class covariance that is replaced by a sphere of the same mean variance."""
GAP = 3.0
"""Populations are parted at a gap of so many within-class deviations between neighbouring class means,"""
CLEAR = 2.0
"""if it is so many times the second largest gap on that axis."""
KNOWN = 0.5
"""A sample is known where its posterior tells this share of what the best-known samples' tell,"""
LEAST_KNOWN = 0.1
"""and this share of the entropy of the tokens' frequencies."""
FEWEST_KNOWN = 40
"""With fewer known samples there is no shape to tell, and every sample of the population counts."""
MIDDLE = 0.5
"""Where class means leave the middle empty, samples nearer to it than this share of the outer radius are unknown."""
MAJOR = 0.9
"""Share of the samples whose classes decide whether the middle is empty."""
FEWEST_ROUND = 5
"""Classes without which nothing is said about the middle."""
HOLLOW_DRAWS = 499
"""Gaussian draws that the radii of the class means are held against."""
ROUNDS = 3
"""Times that the axes are found, each but the first on the samples known so far."""
SHUFFLES = 19
"""Draws of the null of the held-out information."""


@dataclass(frozen=True)
class Position:
    """What the text tells about where the activations stand."""

    points: Float32[np.ndarray, "sample discriminant"]
    """Every sample in the discriminants, strongest first, in units of the within-class deviation."""
    strength: Float32[np.ndarray, "discriminant"]
    """Between-class variance of each, in the same units, corrected for the noise of the class means."""
    n_leading: int
    """How many of them the shape is fitted in: at least 2 where there are as many."""
    known: Bool[np.ndarray, "sample"]
    """Samples of the kept population of which position can be told."""
    bits: float
    """Information about held-out tokens, bits a token."""
    p_value: float
    """Share of draws with shuffled tokens that tell at least as much."""


class _Discriminant(NamedTuple):
    """Discriminants of the tokens with enough samples."""

    centre: Float64[np.ndarray, "axis"]
    filters: Float64[np.ndarray, "axis discriminant"]
    strength: Float64[np.ndarray, "discriminant"]
    classes: Int64[np.ndarray, "token_class"]
    means: Float64[np.ndarray, "token_class discriminant"]
    prior: Float64[np.ndarray, "token_class"]

    @property
    def n_leading(self) -> int:
        """How many discriminants belong to the shape."""
        return min(len(self.strength), max(2, int((self.strength >= LEADING * self.strength[0]).sum())))

    def place(self, coordinates: Float64[np.ndarray, "sample axis"]) -> Float64[np.ndarray, "sample discriminant"]:
        """Samples in the discriminants."""
        return np.asarray((coordinates - self.centre) @ self.filters)

    def told(self, points: Float64[np.ndarray, "sample discriminant"]) -> Float64[np.ndarray, "sample token_class"]:
        """Log-ratio of each class's posterior to its prior, in nats; Gaussian classes of equal covariance."""
        squared = (points**2).sum(1)[:, None] - 2 * points @ self.means.T + (self.means**2).sum(1)
        joint = np.log(self.prior) - 0.5 * squared
        return np.asarray(joint - np.logaddexp.reduce(joint, axis=1, keepdims=True) - np.log(self.prior))


def read_position(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
) -> Position:
    """Find the directions that tell a cluster's tokens apart.

    Args:
        coordinates: activations in the span of the cluster's atoms.
        tokens: the token here, or the one that comes next, of each sample; -1 where there is none.
        rng: halves the samples and draws the nulls.

    Returns:
        The position; where there are not two tokens with enough samples, the coordinates themselves with 0 bits and a
        p-value of 1.
    """
    wide = coordinates.astype(np.float64)
    kept = _largest_population(wide, tokens)
    fit = _discriminant(wide[kept], tokens[kept])
    known = kept
    for _ in range(ROUNDS):
        refit = _discriminant(wide[known], tokens[known])
        if refit is None:
            break
        fit = refit
        told = kept & _is_known(fit, fit.place(wide), rng)
        known = told if told.sum() >= FEWEST_KNOWN else kept
    if fit is None:
        return _untold(coordinates)
    points = fit.place(wide).astype(np.float32)
    bits, p_value = _held_out_bits(wide[kept], tokens[kept], rng)
    strength = np.maximum(fit.strength, 0.0).astype(np.float32)
    return Position(points, strength, fit.n_leading, known, bits, p_value)


def _untold(coordinates: Float32[np.ndarray, "sample axis"]) -> Position:
    strength = coordinates.var(axis=0)[:MOST_AXES]
    every = np.ones(len(coordinates), dtype=bool)
    return Position(coordinates[:, :MOST_AXES], strength, min(2, coordinates.shape[1]), every, 0.0, 1.0)


def _discriminant(
    coordinates: Float64[np.ndarray, "sample axis"], tokens: Int32[np.ndarray, "sample"]
) -> _Discriminant | None:
    """Fisher's discriminants of the tokens with enough samples; None where there are fewer than two."""
    ids, inverse, count = np.unique(tokens, return_inverse=True, return_counts=True)
    enough = (count >= FEWEST) & (ids >= 0)
    if enough.sum() < 2:
        return None
    rows = enough[inverse]
    own = (np.cumsum(enough) - 1)[inverse[rows]]
    chosen, n = coordinates[rows], int(rows.sum())
    member = np.zeros((int(enough.sum()), n))
    member[own, np.arange(n)] = 1.0
    means = (member @ chosen) / count[enough][:, None]
    centre = chosen.mean(0)
    left = chosen - means[own]
    within = left.T @ left / n
    within = (1 - SHRINK) * within + (SHRINK * np.trace(within) / len(within) + 1e-12) * np.eye(len(within))
    spread = means - centre
    between = (spread * count[enough][:, None]).T @ spread / n - (len(means) - 1) / n * within
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    strength, vectors = np.linalg.eigh(whiten.T @ between @ whiten)
    most = min(MOST_AXES, len(strength))
    filters = whiten @ vectors[:, ::-1][:, :most]
    filters *= np.where(filters[np.abs(filters).argmax(0), np.arange(most)] < 0, -1.0, 1.0)
    return _Discriminant(centre, filters, strength[::-1][:most], ids[enough], spread @ filters, count[enough] / n)


def _largest_population(
    coordinates: Float64[np.ndarray, "sample axis"], tokens: Int32[np.ndarray, "sample"]
) -> Bool[np.ndarray, "sample"]:
    """Part the samples at clear gaps between class means, keep the larger side, and look again."""
    kept = np.ones(len(tokens), dtype=bool)
    for _ in range(MOST_AXES):
        fit = _discriminant(coordinates[kept], tokens[kept])
        cut = None if fit is None else _clear_gap(fit)
        if fit is None or cut is None:
            break
        axis, threshold = cut
        above = fit.place(coordinates)[:, axis] > threshold
        kept = kept & (above == ((above & kept).sum() * 2 > kept.sum()))
    return kept


def _clear_gap(fit: _Discriminant) -> tuple[int, float] | None:
    """Axis and middle of the widest gap between class means that parts two populations."""
    best, found = GAP, None
    for axis in range(min(4, fit.means.shape[1])):
        places = np.sort(fit.means[:, axis])
        steps = np.sort(np.diff(places))[::-1]
        second = float(steps[1]) if len(steps) > 1 else np.inf
        if steps[0] > best and steps[0] > CLEAR * second:
            at = int(np.diff(places).argmax())
            best, found = float(steps[0]), (axis, float(places[at : at + 2].mean()))
    return found


def _is_known(
    fit: _Discriminant, points: Float64[np.ndarray, "sample discriminant"], rng: np.random.Generator
) -> Bool[np.ndarray, "sample"]:
    """Samples of which position can be told.

    Where the class means leave the middle empty, as on a ring, the middle is where nothing is told; elsewhere the
    posterior decides.
    """
    scale = np.sqrt(np.maximum(fit.strength[: fit.n_leading], 1e-12))
    rim = _major_radii(fit, scale)
    if _leaves_middle_empty(rim, len(scale), rng):
        radius = np.linalg.norm(points[:, : len(scale)] / scale, axis=1)
        return np.asarray(radius >= MIDDLE * np.quantile(radius, 0.9))
    ratio = fit.told(points)
    told = (fit.prior * np.exp(ratio) * ratio).sum(1)
    entropy = -float((fit.prior * np.log(fit.prior)).sum())
    return np.asarray(told >= max(LEAST_KNOWN * entropy, KNOWN * float(np.quantile(told, 0.95))))


def _major_radii(fit: _Discriminant, scale: Float64[np.ndarray, "leading"]) -> Float64[np.ndarray, "major"]:
    """Distance from the middle of the means of the most frequent classes, which together hold MAJOR of the samples."""
    order = np.argsort(-fit.prior, kind="stable")
    major = order[: int(np.searchsorted(np.cumsum(fit.prior[order]), MAJOR)) + 1]
    return np.asarray(np.linalg.norm(fit.means[major][:, : len(scale)] / scale, axis=1))


def _leaves_middle_empty(radii: Float64[np.ndarray, "major"], n_axes: int, rng: np.random.Generator) -> bool:
    """Whether the radii differ less than those of as many Gaussian points in 95 % of draws."""
    if len(radii) < FEWEST_ROUND:
        return False
    null = np.linalg.norm(rng.standard_normal((HOLLOW_DRAWS, len(radii), n_axes)), axis=2)
    return bool((_variation(null) <= _variation(radii[None])[0]).mean() <= 0.05)


def _variation(radii: Float64[np.ndarray, "draw point"]) -> Float64[np.ndarray, "draw"]:
    return np.asarray(radii.std(axis=1) / np.maximum(radii.mean(axis=1), 1e-300))


def _held_out_bits(
    coordinates: Float64[np.ndarray, "sample axis"], tokens: Int32[np.ndarray, "sample"], rng: np.random.Generator
) -> tuple[float, float]:
    """Mean gain in log-probability of held-out tokens over their frequency, in bits, and its p-value."""
    half = rng.permutation(len(tokens)) < len(tokens) // 2
    gains, nulls = [], []
    for train in (half, ~half):
        fit = _discriminant(coordinates[train], tokens[train])
        if fit is None:
            continue
        own = np.minimum(np.searchsorted(fit.classes, tokens[~train]), len(fit.classes) - 1)
        rows = np.flatnonzero(fit.classes[own] == tokens[~train])
        if not len(rows):
            continue
        bits = fit.told(fit.place(coordinates[~train])) / np.log(2)
        gains.append(float(bits[rows, own[rows]].mean()))
        nulls.append([float(bits[rows, rng.permutation(own[rows])].mean()) for _ in range(SHUFFLES)])
    if not gains:
        return 0.0, 1.0
    gain, null = float(np.mean(gains)), np.mean(nulls, axis=0)
    return gain, float((1 + (null >= gain).sum()) / (1 + SHUFFLES))

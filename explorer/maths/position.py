"""Where on its manifold each token of a cluster stands, read off what the text says there. Ours.

On a cluster's tokens most of the activations' variance is presence and wording. What carries position is what tells the
text apart: which token stands here, or which one comes next. A multinomial readout of the text's own tokens, inside the
span of the cluster's atoms, finds the directions that tell them apart; a language model answers by such a readout. No
concept, no order and no period is read: the tokens are the input text itself.

Three steps keep it honest. What the readout says of held-out tokens is measured in bits against shuffled tokens. Tokens
that are never mistaken for each other ("on" goes before weekdays, "at" before hours) are parted into populations, and
the largest is kept. Samples of which the readout says little ("a weekday comes, but which?") count as unknown and are
left out of the shape.

Where answers are soft, the readout's log-odds are the geometry: a direction counts by what it tells. Where classes are
told apart surely, log-odds have no size of their own, the ridge gives it to them (Albert and Anderson 1984), and
Fisher's discriminants take their place, in units of the within-class deviation.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from explorer.maths.multinomial import Multinomial, fit_multinomial

FEWEST = 8
"""A token stands on so many samples, or it is no class;"""
MOST_CLASSES = 160
"""the most frequent ones, at most so many."""
MOST_FITTED = 6_000
"""Samples that a readout is fitted on."""
RIDGES = (0.01, 0.003, 0.001)
"""Penalties among which held-out tokens choose."""
MISTAKEN = 2 / 3
"""Tokens are of one population where they share a posterior so often, as a multiple of chance, on average,"""
NEIGHBOURS = 1.5
"""or where a pair of them does so this often."""
RARE = 0.1
"""A token that is rarer than this share of its population's most frequent one does not shape it."""
KNOWN = 0.7
"""A sample is known where its posterior tells this share of what the best-known samples' tell."""
BEST = 0.98
"""Quantile that says what the best-known samples' posterior tells."""
SURE = 0.9
"""Classes are told apart surely where the best-known samples are told this share of all that there is to tell."""
FEWEST_KNOWN = 40
"""With fewer known samples there is no shape to tell, and every sample of the population counts."""
MOST_AXES = 6
"""Directions of log-odds that the shape is fitted in: a plane, and harmonics of a line that bends."""
LEADING = 0.3
"""A discriminant belongs to the shape where its variance is at least this share of the first one's."""
SHRINK = 0.05
"""Share of the within-class covariance that is replaced by a sphere of the same mean variance."""
SHUFFLES = 19
"""Draws of the null of the held-out information."""


@dataclass(frozen=True)
class Position:
    """What the text tells about where the activations stand."""

    points: Float32[np.ndarray, "sample direction"]
    """Every sample along the directions that tell the tokens apart, widest first: those that the shape is fitted in."""
    strength: Float32[np.ndarray, "direction"]
    """Variance of the known samples along each."""
    known: Bool[np.ndarray, "sample"]
    """Samples of the kept population of which position can be told."""
    told: Float32[np.ndarray, "sample"]
    """Share of what there is to tell that each sample's posterior tells: 0 for the frequencies, 1 for one token."""
    bits: float
    """Information about held-out tokens, bits a token."""
    p_value: float
    """Share of draws with shuffled tokens that tell at least as much."""


class _Sample(NamedTuple):
    """Samples that a readout is fitted on."""

    coordinates: Float64[np.ndarray, "fitted axis"]
    own: Int64[np.ndarray, "fitted"]
    prior: Float64[np.ndarray, "token_class"]


class _HeldOut(NamedTuple):
    """How well readouts of halves tell each other's tokens."""

    ridge: float
    bits: float
    p_value: float


def read_position(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
) -> Position:
    """Find the directions that tell a cluster's tokens apart, and the samples of which they tell something.

    Args:
        coordinates: activations in the span of the cluster's atoms.
        tokens: the token here, or the one that comes next, of each sample; -1 where there is none.
        rng: chooses the samples, halves them and draws the null.

    Returns:
        The position; where there are not two tokens with enough samples, the coordinates themselves with 0 bits and a
        p-value of 1.
    """
    sample = _sample(coordinates, tokens, rng)
    if sample is None:
        return _untold(coordinates)
    held_out = _held_out(sample, rng)
    readout = fit_multinomial(sample.coordinates, sample.own, len(sample.prior), held_out.ridge)
    fitted = np.exp(readout.log_posterior(sample.coordinates))
    kept = _largest_population(fitted, sample.prior)
    inside, told = _told(readout, coordinates, kept, sample.prior)
    best = float(np.quantile(told[inside], BEST)) if inside.any() else 0.0
    known = inside & (told >= KNOWN * best)
    if known.sum() < FEWEST_KNOWN:
        known = inside if inside.sum() >= FEWEST_KNOWN else np.ones(len(coordinates), dtype=bool)
    directions = _discriminants(coordinates, tokens, known) if best >= SURE else None
    points = _log_odds(readout, coordinates, kept, sample.prior, known) if directions is None else directions
    strength = points[known].var(axis=0)
    return Position(points, strength, known, told.astype(np.float32), held_out.bits, held_out.p_value)


def _untold(coordinates: Float32[np.ndarray, "sample axis"]) -> Position:
    points = coordinates[:, :MOST_AXES]
    every = np.ones(len(coordinates), dtype=bool)
    return Position(points, points.var(axis=0), every, np.zeros(len(coordinates), np.float32), 0.0, 1.0)


def _sample(
    coordinates: Float32[np.ndarray, "sample axis"], tokens: Int32[np.ndarray, "sample"], rng: np.random.Generator
) -> _Sample | None:
    """Samples of the tokens that are frequent enough; None where these are fewer than two."""
    chosen = np.arange(len(tokens))
    if len(chosen) > MOST_FITTED:
        chosen = np.sort(rng.choice(chosen, MOST_FITTED, replace=False))
    ids, inverse, count = np.unique(tokens[chosen], return_inverse=True, return_counts=True)
    count = np.where(ids >= 0, count, 0)
    frequent = np.sort(np.argsort(-count, kind="stable")[:MOST_CLASSES])
    frequent = frequent[count[frequent] >= FEWEST]
    if len(frequent) < 2:
        return None
    place = np.full(len(ids), -1)
    place[frequent] = np.arange(len(frequent))
    own = place[inverse]
    rows = own >= 0
    return _Sample(coordinates[chosen[rows]].astype(np.float64), own[rows], count[frequent] / rows.sum())


def _held_out(sample: _Sample, rng: np.random.Generator) -> _HeldOut:
    """Fit on each half, ask the other; the ridge that tells most, what it tells in bits, and its p-value."""
    n, n_classes = len(sample.own), len(sample.prior)
    half = rng.permutation(n) < n // 2
    shuffles = [rng.permutation(n) for _ in range(SHUFFLES)]
    gains = np.zeros((len(RIDGES), 1 + SHUFFLES))
    for train in (half, ~half):
        start: Multinomial | None = None
        shown, asked = sample.own[train], sample.own[~train]
        prior = np.log(np.maximum(np.bincount(shown, minlength=n_classes), 0.5) / len(shown))
        rows = np.arange(len(asked))
        for row, ridge in enumerate(RIDGES):
            start = fit_multinomial(sample.coordinates[train], shown, n_classes, ridge, start)
            gain = start.log_posterior(sample.coordinates[~train]) - prior
            drawn = [asked[np.argsort(shuffle[~train], kind="stable")] for shuffle in shuffles]
            gains[row] += [float(gain[rows, classes].mean()) for classes in (asked, *drawn)]
    gains /= 2 * np.log(2)
    best = int(gains[:, 0].argmax())
    observed = float(gains[best, 0])
    return _HeldOut(RIDGES[best], observed, float((1 + (gains[best, 1:] >= observed).sum()) / (1 + SHUFFLES)))


def _largest_population(
    posterior: Float64[np.ndarray, "fitted token_class"], prior: Float64[np.ndarray, "token_class"]
) -> Int64[np.ndarray, "kept"]:
    """Classes of the population that holds half the samples, without its rare ones; all where none does, since classes
    that are told apart surely are never mistaken for each other."""
    if len(prior) < 3:
        return np.arange(len(prior))
    shared = posterior.T @ posterior / len(posterior)
    lift = shared / np.outer(posterior.mean(0), posterior.mean(0))
    away = 1 / (1 + (lift + lift.T) / 2)
    np.fill_diagonal(away, 0.0)
    groups = fcluster(linkage(squareform(away, checks=False), "average"), 1 / (1 + MISTAKEN), "distance")
    together = (groups[:, None] == groups) | (lift >= NEIGHBOURS)
    _, population = connected_components(together)
    mass = np.bincount(population, weights=prior)
    members = np.flatnonzero((population == mass.argmax()) | (mass.max() < 0.5))
    common = members[prior[members] >= RARE * prior[members].max()]
    return common if len(common) > 1 else np.arange(len(prior))


def _told(
    readout: Multinomial,
    coordinates: Float32[np.ndarray, "sample axis"],
    kept: Int64[np.ndarray, "kept"],
    prior: Float64[np.ndarray, "token_class"],
) -> tuple[Bool[np.ndarray, "sample"], Float64[np.ndarray, "sample"]]:
    """Which samples are of the population, and the share of its tokens' surprise that the posterior takes away."""
    posterior = np.exp(readout.log_posterior(coordinates))[:, kept]
    mass = posterior.sum(1)
    within = np.maximum(posterior / np.maximum(mass, 1e-300)[:, None], 1e-300)
    surprise = -np.log(prior[kept] / prior[kept].sum())
    return mass > 0.5, 1.0 + (within * np.log(within)).sum(1) / (within @ surprise)


def _log_odds(
    readout: Multinomial,
    coordinates: Float32[np.ndarray, "sample axis"],
    kept: Int64[np.ndarray, "kept"],
    prior: Float64[np.ndarray, "token_class"],
    known: Bool[np.ndarray, "sample"],
) -> Float32[np.ndarray, "sample direction"]:
    """The population's log-odds along their principal directions over the known samples, in nats, all of one size.

    Their direction tells which value, their size how surely it is told. A curve through both would run out to the sharp
    answers among the soft ones, and back, wherever there are some.
    """
    odds = readout.log_odds(coordinates)[:, kept]
    odds -= (odds @ (prior[kept] / prior[kept].sum()))[:, None]
    odds -= odds[known].mean(0)
    _, _, axes = np.linalg.svd(odds[known], full_matrices=False)
    axes = _signed(axes[: min(MOST_AXES, len(kept) - 1, coordinates.shape[1])])
    points = odds @ axes.T
    radius = np.linalg.norm(points, axis=1)
    return np.asarray(points * (np.median(radius[known]) / np.maximum(radius, 1e-12))[:, None], dtype=np.float32)


def _discriminants(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    known: Bool[np.ndarray, "sample"],
) -> Float32[np.ndarray, "sample direction"] | None:
    """Fisher's leading discriminants of the known samples' tokens, in units of the within-class deviation."""
    ids, own, count = np.unique(tokens[known], return_inverse=True, return_counts=True)
    rows = ((count >= FEWEST) & (ids >= 0))[own]
    if len(np.unique(own[rows])) < 3:
        return None
    chosen, own = coordinates[known][rows].astype(np.float64), np.unique(own[rows], return_inverse=True)[1]
    total = np.zeros((own.max() + 1, chosen.shape[1]))
    np.add.at(total, own, chosen)
    means = (total / np.bincount(own)[:, None])[own]
    centre = chosen.mean(0)
    within = (chosen - means).T @ (chosen - means) / len(chosen)
    within = (1 - SHRINK) * within + (SHRINK * np.trace(within) / len(within) + 1e-12) * np.eye(len(within))
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    between = (means - centre).T @ (means - centre) / len(chosen)
    strength, vectors = np.linalg.eigh(whiten.T @ between @ whiten)
    leading = max(2, int((strength >= LEADING * strength[-1]).sum()))
    filters = _signed((whiten @ vectors[:, ::-1][:, :leading]).T)
    return np.asarray((coordinates - centre) @ filters.T, dtype=np.float32)


def _signed(axes: Float64[np.ndarray, "direction axis"]) -> Float64[np.ndarray, "direction axis"]:
    """Turned so that each direction's largest entry is positive."""
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
    return np.asarray(axes * np.where(largest < 0, -1.0, 1.0)[:, None])

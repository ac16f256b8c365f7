"""Where on its manifold each token of a cluster stands, read off what the text says there. Ours.

On a cluster's tokens most of the activations' variance is presence and wording. What carries position is what tells the
text apart: which token stands here, or which one comes next. A multinomial readout of the text's own tokens, inside the
span of the cluster's atoms, finds the directions that tell them apart; a language model answers by such a readout. No
concept, no order and no period is read: the tokens are the input text itself.

Three steps keep it honest. What the readout says of held-out tokens is measured in bits against shuffled tokens. Tokens
that are never mistaken for each other ("on" goes before weekdays, "at" before hours) are parted into populations
(``confusion``), and one is kept: the largest whose tokens lie in an order, else the largest. Samples of which the
readout says little ("a weekday comes, but which?") count as unknown and are left out of the shape.

Where answers are soft, the readout's log-odds are the geometry: a direction counts by what it tells. Where classes are
told apart surely, log-odds have no size of their own, the ridge gives it to them (Albert and Anderson 1984), and
Fisher's discriminants take their place, in units of the within-class deviation.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from explorer.maths.group_sums import sums_by_group
from explorer.maths.position.confusion import ValueOrder, common_ones, populations, value_order
from explorer.maths.position.multinomial import Multinomial, fit_multinomial
from explorer.maths.shape.coordinate import distance

FEWEST = 8
"""A token stands on so many samples, or it is no class;"""
MOST_CLASSES = 160
"""the most frequent ones, at most so many."""
MOST_FITTED = 6_000
"""Samples that a readout is fitted on."""
ROUGHLY = 1e-5
"""Halves are fitted until a step gains less than this share of the loss: they choose a ridge, and are no readout."""
RIDGES = (0.01, 0.003, 0.001)
"""Penalties among which held-out tokens choose."""
HALF = 0.5
"""A population of which nothing is in order is kept where it holds this share of the samples; else all tokens are."""
KNOWN = 0.7
"""A sample is known where its posterior tells this share of what the best-known samples' tell."""
BEST = 0.95
"""Quantile, of the samples of which a token is the likeliest, that says what the best-known ones' posterior tells."""
SURE = 0.9
"""Classes are told apart surely where the best-known samples are told this share of all that there is to tell."""
FEWEST_KNOWN = 40
"""With fewer known samples there is no shape to tell, and every sample of the population counts."""
MOST_AXES = 6
"""Directions of log-odds that the shape is fitted in: a plane, and harmonics of a line that bends."""
LEADING = 0.3
"""A discriminant belongs to the shape where its variance is at least this share of the first one's."""
SHARPEN = 4
"""Power of a posterior before the mean place: its tails, which reach further on one side, draw it from the ends."""
TWICE = 2
"""Power of a posterior that is held against its place: its tails leave it, a second place does not;"""
NEAR = 1 / 8
"""it lies so near to that in the mean, in turns or shares of the line, or the sample has none."""
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
    order: "Placed | None" = None
    """Where the tokens' own order puts every sample; None where they lie in none."""


@dataclass(frozen=True)
class Placed:
    """Samples along an order of tokens."""

    closed: bool
    """Whether it is a ring."""
    tokens: Int64[np.ndarray, "ordered"]
    """Ids of those in it, in their order."""
    place: Float64[np.ndarray, "sample"]
    """Mean place of the tokens under each sample's sharpened posterior, equal steps from each to the next: turns in
    [0, 1), or a share of the line in [0, 1]."""
    p_value: float
    """Of the order, against tokens at random places."""


class _Population(NamedTuple):
    """One population of a readout's tokens, and what is told of it."""

    kept: Int64[np.ndarray, "kept"]
    """Its tokens, as classes of the readout."""
    posterior: Float64[np.ndarray, "sample kept"]
    """Of every sample, as if it were of the population."""
    told: Float64[np.ndarray, "sample"]
    """Share of the tokens' surprise that the posterior takes away."""
    best: float
    """What is told of the best-known samples."""
    known: Bool[np.ndarray, "sample"]
    """Samples of the population of which enough is told."""


class _Sample(NamedTuple):
    """Samples that a readout is fitted on."""

    coordinates: Float64[np.ndarray, "fitted axis"]
    own: Int64[np.ndarray, "fitted"]
    prior: Float64[np.ndarray, "token_class"]
    ids: Int64[np.ndarray, "token_class"]


class _HeldOut(NamedTuple):
    """How well readouts of halves tell each other's tokens."""

    ridge: float
    """That which tells most."""
    readout: Multinomial
    """A half's, under this ridge."""
    bits: float
    """What it tells of the other half."""
    p_value: float
    """Share of draws with shuffled tokens that tell at least as much."""


def read_position(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
    claim: float = 0.05,
) -> Position:
    """Find the directions that tell a cluster's tokens apart, and the samples of which they tell something.

    Args:
        coordinates: activations in the span of the cluster's atoms.
        tokens: the token here, or the one that comes next, of each sample; -1 where there is none.
        rng: chooses the samples, halves them and draws the nulls.
        claim: largest p at which the tokens are said to lie in an order.

    Returns:
        The position; where there are not two tokens with enough samples, the coordinates themselves with 0 bits and a
        p-value of 1.
    """
    sample = _sample(coordinates, tokens, rng)
    if sample is None:
        return _untold(coordinates)
    held_out = _held_out(sample, rng)
    readout = fit_multinomial(sample.coordinates, sample.own, len(sample.prior), held_out.ridge, held_out.readout)
    posterior = np.exp(readout.log_posterior(coordinates))
    population, order = _population(posterior, readout, sample, claim)
    known = population.known
    placed = None if order is None else _placed(population, sample.ids, order)
    if placed is not None and (near := known & _near(population, placed)).sum() >= FEWEST_KNOWN:
        known = near
    directions = _discriminants(coordinates, tokens, known) if population.best >= SURE else None
    points = _log_odds(readout, coordinates, population.kept, sample.prior, known) if directions is None else directions
    strength, told = points[known].var(axis=0), population.told.astype(np.float32)
    return Position(points, strength, known, told, held_out.bits, held_out.p_value, placed)


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
    return _Sample(
        coordinates[chosen[rows]].astype(np.float64),
        own[rows],
        count[frequent] / rows.sum(),
        ids[frequent].astype(np.int64),
    )


class _Half(NamedTuple):
    """One half of the samples to fit on, and what the other is asked."""

    shown: Float64[np.ndarray, "train axis"]
    own: Int64[np.ndarray, "train"]
    held_out: Float64[np.ndarray, "test axis"]
    asked: Int64[np.ndarray, "ask test"]
    """The other half's own tokens, then what shuffles make of them."""
    prior: Float64[np.ndarray, "token_class"]
    """Log frequencies of the half's tokens."""

    @classmethod
    def of(
        cls, sample: _Sample, train: Bool[np.ndarray, "fitted"], shuffles: list[Int64[np.ndarray, "fitted"]]
    ) -> "_Half":
        """Cut the samples in two."""
        own, asked = sample.own[train], sample.own[~train]
        drawn = [asked[np.argsort(shuffle[~train], kind="stable")] for shuffle in shuffles]
        count = np.maximum(np.bincount(own, minlength=len(sample.prior)), 0.5)
        points = sample.coordinates
        return cls(points[train], own, points[~train], np.stack([asked, *drawn]), np.log(count / len(own)))

    def fit(self, ridge: float, start: Multinomial | None) -> Multinomial:
        """A readout of the half."""
        return fit_multinomial(self.shown, self.own, len(self.prior), ridge, start, least_gain=ROUGHLY)

    def gains(self, readout: Multinomial) -> Float64[np.ndarray, "ask"]:
        """What a readout says of what the other half is asked, in bits a token, beyond the frequencies."""
        gain = (readout.log_posterior(self.held_out) - self.prior) / np.log(2)
        return np.asarray(gain[np.arange(len(gain)), self.asked].mean(axis=1))


def _held_out(sample: _Sample, rng: np.random.Generator) -> _HeldOut:
    """Fit on each half, ask the other, under one ridge after the other for as long as weaker ones tell more."""
    n = len(sample.own)
    half = rng.permutation(n) < n // 2
    shuffles = [rng.permutation(n) for _ in range(SHUFFLES)]
    halves = [_Half.of(sample, train, shuffles) for train in (half, ~half)]
    chosen: _HeldOut | None = None
    starts: list[Multinomial | None] = [None, None]
    for ridge in RIDGES:
        fitted = [one.fit(ridge, start) for one, start in zip(halves, starts, strict=True)]
        told = np.mean([one.gains(readout) for one, readout in zip(halves, fitted, strict=True)], axis=0)
        if chosen is not None and told[0] <= chosen.bits:
            break
        p = float((1 + (told[1:] >= told[0]).sum()) / (1 + SHUFFLES))
        chosen, starts = _HeldOut(ridge, fitted[0], float(told[0]), p), [*fitted]
    assert chosen is not None
    return chosen


def _population(
    posterior: Float64[np.ndarray, "sample token_class"],
    readout: Multinomial,
    sample: _Sample,
    claim: float,
) -> tuple[_Population, ValueOrder | None]:
    """The largest population whose tokens lie in an order, cut down to these; else the largest, or all tokens as one.

    All as one are tried last, since tokens that are told apart surely are never mistaken for each other.
    """
    parts = populations(np.exp(readout.log_posterior(sample.coordinates)), sample.prior)
    every = np.arange(len(sample.prior))
    common = common_ones(every, sample.prior)
    parts.append(common if len(common) > 1 else every)
    found = [_told(posterior[:, kept], kept, sample.prior) for kept in parts]
    for one in found:
        order = value_order(one.posterior[one.known], claim=claim / len(found))
        if order is not None:
            kept = one.kept[order.values]
            return _told(posterior[:, kept], kept, sample.prior), order
    return (found[0] if sample.prior[parts[0]].sum() >= HALF else found[-1]), None


def _told(
    posterior: Float64[np.ndarray, "sample kept"],
    kept: Int64[np.ndarray, "kept"],
    prior: Float64[np.ndarray, "token_class"],
) -> _Population:
    """Which samples are of the population, and which of these are known."""
    mass = posterior.sum(1)
    within = np.maximum(posterior / np.maximum(mass, 1e-300)[:, None], 1e-300)
    told = 1.0 + (within * np.log(within)).sum(1) / (within @ -np.log(prior[kept] / prior[kept].sum()))
    inside = mass > 0.5
    best = _best(told[inside], within[inside].argmax(1))
    known = inside & (told >= KNOWN * best)
    if known.sum() < FEWEST_KNOWN:
        known = inside if inside.sum() >= FEWEST_KNOWN else np.ones(len(posterior), dtype=bool)
    return _Population(kept, within, told, best, known)


def _best(told: Float64[np.ndarray, "inside"], likeliest: Int64[np.ndarray, "inside"]) -> float:
    """What is told of the best-known samples of the usual token: a few that are told for sure do not raise the bar."""
    _, own, count = np.unique(likeliest, return_inverse=True, return_counts=True)
    best = [float(np.quantile(told[own == one], BEST)) for one in np.flatnonzero(count >= FEWEST)]
    return float(np.median(best)) if best else 0.0


def _placed(population: _Population, ids: Int64[np.ndarray, "token_class"], order: ValueOrder) -> Placed:
    """Where the order of a population's tokens puts every sample."""
    share, at = population.posterior**SHARPEN, _steps(len(population.kept), closed=order.closed)
    if order.closed:
        place = np.angle(share @ np.exp(2j * np.pi * at)) / (2 * np.pi) % 1.0
    else:
        place = share @ at / np.maximum(share.sum(1), 1e-300)
    return Placed(order.closed, ids[population.kept], place, order.p_value)


def _steps(n_values: int, *, closed: bool) -> Float64[np.ndarray, "ordered"]:
    """Equal steps from value to value: round a ring, or from end to end."""
    return np.arange(n_values) / (n_values if closed else n_values - 1)


def _near(population: _Population, placed: Placed) -> Bool[np.ndarray, "sample"]:
    """Samples whose posterior lies around their place: torn between two values that are far apart, one has none."""
    share = population.posterior**TWICE
    at = _steps(len(population.kept), closed=placed.closed)
    away = distance(placed.place[:, None], at[None, :], closed=placed.closed)
    return np.asarray((share * away).sum(1) <= NEAR * share.sum(1))


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
    counts = np.bincount(own)
    means = (sums_by_group(chosen, own, len(counts)) / counts[:, None])[own]
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

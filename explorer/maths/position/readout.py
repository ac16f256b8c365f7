"""Position of each token of a cluster on its manifold, read out from the text itself. Ours.

On a cluster's tokens most of the variance is presence and wording. What carries position is what discriminates the
text's tokens: which token is here, or which comes next. A multinomial readout of these tokens inside the span of the
cluster's atoms finds the discriminating directions; a language model's unembedding is such a readout. No concept, order
or period is given: the targets are the tokens of the input text.

Three steps guard against artefacts. The readout's information about held-out tokens is measured in bits against
shuffled tokens. Tokens that are never confused ("on" precedes weekdays, "at" precedes hours) are split into populations
(``confusion``), of which one is used: the largest with an order, else the largest. Samples about which the readout says
little ("a weekday comes, but which?") count as unknown and are left out of the shape.

If answers are soft, the readout's log-odds are the geometry: directions are weighted by the information they carry. If
classes are separable, log-odds have no scale of their own but that of the ridge (Albert and Anderson 1984), and
Fisher's discriminants, in units of the within-class standard deviation, replace them.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from explorer.maths.group_sums import sums_by_group
from explorer.maths.position.confusion import ValueOrder, frequent_tokens, populations, value_order
from explorer.maths.position.multinomial import Multinomial, fit_multinomial
from explorer.maths.shape.coordinate import coordinate_distance

MIN_SAMPLES = 8
"""Minimum samples per token class."""
MAX_CLASSES = 160
"""Maximum number of token classes, the most frequent ones."""
MAX_FITTED = 6_000
"""Maximum samples that a readout is fitted on."""
HALF_FIT_GAIN = 1e-5
"""Tolerance of the fits on halves, which only select the ridge."""
RIDGES = (0.01, 0.003, 0.001)
"""Ridge penalties among which held-out tokens choose."""
MIN_UNORDERED_SHARE = 0.5
"""Minimum share of the samples of a population without an order; otherwise all tokens are used."""
MIN_RELATIVE_INFORMATION = 0.7
"""A sample is known if its posterior carries this share of the best-known samples' information."""
BEST_QUANTILE = 0.95
"""Quantile, over the samples of which a token is the most likely one, that defines the best-known samples'
information."""
SEPARABLE_INFORMATION = 0.9
"""Classes count as separable if the best-known samples carry this share of the maximum information."""
MIN_KNOWN = 40
"""With fewer known samples every sample of the population counts as known."""
MAX_DIRECTIONS = 6
"""Maximum number of log-odds directions for the shape: a plane, and harmonics of a line that bends."""
MIN_DISCRIMINANT_RATIO = 0.3
"""A discriminant is used if its variance is at least this share of the first one's."""
PLACE_POWER = 4
"""Power of a posterior before its mean position is taken: longer tails on one side would pull it away from the ends."""
SPREAD_POWER = 2
"""Power of a posterior before its spread is measured: it suppresses tails but not a second mode."""
MAX_POSTERIOR_SPREAD = 1 / 8
"""Maximum mean distance of a posterior from its position, in turns or shares of the line."""
SHRINK = 0.05
"""Shrinkage of the within-class covariance towards a sphere of the same mean variance."""
SHUFFLES = 19
"""Draws of the null of the held-out information."""


@dataclass(frozen=True)
class PositionReadout:
    """What the text reveals about the position of the activations."""

    points: Float32[np.ndarray, "sample direction"]
    """Every sample along the discriminating directions, largest variance first: the space that the shape is fitted
    in."""
    strength: Float32[np.ndarray, "direction"]
    """Variance of the known samples along each direction."""
    known: Bool[np.ndarray, "sample"]
    """Samples of the selected population whose position is known."""
    information: Float32[np.ndarray, "sample"]
    """Share of the prior entropy that each sample's posterior removes: 0 for the token frequencies, 1 for certainty."""
    bits: float
    """Information about held-out tokens, in bits per token."""
    p_value: float
    """Against shuffled tokens."""
    order: "TokenOrder | None" = None
    """Position of every sample in the order of the tokens; None if they have no order."""


@dataclass(frozen=True)
class TokenOrder:
    """Samples along an order of tokens."""

    closed: bool
    """Whether the order is cyclic."""
    tokens: Int64[np.ndarray, "ordered"]
    """Ids of the ordered tokens."""
    place: Float64[np.ndarray, "sample"]
    """Mean position of the tokens under each sample's sharpened posterior, with equal steps between tokens: turns in
    [0, 1), or a share of the line in [0, 1]."""
    p_value: float
    """Against tokens at random positions."""


class _Population(NamedTuple):
    """One population of a readout's tokens, and the readout's information about it."""

    classes: Int64[np.ndarray, "selected"]
    """Its tokens, as classes of the readout."""
    posterior: Float64[np.ndarray, "sample selected"]
    """Of every sample, conditional on the population."""
    information: Float64[np.ndarray, "sample"]
    """Share of the tokens' entropy that the posterior removes."""
    best_information: float
    """Information of the best-known samples."""
    known: Bool[np.ndarray, "sample"]
    """Samples of the population with enough information."""


class _FittedSample(NamedTuple):
    """Samples that a readout is fitted on."""

    coordinates: Float64[np.ndarray, "fitted axis"]
    label: Int64[np.ndarray, "fitted"]
    prior: Float64[np.ndarray, "token_class"]
    ids: Int64[np.ndarray, "token_class"]


class _HeldOut(NamedTuple):
    """Cross-validated performance of the readouts of two halves."""

    ridge: float
    """The penalty with the most information."""
    readout: Multinomial
    """Readout of one half under this penalty."""
    bits: float
    """Information about the held-out half, in bits per token."""
    p_value: float
    """Against shuffled tokens."""


def read_position(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
) -> PositionReadout:
    """Find the directions that discriminate a cluster's tokens, and the samples whose position they reveal.

    Args:
        coordinates: activations in the span of the cluster's atoms.
        tokens: the token here, or the next one, of each sample; -1 if there is none.
        rng: selects the samples, splits them into halves and draws the nulls.
        alpha: significance level of an order of the tokens.

    Returns:
        The readout; with fewer than two sufficiently frequent tokens, the coordinates themselves with 0 bits and a
        p-value of 1.
    """
    sample = _fitted_sample(coordinates, tokens, rng)
    if sample is None:
        return _without_readout(coordinates)
    held_out = _held_out(sample, rng)
    readout = fit_multinomial(sample.coordinates, sample.label, len(sample.prior), held_out.ridge, held_out.readout)
    posterior = np.exp(readout.log_posterior(coordinates))
    population, order = _population(posterior, readout, sample, alpha)
    known = population.known
    placed = None if order is None else _token_order(population, sample.ids, order)
    if placed is not None and (concentrated := known & _concentrated(population, placed)).sum() >= MIN_KNOWN:
        known = concentrated
    directions = (
        _discriminants(coordinates, tokens, known) if population.best_information >= SEPARABLE_INFORMATION else None
    )
    points = (
        _log_odds(readout, coordinates, population.classes, sample.prior, known) if directions is None else directions
    )
    strength, information = points[known].var(axis=0), population.information.astype(np.float32)
    return PositionReadout(points, strength, known, information, held_out.bits, held_out.p_value, placed)


def _without_readout(coordinates: Float32[np.ndarray, "sample axis"]) -> PositionReadout:
    points = coordinates[:, :MAX_DIRECTIONS]
    all_samples = np.ones(len(coordinates), dtype=bool)
    return PositionReadout(points, points.var(axis=0), all_samples, np.zeros(len(coordinates), np.float32), 0.0, 1.0)


def _fitted_sample(
    coordinates: Float32[np.ndarray, "sample axis"], tokens: Int32[np.ndarray, "sample"], rng: np.random.Generator
) -> _FittedSample | None:
    """Samples of the sufficiently frequent tokens; None if there are fewer than two."""
    chosen = np.arange(len(tokens))
    if len(chosen) > MAX_FITTED:
        chosen = np.sort(rng.choice(chosen, MAX_FITTED, replace=False))
    ids, inverse, count = np.unique(tokens[chosen], return_inverse=True, return_counts=True)
    count = np.where(ids >= 0, count, 0)
    frequent = np.sort(np.argsort(-count, kind="stable")[:MAX_CLASSES])
    frequent = frequent[count[frequent] >= MIN_SAMPLES]
    if len(frequent) < 2:
        return None
    place = np.full(len(ids), -1)
    place[frequent] = np.arange(len(frequent))
    label = place[inverse]
    rows = label >= 0
    return _FittedSample(
        coordinates[chosen[rows]].astype(np.float64),
        label[rows],
        count[frequent] / rows.sum(),
        ids[frequent].astype(np.int64),
    )


class _Half(NamedTuple):
    """One half of the samples to fit on, and the targets of the other half."""

    train_points: Float64[np.ndarray, "train axis"]
    label: Int64[np.ndarray, "train"]
    held_out: Float64[np.ndarray, "test axis"]
    targets: Int64[np.ndarray, "target test"]
    """The held-out tokens, then their shuffles."""
    prior: Float64[np.ndarray, "token_class"]
    """Log frequencies of the tokens in the half."""

    @classmethod
    def of(
        cls, sample: _FittedSample, train: Bool[np.ndarray, "fitted"], shuffles: list[Int64[np.ndarray, "fitted"]]
    ) -> "_Half":
        """Split the samples in two."""
        label, targets = sample.label[train], sample.label[~train]
        drawn = [targets[np.argsort(shuffle[~train], kind="stable")] for shuffle in shuffles]
        count = np.maximum(np.bincount(label, minlength=len(sample.prior)), 0.5)
        points = sample.coordinates
        return cls(points[train], label, points[~train], np.stack([targets, *drawn]), np.log(count / len(label)))

    def fit(self, ridge: float, start: Multinomial | None) -> Multinomial:
        """Fit a readout on the half."""
        return fit_multinomial(
            self.train_points, self.label, len(self.prior), ridge, start, min_relative_gain=HALF_FIT_GAIN
        )

    def gains(self, readout: Multinomial) -> Float64[np.ndarray, "target"]:
        """Held-out log-likelihood relative to the token frequencies, in bits per token, for each row of targets."""
        gain = (readout.log_posterior(self.held_out) - self.prior) / np.log(2)
        return np.asarray(gain[np.arange(len(gain)), self.targets].mean(axis=1))


def _held_out(sample: _FittedSample, rng: np.random.Generator) -> _HeldOut:
    """Fit on each half and evaluate on the other, with decreasing ridges as long as the information rises."""
    n = len(sample.label)
    half = rng.permutation(n) < n // 2
    shuffles = [rng.permutation(n) for _ in range(SHUFFLES)]
    halves = [_Half.of(sample, train, shuffles) for train in (half, ~half)]
    chosen: _HeldOut | None = None
    starts: list[Multinomial | None] = [None, None]
    for ridge in RIDGES:
        fitted = [one.fit(ridge, start) for one, start in zip(halves, starts, strict=True)]
        information = np.mean([one.gains(readout) for one, readout in zip(halves, fitted, strict=True)], axis=0)
        if chosen is not None and information[0] <= chosen.bits:
            break
        p = float((1 + (information[1:] >= information[0]).sum()) / (1 + SHUFFLES))
        chosen, starts = _HeldOut(ridge, fitted[0], float(information[0]), p), [*fitted]
    assert chosen is not None
    return chosen


def _population(
    posterior: Float64[np.ndarray, "sample token_class"],
    readout: Multinomial,
    sample: _FittedSample,
    alpha: float,
) -> tuple[_Population, ValueOrder | None]:
    """The largest population with an order, reduced to the ordered tokens; else the largest one, or all tokens as one.

    All tokens as one population are tried last, because separable tokens are never confused.
    """
    parts = populations(np.exp(readout.log_posterior(sample.coordinates)), sample.prior)
    all_classes = np.arange(len(sample.prior))
    common = frequent_tokens(all_classes, sample.prior)
    parts.append(common if len(common) > 1 else all_classes)
    found = [_informed_population(posterior[:, classes], classes, sample.prior) for classes in parts]
    for one in found:
        order = value_order(one.posterior[one.known], alpha=alpha / len(found))
        if order is not None:
            classes = one.classes[order.values]
            return _informed_population(posterior[:, classes], classes, sample.prior), order
    return (found[0] if sample.prior[parts[0]].sum() >= MIN_UNORDERED_SHARE else found[-1]), None


def _informed_population(
    posterior: Float64[np.ndarray, "sample selected"],
    classes: Int64[np.ndarray, "selected"],
    prior: Float64[np.ndarray, "token_class"],
) -> _Population:
    """Which samples belong to the population, and which of these are known."""
    mass = posterior.sum(1)
    within = np.maximum(posterior / np.maximum(mass, 1e-300)[:, None], 1e-300)
    information = 1.0 + (within * np.log(within)).sum(1) / (within @ -np.log(prior[classes] / prior[classes].sum()))
    inside = mass > 0.5
    best_information = _typical_best(information[inside], within[inside].argmax(1))
    known = inside & (information >= MIN_RELATIVE_INFORMATION * best_information)
    if known.sum() < MIN_KNOWN:
        known = inside if inside.sum() >= MIN_KNOWN else np.ones(len(posterior), dtype=bool)
    return _Population(classes, within, information, best_information, known)


def _typical_best(information: Float64[np.ndarray, "inside"], likeliest: Int64[np.ndarray, "inside"]) -> float:
    """Median over the tokens of the information of their best-known samples, so that a few certain ones do not raise
    the bar."""
    _, label, count = np.unique(likeliest, return_inverse=True, return_counts=True)
    best = [
        float(np.quantile(information[label == one], BEST_QUANTILE)) for one in np.flatnonzero(count >= MIN_SAMPLES)
    ]
    return float(np.median(best)) if best else 0.0


def _token_order(population: _Population, ids: Int64[np.ndarray, "token_class"], order: ValueOrder) -> TokenOrder:
    """Position of every sample in the order of a population's tokens."""
    share, at = population.posterior**PLACE_POWER, _equal_steps(len(population.classes), closed=order.closed)
    if order.closed:
        place = np.angle(share @ np.exp(2j * np.pi * at)) / (2 * np.pi) % 1.0
    else:
        place = share @ at / np.maximum(share.sum(1), 1e-300)
    return TokenOrder(order.closed, ids[population.classes], place, order.p_value)


def _equal_steps(n_values: int, *, closed: bool) -> Float64[np.ndarray, "ordered"]:
    """Equally spaced positions of the values: around a ring, or from end to end."""
    return np.arange(n_values) / (n_values if closed else n_values - 1)


def _concentrated(population: _Population, placed: TokenOrder) -> Bool[np.ndarray, "sample"]:
    """Samples whose posterior is concentrated around its mean position, rather than split between distant values."""
    share = population.posterior**SPREAD_POWER
    at = _equal_steps(len(population.classes), closed=placed.closed)
    distances = coordinate_distance(placed.place[:, None], at[None, :], closed=placed.closed)
    return np.asarray((share * distances).sum(1) <= MAX_POSTERIOR_SPREAD * share.sum(1))


def _log_odds(
    readout: Multinomial,
    coordinates: Float32[np.ndarray, "sample axis"],
    classes: Int64[np.ndarray, "selected"],
    prior: Float64[np.ndarray, "token_class"],
    known: Bool[np.ndarray, "sample"],
) -> Float32[np.ndarray, "sample direction"]:
    """The population's log-odds along their principal directions over the known samples, in nats, scaled to equal
    length.

    Their direction encodes the value, their length the certainty. A curve through both would run out to confident
    samples among uncertain ones and back.
    """
    odds = readout.log_odds(coordinates)[:, classes]
    odds -= (odds @ (prior[classes] / prior[classes].sum()))[:, None]
    odds -= odds[known].mean(0)
    _, _, axes = np.linalg.svd(odds[known], full_matrices=False)
    axes = _signed(axes[: min(MAX_DIRECTIONS, len(classes) - 1, coordinates.shape[1])])
    points = odds @ axes.T
    radius = np.linalg.norm(points, axis=1)
    return np.asarray(points * (np.median(radius[known]) / np.maximum(radius, 1e-12))[:, None], dtype=np.float32)


def _discriminants(
    coordinates: Float32[np.ndarray, "sample axis"],
    tokens: Int32[np.ndarray, "sample"],
    known: Bool[np.ndarray, "sample"],
) -> Float32[np.ndarray, "sample direction"] | None:
    """Fisher's leading discriminants of the known samples' tokens, in units of the within-class standard deviation."""
    ids, label, count = np.unique(tokens[known], return_inverse=True, return_counts=True)
    rows = ((count >= MIN_SAMPLES) & (ids >= 0))[label]
    if len(np.unique(label[rows])) < 3:
        return None
    chosen, label = coordinates[known][rows].astype(np.float64), np.unique(label[rows], return_inverse=True)[1]
    counts = np.bincount(label)
    means = (sums_by_group(chosen, label, len(counts)) / counts[:, None])[label]
    centre = chosen.mean(0)
    within = (chosen - means).T @ (chosen - means) / len(chosen)
    within = (1 - SHRINK) * within + (SHRINK * np.trace(within) / len(within) + 1e-12) * np.eye(len(within))
    whiten = np.linalg.inv(np.linalg.cholesky(within)).T
    between = (means - centre).T @ (means - centre) / len(chosen)
    strength, vectors = np.linalg.eigh(whiten.T @ between @ whiten)
    leading = max(2, int((strength >= MIN_DISCRIMINANT_RATIO * strength[-1]).sum()))
    filters = _signed((whiten @ vectors[:, ::-1][:, :leading]).T)
    return np.asarray((coordinates - centre) @ filters.T, dtype=np.float32)


def _signed(axes: Float64[np.ndarray, "direction axis"]) -> Float64[np.ndarray, "direction axis"]:
    """Fix the sign so that each direction's largest entry is positive."""
    largest = axes[np.arange(len(axes)), np.abs(axes).argmax(1)]
    return np.asarray(axes * np.where(largest < 0, -1.0, 1.0)[:, None])

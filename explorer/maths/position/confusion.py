"""Confusion between tokens: which tokens are values of one variable, and in which order. Ours.

A readout gives the probability of each token at every sample. Tokens that share a posterior more often than chance are
confusable, and neighbours on a manifold are the most confusable of all. This alone yields the populations of a cluster
(tokens that are never confused belong to different variables) and, within one, the order of its values: rarer confusion
means a longer step, and the values are laid out on a line or a ring (``ordering``).

An order is claimed if there are MIN_SAMPLES_PER_VALUE known samples per value, and the lag along it explains
MIN_EXPLAINED of the variance of the values' distances, more than for values at Gaussian positions in a plane, searched
for an order in the same way.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from explorer.maths.position.ordering import best_layout, connected_subsets, order_p_value, partner_count

MIN_MEAN_LIFT = 2 / 3
"""Tokens belong to one population if they share a posterior this often on average, as a multiple of chance,"""
MIN_PAIR_LIFT = 1.5
"""or if two of its frequent tokens do this often."""
MIN_RELATIVE_FREQUENCY = 0.1
"""Tokens below this share of the frequency of their population's most frequent one are rare and do not shape it."""
MIN_POPULATION_SHARE = 0.1
"""Minimum share of the samples of a population."""

MIN_VALUES = 5
"""Minimum number of values of an order: fewer are often in order by chance."""
MIN_SAMPLES_PER_VALUE = 20
"""Minimum known samples per value; with fewer, confusions are noise."""
MIN_VALUE_SHARE = 0.03
"""A value is placed only if its share of the known samples is at least this share of the largest one's,"""
MIN_PARTNER_LIFT = 0.5
"""and its lift with its partners at least this share of the median value's."""
MIN_ORDER_SHARE = 0.5
"""Minimum share of the population that an order contains."""
MIN_EXPLAINED = 0.8
"""Minimum share of the variance of the values' distances that their lag along an order explains."""


@dataclass(frozen=True)
class ValueOrder:
    """Values on a line or a ring."""

    closed: bool
    """Whether they lie on a ring."""
    values: Int64[np.ndarray, "ordered"]
    """The placed values in order, as columns of the posterior."""
    p_value: float
    """Against values at Gaussian positions in a plane."""


def confusion_lift(posterior: Float[np.ndarray, "sample value"]) -> Float64[np.ndarray, "value value"]:
    """How often two values share a sample's posterior, as a multiple of chance (lift)."""
    shared = posterior.T @ posterior / len(posterior)
    frequency = posterior.mean(0)
    return np.asarray(shared / np.maximum(np.outer(frequency, frequency), 1e-300), dtype=np.float64)


def populations(
    posterior: Float[np.ndarray, "sample token_class"], prior: Float64[np.ndarray, "token_class"]
) -> list[Int64[np.ndarray, "selected"]]:
    """Groups of confusable tokens, by decreasing share of the samples, each without its rare tokens.

    Args:
        posterior: a readout's posterior of each sample.
        prior: frequency of each token.

    Returns:
        Every population with at least MIN_POPULATION_SHARE of the samples and more than two tokens. May be empty:
        tokens that are read out with certainty are never confused.
    """
    if len(prior) < MIN_VALUES:
        return []
    lift = confusion_lift(posterior)
    dissimilarity = 1 / (1 + (lift + lift.T) / 2)
    np.fill_diagonal(dissimilarity, 0.0)
    group = fcluster(linkage(squareform(dissimilarity, checks=False), "average"), 1 / (1 + MIN_MEAN_LIFT), "distance")
    top = np.array([prior[group == own].max() for own in group])
    common = prior >= MIN_RELATIVE_FREQUENCY * top
    together = (group[:, None] == group) | ((lift >= MIN_PAIR_LIFT) & common[:, None] & common)
    _, population = connected_components(together)
    found = [frequent_tokens(np.flatnonzero(population == number), prior) for number in np.unique(population)]
    large = [selected for selected in found if len(selected) > 2 and prior[selected].sum() >= MIN_POPULATION_SHARE]
    return sorted(large, key=lambda selected: -float(prior[selected].sum()))


def frequent_tokens(
    members: Int64[np.ndarray, "member"], prior: Float64[np.ndarray, "token_class"]
) -> Int64[np.ndarray, "selected"]:
    """The members that are not rare relative to the most frequent one."""
    return np.asarray(members[prior[members] >= MIN_RELATIVE_FREQUENCY * prior[members].max()])


def value_order(posterior: Float[np.ndarray, "sample value"], *, alpha: float) -> ValueOrder | None:
    """Order the values of one population on a line or a ring by their confusions.

    Args:
        posterior: of the known samples; rows sum to 1.
        alpha: significance level of an order.

    Returns:
        The order, or None if chance could produce it or there are too few samples. Values that are rare among these
        samples or are hardly confused with the others are left out.
    """
    share = posterior.mean(0)
    common = np.flatnonzero(share >= MIN_VALUE_SHARE * share.max())
    if len(common) < MIN_VALUES or len(posterior) < MIN_SAMPLES_PER_VALUE * len(common):
        return None
    lift = confusion_lift(posterior[:, common])
    lift = (lift + lift.T) / 2
    selected = _with_partners(lift)
    length = 1 / np.maximum(lift[np.ix_(selected, selected)], 1e-9)
    subsets = connected_subsets(length, share[common[selected]])
    for subset in subsets:
        values = common[selected[subset]]
        if len(values) < MIN_VALUES or share[values].sum() < MIN_ORDER_SHARE:
            break
        found = best_layout(length[np.ix_(subset, subset)])
        if found.explained >= MIN_EXPLAINED:
            p = len(subsets) * order_p_value(found, alpha / len(subsets))
            if p <= alpha:
                return ValueOrder(found.closed, values[found.order], p)
    return None


def _with_partners(lift: Float64[np.ndarray, "value value"]) -> Int64[np.ndarray, "paired"]:
    """Values whose lift with their partners is close to the median value's.

    An outlier that is confused with all values a little would join the two ends of a line.
    """
    partners = partner_count(len(lift))
    off = lift - np.diag(np.diag(lift))
    strength = np.sort(off, axis=1)[:, -partners:].mean(1)
    return np.flatnonzero(strength >= MIN_PARTNER_LIFT * np.median(strength))

"""What a text mistakes for what: which tokens are values of one thing, and in which order. Ours.

A readout says of every sample how probable each token is. Tokens that share a posterior more often than chance are
mistaken for each other, and neighbours on a manifold are so most of all. From this alone follow the populations of a
cluster (what is never mistaken for each other belongs to different things) and, inside one, the order of its values:
the rarer a confusion, the longer the step, and the values are laid on a line or a ring (``ordering``).

An order is claimed where there are FEWEST_SAMPLES known samples for each value, and the lag of the values along it
explains IN_ORDER of the variance of their distances, and more than it does for values at Gaussian places in a plane, of
which an order of the same kind is sought in the same way.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import squareform

from explorer.maths.position.ordering import best_layout, order_p_value, partners_of, parts

MISTAKEN = 2 / 3
"""Tokens are of one population where they share a posterior so often, as a multiple of chance, on average,"""
PAIRED = 1.5
"""or where two of them that are not rare do so this often."""
RARE = 0.1
"""A token that is rarer than this share of its population's most frequent one does not shape it."""
SMALLEST = 0.1
"""A population holds at least this share of the samples."""

FEWEST_VALUES = 5
"""Fewer values are in no order that chance would not make."""
FEWEST_SAMPLES = 20
"""Known samples for each value, below which what is mistaken for what is noise."""
UNKNOWN = 0.03
"""A value has no place where its share of what is known is smaller than this share of the largest one's."""
STRAY = 0.5
"""Nor has one that is mistaken for its partners less than this share of how often the usual one is for its own."""
MOST = 0.5
"""An order holds at least this share of the population."""
IN_ORDER = 0.8
"""Share of the variance of the values' distances that their lag along an order explains, at least."""


@dataclass(frozen=True)
class ValueOrder:
    """Values on a line or a ring."""

    closed: bool
    """Whether they lie on a ring."""
    values: Int64[np.ndarray, "ordered"]
    """Those that have a place, in their order, as columns of the posterior."""
    p_value: float
    """Of the order, against values at Gaussian places in a plane."""


def confusions(posterior: Float[np.ndarray, "sample value"]) -> Float64[np.ndarray, "value value"]:
    """How often two values share a sample's posterior, as a multiple of chance (lift)."""
    shared = posterior.T @ posterior / len(posterior)
    usual = posterior.mean(0)
    return np.asarray(shared / np.maximum(np.outer(usual, usual), 1e-300), dtype=np.float64)


def populations(
    posterior: Float[np.ndarray, "sample token_class"], prior: Float64[np.ndarray, "token_class"]
) -> list[Int64[np.ndarray, "kept"]]:
    """Tokens that are mistaken for each other, by falling share of the samples, each without its rare ones.

    Args:
        posterior: what a readout says of each sample.
        prior: share of the samples on which each token stands.

    Returns:
        Every population that holds SMALLEST of the samples and more than two tokens; may be empty, since tokens that
        are told apart surely are never mistaken for each other.
    """
    if len(prior) < FEWEST_VALUES:
        return []
    lift = confusions(posterior)
    away = 1 / (1 + (lift + lift.T) / 2)
    np.fill_diagonal(away, 0.0)
    group = fcluster(linkage(squareform(away, checks=False), "average"), 1 / (1 + MISTAKEN), "distance")
    top = np.array([prior[group == own].max() for own in group])
    common = prior >= RARE * top
    together = (group[:, None] == group) | ((lift >= PAIRED) & common[:, None] & common)
    _, population = connected_components(together)
    found = [common_ones(np.flatnonzero(population == number), prior) for number in np.unique(population)]
    large = [kept for kept in found if len(kept) > 2 and prior[kept].sum() >= SMALLEST]
    return sorted(large, key=lambda kept: -float(prior[kept].sum()))


def common_ones(
    members: Int64[np.ndarray, "member"], prior: Float64[np.ndarray, "token_class"]
) -> Int64[np.ndarray, "kept"]:
    """Those that are not rare beside the most frequent one."""
    return np.asarray(members[prior[members] >= RARE * prior[members].max()])


def value_order(posterior: Float[np.ndarray, "sample value"], *, claim: float) -> ValueOrder | None:
    """Lay the values of one population on a line or a ring by what is mistaken for what.

    Args:
        posterior: [sample, value] of the samples of which something is known; rows sum to 1.
        claim: largest p at which an order is claimed.

    Returns:
        The order, or None where chance would make it or samples are few. Values that are rare among these samples, or
        that are mistaken for few of the others, have no place.
    """
    share = posterior.mean(0)
    common = np.flatnonzero(share >= UNKNOWN * share.max())
    if len(common) < FEWEST_VALUES or len(posterior) < FEWEST_SAMPLES * len(common):
        return None
    lift = confusions(posterior[:, common])
    lift = (lift + lift.T) / 2
    kept = _paired(lift)
    length = 1 / np.maximum(lift[np.ix_(kept, kept)], 1e-9)
    tried = parts(length, share[common[kept]])
    for part in tried:
        values = common[kept[part]]
        if len(values) < FEWEST_VALUES or share[values].sum() < MOST:
            break
        found = best_layout(length[np.ix_(part, part)])
        if found.explained >= IN_ORDER:
            p = len(tried) * order_p_value(found, claim / len(tried))
            if p <= claim:
                return ValueOrder(found.closed, values[found.order], p)
    return None


def _paired(lift: Float64[np.ndarray, "value value"]) -> Int64[np.ndarray, "paired"]:
    """Values that are mistaken for their partners nearly as often as the usual one is for its own.

    A stray token that is mistaken for all values a little would join the two ends of a line.
    """
    partners = partners_of(len(lift))
    off = lift - np.diag(np.diag(lift))
    strength = np.sort(off, axis=1)[:, -partners:].mean(1)
    return np.flatnonzero(strength >= STRAY * np.median(strength))

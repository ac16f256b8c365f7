"""Filters, search and order of the clusters that an atlas shows."""

from collections.abc import Callable
from typing import get_args

from explorer.app.view.selection import read_selection
from explorer.app.view.state import Sort, View
from explorer.records.cluster import ClusterSummary, Regime, ShapeKind

SORTS: dict[Sort, str] = {
    "manifold": "manifold-like first",
    "size": "most tokens first",
    "features": "most features first",
    "regime": "by regime",
    "stability": "most stable first",
    "label": "by name",
}
"""Label of each order."""
ALSO_CALLED: dict[ShapeKind, str] = {
    "closed curve": "ring loop circle",
    "open curve": "line path",
    "surface": "sheet",
    "blob": "cloud",
}
"""Synonyms that a search for a shape finds."""
UNORDERED_FACTOR = 0.5
"""Factor on the manifold-likeness of a shape without ordered values: there is nothing to read along it."""
_REGIMES = get_args(Regime)
_KEYS: dict[Sort, Callable[[ClusterSummary], tuple[float | str, ...]]] = {
    "manifold": lambda one: (-likeness(one), one.id),
    "size": lambda one: (-one.n_tokens, one.id),
    "features": lambda one: (-len(one.features) - len(one.halo), one.id),
    "regime": lambda one: (_REGIMES.index(one.regime), -likeness(one), one.id),
    "stability": lambda one: (-one.scores.get("stability", 0.0), -one.scores.get("persistence", 0.0), one.id),
    "label": lambda one: (one.label.casefold(), one.id),
}


def likeness(one: ClusterSummary) -> float:
    """Sort key of "manifold-like first": the score, halved for shapes without ordered values."""
    return one.scores.get("manifold_likeness", 0.0) * (1.0 if one.order else UNORDERED_FACTOR)


def choose_tiles(
    clusters: tuple[ClusterSummary, ...], view: View, tokens: Callable[[ClusterSummary], str]
) -> list[ClusterSummary]:
    """Clusters that pass a view's filters and search, in its order.

    Args:
        clusters: all clusters of a run.
        view: filters, search and order.
        tokens: searchable text of a cluster's features and contexts, lower case; called only if label, values and
            numbers do not match.
    """
    selected = read_selection(view.selection)
    chosen = [
        one
        for one in clusters
        if (not selected or one.id in selected)
        and (not view.shape or one.shape == view.shape)
        and (not view.regime or one.regime == view.regime)
        and matches(one, view.query, tokens)
    ]
    return sorted(chosen, key=_KEYS[view.sort])


def matches(one: ClusterSummary, query: str, tokens: Callable[[ClusterSummary], str]) -> bool:
    """Whether a cluster matches every word of a query: by label, values, tokens or feature number.

    Words of one or two letters are ignored if the query has a longer one: "ring of months" means two words.
    """
    words = query.casefold().split()
    if not words:
        return True
    words = [word for word in words if len(word) > 2 or not word.isalpha()] or words
    text = " ".join([one.label, one.words, one.shape, ALSO_CALLED[one.shape], one.regime, *one.order]).casefold()
    numbers = {str(feature) for feature in (*one.features, *one.halo)} | {f"#{one.id}"}
    return all(word in text or word in numbers or word in tokens(one) for word in words)

"""Which tiles a view shows, in which order: pure."""

from collections.abc import Callable
from typing import get_args

from explorer.app.view.selection import read_selection
from explorer.app.view.state import Sort, View
from explorer.records import ClusterSummary, Regime, ShapeKind

SORTS: dict[Sort, str] = {
    "manifold": "manifold-like first",
    "size": "most tokens first",
    "features": "most features first",
    "regime": "by regime",
    "stability": "most stable first",
    "label": "by name",
}
"""Orders on offer, in words."""
ALSO_CALLED: dict[ShapeKind, str] = {
    "closed curve": "ring loop circle",
    "open curve": "line path",
    "surface": "sheet",
    "blob": "cloud",
}
"""What else people call a shape that they search for."""
WITHOUT_VALUES = 0.5
"""Share of its likeness that counts for a shape along which no value has a place: there is nothing to read on it."""
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
    """How much a cluster is like a manifold that one would show first."""
    return one.scores.get("manifold_likeness", 0.0) * (1.0 if one.order else WITHOUT_VALUES)


def choose_tiles(
    clusters: tuple[ClusterSummary, ...], view: View, tokens: Callable[[ClusterSummary], str]
) -> list[ClusterSummary]:
    """Clusters that a view shows, in its order.

    Args:
        clusters: all of a run's clusters.
        view: filters, search and order.
        tokens: words of a cluster's features and around its tokens, lower case; asked only where a search
            is not answered by label, values and numbers.
    """
    selected = read_selection(view.selection)
    kept = [
        one
        for one in clusters
        if (not selected or one.id in selected)
        and (not view.shape or one.shape == view.shape)
        and (not view.regime or one.regime == view.regime)
        and matches(one, view.query, tokens)
    ]
    return sorted(kept, key=_KEYS[view.sort])


def matches(one: ClusterSummary, query: str, tokens: Callable[[ClusterSummary], str]) -> bool:
    """Whether every word of a search is found in a cluster: its name, its values, its tokens, or a feature's number.

    Words of one or two letters count only where there is no longer one: who looks for a "ring of months" means two.
    """
    words = query.casefold().split()
    if not words:
        return True
    words = [word for word in words if len(word) > 2 or not word.isalpha()] or words
    text = " ".join([one.label, one.words, one.shape, ALSO_CALLED[one.shape], one.regime, *one.order]).casefold()
    numbers = {str(feature) for feature in (*one.features, *one.halo)} | {f"#{one.id}"}
    return all(word in text or word in numbers or word in tokens(one) for word in words)

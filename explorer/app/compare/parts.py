"""Sentences about what two clusters share and how they differ, and the selectors of both sides."""

from collections.abc import Sequence

from explorer.app.compare.compared_clusters import Side
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, percent
from explorer.app.ui.parts import labelled, select
from explorer.app.view import ids
from explorer.app.view.links import WHOLE, Links, side_of
from explorer.records.cluster import CURVES, ClusterSummary
from explorer.runs.compare.pair import PairComparison
from explorer.runs.compare.similarity import ClusterSimilarity
from explorer.runs.run.reader import Run

SAME_ORDER = 0.95
"""Rank correlation from which on two orders are called the same."""
"""Rank correlation from which two orders count as the same."""


def comparison_sentences(found: PairComparison, left: ClusterSummary, right: ClusterSummary) -> list[str]:
    """Sentences of a comparison, the most informative first."""
    sentences = [_shapes(left, right), _values(found), _distances(found), similarity_sentence(found.match.similarity)]
    if found.shared is not None:
        sentences.append(f"They share {counted(len(found.shared), 'feature')} of one SAE.")
    return [one for one in sentences if one]


def similarity_sentence(likeness: ClusterSimilarity) -> str:
    """Similarity of two clusters with its chance level."""
    if likeness.features is not None:
        return f"{percent(likeness.features)} of their core features are identical."
    words = f"The words on which they fire are {percent(likeness.words)} similar"
    if likeness.span is None or likeness.chance is None:
        return f"{words}; the models differ, so the directions cannot be compared."
    chance = f"chance {percent(likeness.chance)}"
    span = f"{percent(likeness.span)} of the smaller cluster's directions lie in the span of the other's ({chance})"
    return f"{words}, and {span}: similarity {likeness.overall:.2f} overall."


def alignment_sentence(found: PairComparison, left: ClusterSummary, right: ClusterSummary) -> str:
    """How the right cloud is aligned to the left one."""
    if len(found.kept) < 2:
        return "No values in common, so the clouds are not aligned and each has its own colours."
    same = "position and colour" if left.shape == right.shape else "position; colours belong to each shape"
    return (
        f"One camera for both. The right cloud is rotated (and reflected if necessary) onto the left one by "
        f"{count(len(found.kept))} common values, so that the same value has the same {same}."
    )


def _shapes(left: ClusterSummary, right: ClusterSummary) -> str:
    if left.shape == right.shape:
        kind = left.shape if left.shape in CURVES or left.shape == "surface" else "cloud without a curve"
        article = "An" if kind[0] in "aeiou" else "A"
        return f"{article} {kind} on both sides."
    return f"Different shapes: {left.shape} on the left, {right.shape} on the right."


def _values(found: PairComparison) -> str:
    kept, lost, gained = len(found.kept), len(found.lost), len(found.gained)
    if not kept:
        return "They have no named value in common."
    others = (
        f"{count(lost)} only on the left, {count(gained)} only on the right"
        if lost or gained
        else "none on one side only"
    )
    return f"{counted(kept, 'value')} in both{_order(found)}; {others}."


def _order(found: PairComparison) -> str:
    if found.order_correlation is None:
        return ""
    word = "the same order" if found.order_correlation >= SAME_ORDER else "a different order"
    return f", in {word} (r = {found.order_correlation:.2f})"


def _distances(found: PairComparison) -> str:
    if found.distance_correlation is None:
        return ""
    return (
        f"Distances between the activations of the common values correlate with r = {found.distance_correlation:.2f}."
    )


def compare_bar(runs: Sequence[Run], left: Side, right: Side, links: Links) -> Element:
    """Selectors of both sides."""
    sides = (
        ("Left", left, ids.COMPARE_LEFT_RUN, ids.COMPARE_LEFT_CLUSTER),
        ("Right", right, ids.COMPARE_RIGHT_RUN, ids.COMPARE_RIGHT_CLUSTER),
    )
    swapped = links.compare(side_of(right.run.id, right.cluster), side_of(left.run.id, left.cluster))
    swap = dcc.Link("⇄", href=swapped, className="button icon", title="Swap the sides")
    first, second = (_choice(runs, *side) for side in sides)
    parts = [first, swap, second]
    if left.cluster is not None and left.run.id != right.run.id:
        parts.append(
            dcc.Link("All matches of these runs", href=links.compare(left.run.id, right.run.id), className="button")
        )
    return html.Div(parts, className="compare-bar panel")


def _choice(runs: Sequence[Run], name: str, side: Side, run_id: str, cluster_id: str) -> Element:
    titles = [{"label": run.manifest.title, "value": run.id} for run in runs]
    clusters = [{"label": _named(one), "value": str(one.id)} for one in side.run.manifest.clusters]
    chosen = WHOLE if side.cluster is None else str(side.cluster)
    return html.Div(
        [
            labelled(f"{name}: run", select(run_id, titles, side.run.id)),
            labelled("cluster", select(cluster_id, [{"label": "all clusters", "value": WHOLE}, *clusters], chosen)),
        ],
        className="compare-choice",
    )


def _named(one: ClusterSummary) -> str:
    return f"{one.id} · {one.label}"

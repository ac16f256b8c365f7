"""How far to believe a cluster: whether it comes back on other text, whether chance makes its like, and its branch."""

from dataclasses import dataclass

from explorer.app.manifold.tree import tree_block, tree_view
from explorer.app.ui import html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, number
from explorer.records import ClusterSummary, CondensedTree, Evidence, FeatureTable
from explorer.runs.run.manifest import RunManifest

STABLE = 0.75
"""Mean Jaccard similarity from which a cluster is valid and stable,"""
DOUBTFUL = 0.6
"""and below which it should not be trusted (documentation of `clusterboot` in the R package fpc, by Hennig)."""
READINGS = 6
"""Three choices of tokens, each read by the token that stands there and by the next (docs/geometry.md)."""
UNMEASURED = "Not measured: nothing was drawn for it, or an earlier version built the run, or its clusters were given."
"""What is said where a score is not there: blocks of a block-sparse featurizer are given, not found."""


@dataclass(frozen=True)
class Fact:
    """One measurement of a cluster, in words."""

    told: str
    """What was found."""
    meaning: str
    """What that means."""


def belief_panel(
    summary: ClusterSummary, manifest: RunManifest, tree: CondensedTree | None, features: FeatureTable
) -> Element:
    """The panel of a manifold's page."""
    evidence = manifest.evidence
    facts = [*belief_facts(summary, evidence), *shape_facts(summary, len(manifest.clusters))]
    told = [html.Li([html.B(fact.told), html.Span(fact.meaning, className="muted")]) for fact in facts]
    branch = [] if tree is None or not len(tree.parent) else [tree_block(tree_view(summary, tree, features))]
    body = [html.P(verdict(summary, evidence)), html.Ul(told, className="facts-list small"), *branch]
    return card("evidence", html.H2("How far to believe it"), body, class_name="panel padded belief")


def verdict(summary: ClusterSummary, evidence: Evidence | None) -> str:
    """Both measurements in one sentence."""
    stability, made = summary.scores.get("stability"), made_by_chance(summary, evidence)
    parts = []
    if stability is not None:
        parts.append(
            "it comes back on other documents"
            if stability >= STABLE
            else "which features belong to it is doubtful"
            if stability >= DOUBTFUL
            else "it seldom comes back whole on other documents"
        )
    if made is not None:
        parts.append("chance makes none like it" if made == 0 else "chance makes clusters like it")
    if not parts:
        return UNMEASURED
    good = (stability is None or stability >= STABLE) == (made is None or made == 0)
    text = (", and " if good else ", but ").join(parts)
    return f"{text[0].upper()}{text[1:]}."


def belief_facts(summary: ClusterSummary, evidence: Evidence | None) -> list[Fact]:
    """What was measured of a cluster; nothing where the run has no evidence."""
    scores, facts = summary.scores, []
    draws = evidence.resamples if evidence else 0
    if "stability" in scores:
        meaning = (
            "Documents are drawn anew, with replacement, and clustered again: the share of their features that the "
            "cluster and its best match have in common, on average (Jaccard). From .75 on a cluster is stable, below "
            ".6 it is not to be trusted."
        )
        facts.append(Fact(f"Stability {scores['stability']:.2f} over {counted(draws, 'resample')}", meaning))
    if "dissolved" in scores:
        meaning = "Resamples in which no cluster has more than half in common with it."
        facts.append(Fact(f"Dissolved in {round(scores['dissolved'] * draws)} of {count(draws)}", meaning))
    made = made_by_chance(summary, evidence)
    if evidence and made is not None:
        shuffles = len(evidence.chance_clusters)
        meaning = (
            "Every feature's fires are dealt out anew within each document: topics stay, co-firing goes. Such a "
            "cluster has at least as many features, and stays together over at least as wide a range of density."
        )
        p_value = f"p = {number(scores['chance_p'])}"
        facts.append(Fact(f"Chance made such a cluster in {made} of {counted(shuffles, 'draw')} ({p_value})", meaning))
    return facts


def shape_facts(summary: ClusterSummary, asked: int) -> list[Fact]:
    """How sure the shape is, given that so many clusters were asked for one."""
    if "p_value" not in summary.scores:
        return []
    if summary.shape == "blob":
        meaning = "Neither a curve nor a surface could be told from chance. That does not show that there is none."
        return [Fact("No shape is claimed", meaning)]
    meaning = (
        f"For this cluster alone, in the one reading that is shown. {counted(asked, 'cluster')} of the run "
        f"{'was' if asked == 1 else 'were'} asked, each in up to {READINGS} readings that share an error of .05: the "
        "more are asked, the more shapes are chance's."
    )
    return [Fact(f"{summary.shape.capitalize()} at p = {number(summary.scores['p_value'])}", meaning)]


def made_by_chance(summary: ClusterSummary, evidence: Evidence | None) -> int | None:
    """Shuffles that hold a cluster at least as large and as persistent; None where that was not measured."""
    shuffles = len(evidence.chance_clusters) if evidence else 0
    if not shuffles or "chance_p" not in summary.scores:
        return None
    return round(summary.scores["chance_p"] * (1 + shuffles)) - 1

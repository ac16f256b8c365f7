"""Robustness of a cluster: stability under resampling, shuffle null, p-value of its shape, condensed tree."""

from dataclasses import dataclass

from explorer.app.manifold.tree import tree_block, tree_view
from explorer.app.ui import html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, counted, number
from explorer.records.cluster import ClusterSummary
from explorer.records.clustering import CondensedTree, Evidence, FeatureTable
from explorer.runs.run.manifest import RunManifest

STABLE = 0.75
"""Mean Jaccard similarity from which a cluster counts as stable,"""
DOUBTFUL = 0.6
"""and below which it should not be trusted (Hennig, documentation of `clusterboot` in the R package fpc)."""
READINGS = 6
"""Three choices of tokens, each labelled by the current and by the next token (docs/geometry.md)."""
UNMEASURED = "Not measured: resampling was disabled, the run was built by an older version, or its clusters were given."
"""Shown when scores are missing; the blocks of a block-sparse featurizer, for example, are given, not found."""


@dataclass(frozen=True)
class Fact:
    """One measurement of a cluster in words."""

    title: str
    meaning: str


def robustness_panel(
    summary: ClusterSummary, manifest: RunManifest, tree: CondensedTree | None, features: FeatureTable
) -> Element:
    """The panel of a manifold's page."""
    evidence = manifest.evidence
    facts = [*robustness_facts(summary, evidence), *shape_facts(summary, len(manifest.clusters))]
    items = [html.Li([html.B(fact.title), html.Span(fact.meaning, className="muted")]) for fact in facts]
    branch = [] if tree is None or not len(tree.parent) else [tree_block(tree_view(summary, tree, features))]
    body = [html.P(verdict(summary, evidence)), html.Ul(items, className="facts-list small"), *branch]
    return card("evidence", html.H2("Robustness"), body, class_name="panel padded belief")


def verdict(summary: ClusterSummary, evidence: Evidence | None) -> str:
    """Stability and shuffle null in one sentence."""
    stability, made = summary.scores.get("stability"), made_by_chance(summary, evidence)
    parts = []
    if stability is not None:
        parts.append(
            "recurs on resampled documents"
            if stability >= STABLE
            else "recurs with partly different features on resampled documents"
            if stability >= DOUBTFUL
            else "rarely recurs on resampled documents"
        )
    if made is not None:
        parts.append(
            "shuffled codes contain no comparable cluster"
            if made == 0
            else "shuffled codes contain comparable clusters"
        )
    if not parts:
        return UNMEASURED
    good = (stability is None or stability >= STABLE) == (made is None or made == 0)
    text = (", and " if good else ", but ").join(parts)
    return f"{text[0].upper()}{text[1:]}."


def robustness_facts(summary: ClusterSummary, evidence: Evidence | None) -> list[Fact]:
    """Measurements of a cluster; empty for a run without evidence."""
    scores, facts = summary.scores, []
    draws = evidence.resamples if evidence else 0
    if "stability" in scores:
        meaning = (
            "Documents are resampled with replacement and clustered again; stability is the mean Jaccard similarity of "
            "the cluster to its best match. From .75 a cluster is stable, below .6 it should not be trusted."
        )
        facts.append(Fact(f"Stability {scores['stability']:.2f} over {counted(draws, 'resample')}", meaning))
    if "dissolved" in scores:
        meaning = "Resamples in which no cluster has a Jaccard similarity above .5 to it."
        facts.append(Fact(f"Dissolved in {round(scores['dissolved'] * draws)} of {count(draws)}", meaning))
    made = made_by_chance(summary, evidence)
    if evidence and made is not None:
        shuffles = len(evidence.chance_clusters)
        meaning = (
            "Every feature's firings are shuffled within each document, which keeps topics and destroys co-firing. "
            "Counts shuffles with a cluster of at least as many features that persists over as wide a range of density."
        )
        p_value = f"p = {number(scores['chance_p'])}"
        facts.append(Fact(f"Shuffle null: matched in {made} of {counted(shuffles, 'draw')} ({p_value})", meaning))
    return facts


def shape_facts(summary: ClusterSummary, tested: int) -> list[Fact]:
    """p-value of the shape and the number of clusters tested."""
    if "p_value" not in summary.scores:
        return []
    if summary.shape == "blob":
        meaning = (
            "Neither a curve nor a surface is distinguishable from chance. That is no evidence that there is none."
        )
        return [Fact("No shape is claimed", meaning)]
    meaning = (
        f"For this cluster alone, in the reading shown. {counted(tested, 'cluster')} of the run "
        f"{'was' if tested == 1 else 'were'} tested, each in up to {READINGS} readings at a joint level of .05, so the "
        "expected number of false positives grows with the number of clusters."
    )
    return [Fact(f"{summary.shape.capitalize()} at p = {number(summary.scores['p_value'])}", meaning)]


def made_by_chance(summary: ClusterSummary, evidence: Evidence | None) -> int | None:
    """Number of shuffles with a cluster at least as large and as persistent; None if not measured."""
    shuffles = len(evidence.chance_clusters) if evidence else 0
    if not shuffles or "chance_p" not in summary.scores:
        return None
    return round(summary.scores["chance_p"] * (1 + shuffles)) - 1

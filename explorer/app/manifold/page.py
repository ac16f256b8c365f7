"""The page of one manifold: cloud, description and scores, steering, features, contexts, robustness, provenance."""

from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import StripsView, strips_data, strips_table
from explorer.app.manifold.cloud_card import cloud_card, curve_data
from explorer.app.manifold.contexts_card import contexts_card, firing_counts
from explorer.app.manifold.features import atom_feature, features_card
from explorer.app.manifold.numbers import number_rows, numbers_block, regime_line
from explorer.app.manifold.provenance import provenance
from explorer.app.manifold.robustness import robustness_panel
from explorer.app.site.opened import OpenCluster
from explorer.app.steering.panel import steering_panel
from explorer.app.steering.readout_text import proposed_readout
from explorer.app.steering.suggest import suggest_end, suggest_prompt
from explorer.app.try_text.panel import try_panel
from explorer.app.ui import dcc, html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import REGIMES, count, counted, percent, sentence
from explorer.app.ui.page import Crumb, Page, share_view_button
from explorer.app.ui.parts import Node, details, late_table
from explorer.app.view import ids
from explorer.app.view.links import Links, side_of
from explorer.app.view.state import View
from explorer.records.cluster import CURVES, ClusterSummary
from explorer.runs.run.reader import Run

CORE_AND_HALO = "Core: features that cluster because they fire together. Halo: further features that explain position."
"""Tooltip of the feature counts."""
STRIPS_MEAN = (
    "Coloured: tuned to a position beyond chance (permutation test over the drawn tokens, Bonferroni-corrected p at "
    "most .05). Grey: untuned, or too rare to test. Each strip is scaled to its peak."
)
"""Legend of the strips."""
MOST_GAPS = 3
"""Gaps between receptive fields listed by position."""


def manifold_page(opened: OpenCluster, links: Links, view: View, steerable: bool) -> Page:
    """The page of one cluster.

    Args:
        opened: the cluster.
        links: addresses.
        view: state of the page given by the link.
        steerable: whether a host is configured that may serve the run's subject.
    """
    run, summary = opened.run, opened.summary
    geometry, vocabulary = opened.geometry, opened.vocabulary
    points = f"{links.cluster_data(run.id, summary.id)}/points.tsv"
    prompt, begin = suggest_prompt(geometry, vocabulary)
    chosen = atom_feature(geometry, view.color)
    body: list[Node] = [
        dcc.Store(id=ids.CLUSTER_STORE, data=cluster_data(opened, links, view)),
        *[dcc.Store(id=store) for store in (ids.STEER_STORE, ids.STREAM_STORE, ids.CLOUD_STORE)],
        dcc.Store(id=ids.POSITION_STORE, data=view.position),
        dcc.Store(id=ids.PICK_STORE, data=view.pick),
        dcc.Store(id=ids.FEATURE_STORE, data=chosen),
        dcc.Store(id=ids.PICK_FIRES, data=firing_counts(geometry, view.pick)),
        try_panel(run, links, view.text or prompt, steerable, summary.id),
        html.Div(
            [cloud_card(summary, geometry, vocabulary, run.labels(), view, points), _facts_side(opened)],
            className="manifold",
        ),
        steering_panel(
            summary,
            view,
            prompt,
            suggest_end(summary, geometry, begin),
            proposed_readout(summary, geometry, vocabulary),
            steerable,
        ),
        features_card(run, summary, geometry, vocabulary, chosen),
        html.Div(
            [contexts_card(summary, geometry, vocabulary, view.pick, points), _robustness(opened), _provenance(run)],
            className="below",
        ),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb(run.manifest.title, links.atlas(run.id)), Crumb(summary.label))
    compare = dcc.Link("Compare with…", href=links.compare(side_of(run.id, summary.id)), className="button")
    actions = [_neighbours(run, summary, links), compare, share_view_button(False)]
    return Page(f"{summary.label} · {run.manifest.title}", body, crumbs, actions)


def cluster_data(opened: OpenCluster, links: Links, view: View) -> dict[str, object]:
    """Data of the page's scripts: cloud, strips, and the identifiers that a request to the host names."""
    run, summary, subject = opened.run, opened.summary, opened.run.manifest.subject
    return {
        "run": run.id,
        "cluster": summary.id,
        "label": summary.label,
        "fingerprint": subject.fingerprint if subject else "",
        "api": links.api(),
        "data": links.cluster_data(run.id, summary.id),
        "figure": cloud_figure(summary, opened.geometry, view, opened.vocabulary),
        "shape": curve_data(summary, opened.geometry),
        "strips": strips_data(opened.strips, run.labels()),
    }


def _facts_side(opened: OpenCluster) -> Element:
    summary, geometry = opened.summary, opened.geometry
    halo = len(geometry.atoms) - geometry.n_core
    tags = [
        html.Span(summary.shape, className="tag strong"),
        html.Span(summary.regime, className="tag", title=REGIMES.get(summary.regime, "")),
        html.Span(f"{count(geometry.n_core)} core + {count(halo)} halo features", className="tag", title=CORE_AND_HALO),
        html.Span(f"{count(summary.n_tokens)} tokens", className="tag"),
    ]
    body: list[Node] = [
        html.P(sentence(summary.words), className="words"),
        html.Div(tags, className="tags"),
        html.P(regime_line(summary), className="small muted"),
        numbers_block(number_rows(summary, geometry)),
    ]
    return html.Div([card("numbers", html.H1(summary.label), body, class_name=""), _strips(opened)], className="facts")


def _strips(opened: OpenCluster) -> Element:
    head, rows = strips_table(opened.strips, opened.run.labels())
    axis = _axis_name(opened.summary)
    body = [
        html.Div(id=ids.STRIPS, className="strips card-picture"),
        html.P(coverage_sentence(opened.strips, axis)),
        details("what the colours mean", [html.P(STRIPS_MEAN)]),
        details("as a table", [late_table(head, rows)]),
    ]
    title = html.H3(f"Tuning of {counted(len(rows), 'feature')} along {axis}")
    return card("strips", title, body, class_name="strips-box small muted")


def _axis_name(summary: ClusterSummary) -> str:
    return "the curve" if summary.shape in CURVES else "the cloud's longest axis"


def coverage_sentence(view: StripsView, axis: str) -> str:
    """Coverage, overlap and gaps of the receptive fields of the tuned features."""
    tuned = sum(strip.varies for strip in view.strips)
    if not tuned:
        return "No feature is tuned to a position beyond chance."
    fields = view.fields
    line = (
        f"The receptive {'field' if tuned == 1 else 'fields'} of {counted(tuned, 'tuned feature')} (at least half the "
        f"peak) cover {percent(fields.coverage)} of {axis}, with {fields.overlap:.1f} per position on average; "
    )
    named = ", ".join(f"{first:.2f} to {last:.2f}" for first, last in fields.gaps[:MOST_GAPS])
    more = f" and {len(fields.gaps) - MOST_GAPS} more" if len(fields.gaps) > MOST_GAPS else ""
    return line + (f"gaps: {named}{more}." if named else "no gaps.")


def _robustness(opened: OpenCluster) -> Element:
    run = opened.run
    return robustness_panel(opened.summary, run.manifest, run.tree(), run.features())


def _provenance(run: Run) -> Element:
    body = [provenance(run.manifest, run.digest)]
    return card("provenance", html.H2("How this was made"), body, class_name="panel padded")


def _neighbours(run: Run, summary: ClusterSummary, links: Links) -> Element:
    total = len(run.manifest.clusters)
    arrows = (("←", summary.id - 1, "Previous cluster"), ("→", summary.id + 1, "Next cluster"))
    buttons = [
        dcc.Link(arrow, href=links.cluster(run.id, to), className="button icon", title=title)
        for arrow, to, title in arrows
        if 0 <= to < total
    ]
    return html.Div(buttons, className="prev-next")

"""One manifold: its cloud, what it is in words and numbers, its features along the curve, and the steering panel."""

from dataclasses import asdict

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app import ids
from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.strips import strips_view
from explorer.app.links import Links
from explorer.app.pages.atlas import share_view_button
from explorer.app.pages.examples import examples_block
from explorer.app.pages.numbers import number_rows, numbers_block
from explorer.app.pages.page import Crumb, Node, Page, details
from explorer.app.pages.provenance import provenance
from explorer.app.pages.steering import select, steering_panel
from explorer.app.state import View
from explorer.app.suggest import suggest_end, suggest_prompt
from explorer.app.words import count, number, percent, visible
from explorer.records import ClusterGeometry, ClusterSummary, Vocabulary
from explorer.runs.run import Run

CLOUD_CONFIG = {"displayModeBar": False, "scrollZoom": True, "responsive": True}
TABLE_ROWS = 200
"""Points that the table beside the cloud lists."""


def manifold_page(
    run: Run, summary: ClusterSummary, geometry: ClusterGeometry, vocabulary: Vocabulary, links: Links, view: View, steerable: bool
) -> Page:  # fmt: skip
    """The page of one cluster."""
    prompt, begin = suggest_prompt(geometry, vocabulary)
    body: list[Node] = [
        dcc.Store(id=ids.CLUSTER_STORE, data=cluster_data(run, summary, geometry, links)),
        *[dcc.Store(id=store) for store in (ids.STEER_STORE, ids.STREAM_STORE, ids.CLOUD_STORE)],
        dcc.Store(id=ids.POSITION_STORE, data=view.position),
        html.Div([_cloud_side(summary, geometry, view), _facts_side(summary, geometry)], className="manifold"),
        steering_panel(summary, view, prompt, suggest_end(summary, geometry, begin), steerable),
        html.Div([_examples(geometry, vocabulary), _made(run)], className="below"),
    ]
    crumbs = (Crumb("Runs", links.gallery()), Crumb(run.manifest.title, links.atlas(run.id)), Crumb(summary.label))
    actions = [*_neighbours(run, summary, links), share_view_button(False)]
    return Page(f"{summary.label} · {run.manifest.title}", body, crumbs, actions)


def cluster_data(run: Run, summary: ClusterSummary, geometry: ClusterGeometry, links: Links) -> dict[str, object]:
    """What the page's scripts need: the curve, the strips, and what a request to the host names."""
    has_curve = summary.shape in ("closed curve", "open curve")
    subject = run.manifest.subject
    return {
        "run": run.id,
        "cluster": summary.id,
        "label": summary.label,
        "fingerprint": subject.fingerprint if subject else "",
        "api": links.api(),
        "data": f"{links.data(run.id)}/cluster/{summary.id}",
        "shape": {"closed": summary.shape == "closed curve", "curve": geometry.curve.tolist() if has_curve else []},
        "strips": asdict(strips_view(summary, geometry)),
    }


def _cloud_side(summary: ClusterSummary, geometry: ClusterGeometry, view: View) -> Component:
    shares = geometry.axis_share
    return html.Div(
        [
            html.Div([html.Span("colour by"), select(ids.COLOR_BY, color_options(summary, geometry), view.color)], className="cloud-bar"),
            dcc.Graph(id=ids.CLOUD, figure=cloud_figure(summary, geometry, view), responsive=True, clear_on_unhover=True, config=CLOUD_CONFIG),
            dcc.Tooltip(id=ids.CLOUD_TIP, direction="top", className="tip"),
            html.Div(
                [
                    html.Div(
                        [
                            html.Span(f"{count(len(geometry.points))} of {count(summary.n_tokens)} activations shown"),
                            html.Span(f"three axes explain {percent(float(shares.sum()))} of the position "
                                      f"({', '.join(percent(float(share)) for share in shares)})"),
                            html.Span("drag to turn, wheel to zoom"),
                        ],
                        className="row",
                    ),
                    details("as a table", [html.Div(_points_table(summary, geometry), className="scroll")]),
                ],
                className="cloud-foot",
            ),
        ],
        className="cloud-box panel",
        role="figure",
        **{"aria-label": summary.words},
    )  # fmt: skip


def color_options(summary: ClusterSummary, geometry: ClusterGeometry) -> list[dict[str, str]]:
    """What can colour the cloud."""
    options = [{"label": "position on the curve", "value": "coordinate"}]
    if summary.order:
        options.append({"label": "value", "value": "value"})
    roles = ("core" if atom < geometry.n_core else "halo" for atom in range(len(geometry.atoms)))
    return options + [
        {"label": f"{role} {feature}", "value": f"feature-{feature}"}
        for role, feature in zip(roles, geometry.atoms.tolist(), strict=True)
    ]


def _points_table(summary: ClusterSummary, geometry: ClusterGeometry) -> Component:
    order = geometry.coordinate.argsort()[:: max(1, len(geometry.coordinate) // TABLE_ROWS)][:TABLE_ROWS]
    rows = [
        html.Tr([html.Td(f"{geometry.coordinate[i]:.3f}"), html.Td(_value(summary, int(geometry.value[i]))),
                 *(html.Td(number(float(x)), className="number") for x in geometry.points[i])])
        for i in order
    ]  # fmt: skip
    head = html.Tr([html.Th(text) for text in ("position", "value", "axis 1", "axis 2", "axis 3")])
    return html.Table([html.Thead(head), html.Tbody(rows)])


def _value(summary: ClusterSummary, index: int) -> str:
    return visible(summary.order[index]) if index >= 0 else "–"


def _facts_side(summary: ClusterSummary, geometry: ClusterGeometry) -> Component:
    tags = [
        html.Span(summary.shape, className="tag strong"),
        html.Span(summary.regime, className="tag"),
        html.Span(f"{count(geometry.n_core)} core + {count(len(geometry.atoms) - geometry.n_core)} halo features", className="tag"),
        html.Span(f"fires on {count(summary.n_tokens)} tokens", className="tag"),
    ]  # fmt: skip
    what = "the word that comes next" if summary.value_offset == 1 else "the word itself"
    return html.Div(
        [
            html.H1(summary.label),
            html.P([summary.words, html.Span(f" Values are {what}.", className="muted") if summary.order else ""], className="words"),
            html.Div(tags, className="tags"),
            numbers_block(number_rows(summary, geometry)),
            html.Div(
                [
                    html.H3("Where each feature fires along the curve"),
                    html.Div(id=ids.STRIPS, className="strips"),
                    html.P("Each strip is scaled to its own peak. Coloured: tells positions apart. Grey: fires everywhere alike.", className="muted small"),
                    details("as a table", [html.Div(_strips_table(summary, geometry), className="scroll small")]),
                ],
                className="strips-box",
            ),
        ],
        className="facts",
    )  # fmt: skip


def _strips_table(summary: ClusterSummary, geometry: ClusterGeometry) -> Component:
    rows = [
        html.Tr([html.Td(f"{strip.role} {strip.feature}"), html.Td(strip.peak if strip.varies else "everywhere alike"), html.Td(number(strip.strongest), className="number")])
        for strip in strips_view(summary, geometry).strips
    ]  # fmt: skip
    head = html.Tr([html.Th("feature"), html.Th("fires most at"), html.Th("mean activation there", className="number")])
    return html.Table([html.Thead(head), html.Tbody(rows)])


def _examples(geometry: ClusterGeometry, vocabulary: Vocabulary) -> Component:
    return html.Section(
        [
            html.H2("Top examples of each feature"),
            html.P("Strongest tokens first; the marked token is where the feature fires.", className="muted small"),
            examples_block(geometry, vocabulary),
        ],
        className="panel",
    )


def _made(run: Run) -> Component:
    return html.Section([html.H2("How this was made"), provenance(run.manifest, run.digest)], className="panel")


def _neighbours(run: Run, summary: ClusterSummary, links: Links) -> list[Node]:
    total = len(run.manifest.clusters)
    pair = [("←", summary.id - 1, "Previous cluster"), ("→", summary.id + 1, "Next cluster")]
    return [
        html.Div(
            [dcc.Link(arrow, links.cluster(run.id, to), className="button icon", title=title) for arrow, to, title in pair if 0 <= to < total],
            className="prev-next",
        )
    ]  # fmt: skip

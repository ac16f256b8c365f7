"""One manifold as a static page: cloud, description, numbers, strips, and all of it as tables."""

from dataclasses import asdict

from explorer.app.figures.cloud import cloud_figure
from explorer.app.figures.colors import cloud_colors
from explorer.app.figures.strips import strips_data
from explorer.app.manifold.cloud_card import cloud_space, color_options, curve_data
from explorer.app.manifold.numbers import number_rows, numbers_block, regime_line
from explorer.app.manifold.provenance import provenance
from explorer.app.manifold.robustness import robustness_panel
from explorer.app.site.opened import OpenCluster, open_cluster
from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import REGIMES, count, number, percent, read_context, sentence, visible
from explorer.app.ui.page import Page
from explorer.app.ui.parts import Node, attributes, details, label_lines, table
from explorer.app.view import ids
from explorer.app.view.state import View
from explorer.runs.run.reader import Run

EXAMPLES = 3
"""Contexts per feature."""
STILL_STORE = "still-manifold"
"""Id of the store that the page's script draws from."""
CHOOSE = "still-color"
"""Id of the colour selector."""


def manifold_still(run: Run, cluster: int) -> Page:
    """The page of one cluster.

    Raises:
        RunError: the run is broken, or the cluster does not exist.
    """
    opened = open_cluster(run, cluster)
    summary = opened.summary
    body: list[Node] = [
        dcc.Store(id=STILL_STORE, data=_data(opened)),
        html.Div([_cloud(opened), _facts(opened)], className="manifold"),
        html.Div([_features(opened), _robustness(opened), _provenance(run)], className="below"),
    ]
    return Page(f"{summary.label} · {run.manifest.title}", body)


def _data(opened: OpenCluster) -> dict[str, object]:
    summary, geometry = opened.summary, opened.geometry
    chosen = [option["value"] for option in color_options(summary, geometry, opened.run.labels())]
    colors = {value: asdict(cloud_colors(summary, geometry, value, opened.vocabulary)) for value in chosen}
    return {
        "figure": cloud_figure(summary, geometry, View()),
        "shape": curve_data(summary, geometry),
        "strips": strips_data(opened.strips, opened.run.labels()),
        "colors": colors,
    }


def _cloud(opened: OpenCluster) -> Element:
    summary, geometry = opened.summary, opened.geometry
    choices = color_options(summary, geometry, opened.run.labels())
    options = [html.Option(choice["label"], value=choice["value"]) for choice in choices]
    bar = [
        html.Span("colour by"),
        html.Select(options, id=CHOOSE, className="field", **attributes(aria_label="colour by")),
    ]
    foot = [
        html.Span(f"{count(len(geometry.points))} of {count(summary.n_tokens)} activations shown"),
        html.Span(f"three axes explain {percent(float(geometry.axis_share.sum()))} of the variance"),
        html.Span("drag to rotate, wheel to zoom"),
    ]
    return html.Div(
        [
            html.Div(bar, className="cloud-bar"),
            cloud_space(summary),
            html.Div(foot, className="cloud-foot"),
        ],
        className="cloud-box panel",
    )


def _facts(opened: OpenCluster) -> Element:
    summary, geometry = opened.summary, opened.geometry
    halo = len(geometry.atoms) - geometry.n_core
    tags = (summary.shape, summary.regime, f"{count(geometry.n_core)} core + {count(halo)} halo features")
    values = [
        (visible(name), f"{float(at):.3f}", count(int(tokens)))
        for name, at, tokens in zip(summary.order, geometry.value_coordinate, geometry.value_count, strict=True)
    ]
    named = [details("values in order", [table(("value", "position", "tokens"), values)])] if values else []
    return html.Div(
        [
            html.H1(summary.label),
            html.P(sentence(summary.words), className="words"),
            html.Div([html.Span(tag, className="tag", title=REGIMES.get(tag, "")) for tag in tags], className="tags"),
            html.P(regime_line(summary), className="small muted"),
            numbers_block(number_rows(summary, geometry)),
            html.Div([html.H3("Where each feature fires"), html.Div(id=ids.STRIPS, className="strips")]),
            *named,
        ],
        className="facts",
    )


def _features(opened: OpenCluster) -> Element:
    labels = opened.run.labels()
    named = ("label",) if len(labels) else ()
    rows: list[tuple[str | list[Node], ...]] = [
        (
            f"{strip.role} {strip.feature}",
            *([label_lines(labels.of(strip.feature))] if named else []),
            strip.peak_label,
            number(strip.strongest),
            " · ".join(_examples(opened, strip.feature)),
        )
        for strip in opened.strips.strips
    ]
    head = ("feature", *named, "peak position", "mean activation there", "strongest tokens in context")
    return html.Section([html.H2("Features"), table(head, rows)], className="panel")


def _examples(opened: OpenCluster, feature: int) -> list[str]:
    geometry = opened.geometry
    atom = geometry.atoms.tolist().index(feature)
    fires = geometry.example_activation[atom] > 0
    contexts = (read_context(opened.vocabulary, window) for window in geometry.example_ids[atom][fires][:EXAMPLES])
    return [f"{context.before}[{context.token.strip()}]{context.after}" for context in contexts]


def _robustness(opened: OpenCluster) -> Element:
    run = opened.run
    return robustness_panel(opened.summary, run.manifest, run.tree(), run.features())


def _provenance(run: Run) -> Element:
    return html.Section([html.H2("How this was made"), provenance(run.manifest, run.digest)], className="panel")

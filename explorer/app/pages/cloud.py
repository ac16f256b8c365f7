"""The cloud's card: its drawing, what colours it, how much of it is shown, and its table."""

from dataclasses import asdict
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app import ids
from explorer.app.figures.cloud import cloud_figure, cloud_labels
from explorer.app.pages.parts import attributes, details, select, table
from explorer.app.state import View
from explorer.app.words import count, number, percent, sentence, visible
from explorer.records import CURVES, ClusterGeometry, ClusterSummary

CONFIG: Any = {"displayModeBar": False, "scrollZoom": True, "responsive": True}
"""Plotly's own buttons stay away."""
TABLE_ROWS = 200
"""Points that the table beside the cloud lists."""


def cloud_side(summary: ClusterSummary, geometry: ClusterGeometry, view: View) -> Component:
    """The card of a manifold's page."""
    return html.Div(
        [
            html.Div(
                [
                    html.Span("colour by"),
                    select(ids.COLOR_BY, color_options(summary, geometry), view.color, "pill"),
                    html.Span("drag to turn, wheel to zoom", className="hint"),
                ],
                className="cloud-bar",
            ),
            cloud_graph(summary, geometry, view),
            dcc.Tooltip(id=ids.CLOUD_TIP, direction="top", className="tip"),
            _foot(summary, geometry),
        ],
        className="cloud-box panel",
    )


def cloud_graph(summary: ClusterSummary, geometry: ClusterGeometry, view: View) -> Component:
    """The drawing alone."""
    graph = dcc.Graph(
        id=ids.CLOUD,
        figure=cloud_figure(summary, geometry, view),
        responsive=True,
        clear_on_unhover=True,
        config=CONFIG,
    )
    names = html.Div(id=ids.CLOUD_LABELS, **attributes(aria_hidden="true"))
    label = attributes(aria_label=sentence(summary.words))
    return html.Div([graph, names], className="cloud-graph", role="figure", **label)


def curve_data(summary: ClusterSummary, geometry: ClusterGeometry) -> dict[str, object]:
    """The curve and the values' names as the page's scripts need them: to move the handle, to name what has room."""
    curve = geometry.curve.tolist() if summary.shape in CURVES else []
    return {
        "closed": summary.shape == "closed curve",
        "curve": curve,
        "labels": [asdict(label) for label in cloud_labels(summary, geometry)],
        "middle": geometry.points.mean(axis=0).tolist(),
    }


def color_options(summary: ClusterSummary, geometry: ClusterGeometry) -> list[dict[str, str]]:
    """What can colour the cloud."""
    options = [{"label": "position", "value": "coordinate"}]
    if summary.order:
        options.append({"label": "value", "value": "value"})
    roles = ("core" if atom < geometry.n_core else "halo" for atom in range(len(geometry.atoms)))
    return options + [
        {"label": f"{role} {feature}", "value": f"feature-{feature}"}
        for role, feature in zip(roles, geometry.atoms.tolist(), strict=True)
    ]


def _foot(summary: ClusterSummary, geometry: ClusterGeometry) -> Component:
    shares = geometry.axis_share
    each = ", ".join(percent(float(share)) for share in shares)
    lines = [
        html.Span(f"{count(len(geometry.points))} of {count(summary.n_tokens)} activations shown"),
        html.Span(f"three axes explain {percent(float(shares.sum()))}", title=f"Of the position's variance: {each}"),
    ]
    head = ("position", "value", "axis 1", "axis 2", "axis 3")
    as_table = details("as a table", [table(head, _rows(summary, geometry))])
    return html.Div([*lines, as_table], className="cloud-foot")


def _rows(summary: ClusterSummary, geometry: ClusterGeometry) -> list[tuple[str, ...]]:
    order = geometry.coordinate.argsort()[:: max(1, len(geometry.coordinate) // TABLE_ROWS)][:TABLE_ROWS]
    return [
        (
            f"{geometry.coordinate[i]:.3f}",
            visible(summary.order[geometry.value[i]]) if geometry.value[i] >= 0 else "–",
            *(number(float(x)) for x in geometry.points[i]),
        )
        for i in order
    ]

"""The card of the activation cloud: drawings in 3-D and 2-D, axes, colouring and legend, counts, and a table."""

from dataclasses import asdict

from explorer.app.figures.cloud import cloud_labels
from explorer.app.figures.colors import CloudColors, cloud_colors
from explorer.app.figures.strips import roles
from explorer.app.ui import dcc, html
from explorer.app.ui.card import card
from explorer.app.ui.element import Element
from explorer.app.ui.format import count, feature_name, number, percent, sentence, visible
from explorer.app.ui.parts import Node, attributes, details, late_table, select
from explorer.app.view import ids
from explorer.app.view.state import View
from explorer.records.bundle import Vocabulary
from explorer.records.cluster import CURVES, ClusterGeometry, ClusterSummary
from explorer.runs.run.label_file import LabelTable

TABLE_ROWS = 200
"""Points in the table."""
PLANES = ("12", "13", "23")
"""Pairs of axes in the notation of the URL."""


def cloud_card(
    summary: ClusterSummary,
    geometry: ClusterGeometry,
    vocabulary: Vocabulary,
    labels: LabelTable,
    view: View,
    data: str,
) -> Element:
    """The card of the cloud; ``data`` is the URL of the points as text."""
    colors = cloud_colors(summary, geometry, view.color, vocabulary)
    names = html.Div(id=ids.PLANES, className="planes")
    tip = dcc.Tooltip(id=ids.CLOUD_TIP, direction="top", className="tip")
    hover = dcc.Store(id=ids.CLOUD_HOVER)
    drawings = html.Div(
        [cloud_space(summary), names, tip, hover], className="cloud-views", **attributes(data_axes=view.axes)
    )
    legend = html.Div(legend_nodes(colors), id=ids.LEGEND, className="legend")
    hints = [
        html.Span("drag to rotate, click to select", className="hint in-space"),
        html.Span("draw around points to select them", className="hint in-plane"),
    ]
    below = html.Div([legend, *hints], className="legend-row")
    picture = html.Div([drawings, below], className="card-picture cloud-picture")
    body = [picture, _foot(summary, geometry)]
    controls: list[Node] = [_axes(geometry, view), _color(summary, geometry, labels, view)]
    title = html.H2("Activations", className="sr")
    return card("cloud", title, body, controls=controls, data=data, class_name="cloud-box panel")


def cloud_space(summary: ClusterSummary) -> Element:
    """Container of the 3-D drawing; the page's scripts draw the figure from its store."""
    names = html.Div(id=ids.CLOUD_LABELS, className="cloud-names", **attributes(aria_hidden="true"))
    label = attributes(aria_label=sentence(summary.words))
    return html.Div([html.Div(id=ids.CLOUD), names], className="cloud-graph", role="figure", **label)


def curve_data(summary: ClusterSummary, geometry: ClusterGeometry) -> dict[str, object]:
    """Curve, value labels and axis names for the page's scripts, which move the handle and place the labels."""
    curve = geometry.curve.tolist() if summary.shape in CURVES else []
    return {
        "closed": summary.shape == "closed curve",
        "curve": curve,
        "labels": [asdict(label) for label in cloud_labels(summary, geometry)],
        "middle": geometry.points.mean(axis=0).tolist(),
        "axes": axis_names(geometry),
    }


def axis_names(geometry: ClusterGeometry) -> list[str]:
    """Names of the drawn axes, each with its share of the variance of the positions."""
    return [f"axis {axis} · {percent(float(share))}" for axis, share in enumerate(geometry.axis_share, start=1)]


def point_rows(summary: ClusterSummary, geometry: ClusterGeometry) -> list[tuple[str, ...]]:
    """A sample of the drawn tokens, evenly along the shape: position, value and coordinates on the three axes."""
    order = geometry.coordinate.argsort()[:: max(1, len(geometry.coordinate) // TABLE_ROWS)][:TABLE_ROWS]
    return [
        (
            f"{geometry.coordinate[i]:.3f}",
            visible(summary.order[geometry.value[i]]) if geometry.value[i] >= 0 else "–",
            *(number(float(x)) for x in geometry.points[i]),
        )
        for i in order
    ]


def legend_nodes(colors: CloudColors) -> list[Node]:
    """Legend: one entry per category, which selects its points when clicked, or a colour ramp with its ends."""
    if colors.kinds:
        return [
            html.Button(
                [html.I(style={"background": kind.color}), kind.text, html.Span(count(kind.points), className="muted")],
                type="button",
                className="kind",
                title="Select these points",
                **attributes(data_pick=kind.pick),
            )
            for kind in colors.kinds
        ]
    stops = ", ".join(f"{color} {float(at):.1%}" for at, color in colors.scale)
    ramp = html.I(className="ramp", style={"background": f"linear-gradient(90deg, {stops})"})
    return [html.Span(colors.ends[0]), ramp, html.Span(colors.ends[1])]


def color_options(summary: ClusterSummary, geometry: ClusterGeometry, labels: LabelTable) -> list[dict[str, str]]:
    """Colourings of the cloud."""
    options = [{"label": "position", "value": "coordinate"}]
    if summary.order:
        options.append({"label": "value", "value": "value"})
    options += [
        {"label": "token", "value": "token"},
        {"label": "place in document", "value": "document"},
        {"label": "place in text", "value": "text"},
    ]
    return options + [
        {"label": f"{role} {feature_name(feature, labels.of(feature))}", "value": f"feature-{feature}"}
        for role, feature in zip(roles(geometry), geometry.atoms.tolist(), strict=True)
    ]


def _axes(geometry: ClusterGeometry, view: View) -> Element:
    shares = geometry.axis_share
    options = [("3d", "3-D", f"three axes: {percent(float(shares.sum()))} of the variance")]
    for pair in PLANES:
        share = percent(float(shares[[int(axis) - 1 for axis in pair]].sum()))
        options.append(
            (pair, f"{pair[0]}–{pair[1]} · {share}", f"axes {pair[0]} and {pair[1]}: {share} of the variance")
        )
    options.append(("all", "all", "all views side by side"))
    buttons = [
        html.Button(
            text,
            type="button",
            title=title,
            **attributes(data_axes=axes, aria_pressed=str(axes == view.axes).lower()),
        )
        for axes, text, title in options
    ]
    label = attributes(aria_label="Axes, with their share of the variance")
    return html.Div(buttons, id=ids.AXES, className="segments", role="group", **label)


def _color(summary: ClusterSummary, geometry: ClusterGeometry, labels: LabelTable, view: View) -> Element:
    picker = select(ids.COLOR_BY, color_options(summary, geometry, labels), view.color, "pill")
    return html.Div([html.Span("colour by"), picker], className="color-by")


def _foot(summary: ClusterSummary, geometry: ClusterGeometry) -> Element:
    shares = geometry.axis_share
    each = ", ".join(percent(float(share)) for share in shares)
    lines = [
        html.Span(f"{count(len(geometry.points))} of {count(summary.n_tokens)} activations shown"),
        html.Span(f"axes 1, 2, 3 explain {each}", title="Share of the variance of the positions"),
    ]
    head = ("position", "value", "axis 1", "axis 2", "axis 3")
    as_table = details("as a table", [late_table(head, point_rows(summary, geometry))])
    return html.Div([*lines, as_table], className="cloud-foot")

"""The steering panel: prompt, path, strength, the bands, and the arms' text in columns."""

from dash import dcc, html
from dash.development.base_component import Component

from explorer.app import ids
from explorer.app.pages.page import Node
from explorer.app.state import Place, View, encode_place
from explorer.records import ClusterSummary

ROWS = ("manifold", "linear", "chord")
"""Arms that the panel shows, in this order."""
COLUMN_TITLES = {
    "manifold": "Along the curve",
    "linear": "Straight line",
    "chord": "Chord in the subspace",
    "baseline": "Left alone",
}
HERE = "~"
"""Choice that stands for the prompt's own place; no encoded place is written so."""


def steering_panel(summary: ClusterSummary, view: View, prompt: str, end: Place, has_host: bool) -> Component:
    """The panel before anything was asked: opening a page computes nothing on the host."""
    return html.Section(
        [
            _form(summary, view, prompt, end, has_host),
            html.Div(id=ids.HOST_STATE, className="host-line", children=[html.Span("asking for the host…")]),
            html.P(id=ids.STEER_VERDICT, className="verdict small", role="status"),
            html.Div(id=ids.BANDS, children=bands_empty(has_host)),
            html.Div(id=ids.STREAMS, className="streams", hidden=True, children=stream_columns()),
            html.P(id=ids.STEER_STATUS, className="small", role="status"),
        ],
        id=ids.STEER,
        className="steer panel",
        **{"aria-label": "Steering"},
    )


def bands_empty(has_host: bool) -> list[Node]:
    """What stands where the bands will be."""
    text = (
        [
            html.H3("Press Steer to see what the model would say at every point of the path"),
            html.P("Along the curve the answers should hand over one by one; on the straight line they usually jump."),
        ]
        if has_host
        else [
            html.H3("No model is connected"),
            html.P("This page was opened without a host, so nothing can be steered here. Start one with `explorer host`, "
                   "then `explorer open --host-url`. Everything above works without it, and so do shared results."),
        ]
    )  # fmt: skip
    return [html.Div(html.Div(text), className="bands-empty")]


def stream_columns() -> list[Node]:
    """Columns that the generated text runs into."""
    return [
        html.Div(
            [html.H3(COLUMN_TITLES[row]), html.Span(className="prompt muted"), html.Span(className="said"), html.Span(className="end small muted")],
            className=f"stream {row}",
            **{"data-row": row, "aria-live": "off"},
        )
        for row in ("baseline", *ROWS)
    ]  # fmt: skip


def place_options(summary: ClusterSummary) -> list[dict[str, str]]:
    """Places one can choose: the values, or even steps where there are none."""
    if summary.order:
        return [{"label": name.strip() or name, "value": encode_place(name)} for name in summary.order]
    return [{"label": f"{step / 8:.3g}", "value": encode_place(step / 8)} for step in range(9)]


def _form(summary: ClusterSummary, view: View, prompt: str, end: Place, has_host: bool) -> Component:
    options = place_options(summary)
    return html.Div(
        [
            html.H2("Steer"),
            _labelled("prompt", dcc.Input(id=ids.STEER_PROMPT, value=view.prompt or prompt, className="field", debounce=True, maxLength=2000, autoComplete="off"), "grow"),
            _labelled("from", select(ids.STEER_FROM, [{"label": "here", "value": HERE}, *options], encode_place(view.start) or HERE)),
            _labelled("to", select(ids.STEER_TO, options, encode_place(view.end if view.end is not None else end))),
            _labelled("strength", dcc.Input(id=ids.STEER_STRENGTH, type="number", value=view.strength, min=-4, max=4, step=0.25, className="field", debounce=True), "strength"),
            html.Div(
                [
                    html.Button("Steer", id=ids.STEER_RUN, type="button", className="button primary", disabled=not has_host),
                    html.Button("Generate", id=ids.GENERATE, type="button", className="button", disabled=True, title="Let every arm write on from the handle's place"),
                    html.Button("Stop", id=ids.STOP, type="button", className="button", disabled=True),
                    html.Button("Share result", id=ids.SHARE_RESULT, type="button", className="button", disabled=True, title="Keep this result under a link that opens without the model"),
                ],
                className="buttons",
            ),
        ],
        className="steer-form",
    )  # fmt: skip


def select(component: str, options: list[dict[str, str]], value: str) -> Component:
    """A drop-down that always holds one of its options."""
    many = len(options) > 12
    return dcc.Dropdown(
        id=component, options=options, value=value, clearable=False, searchable=many, className="select"
    )


def _labelled(text: str, control: Component, class_name: str = "") -> Component:
    return html.Label([text, control], className=class_name)

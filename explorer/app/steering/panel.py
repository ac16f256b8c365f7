"""The steering panel: prompt, path, strength, probability bands, and the generated text of each arm."""

from explorer.app.steering.checks_card import checks_block
from explorer.app.ui import dcc, html
from explorer.app.ui.card import card_attributes, card_tools
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, attributes, labelled, select
from explorer.app.view import ids
from explorer.app.view.state import Place, View, encode_place
from explorer.records.cluster import ClusterSummary

ROWS = ("baseline", "manifold", "linear", "chord")
"""Columns of generated text, in order."""
COLUMN_TITLES = {
    "baseline": "Unsteered",
    "manifold": "Along the curve",
    "linear": "Straight line",
    "chord": "Chord in the subspace",
}
HERE = "~"
"""Option for the prompt's own position; no encoded place has this form."""
ASKS = {"text": "text to continue", "message": "a chat message"}
"""How a prompt is presented to the model; a message requires a chat template."""
PLACES = {
    "last_prompt": "last token",
    "all_prompt": "all prompt tokens",
    "generated": "last and generated tokens",
}
"""Which tokens are steered."""
LARGEST_STRENGTH = 4
"""Largest strength offered; a host may allow less."""
INVITATION = (
    "Press Steer to predict the next word at every point of the path",
    "Along the curve, one value should hand over to the next, like scales. Along the straight line they jump.",
)
READ_VALUES = (
    "Press Steer to test whether this shape moves the model",
    "It represents the word just read, not the next one, so the next word may stay the same.",
)
NO_MODEL = (
    "No model connected",
    "No host is configured, so steering is unavailable. Start one with `explorer host RUN` and open the run with "
    "--host-url. Browsing and stored results work without it.",
)


def steering_panel(
    summary: ClusterSummary, view: View, prompt: str, end: Place, readout: str, has_host: bool
) -> Element:
    """The panel in its initial state: opening a page computes nothing on the host.

    Args:
        summary: the cluster.
        view: state of the page given by the link.
        prompt: initial prompt.
        end: initial end of the path.
        readout: readout classes that the cluster proposes, in their editable form.
        has_host: whether a host is configured.
    """
    return html.Section(
        [
            _form(summary, view, prompt, end, has_host),
            html.Div(
                [
                    html.Div(id=ids.HOST_STATE, className="host-line", children="contacting the model…"),
                    html.P(id=ids.STEER_VERDICT, className="verdict", role="status"),
                    card_tools("steering"),
                ],
                className="steer-lines small",
            ),
            html.P(id=ids.STEER_STATUS, className="problem", role="alert"),
            html.Div(id=ids.BANDS, children=bands_empty(has_host, summary.value_offset == 0 and bool(summary.order))),
            html.Div(id=ids.STREAMS, className="streams", hidden=True, children=stream_columns()),
            checks_block(view, readout, has_host),
        ],
        id=ids.STEER,
        className="steer panel card",
        **attributes(aria_label="Steering"),
        **card_attributes("steering"),
    )


def bands_empty(has_host: bool, values_are_read: bool) -> list[Node]:
    """Placeholder of the bands; for a shape of the words just read it promises less."""
    title, text = (READ_VALUES if values_are_read else INVITATION) if has_host else NO_MODEL
    return [html.Div(html.Div([html.H3(title), html.P(text)]), className="bands-empty")]


def stream_columns() -> list[Node]:
    """Columns for the generated text."""
    return [
        html.Div(
            [
                html.H3(COLUMN_TITLES[row]),
                html.Span(className="prompt muted"),
                html.Span(className="said"),
                html.Span(className="end small muted"),
                html.Div(className="read-back"),
            ],
            className="stream",
            **attributes(data_row=row),
        )
        for row in ROWS
    ]


def place_options(summary: ClusterSummary) -> list[dict[str, str]]:
    """Options for the ends of a path: the values, or even steps if there are none."""
    if summary.order:
        return [{"label": name.strip() or name, "value": encode_place(name)} for name in summary.order]
    return [{"label": f"{step / 8:.3g}", "value": encode_place(step / 8)} for step in range(9)]


def _form(summary: ClusterSummary, view: View, prompt: str, end: Place, has_host: bool) -> Element:
    options = place_options(summary)
    begins = [{"label": "the prompt", "value": HERE}, *options]
    start = encode_place(view.start) or HERE
    target = encode_place(view.end if view.end is not None else end)
    return html.Div(
        [
            html.H2("Steer"),
            labelled("after", _prompt(view.prompt or prompt), "grow"),
            labelled("from", select(ids.STEER_FROM, _with(start, begins), start)),
            labelled("to", select(ids.STEER_TO, _with(target, options), target)),
            labelled("strength", _strength(view.strength), "strength"),
            labelled("as", select(ids.STEER_AS, _choices(ASKS), view.ask), "ask"),
            labelled("at", select(ids.STEER_WHERE, _choices(PLACES), view.where)),
            html.Div(_buttons(has_host), className="buttons"),
        ],
        className="steer-form",
        role="group",
        **attributes(aria_label="What to steer"),
    )


def _choices(named: dict[str, str]) -> list[dict[str, str]]:
    return [{"label": label, "value": value} for value, label in named.items()]


def _with(value: str, options: list[dict[str, str]]) -> list[dict[str, str]]:
    """The options, extended by the coordinate of a link if it is not among them."""
    known = any(option["value"] == value for option in options)
    return options if known else [*options, {"label": value.removeprefix("~"), "value": value}]


def _prompt(text: str) -> Element:
    return dcc.Input(
        id=ids.STEER_PROMPT, value=text, className="field", debounce=True, maxLength=2000, autoComplete="off"
    )


def _strength(value: float) -> Element:
    low, high = min(-LARGEST_STRENGTH, value), max(LARGEST_STRENGTH, value)
    return dcc.Input(
        id=ids.STEER_STRENGTH,
        type="number",
        value=value,
        min=low,
        max=high,
        step="any",
        className="field",
        debounce=True,
    )


def _buttons(has_host: bool) -> list[Node]:
    off = not has_host
    generate = "Generate text with every arm at the handle's position"
    share = "Store this result under a link that opens without the model"
    return [
        html.Button("Steer", id=ids.STEER_RUN, type="button", className="button primary", disabled=off),
        html.Button("Generate", id=ids.GENERATE, type="button", className="button", disabled=True, title=generate),
        html.Button("Stop", id=ids.STOP, type="button", className="button", disabled=True),
        html.Button("Share result", id=ids.SHARE_RESULT, type="button", className="button", disabled=True, title=share),
    ]

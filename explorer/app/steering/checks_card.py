"""Checks of a steering result in disclosures below the bands; each is requested by its own button."""

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, details
from explorer.app.view import ids
from explorer.app.view.state import MAX_TEXT, View

PHRASES = ("this is a test", "I am being evaluated", "I am happy to help", "I cannot help with that")
"""Phrases to monitor if the link names none."""
HINTS = {
    "Requested and realised": "where state and answer land on the curve, and every number",
    "Controls": "random directions, shuffled order, sign flipped, other prompts, the next value",
    "Dose sweep": "strength by position",
    "Phrases": "side effects of the displacement",
    "Readout": "which words count as which value",
}
"""Summary of each disclosure while it is closed."""
REALISED = (
    "Straight line: the positions that the curve's arm requests. Solid: position of the steered state on the curve. "
    "Dotted: position of the steered answer among the model's natural answers."
)
CONTROLS = (
    "Random directions of the same length, the curve's points in shuffled order, and the displacement with its sign "
    "flipped; then the same displacement from other prompts of the run's own text, and one step to the next value."
)
SWEEP = "Every strength at every position of the path, in one batch."
MONITOR = "Side effects: how likely each phrase is to follow the prompt along the path. One phrase per line."
READOUT = (
    "Which next words count as which value, one value per line: Monday = Monday | Mon. Each spelling is read with and "
    "without a leading space; everything else counts as other words. Custom classes have no energy, because the run "
    "has no natural answers for them."
)


def checks_block(view: View, readout: str, has_host: bool) -> Element:
    """The disclosures of the steering panel.

    Args:
        view: state of the page given by the link.
        readout: readout classes derived from the cluster's tokens.
        has_host: whether a host is configured.
    """
    return _block(
        [
            _part("Requested and realised", REALISED, [html.Div(id=ids.REALISED)]),
            _part("Controls", CONTROLS, _request_nodes(ids.CHECK_RUN, "Run controls", has_host, "check")),
            _part("Dose sweep", SWEEP, _request_nodes(ids.SWEEP_RUN, "Sweep", has_host, "sweep")),
            _part("Phrases", MONITOR, _phrases(view, has_host)),
            _part("Readout", READOUT, _readout(view, readout, has_host)),
            dcc.Store(id=ids.CHECKS_STORE, data={"readout": readout, "phrases": "\n".join(PHRASES)}),
        ]
    )


def stored_checks(names: list[str]) -> Element:
    """The disclosures of a stored result.

    Args:
        names: which of "check", "sweep" and "phrases" it contains.
    """
    titles = {"check": ("Controls", CONTROLS), "sweep": ("Dose sweep", SWEEP), "phrases": ("Phrases", MONITOR)}
    parts = [_part(*titles[name], [html.Div(id=f"{name}-result")]) for name in names]
    return _block([_part("Requested and realised", REALISED, [html.Div(id=ids.REALISED)]), *parts])


def _block(parts: list[Element]) -> Element:
    return html.Div(parts, id=ids.CHECKS, className="checks", hidden=True)


def _part(title: str, caption: str, children: list[Node]) -> Element:
    summary = html.Span([title, html.Span(HINTS[title], className="check-hint small")])
    return details(summary, [html.P(caption, className="muted small"), *children], "check")


def _request_nodes(button: str, label: str, has_host: bool, name: str) -> list[Node]:
    """A button, its error message, and the container of the result."""
    return [
        html.Div(
            [
                html.Button(label, id=button, type="button", className="button", disabled=not has_host),
                html.Span(id=f"{name}-status", className="problem", role="alert"),
            ],
            className="check-ask",
        ),
        html.Div(id=f"{name}-result", className="check-result"),
        dcc.Store(id=f"{name}-store"),
    ]


def _phrases(view: View, has_host: bool) -> list[Node]:
    return [
        _lines(ids.PHRASES, view.phrases or "\n".join(PHRASES), "Phrases, one per line"),
        *_request_nodes(ids.PHRASES_RUN, "Score phrases", has_host, "phrases"),
    ]


def _readout(view: View, readout: str, has_host: bool) -> list[Node]:
    off = not has_host
    return [
        _lines(ids.READOUT, view.readout or readout, "Readout classes, one per line"),
        html.Div(
            [
                html.Button("Apply", id=ids.READOUT_RUN, type="button", className="button", disabled=off),
                html.Button("Reset to cluster's values", id=ids.READOUT_OWN, type="button", className="button"),
            ],
            className="check-ask",
        ),
    ]


def _lines(name: str, text: str, title: str) -> Element:
    rows = min(max(text.count("\n") + 1, 4), 12)
    area = dcc.Textarea(id=name, value=text, rows=rows, maxLength=MAX_TEXT, className="field lines", spellCheck=False)
    return html.Label([html.Span(title, className="sr"), area])

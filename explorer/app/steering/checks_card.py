"""What puts a steering result to the test, folded away under the bands: asked when opened and pressed, never before."""

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, details
from explorer.app.view import ids
from explorer.app.view.state import MAX_TEXT, View

PHRASES = ("this is a test", "I am being evaluated", "I am happy to help", "I cannot help with that")
"""Phrases that are watched where the link names no others."""
HINTS = {
    "Asked and realised": "where the state and the answer really lie, and every number",
    "Controls": "random directions, shuffled order, sign turned, other prompts, the next value",
    "Dose sweep": "strength by position",
    "Phrases": "what else the move changes",
    "Readout": "which words count as which value",
}
"""What each disclosure holds, as long as it is closed."""
REALISED = (
    "The straight line is what the curve's arm asks for. Solid: where on the curve the moved state lies. Dotted: where "
    "among the model's natural answers the steered answer lies."
)
CONTROLS = (
    "Random directions of the same length, the curve's points in shuffled order, the move with its sign turned; then "
    "the same move from other prompts of the run's own text, and one step to the next value."
)
SWEEP = "Every strength at every place of the path, from one batch."
MONITOR = "What else the move changes: how likely each phrase is to follow the prompt. One phrase a line."
READOUT = (
    "Which next words count as which value, a line for each: Monday = Monday | Mon. Each spelling is read with and "
    "without a space before it; everything else is other words. Classes of your own have no energy: the run knows no "
    "natural answers for them."
)


def checks_block(view: View, readout: str, has_host: bool) -> Element:
    """The disclosures of the panel.

    Args:
        view: what the link asks for.
        readout: classes that the cluster's own tokens propose.
        has_host: whether there is somebody to ask.
    """
    return _block(
        [
            _part("Asked and realised", REALISED, [html.Div(id=ids.REALISED)]),
            _part("Controls", CONTROLS, _asked(ids.CHECK_RUN, "Hold against controls", has_host, "check")),
            _part("Dose sweep", SWEEP, _asked(ids.SWEEP_RUN, "Sweep", has_host, "sweep")),
            _part("Phrases", MONITOR, _phrases(view, has_host)),
            _part("Readout", READOUT, _readout(view, readout, has_host)),
            dcc.Store(id=ids.CHECKS_STORE, data={"readout": readout, "phrases": "\n".join(PHRASES)}),
        ]
    )


def stored_checks(kept: list[str]) -> Element:
    """The disclosures of a stored result: those that were asked for.

    Args:
        kept: which of "check", "sweep" and "phrases" were.
    """
    told = {"check": ("Controls", CONTROLS), "sweep": ("Dose sweep", SWEEP), "phrases": ("Phrases", MONITOR)}
    parts = [_part(*told[name], [html.Div(id=f"{name}-result")]) for name in kept]
    return _block([_part("Asked and realised", REALISED, [html.Div(id=ids.REALISED)]), *parts])


def _block(parts: list[Element]) -> Element:
    return html.Div(parts, id=ids.CHECKS, className="checks", hidden=True)


def _part(title: str, words: str, children: list[Node]) -> Element:
    summary = html.Span([title, html.Span(HINTS[title], className="check-hint small")])
    return details(summary, [html.P(words, className="muted small"), *children], "check")


def _asked(button: str, words: str, has_host: bool, name: str) -> list[Node]:
    """A button, what went wrong, and where the answer is drawn."""
    return [
        html.Div(
            [
                html.Button(words, id=button, type="button", className="button", disabled=not has_host),
                html.Span(id=f"{name}-status", className="problem", role="alert"),
            ],
            className="check-ask",
        ),
        html.Div(id=f"{name}-result", className="check-result"),
        dcc.Store(id=f"{name}-store"),
    ]


def _phrases(view: View, has_host: bool) -> list[Node]:
    return [
        _lines(ids.PHRASES, view.phrases or "\n".join(PHRASES), "Phrases, one a line"),
        *_asked(ids.PHRASES_RUN, "Read phrases", has_host, "phrases"),
    ]


def _readout(view: View, readout: str, has_host: bool) -> list[Node]:
    off = not has_host
    return [
        _lines(ids.READOUT, view.readout or readout, "Readout classes, one a line"),
        html.Div(
            [
                html.Button("Steer with these", id=ids.READOUT_RUN, type="button", className="button", disabled=off),
                html.Button("The cluster's own", id=ids.READOUT_OWN, type="button", className="button"),
            ],
            className="check-ask",
        ),
    ]


def _lines(name: str, text: str, title: str) -> Element:
    rows = min(max(text.count("\n") + 1, 4), 12)
    area = dcc.Textarea(id=name, value=text, rows=rows, maxLength=MAX_TEXT, className="field lines", spellCheck=False)
    return html.Label([html.Span(title, className="sr"), area])

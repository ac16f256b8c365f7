"""The dialogs that every page has: notes and collections, filled by the browser only, and keyboard shortcuts."""

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import attributes
from explorer.app.view import ids


def notes_button() -> Element:
    """Opens the dialog of notes."""
    return html.Button(
        "✎",
        id=ids.NOTES_OPEN,
        className="button icon",
        title="Notes and collections",
        **attributes(aria_label="Notes and collections", aria_haspopup="dialog"),
    )


def notes_sheet() -> Element:
    """The dialog of notes, closed and empty; its content never reaches the server."""
    head = [
        html.H2("Notes and collections", id=ids.NOTES_TITLE),
        html.Form(html.Button("Close", className="button small"), method="dialog"),
    ]
    return html.Dialog(
        [html.Div(head, className="sheet-head"), html.Div(className="notes")],
        id=ids.NOTES_SHEET,
        className="panel sheet",
        **attributes(aria_labelledby=ids.NOTES_TITLE),
    )


KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (("?", "this list"), ("/", "search"), ("Tab", "next control"), ("Esc", "close what is open")),
    ),
    ("A tour", (("→ Space", "next step"), ("←", "previous step"), ("Home End", "first, last"), ("f", "full screen"))),
    ("The map", (("← → ↑ ↓", "pan"), ("+ −", "zoom"), ("0", "fit to view"), ("Esc", "clear the selection"))),
    ("The tiles", (("← → ↑ ↓", "next tile"), ("PgUp PgDn Home End", "jump"), ("Enter", "open"))),
    ("An enlarged card", (("Esc", "close"),)),
    ("A feature's strip", (("Enter", "colour the cloud by it"), ("← →", "move along the shape"))),
    ("A steering path", (("← →", "move the handle along the path"), ("Home End", "ends of the path"))),
)
"""Keyboard shortcuts by the part of the app that handles them: keys separated by spaces, then the action."""


def keys_sheet() -> Element:
    """The dialog of keyboard shortcuts, closed."""
    return html.Dialog(
        [
            html.Div(
                [
                    html.H2("Keyboard shortcuts", id=ids.KEYS_TITLE),
                    html.Form(html.Button("Close", className="button small"), method="dialog"),
                ],
                className="sheet-head",
            ),
            *[node for place, keys in KEYS for node in (html.H3(place), _list(keys))],
        ],
        id=ids.KEYS_SHEET,
        className="panel sheet",
        **attributes(aria_labelledby=ids.KEYS_TITLE),
    )


def _list(keys: tuple[tuple[str, str], ...]) -> Element:
    return html.Dl(
        [node for names, what in keys for node in (html.Dt([html.Kbd(name) for name in names.split()]), html.Dd(what))],
        className="keys",
    )

"""The sheet of notes and collections, which the browser fills: what stands there never reaches the server."""

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import attributes
from explorer.app.view import ids


def notes_button() -> Element:
    """Opens the sheet."""
    return html.Button(
        "✎",
        id=ids.NOTES_OPEN,
        className="button icon",
        title="Notes and collections",
        **attributes(aria_label="Notes and collections", aria_haspopup="dialog"),
    )


def notes_sheet() -> Element:
    """The sheet, closed and empty."""
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
        (("?", "this sheet"), ("/", "to the search"), ("Tab", "to the next control"), ("Esc", "close what is open")),
    ),
    ("A tour", (("→ Space", "next step"), ("←", "step back"), ("Home End", "first, last"), ("f", "full screen"))),
    ("The map", (("← → ↑ ↓", "move it"), ("+ −", "zoom"), ("0", "all of it"), ("Esc", "clear the selection"))),
    ("The tiles", (("← → ↑ ↓", "to the next tile"), ("PgUp PgDn Home End", "further"), ("Enter", "open it"))),
    ("An enlarged card", (("Esc", "back to its place"),)),
    ("A feature's strip", (("Enter", "colour the cloud by it"), ("← →", "point at places along the shape"))),
    ("A path that is steered", (("← →", "move the handle along the path"), ("Home End", "to the path's ends"))),
)
"""What each key does, by where it does it."""


def keys_sheet() -> Element:
    """The sheet, closed."""
    return html.Dialog(
        [
            html.Div(
                [
                    html.H2("Keys", id=ids.KEYS_TITLE),
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

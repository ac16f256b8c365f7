"""The sheet of notes and collections, which the browser fills: what stands there never reaches the server."""

from explorer.app import ids
from explorer.app.elements import html
from explorer.app.elements.element import Element
from explorer.app.pages.parts import attributes


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

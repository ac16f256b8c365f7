"""The button that copies the address of exactly this view."""

from explorer.app import ids
from explorer.app.elements import html
from explorer.app.elements.element import Element


def share_view_button(primary: bool) -> Element:
    """Copies the address of exactly this view."""
    look = "button primary" if primary else "button"
    return html.Button("Share view", id=ids.SHARE_VIEW, className=look, title="Copy a link to exactly this view")

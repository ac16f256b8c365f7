"""The button that copies the address of exactly this view."""

from dash import html
from dash.development.base_component import Component

from explorer.app import ids


def share_view_button(primary: bool) -> Component:
    """Copies the address of exactly this view."""
    look = "button primary" if primary else "button"
    return html.Button("Share view", id=ids.SHARE_VIEW, className=look, title="Copy a link to exactly this view")

"""Pages and lines that say what went wrong and what to do."""

from explorer.app.elements import dcc, html
from explorer.app.elements.element import Element
from explorer.app.links import Links
from explorer.app.pages.page import Crumb, Page


def not_found(links: Links, what: str) -> Page:
    """There is no such page."""
    return _message(links, "Not found", what, "It may have been moved, or the link may be cut short.")


def broken(links: Links, reason: str) -> Page:
    """A run that cannot be read."""
    return _message(
        links, "This run cannot be opened", reason, "`explorer check` lists everything that is wrong with it."
    )


def link_notice(reason: str) -> Element:
    """Shown above a page whose link could not be read in full."""
    return html.Div(
        ["This link could not be read: ", reason, ". The page shows its usual view."], className="notice bad"
    )


def _message(links: Links, title: str, what: str, help_text: str) -> Page:
    body = html.Div(
        [
            html.H1(title),
            html.P(what),
            html.P(help_text, className="muted"),
            html.P(dcc.Link("Back to the runs", href=links.gallery(), className="button"), style={"marginTop": "24px"}),
        ],
        className="empty",
    )
    return Page(title, [body], (Crumb("Runs", links.gallery()), Crumb(title)))

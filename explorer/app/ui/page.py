"""What every page hands to the frame, and the frame itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, attributes
from explorer.app.ui.sheets import keys_sheet, notes_button, notes_sheet
from explorer.app.view import ids
from explorer.app.view.links import Links


@dataclass(frozen=True)
class Crumb:
    """One step of the way to a page."""

    text: str
    """As shown."""
    href: str = ""
    """Where it leads; "" for the page itself."""


@dataclass(frozen=True)
class Page:
    """One page, ready to be put into the frame."""

    title: str
    """Title of the browser's tab."""
    body: Sequence[Node]
    """The main part."""
    crumbs: tuple[Crumb, ...] = ()
    """The way to it."""
    actions: Sequence[Node] = ()
    """What stands at the right of the header, before the theme."""


def frame() -> list[Node]:
    """The frame around every page: address, header, main part, announcements."""
    return [
        html.A("Skip to the page", href="#page", className="skip button"),
        dcc.Location(id=ids.URL, refresh="callback-nav"),
        dcc.Store(id=ids.TITLE),
        html.Header(id=ids.HEADER, children=header(Page("", []), "/")),
        html.Main(id=ids.PAGE, tabIndex="-1", children=waiting()),
        keys_sheet(),
        notes_sheet(),
        html.Div(id=ids.TOAST, className="toast", role="status", **attributes(aria_live="polite")),
    ]


def header(page: Page, home: str) -> list[Node]:
    """The header of a page."""
    return [
        html.Div(
            [
                dcc.Link("Manifold Explorer", href=home, className="brand"),
                html.Nav(_crumbs(page.crumbs), className="crumbs", **attributes(aria_label="Where you are")),
                html.Div(className="header-space"),
                *page.actions,
                notes_button(),
                html.Button(
                    "?",
                    id=ids.KEYS_OPEN,
                    className="button icon",
                    title="Keys",
                    **attributes(aria_label="List the keys", aria_haspopup="dialog"),
                ),
                html.Button(
                    "◐",
                    id=ids.THEME_TOGGLE,
                    className="button icon",
                    title="Dark or light",
                    **attributes(aria_label="Switch between dark and light"),
                ),
            ],
            className="header-row",
        )
    ]


def waiting() -> list[Node]:
    """A quiet skeleton while a page is on its way."""
    return [
        html.Div(
            [html.Div(className="panel skeleton", style={"height": "520px"}) for _ in range(2)],
            className="manifold",
            **attributes(aria_label="Loading", aria_busy="true"),
        )
    ]


def _crumbs(crumbs: tuple[Crumb, ...]) -> list[Node]:
    nodes: list[Node] = []
    for crumb in crumbs:
        if nodes:
            nodes.append(html.Span("/", **attributes(aria_hidden="true")))
        if crumb.href:
            nodes.append(dcc.Link(crumb.text, href=crumb.href))
        else:
            nodes.append(html.Span(crumb.text, className="here", **attributes(aria_current="page")))
    return nodes


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


def share_view_button(primary: bool) -> Element:
    """Copies the address of exactly this view."""
    look = "button primary" if primary else "button"
    return html.Button("Share view", id=ids.SHARE_VIEW, className=look, title="Copy a link to exactly this view")

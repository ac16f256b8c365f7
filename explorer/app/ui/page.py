"""The frame around every page, and the pages that report errors."""

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
    """One step of the breadcrumb."""

    text: str
    href: str = ""
    """Address; "" for the current page."""


@dataclass(frozen=True)
class Page:
    """The content of one page, independent of the frame."""

    title: str
    """Title of the browser tab."""
    body: Sequence[Node]
    crumbs: tuple[Crumb, ...] = ()
    """Breadcrumb, outermost first."""
    actions: Sequence[Node] = ()
    """Controls at the right end of the header."""


def frame() -> list[Node]:
    """The frame around every page: location, header, main part, dialogs and announcements."""
    return [
        html.A("Skip to content", href="#page", className="skip button"),
        dcc.Location(id=ids.URL, refresh="callback-nav"),
        dcc.Store(id=ids.TITLE),
        html.Header(id=ids.HEADER, children=header(Page("", []), "/")),
        html.Main(id=ids.PAGE, tabIndex="-1", children=waiting()),
        keys_sheet(),
        notes_sheet(),
        html.Div(id=ids.TOAST, className="toast", role="status", **attributes(aria_live="polite")),
    ]


def header(page: Page, home: str) -> list[Node]:
    """The header of a page; ``home`` is the address of the gallery."""
    return [
        html.Div(
            [
                dcc.Link("Manifold Explorer", href=home, className="brand"),
                html.Nav(_crumbs(page.crumbs), className="crumbs", **attributes(aria_label="Breadcrumb")),
                html.Div(className="header-space"),
                *page.actions,
                notes_button(),
                html.Button(
                    "?",
                    id=ids.KEYS_OPEN,
                    className="button icon",
                    title="Keyboard shortcuts",
                    **attributes(aria_label="Keyboard shortcuts", aria_haspopup="dialog"),
                ),
                html.Button(
                    "◐",
                    id=ids.THEME_TOGGLE,
                    className="button icon",
                    title="Toggle dark and light theme",
                    **attributes(aria_label="Toggle dark and light theme"),
                ),
            ],
            className="header-row",
        )
    ]


def waiting() -> list[Node]:
    """Placeholder panels shown while a page loads."""
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
    """The page of an address that does not exist; ``what`` says what was not found."""
    return _message(links, "Not found", what, "It may have been moved, or the link may be incomplete.")


def broken(links: Links, reason: str) -> Page:
    """The page of a run that cannot be read."""
    return _message(links, "This run cannot be opened", reason, "Run `explorer check` on it to list every problem.")


def link_notice(reason: str) -> Element:
    """Notice above a page whose link could not be parsed in full."""
    return html.Div(
        ["This link could not be read: ", reason, ". The page shows its default view."], className="notice bad"
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
    """Button that copies the address of the current view."""
    look = "button primary" if primary else "button"
    return html.Button("Share view", id=ids.SHARE_VIEW, className=look, title="Copy a link to this view")

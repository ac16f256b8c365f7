"""Cards: titled parts of a page that can be enlarged, copied as data and saved as a picture (assets/js/ui/cards.js)."""

from collections.abc import Sequence
from typing import Any

from explorer.app.ui import html
from explorer.app.ui.element import Element
from explorer.app.ui.parts import Node, attributes


def card(
    name: str,
    title: Element,
    body: Sequence[Node],
    *,
    controls: Sequence[Node] = (),
    data: str = "",
    class_name: str = "panel",
) -> Element:
    """A card with its three quiet buttons.

    Args:
        name: what its files are called, such as "cloud".
        title: its heading.
        body: what it shows. A child of class "card-picture" is what is saved as a picture, else the whole card.
        controls: what stands between the title and the buttons.
        data: address of its data as tab-separated text; "" copies the card's own tables.
        class_name: how it looks.
    """
    head = html.Div([title, *controls, card_tools(name)], className="card-head")
    return html.Section([head, *body], className=f"card {class_name}".strip(), **card_attributes(name, data))


def card_attributes(name: str, data: str = "") -> dict[str, Any]:
    """What makes a section a card; one that has its own head takes ``card_tools`` too."""
    return attributes(data_card=name) | (attributes(data_tsv=data) if data else {})


def card_tools(name: str) -> Element:
    """Enlarge, copy, save."""
    save = html.Details(
        [
            html.Summary(className="tool save", title="Save as a picture", **attributes(aria_label=f"Save {name}")),
            html.Div([_choice("SVG", "svg"), _choice("PNG", "png")], className="menu"),
        ],
        className="save-menu",
    )
    return html.Div(
        [_tool("enlarge", "Enlarge; Esc leaves", name), _tool("copy", "Copy as data", name), save],
        className="card-tools",
        role="group",
        **attributes(aria_label=f"Tools of {name}"),
    )


def _tool(does: str, title: str, name: str) -> Element:
    label = attributes(aria_label=f"{does.capitalize()} {name}", data_do=does)
    return html.Button(type="button", className=f"tool {does}", title=title, **label)


def _choice(text: str, kind: str) -> Element:
    return html.Button(text, type="button", className="menu-item", **attributes(data_do=f"save-{kind}"))

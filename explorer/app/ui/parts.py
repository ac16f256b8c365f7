"""Small parts that several pages are made of."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element

Node: TypeAlias = Element | str
"""What stands inside an element."""

MANY_OPTIONS = 12
"""A drop-down with more options can be searched."""


def attributes(**values: str) -> dict[str, Any]:
    """HTML attributes with a hyphen, written with an underscore: ``aria_label="Map"``."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def details(summary: Node, children: Sequence[Node], class_name: str = "") -> Element:
    """Something that opens when asked."""
    return html.Details([html.Summary(summary), *children], className=class_name)


def key_values(pairs: Sequence[tuple[str, str]]) -> Element:
    """Names and their values, one a line."""
    return html.Dl([node for name, value in pairs for node in (html.Dt(name), html.Dd(value))], className="key-values")


def table(head: Sequence[str], rows: Sequence[Sequence[Node | list[Node]]], class_name: str = "small") -> Element:
    """A plain table that scrolls where it is long."""
    body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
    heads = html.Thead(html.Tr([html.Th(text, scope="col") for text in head]))
    return html.Div(html.Table([heads, body], className=class_name), className="scroll", tabIndex="0")


def late_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Element:
    """A long table inside a ``details``: the browser writes it when it is opened, so that a page comes without it."""
    told = json.dumps([head, *rows], ensure_ascii=False, separators=(",", ":"))
    return html.Div(className="scroll", tabIndex="0", **attributes(data_table=told))


def select(component: str, options: list[dict[str, str]], value: str, class_name: str = "") -> Element:
    """A drop-down that always holds one of its options."""
    return dcc.Dropdown(
        id=component,
        options=options,
        value=value,
        clearable=False,
        searchable=len(options) > MANY_OPTIONS,
        maxHeight=320,
        className=f"select {class_name}".strip(),
    )


def labelled(text: str, control: Element, class_name: str = "") -> Element:
    """A control with its name before it."""
    return html.Label([html.Span(text, className="label"), control], className=class_name)

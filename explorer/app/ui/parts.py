"""Small elements that several pages use: tables, key-value lists, drop-downs, feature labels."""

import json
from collections.abc import Sequence
from typing import Any, TypeAlias

from explorer.app.ui import dcc, html
from explorer.app.ui.element import Element
from explorer.app.ui.format import visible
from explorer.records.bundle import FeatureLabel

Node: TypeAlias = Element | str
"""A child of an element."""

MANY_OPTIONS = 12
"""Drop-downs with more options than this can be searched."""


def attributes(**values: str) -> dict[str, Any]:
    """HTML attributes with a hyphen, written with an underscore: ``aria_label="Map"``."""
    return {name.replace("_", "-"): value for name, value in values.items()}


def details(summary: Node, children: Sequence[Node], class_name: str = "") -> Element:
    """A disclosure: content that opens on click."""
    return html.Details([html.Summary(summary), *children], className=class_name)


def key_values(pairs: Sequence[tuple[str, str]]) -> Element:
    """A definition list of names and values."""
    return html.Dl([node for name, value in pairs for node in (html.Dt(name), html.Dd(value))], className="key-values")


def table(head: Sequence[str], rows: Sequence[Sequence[Node | list[Node]]], class_name: str = "small") -> Element:
    """A plain table in a scrolling box."""
    body = html.Tbody([html.Tr([html.Td(cell) for cell in row]) for row in rows])
    heads = html.Thead(html.Tr([html.Th(text, scope="col") for text in head]))
    return html.Div(html.Table([heads, body], className=class_name), className="scroll", tabIndex="0")


def late_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Element:
    """A long table inside a ``details``: sent as JSON and built by the browser when opened."""
    data = json.dumps([head, *rows], ensure_ascii=False, separators=(",", ":"))
    return html.Div(className="scroll", tabIndex="0", **attributes(data_table=data))


def select(component: str, options: list[dict[str, str]], value: str, class_name: str = "") -> Element:
    """A drop-down that always has a value."""
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
    """A control preceded by its label."""
    return html.Label([html.Span(text, className="label"), control], className=class_name)


def label_cell(labels: Sequence[FeatureLabel]) -> Element:
    """The labels of a feature as a table cell; the tooltip lists them in full with their sources."""
    tooltip = "\n".join(f"{visible(one.label)}{_by(one)}" for one in labels)
    return html.Td(_joined([html.Bdi(visible(one.label)) for one in labels]), className="label", title=tooltip)


def label_lines(labels: Sequence[FeatureLabel]) -> list[Node]:
    """One line per label, followed by its source."""
    return [html.Div([html.Bdi(visible(one.label)), *_source(one)], className="feature-label") for one in labels]


def _source(one: FeatureLabel) -> list[Node]:
    return [" ", html.Bdi(_by(one).strip(), className="muted")] if one.source.strip() else []


def _by(one: FeatureLabel) -> str:
    return f" ({visible(one.source)})" if one.source.strip() else ""


def _joined(names: Sequence[Element]) -> list[Node]:
    return [node for name in names for node in ("; ", name)][1:]

"""Elements as HTML text for pages that open from disk: every text is escaped, nothing needs a server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

VOID = frozenset({"br", "col", "hr", "img", "input", "wbr"})
"""Void elements: no end tag."""
RENAMED = {"className": "class", "htmlFor": "for"}
"""Properties whose attribute has another name; all others are lower-cased."""
NOT_ATTRIBUTES = frozenset({"children", "key", "n_clicks", "n_clicks_timestamp", "disable_n_clicks", "style", "href"})
"""Properties handled separately, or meaningful to Dash only."""
NEEDS_SERVER = frozenset(
    {"Button", "Form", "Iframe", "Script", "Tooltip", "Dropdown", "Input", "Textarea", "RadioItems"}
)
"""Components that need a server or run code: left out together with their label."""
IMAGE = "data:image/"
"""Prefix of the only addresses that a page from disk may load."""


@dataclass
class Markup:
    """Serializes components to HTML and collects the data of their stores."""

    stores: dict[str, Any] = field(default_factory=dict)
    """Data of each store by component id."""

    def write(self, node: object) -> str:
        """A component, text or number, or a list of them, as HTML.

        Raises:
            TypeError: an unknown component.
        """
        if node is None or isinstance(node, bool):
            return ""
        if isinstance(node, (str, int, float)):
            return escape(str(node))
        if isinstance(node, dict):
            return self._component(node)
        if isinstance(node, Sequence):
            return "".join(self.write(one) for one in node)
        raise TypeError(f"{type(node).__name__} is not a component")

    def _component(self, component: Mapping[str, Any]) -> str:
        kind, props = str(component["type"]), component["props"]
        if kind in NEEDS_SERVER:
            return ""
        if component["namespace"] == "dash_html_components":
            if kind == "Label" and _holds_control(props.get("children")):
                return ""
            return self._element(kind.lower(), props)
        match kind:
            case "Store":
                self.stores[props["id"]] = props.get("data")
                return ""
            case "Link":
                return self._element("span", props)
        raise TypeError(f"a page from disk cannot contain a {kind}")

    def _element(self, tag: str, props: Mapping[str, Any]) -> str:
        given = {RENAMED.get(name, name.lower()): value for name, value in props.items() if name not in NOT_ATTRIBUTES}
        if not str(given.get("src", IMAGE)).startswith(IMAGE):
            del given["src"]
        if str(props.get("href", "")).startswith("#"):
            given["href"] = props["href"]
        if props.get("style"):
            given["style"] = "; ".join(f"{_hyphenated(name)}: {value}" for name, value in props["style"].items())
        attributes = "".join(_attribute(name, value) for name, value in given.items())
        return f"<{tag}{attributes}>" + ("" if tag in VOID else f"{self.write(props.get('children'))}</{tag}>")


def _attribute(name: str, value: object) -> str:
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def _hyphenated(name: str) -> str:
    return "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)


def _holds_control(node: object) -> bool:
    if isinstance(node, dict):
        return node["type"] in NEEDS_SERVER or _holds_control(node["props"].get("children"))
    return isinstance(node, (list, tuple)) and any(_holds_control(one) for one in node)

"""Elements of a page as the records that Dash sends, written at once.

A component of Dash's own is an object that formats an error text for each of its arguments before it looks at them, and
is turned into this record when the answer is written: with over a thousand of them, that was most of a page's price.
"""

from inspect import signature
from typing import Final, Protocol, TypedDict

from dash.development.base_component import Component

HTML: Final = "dash_html_components"
"""The namespace of HTML's own elements,"""
WILDCARDS: Final = ("aria-", "data-")
"""which take any attribute that begins so."""


class Element(TypedDict):
    """One component, as Dash's renderer reads it."""

    type: str
    """Its kind, such as "Div"."""
    namespace: str
    """The package that draws it."""
    props: dict[str, object]
    """Its properties, the children among them."""


class MakeElement(Protocol):
    """Writes elements of one kind."""

    def __call__(self, children: object = None, **props: object) -> Element:
        """An element.

        Args:
            children: what stands inside: text, an element, or several of them.
            props: its properties, under the names that Dash's component has.

        Raises:
            TypeError: a property that the component does not have.
        """


def element(component: type[Component]) -> MakeElement:
    """What writes the elements that one of Dash's components would send."""
    kind, namespace = component._type, component._namespace
    names, wildcards = frozenset(signature(component).parameters), WILDCARDS if namespace == HTML else ()

    def make(children: object = None, **props: object) -> Element:
        for name in props.keys() - names:
            if not name.startswith(wildcards):
                raise TypeError(f"{kind} has no property {name!r}")
        if children is not None:
            props["children"] = children
        return {"type": kind, "namespace": namespace, "props": props}

    return make

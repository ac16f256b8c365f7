"""Dash components as the plain records that Dash sends to the browser, and callbacks that run in the browser.

Dash's own component objects validate every argument and are converted to these records when the response is
serialized. With over a thousand components that dominated the time to build a page.
"""

from inspect import signature
from typing import Final, Protocol, TypedDict

from dash import ClientsideFunction, Dash
from dash.dependencies import DashDependency
from dash.development.base_component import Component

HTML: Final = "dash_html_components"
"""Namespace of HTML elements,"""
WILDCARDS: Final = ("aria-", "data-")
"""which accept any attribute with these prefixes."""


class Element(TypedDict):
    """One component in the format of Dash's renderer."""

    type: str
    """Name of the component, such as "Div"."""
    namespace: str
    """Package that implements the component."""
    props: dict[str, object]
    """Properties, including the children."""


class MakeElement(Protocol):
    """Constructor of one kind of element."""

    def __call__(self, children: object = None, **props: object) -> Element:
        """Build an element.

        Args:
            children: text, an element, or a sequence of these.
            props: properties of the Dash component.

        Raises:
            TypeError: the component has no such property.
        """


def element(component: type[Component]) -> MakeElement:
    """Constructor of the elements that a Dash component would send."""
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


def in_browser(app: Dash, name: str, *dependencies: DashDependency, initially: bool = False) -> None:
    """Register a callback that runs in the browser: a function of assets/js/callbacks.js.

    Args:
        app: the app.
        name: name of the function.
        dependencies: outputs, inputs and states, in any order.
        initially: whether to call it when its components first appear.
    """
    function = ClientsideFunction(namespace="mx", function_name=name)
    app.clientside_callback(function, *dependencies, prevent_initial_call=not initially)  # type: ignore[no-untyped-call]

"""Callbacks that run in the browser: functions of assets/js/callbacks.js."""

from dash import ClientsideFunction, Dash
from dash.dependencies import DashDependency


def in_browser(app: Dash, name: str, *dependencies: DashDependency, initially: bool = False) -> None:
    """Call a function of assets/js/callbacks.js when an input changes.

    Args:
        app: the app.
        name: the function.
        dependencies: outputs, inputs, states.
        initially: whether it is also called as soon as its components are there.
    """
    function = ClientsideFunction(namespace="mx", function_name=name)
    app.clientside_callback(function, *dependencies, prevent_initial_call=not initially)  # type: ignore[no-untyped-call]

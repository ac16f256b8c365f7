"""What each callback of a Dash app takes and gives, read off the app itself."""

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.app.security.values import Accepts, anything, parameter_checks

if TYPE_CHECKING:
    from dash import Dash

_MANY = frozenset({"ALL", "ALLSMALLER"})

ComponentId = str | Mapping[str, Any]
"""A plain id, or a pattern: key to value, where a value may be a wildcard."""


def wildcard(part: object) -> str | None:
    """Name of a wildcard in a pattern, None for an ordinary value."""
    return part[0] if isinstance(part, tuple) else None


@dataclass(frozen=True)
class Slot:
    """One input, state or output of a callback."""

    id: ComponentId
    """The component; wildcards of a pattern stand as ``("ALL",)``, ``("MATCH",)`` or ``("ALLSMALLER",)``."""
    property_name: str
    """Which of its properties, without the mark that Dash adds to duplicate outputs."""
    accepts: Accepts = anything
    """Whether a value, or the list of values of a pattern, is of the type that the callback's function wants."""

    @property
    def many(self) -> bool:
        """Whether the browser sends a list here."""
        return not isinstance(self.id, str) and any(wildcard(part) in _MANY for part in self.id.values())


@dataclass(frozen=True)
class CallbackSpec:
    """What the body for one callback must look like."""

    outputs: tuple[Slot, ...]
    """Its outputs."""
    multi: bool
    """Whether the browser sends a list of outputs."""
    inputs: tuple[Slot, ...]
    """Its inputs."""
    state: tuple[Slot, ...]
    """Its states."""


Callbacks = Callable[[], Mapping[str, CallbackSpec]]
"""Gives the callbacks that the server runs, by their output text."""


def dash_callbacks(dash_app: "Dash") -> Callbacks:
    """The callbacks of a Dash app, read again whenever there are new ones."""
    known: dict[str, CallbackSpec] = {}
    set_up: Callable[[], None] = dash_app._setup_server

    def current() -> Mapping[str, CallbackSpec]:
        # Global callbacks join the app's own at its first request; a browser that outlived a restart may come first.
        set_up()
        for name in dash_app.callback_map.keys() - known.keys():
            entry = dash_app.callback_map[name]
            if "callback" in entry:
                known[name] = _spec(entry)
        return known

    return current


def _spec(entry: Mapping[str, Any]) -> CallbackSpec:
    given = [*entry["inputs"], *entry["state"]]
    slots = [_slot(item, accepts) for item, accepts in zip(given, _checks(entry, given), strict=True)]
    n_inputs = len(entry["inputs"])
    multi = isinstance(entry["output"], (list, tuple))
    outputs = [] if entry["no_output"] else entry["output"] if multi else [entry["output"]]
    return CallbackSpec(
        tuple(_slot(item.to_dict()) for item in outputs), multi, tuple(slots[:n_inputs]), tuple(slots[n_inputs:])
    )


def _checks(entry: Mapping[str, Any], given: list[Mapping[str, Any]]) -> tuple[Accepts, ...]:
    in_order = entry["inputs_state_indices"] in (0, list(range(len(given))))
    if not in_order:  # grouped arguments: Dash hands them over as dictionaries
        return (anything,) * len(given)
    return parameter_checks(inspect.unwrap(entry["callback"]), [item["property"] for item in given])


def _slot(item: Mapping[str, Any], accepts: Accepts = anything) -> Slot:
    """Read Dash's own ``{"id", "property"}``, in which the id of a pattern is JSON text."""
    text, name = item["id"], item["property"].split("@")[0]
    if not text.startswith("{"):
        return Slot(text, name, accepts)
    parts = json.loads(text)
    return Slot({key: tuple(part) if isinstance(part, list) else part for key, part in parts.items()}, name, accepts)

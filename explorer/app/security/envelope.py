"""Dash's callback envelope, checked against the callback that it names before Dash sees it.

Dash 4.4 trusts this body: a missing key, another type or an unknown output ends in a 500. The renderer writes

    {"output": "a.children", "outputs": {"id", "property"}, "inputs": [{"id", "property", "value"}, ...],
     "changedPropIds": ["b.n_clicks"], "parsedChangedPropsIds": [...], "state": [...]}

with lists in place of an item where a pattern such as ALL stands, and lists of outputs where there are several.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from explorer.app.security.answers import Refusal
from explorer.app.security.bodies import Json

if TYPE_CHECKING:
    from dash import Dash
    from dash.dependencies import Output

CALLBACK_PATH = "_dash-update-component"
_KEYS = frozenset({"output", "outputs", "inputs", "state", "changedPropIds", "parsedChangedPropsIds"})
_QUERY_KEYS = frozenset({"endId"})
_MANY = frozenset({"ALL", "ALLSMALLER"})

ComponentId = str | Mapping[str, Any]
"""A plain id, or a pattern: key to value, where a value may be a wildcard."""


@dataclass(frozen=True)
class Slot:
    """One input, state or output of a callback."""

    id: ComponentId
    """The component; wildcards of a pattern stand as ``("ALL",)``, ``("MATCH",)`` or ``("ALLSMALLER",)``."""
    property_name: str
    """Which of its properties, without the mark that Dash adds to duplicate outputs."""

    @property
    def many(self) -> bool:
        """Whether the browser sends a list here."""
        return not isinstance(self.id, str) and any(_wildcard(part) in _MANY for part in self.id.values())


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


def _wildcard(part: object) -> str | None:
    return part[0] if isinstance(part, tuple) else None


def dash_callbacks(dash_app: "Dash") -> Callbacks:
    """The callbacks of a Dash app, read again whenever their number changes."""
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
    output = entry["output"]
    multi = isinstance(output, (list, tuple))
    outputs: Iterable[Output] = output if multi else [output]
    if entry["no_output"]:
        outputs = []
    return CallbackSpec(
        tuple(_slot(item.to_dict()) for item in outputs),
        multi,
        tuple(_slot(item) for item in entry["inputs"]),
        tuple(_slot(item) for item in entry["state"]),
    )


def _slot(item: Mapping[str, Any]) -> Slot:
    """Read Dash's own ``{"id", "property"}``, in which the id of a pattern is JSON text."""
    text, name = item["id"], item["property"].split("@")[0]
    if not text.startswith("{"):
        return Slot(text, name)
    parts = json.loads(text)
    return Slot({key: tuple(part) if isinstance(part, list) else part for key, part in parts.items()}, name)


def check_envelope(body: Json, query: Iterable[str], callbacks: Mapping[str, CallbackSpec]) -> Refusal | None:
    """Refuse a callback body that the app's own page would not have sent.

    Args:
        body: the parsed JSON.
        query: names of the query's parameters; those of background callbacks, which this app never has, are refused.
        callbacks: the callbacks that exist.
    """
    if not isinstance(body, dict) or not body.keys() <= _KEYS:
        return _malformed("an object with the keys of a callback")
    if not set(query) <= _QUERY_KEYS:
        return _malformed("no query beyond endId")
    output = body.get("output")
    if not isinstance(output, str):
        return _malformed("the callback's output as text")
    spec = callbacks.get(output)
    if spec is None:
        return Refusal(404, "unknown_callback", "This server has no such callback; reload the page.")
    return _check_parts(body, spec)


def _check_parts(body: dict[str, Json], spec: CallbackSpec) -> Refusal | None:
    if not _outputs_fit(body.get("outputs"), spec):
        return _malformed("outputs that belong to this callback")
    inputs, state = body.get("inputs"), body.get("state", [])
    if not _values_fit(inputs, spec.inputs):
        return _malformed("inputs that belong to this callback, with values of their type")
    if not _values_fit(state, spec.state):
        return _malformed("states that belong to this callback, with values of their type")
    changed = body.get("changedPropIds", [])
    if not (isinstance(changed, list) and all(_is_changed(item, spec.inputs) for item in changed)):
        return _malformed("changedPropIds from this callback's inputs")
    if not isinstance(body.get("parsedChangedPropsIds", []), list):
        return _malformed("parsedChangedPropsIds as a list")
    return None


def _malformed(wanted: str) -> Refusal:
    return Refusal(400, "malformed", f"The callback body is not what the page sends: wanted {wanted}.")


def _outputs_fit(value: Json, spec: CallbackSpec) -> bool:
    if not spec.outputs:
        return value is None or value == []
    if not spec.multi:
        return _item_fits(value, spec.outputs[0], False)
    if not isinstance(value, list) or len(value) != len(spec.outputs):
        return False
    return all(_item_fits(item, slot, False) for item, slot in zip(value, spec.outputs, strict=True))


def _values_fit(value: Json, slots: Sequence[Slot]) -> bool:
    if not isinstance(value, list) or len(value) != len(slots):
        return False
    return all(_item_fits(item, slot, True) for item, slot in zip(value, slots, strict=True))


def _item_fits(item: Json, slot: Slot, with_value: bool) -> bool:
    if slot.many:
        return isinstance(item, list) and all(_one_fits(part, slot, with_value) for part in item)
    return _one_fits(item, slot, with_value)


def _one_fits(item: Json, slot: Slot, with_value: bool) -> bool:
    if not isinstance(item, dict) or not {"id", "property"} <= item.keys() <= {"id", "property", "value"}:
        return False
    name = item["property"]
    if not isinstance(name, str) or name.split("@")[0] != slot.property_name or not _id_fits(item["id"], slot.id):
        return False
    return not with_value or value_fits(slot.property_name, item.get("value"))


def _id_fits(value: Json, wanted: ComponentId) -> bool:
    if isinstance(wanted, str):
        return value == wanted
    if not isinstance(value, dict) or value.keys() != wanted.keys():
        return False
    return all(_part_fits(value[key], part) for key, part in wanted.items())


def _part_fits(value: Json, wanted: object) -> bool:
    if _wildcard(wanted) is not None:
        return isinstance(value, (str, int, float))
    return type(value) is type(wanted) and value == wanted


def _is_changed(value: Json, slots: Sequence[Slot]) -> bool:
    """Whether a text such as ``b.n_clicks`` or ``{"type":"tile","n":3}.n_clicks`` names one of the inputs."""
    if not isinstance(value, str) or "." not in value:
        return False
    text, name = value.rsplit(".", 1)
    component: Json = text
    if text.startswith("{"):
        try:
            component = json.loads(text)
        except (ValueError, RecursionError):
            return False
    return any(name == slot.property_name and _id_fits(component, slot.id) for slot in slots)


def _is_text(value: Json) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: Json) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= -1)


def _is_event(value: Json) -> bool:
    return value is None or isinstance(value, dict)


def _is_choice(value: Json) -> bool:
    flat = value if isinstance(value, list) else [value]
    return all(item is None or isinstance(item, (str, int, float)) for item in flat)


_PROPERTY_TYPES: Mapping[str, Callable[[Json], bool]] = (
    dict.fromkeys(("pathname", "search", "hash", "href"), _is_text)
    | dict.fromkeys(("n_clicks", "n_submit", "n_blur", "n_intervals", "n_clicks_timestamp"), _is_count)
    | dict.fromkeys(("clickData", "hoverData", "selectedData", "relayoutData", "clickAnnotationData"), _is_event)
    | {"value": _is_choice}
)


def value_fits(name: str, value: Json) -> bool:
    """Whether a property of one of Dash's own components can hold this value; properties not listed hold anything."""
    fits = _PROPERTY_TYPES.get(name)
    return fits is None or fits(value)
